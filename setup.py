"""The repository's root is the package `headwork`: name every package below it, since find_packages cannot."""

from setuptools import find_packages, setup

parts = find_packages(exclude=["tests*", "benchmarks*", "build*", "dist*"])
setup(
    script_name="setup.py",  # or this file would be taken for a module of the package
    packages=["headwork", *("headwork." + part for part in parts)],
    package_data={
        "headwork.chapters": ["*/chapter.md", "*/exercises.py", "*/*.ipynb"],
        "headwork.checkers.ioi.judge": ["*.json", "*.md", "references/*.json"],
        "headwork.checkers.sae.judge": ["*.md"],
        "headwork.grading": ["schemas/*.json"],
        "headwork.models": [
            "cards/*.md",
            "tokenizers/*/*",
            "weights/README.md",
            "weights/*/*",
            "weights/*/checkpoints/*",
            "weights/*/saes/*",
        ],
        "headwork.streamlit_app.components": ["*.css", "*.js", "editor/*", "editor/src/*", "editor/built/*"],
        "headwork.solutions": ["*/*.safetensors"],
        "headwork.streamlit_app": ["style.css"],
        "headwork.gradebook": ["migrations/*.py", "migrations/versions/*.py", "migrations/*.mako"],
    },
)
