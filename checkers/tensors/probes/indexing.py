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
    """A dtype does not cross the wire: cases name it. `tokens` has two axes, from which one and three are made."""
    dtype = getattr(torch, case.dtype)
    rows = answer.one_hot(case.tokens, case.d_vocab, dtype=dtype)
    yield "rows", rows
    yield "dtype", str(getattr(rows, "dtype", "none"))
    rows = answer.one_hot(case.tokens, case.d_vocab)
    yield "rows by default", rows
    yield "dtype by default", str(getattr(rows, "dtype", "none"))
    yield "rows of one sequence", answer.one_hot(case.tokens[0], case.d_vocab, dtype=dtype)
    three = torch.stack([case.tokens, case.tokens.flip(0), case.tokens.flip(1)])  # (3, batch, position)
    yield "rows of three axes", answer.one_hot(three, case.d_vocab, dtype=dtype)


def causal_indices(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "pairs", answer.causal_indices(case.length, device=case.place.device)


def next_token_shift(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    shifted = answer.next_token_shift(case.tokens, case.pad)
    if not isinstance(shifted, tuple | list) or len(shifted) != 3:
        count = f" of {len(shifted)}" if isinstance(shifted, tuple | list) else ""
        raise Unfit(f"the result is a {type(shifted).__name__}{count}: return (inputs, targets, mask)")
    yield from zip(("inputs", "targets", "mask"), shifted, strict=True)
