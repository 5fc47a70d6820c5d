"""What later chapters will need of the engine, on a chapter of its own: a finding, a model, a count of memory."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

REPOSITORY = Path(__file__).parent.parent
PARTS = ["chapters", "checkers", "gradebook", "grading", "models", "solutions"]

CHAPTER = """\
---
title: Claims
summary: A chapter of the tests.
order: 9
prerequisites: []
hours: 1
packages: [torch]
---

{exercises}
"""

EXERCISE = """
```{{{kind}}} {name}
title: {name}
difficulty: 1
importance: 1
minutes: 1
points: 2
hints: [one, two]
---
Write it.
```
"""

SOLUTIONS = """
import torch

HEADS = [[0, 1], [2, 3]]


def total(model):
    return sum(weight.sum() for weight in model["state"].values()) * model["config"]["scale"]


def product(a, b, x):
    return a @ (b @ x)
"""

PROBES = """
from headwork.checkers.probing import cost


def heads(answer, case):
    yield "claim", answer.HEADS


def total(answer, case):
    yield "total", answer.total(case.model)
    yield "again", answer.total(case.model)


def product(answer, case):
    with cost() as spent:
        value = answer.product(case.a, case.b, case.x)
    yield "product", value
    yield "largest", spent.largest
"""

CHECKERS = {
    "heads": """
from headwork.checkers.checks import satisfies
from headwork.checkers.exercise import Exercise
from headwork.checkers.probing import Case

ask = Exercise("HEADS")

@ask.cases
def _(rng):
    yield Case("the heads", true=[[0, 1], [2, 3]])

def flaw(claim, case):
    found = [head for head in case.true if head in claim]
    right = len(found) == len(case.true) == len(claim)
    return "" if right else f"{len(found)} of your {len(claim)} heads pass the experiment"

ask.checks(satisfies("claim", flaw, title="these heads, and no others, do it"))
""",
    "total": """
from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise
from headwork.checkers.probing import Case
from headwork.grading.wire import Model

ask = Exercise("total")

@ask.cases
def _(rng):
    yield Case("a tiny model", model=Model("tiny"))

ask.checks(equal("total", title="adds up the weights"), equal("again", title="leaves the model as it was"))
""",
    "product": """
from headwork.checkers.checks import at_most, equal
from headwork.checkers.exercise import Exercise
from headwork.checkers.probing import Case

ask = Exercise("product")

@ask.cases
def _(rng):
    yield Case("low rank", a=rng.normal((50, 2)), b=rng.normal((2, 40)), x=rng.normal((40, 3)), bar=500)

ask.checks(equal("product", title="is the product"), at_most("largest", "bar", title="never forms the large matrix"))
""",
}

RIGHT = SOLUTIONS
WRONG = {
    "heads": "HEADS = [[0, 1], [1, 1]]",
    "total": """
def total(model):
    for weight in model["state"].values():
        weight += 1
    return sum(weight.sum() for weight in model["state"].values()) * 3
""",
    "product": "def product(a, b, x):\n    return (a @ b) @ x",
}

SCRIPT = """
import json, sys
from headwork.grading.dispatch import Grader
from headwork.grading.submission import read_text
with Grader() as grader:
    for id, source in json.load(sys.stdin):
        verdict = grader.grade(read_text("a.py", source), [id]).verdicts[0]
        messages = [check.message for check in verdict.checks]
        print(json.dumps([verdict.status, verdict.points, verdict.message + verdict.detail, messages]))
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("contract") / "headwork"
    for part in PARTS:
        shutil.copytree(REPOSITORY / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "__init__.py", root)
    kinds = {"heads": "finding", "total": "exercise", "product": "exercise"}
    texts = "".join(EXERCISE.format(kind=kind, name=name) for name, kind in kinds.items())
    (root / "chapters/claims").mkdir()
    (root / "chapters/claims/chapter.md").write_text(CHAPTER.format(exercises=texts))
    (root / "solutions/claims.py").write_text(SOLUTIONS)
    (root / "checkers/claims").mkdir()
    (root / "checkers/claims/__init__.py").touch()
    (root / "checkers/claims/probes.py").write_text(PROBES)
    for name, source in CHECKERS.items():
        (root / f"checkers/claims/{name}.py").write_text(source)
    model = root.parent / "models" / "tiny"
    model.mkdir(parents=True)
    save_file({"w": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2)}, model / "model.safetensors")
    (model / "model.safetensors").chmod(0o644)  # workers are nobody
    (model / "config.json").write_text('{"scale": 3}')
    return root


@pytest.fixture(scope="module")
def verdicts(house):
    """The verdicts of the right and of the wrong answers, by exercise."""
    jobs = [(f"claims.{name}", source) for name in CHECKERS for source in (RIGHT, WRONG[name])]
    environment = os.environ | {
        "PYTHONPATH": str(house.parent),
        "HEADWORK_MODELS": str(house.parent / "models"),
        "OMP_NUM_THREADS": "1",
        "HEADWORK_HOME": str(house.parent / "home"),
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT],
        cwd=house.parent, env=environment, input=json.dumps(jobs), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return {name: (answers[2 * index], answers[2 * index + 1]) for index, name in enumerate(CHECKERS)}


def test_a_finding_is_a_literal_judged_by_what_an_experiment_says_of_it(verdicts):
    right, wrong = verdicts["heads"]
    assert right[:2] == ["passed", 2]
    assert wrong[:2] == ["failed", 0] and "1 of your 2 heads pass the experiment" in wrong[2]


def test_a_model_is_mounted_by_name_and_changing_it_in_place_is_seen(verdicts):
    right, wrong = verdicts["total"]
    assert right[:2] == ["passed", 2], right
    assert wrong[0] == "failed" and any("changed in place" in message for message in wrong[3])


def test_memory_is_the_largest_tensor_made_and_never_what_the_system_reports(verdicts):
    right, wrong = verdicts["product"]
    assert right[:2] == ["passed", 2]
    assert wrong[0] == "failed" and any("`largest` is 2000, the bar is 500" in message for message in wrong[3])
