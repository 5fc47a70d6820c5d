"""A reference written as a package of modules reads as one program."""

import ast
from pathlib import Path

import pytest

from headwork.grading.solutions import Unassembled, assembled


@pytest.fixture
def solutions(tmp_path: Path) -> Path:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "__init__.py").touch()
    return tmp_path


def write(solutions: Path, **modules: str) -> None:
    for name, source in modules.items():
        (solutions / "tiny" / f"{name}.py").write_text(source)


def test_a_module_comes_after_those_it_imports_from(solutions):
    write(
        solutions,
        a='"""Last."""\n\nfrom headwork.solutions.tiny.b import half\n\n\ndef quarter(x):\n    return half(half(x))\n',
        b="def half(x):\n    return x / 2\n",
    )
    source = assembled(solutions, "tiny")
    assert [node.name for node in ast.parse(source).body] == ["half", "quarter"]
    namespace: dict = {}
    exec(source, namespace)
    assert namespace["quarter"](8) == 2


def test_imports_stand_on_top_once_grouped_and_sorted(solutions):
    write(
        solutions,
        a="import torch\nfrom torch import nn\n\nx = 1\n",
        b="import math\n\nimport torch\nfrom torch import Tensor\n\ny = 2  # two\n",
    )
    expected = "import math\n\nimport torch\nfrom torch import Tensor, nn\n\n\nx = 1\n\n\ny = 2  # two\n"
    assert assembled(solutions, "tiny") == expected


@pytest.mark.parametrize(
    ("modules", "why"),
    [
        ({"a": "x = 1\n", "b": "def x(): pass\n"}, r"x is defined in a\.py and in b\.py"),
        ({"a": "from headwork.solutions.tiny.b import y\n"}, r"no module b\.py"),
        (
            {
                "a": "from headwork.solutions.tiny.b import y\nx = 1\n",
                "b": "from headwork.solutions.tiny.a import x\ny = 1\n",
            },
            "imports",
        ),
        ({"a": "def broken(:\n"}, r"solutions/tiny/a\.py, line 1"),
    ],
)
def test_what_makes_no_program_is_refused_in_one_line(solutions, modules, why):
    write(solutions, **modules)
    with pytest.raises(Unassembled, match=why) as refusal:
        assembled(solutions, "tiny")
    assert "\n" not in str(refusal.value)


def test_a_chapter_without_a_reference_says_where_to_write_it(solutions):
    with pytest.raises(FileNotFoundError, match=r"solutions/none\.py"):
        assembled(solutions, "none")
