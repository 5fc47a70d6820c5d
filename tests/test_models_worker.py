"""A learner's answer may load a model by name, in the sandbox, when its chapter allows `headwork.models`."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from headwork.grading.mounts import SHOWN_OF_MODELS, _own, bubblewrap
from headwork.tests.test_contract import CHAPTER, EXERCISE, PARTS, REPOSITORY, SCRIPT

SOLUTION = """
import torch
from headwork.models import load


def loudest(tokens):
    logits, cache = load("house").run_with_cache(tokens, lambda name: name.endswith("hook_z"))
    return torch.stack([value.flatten(1).norm(dim=1) for value in cache.values()])  # (layer, batch)
"""

PROBES = """
def loudest(answer, case):
    yield "norms", answer.loudest(case.tokens)
"""

CHECKER = """
from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise
from headwork.checkers.probing import Case

ask = Exercise("loudest")

@ask.cases
def _(rng):
    yield Case("five tokens", tokens=rng.integers((2, 5), 1792))

ask.checks(equal("norms", title="is the size of what each layer's heads read"))
"""


@pytest.fixture
def verdicts(tmp_path):
    """Grades sources on a chapter of its own, which allows these packages."""

    def grade(packages: str, *sources: str, without: str = "") -> list:
        root = tmp_path / "headwork"
        for part in PARTS:
            shutil.copytree(REPOSITORY / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(REPOSITORY / "__init__.py", root)
        chapter = CHAPTER.replace("packages: [torch]", f"packages: [{packages}]")
        text = EXERCISE.format(kind="exercise", name="loudest").replace("points: 2", f"points: 2\nwithout: [{without}]")
        files = {
            "chapters/looking/chapter.md": chapter.format(exercises=text),
            "solutions/looking.py": SOLUTION,
            "checkers/looking/__init__.py": "",
            "checkers/looking/probes.py": PROBES,
            "checkers/looking/loudest.py": CHECKER,
        }
        for name, text in files.items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_text(text)
        jobs = json.dumps([("looking.loudest", source) for source in sources])
        environment = os.environ | {"PYTHONPATH": str(tmp_path), "HEADWORK_HOME": str(tmp_path / "home")}
        done = subprocess.run(
            [sys.executable, "-P", "-c", SCRIPT],
            cwd=tmp_path, env=environment, input=jobs, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return grade


def test_an_answer_loads_the_house_model_by_name(verdicts):
    right, wrong = verdicts("torch, einops, headwork.models", SOLUTION, SOLUTION.replace("hook_z", "hook_v"))
    assert right[0] == "passed", right
    assert wrong[0] == "failed", wrong


def test_it_cannot_where_the_chapter_does_not_allow_it(verdicts):
    [verdict] = verdicts("torch, einops", SOLUTION)
    assert verdict[:2] == ["forbidden", 0] and "`headwork` cannot be used in this chapter" in verdict[2]


def test_it_cannot_in_an_exercise_that_goes_without(verdicts):
    [verdict] = verdicts("torch, einops, headwork.models", SOLUTION, without="headwork.models")
    assert verdict[:2] == ["forbidden", 0] and "`headwork` cannot be used in this chapter" in verdict[2]


SPY = """
import os
import torch

def loudest(tokens):
    place = "/headwork/headwork/models"
    raise ValueError(", ".join(sorted(os.listdir(place)) if os.path.isdir(place) else ["nothing"]) + ".")
"""


@pytest.mark.skipif(not bubblewrap(), reason="no bubblewrap works here")
def test_of_headwork_models_only_what_holds_no_answer_is_there(verdicts):
    [verdict] = verdicts("torch, einops, headwork.models", SPY)
    assert f"ValueError: {', '.join(sorted(SHOWN_OF_MODELS))}." in verdict[2], verdict


def test_nothing_of_headwork_models_is_mounted_where_it_is_not_allowed():
    assert not any("headwork/models" in place for place in _own("induction", ("torch", "einops")))
    assert any("headwork/models" in place for place in _own("induction", ("torch", "headwork.models")))
