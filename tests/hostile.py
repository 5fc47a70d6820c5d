"""Hostile submissions as text, and one warm grader that is asked for a right one after each of them."""

import atexit
from functools import cache
from textwrap import dedent, indent
from unittest.mock import patch

from headwork.checkers.catalogue import exercise
from headwork.grading.dispatch import Grader
from headwork.grading.report import Verdict
from headwork.grading.sandbox import Setting
from headwork.grading.submission import read_text

ID = "gpt2.layer_norm"
GIGABYTE = 1 << 30
IMPORTS = """
import ctypes, gc, os, signal, socket, struct, sys, threading, time
import torch
from torch import nn
import torch.nn.functional as F
"""
CLASS = """
class LayerNorm(nn.Module):
    def __init__(self, width, eps=1e-5):
        super().__init__()
        self.attacked = ATTACKED
        self.eps = eps
        self.w = nn.Parameter(torch.ones(width))
        self.b = nn.Parameter(torch.zeros(width))

    def forward(self, residual):
"""
RIGHT_FORWARD = """
centred = residual - residual.mean(-1, keepdim=True)
return centred / (centred.pow(2).mean(-1, keepdim=True) + self.eps).sqrt() * self.w + self.b
"""
WRONG_FORWARD = "return residual * self.w + self.b"


def submission(attack: str = "", forward: str = RIGHT_FORWARD) -> str:
    """A LayerNorm whose file runs `attack` when it is loaded, and `forward` with `residual` when it is called."""
    text = f"{IMPORTS}\ndef attack():\n    pass\n{indent(dedent(attack), '    ')}\n\nATTACKED = attack()\n"
    return text + CLASS + indent(dedent(forward), " " * 8)


RIGHT = submission()


@cache
def warm_grader() -> Grader:
    grader = Grader(slow=False)
    atexit.register(grader.close)
    return grader


@cache
def isolated() -> bool:
    return Setting.best().isolated


def grade(source: str, id: str = ID, seconds: float = 10, grader: Grader | None = None) -> Verdict:
    """The verdict on `source`, with what must hold for any: one readable line, and the next submission undisturbed."""
    grader = grader or warm_grader()
    with patch.object(exercise(id), "seconds", seconds):
        report = grader.grade(read_text("hostile.py", source), [id])
    verdict = report.verdicts[0]
    assert not report.faulty, verdict
    assert verdict.message and len(verdict.message.splitlines()) == 1, verdict
    after = grader.grade(read_text("right.py", RIGHT), [ID]).verdicts[0]
    assert after.passed and after.points == after.out_of, after
    return verdict
