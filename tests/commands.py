"""Runs the command line as a learner does, in a process of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

COMMAND = [sys.executable, "-P", "-c", "from headwork.cli.main import main; main()"]
UNWRITTEN = 'raise NotImplementedError("write LayerNorm.forward")'
LAYER_NORM = """\
import torch
from torch import nn


class LayerNorm(nn.Module):
    def __init__(self, width, eps=1e-5):
        super().__init__()
        self.eps = eps
        self.w = nn.Parameter(torch.ones(width))
        self.b = nn.Parameter(torch.zeros(width))

    def forward(self, residual):
        mean = residual.mean(-1, keepdim=True)
        variance = residual.var(-1, correction=0, keepdim=True)
        return (residual - mean) / (variance + self.eps).sqrt() * self.w + self.b
"""
WRONG = LAYER_NORM.replace("correction=0", "correction=1")
SENTENCE = "This variance divides by n - 1; GPT-2 divides by n."


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


def environment(home: Path, **more: str) -> dict[str, str]:
    given = {"HEADWORK_HOME": str(home), "OMP_NUM_THREADS": "1", "COLUMNS": "80", "NO_COLOR": "1"}
    return {**os.environ, **given, **more}


def headwork(*arguments: str, cwd: Path, home: Path, seconds: float = 120, **more: str) -> Done:
    ran = subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=environment(home, **more),
        capture_output=True,
        text=True,
        timeout=seconds,
        stdin=subprocess.DEVNULL,
    )
    return Done(ran.returncode, ran.stdout, ran.stderr)


def write_layer_norm(workspace: Path, correction: int) -> None:
    """Puts an answer into the workspace's file, in place of what is there."""
    path = workspace / "gpt2" / "exercises.py"
    answer = (
        "mean = residual.mean(-1, keepdim=True)\n"
        f"        variance = residual.var(-1, correction={correction}, keepdim=True)\n"
        "        return (residual - mean) / (variance + self.eps).sqrt() * self.w + self.b"
    )
    source = path.read_text()
    if UNWRITTEN in source:
        source = source.replace(UNWRITTEN, answer)
    else:
        source = source.replace(f"correction={1 - correction}", f"correction={correction}")
    path.write_text(source)
