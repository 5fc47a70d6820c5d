"""What is asked of answers in chapter `tensors`: indices.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch

from headwork.checkers.probing import Answer, Case, Unfit, gradient


def gather_2d(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "picked", answer.gather_2d(case.values, case.rows, case.columns)
    yield (
        "gradient",
        gradient(lambda values: answer.gather_2d(values, case.rows, case.columns), case.cotangent, values=case.values),
    )


def last_token(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "last", answer.last_token(case.residual, case.lengths)
    yield (
        "gradient",
        gradient(lambda residual: answer.last_token(residual, case.lengths), case.cotangent, residual=case.residual),
    )


def one_hot(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """A dtype does not cross the wire: cases name it."""
    rows = answer.one_hot(case.tokens, case.d_vocab, dtype=getattr(torch, case.dtype))
    yield "rows", rows
    yield "dtype", str(getattr(rows, "dtype", "none"))
    rows = answer.one_hot(case.tokens, case.d_vocab)
    yield "rows by default", rows
    yield "dtype by default", str(getattr(rows, "dtype", "none"))


def causal_indices(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "pairs", answer.causal_indices(case.length, device=case.place.device)


def next_token_shift(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    shifted = answer.next_token_shift(case.tokens, case.pad)
    if not isinstance(shifted, tuple | list) or len(shifted) != 3:
        count = f" of {len(shifted)}" if isinstance(shifted, tuple | list) else ""
        raise Unfit(f"the result is a {type(shifted).__name__}{count}: return (inputs, targets, mask)")
    yield from zip(("inputs", "targets", "mask"), shifted, strict=True)
