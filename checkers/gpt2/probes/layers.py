"""What is asked of answers in chapter `gpt2`: layers that work on one position at a time.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.probing import Answer, Case, gradient, load


def layer_norm(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    norm = load(answer.LayerNorm(case.width, eps=case.eps), case.weights)
    yield "output", norm(case.residual)
    yield "gradient", gradient(norm, case.cotangent, residual=case.residual)
