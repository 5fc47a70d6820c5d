"""What is asked of answers in chapter `tensors`: windows, and matrices made of diagonals.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.probing import Answer, Case, gradient


def as_strided_windows(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    def windows(x: Tensor) -> Tensor:
        options = {} if case.step is None else {"step": case.step}
        return answer.windows(_laid_out(x, case.layout), case.width, **options)

    yield "windows", windows(case.x)
    yield "gradient", gradient(windows, case.cotangent, x=case.x)
    x = _laid_out(case.x, case.layout)
    seen = answer.windows(x, case.width, case.step or 1)
    x.mul_(-2)
    yield "windows after x was changed", seen  # a view of x shows the change


def _laid_out(x: Tensor, layout: str) -> Tensor:
    """The same numbers in memory of their own: row by row, column by column, or with strangers in between."""
    if layout == "columns":
        return x.T.clone(memory_format=torch.contiguous_format).T
    if layout == "between strangers":
        return x.repeat_interleave(3, 1).repeat_interleave(2, 0)[1::2, 2::3]
    return x.clone()


def toeplitz(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "diagonals", answer.diagonals(case.pattern)
    yield "gradient of diagonals", gradient(answer.diagonals, case.means_cotangent, pattern=case.pattern)
    yield "toeplitz", answer.toeplitz(case.values)
    yield "gradient of toeplitz", gradient(answer.toeplitz, case.matrix_cotangent, values=case.values)
