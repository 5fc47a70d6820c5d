"""What live figures of chapter `gpt2` ask of the learner's code."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from headwork.checkers.probing import Answer, Case, generator


def visible_keys_figure(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "mask", answer.causal_mask(case.queries, case.keys)


def one_head_figure(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "pattern", answer.attention_pattern(case.q, case.k)


def sampling_distribution_figure(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Many draws from one row of logits, by one of the three ways to choose a token."""
    draw = getattr(answer, case.way)
    rows: Tensor = case.logits.expand(case.draws, -1)  # (draw, vocab)
    yield "tokens", draw(rows, case.amount, generator=generator(case.seed, rows.device))
