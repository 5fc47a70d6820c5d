"""What the tests of natural answers share: answers as people write them, right and wrong, put to the grader."""

import textwrap
from collections.abc import Mapping
from typing import Any

import pytest

from headwork.grading.dispatch import Grader
from headwork.grading.report import Verdict
from headwork.grading.submission import read_text

START = """
import copy
import itertools
import math
import random

import einops
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

"""

Answers = Mapping[str, list[Any]]  # by exercise: texts, or tuples of what is special, the text, and what more there is


def answers(given: Answers) -> list[Any]:
    """A parameter set an answer, of the exercise's name and the rest of the tuple after what is special about it."""
    return [
        pytest.param(name, *(each[1:] if named else [each]), id=f"{name}: {each[0]}" if named else name)
        for name, several in given.items()
        for each in several
        for named in [isinstance(each, tuple)]
    ]


def listed(given: list[Any]) -> list[Any]:
    """A parameter set for each (exercise, what is special about the answer, text, and what more there is)."""
    return [pytest.param(name, *rest, id=f"{name}: {what}") for name, what, *rest in given]


def in_frame(frame: str, body: str) -> str:
    """The frame with the body where its line BODY stands, as far to the right."""
    [line] = [line for line in frame.splitlines() if line.strip() == "BODY"]
    return frame.replace(line, textwrap.indent(body.strip(), line[: line.index("BODY")]))


def in_function(name: str, parameters: str, body: str) -> str:
    """The function of this name whose body it is."""
    return in_frame(f"def {name}({parameters}):\n    BODY\n", body)


def with_said(wrong: Answers, said: Mapping[tuple[str, str], str]) -> Answers:
    """The wrong answers, each with the sentence that it is told, by exercise and what is special."""
    return {name: [(what, text, said[name, what]) for what, text in several] for name, several in wrong.items()}


def grade(grader: Grader, id: str, text: str, start: str = START) -> Verdict:
    return grader.grade(read_text("exercises.py", start + text), [id]).verdicts[0]


def assert_passed(verdict: Verdict) -> None:
    assert verdict.passed and verdict.points == verdict.out_of, verdict


def assert_rejected(verdict: Verdict, said: str = "") -> None:
    """It lost points, and was told more than that it is wrong."""
    assert verdict.status in ("failed", "error", "forbidden") and verdict.points < verdict.out_of, verdict
    assert said in verdict.message and len(verdict.message) > 20, verdict
