"""Attention patterns as they are in the textbook, and as they are by chance, for cases."""

from typing import Any

import torch
from torch import Tensor

from headwork.checkers.inputs import Rng

HEADS = ("previous token", "current token", "first token", "uniform", "duplicate token", "induction", "one too far")


def planted(length: int, period: int, start: int) -> Tensor:
    """A pattern for each of HEADS on a text whose first copy begins at `start`, (head, query, key).

    Where a head finds nothing to look at, it rests on the first position.
    """
    query, key = torch.meshgrid(torch.arange(length), torch.arange(length), indexing="ij")
    second = (query >= start + period) & (query < start + 2 * period)
    wanted = [
        key == query - 1,
        key == query,
        key == 0,
        key <= query,
        second & (key == query - period),
        second & (key == query - period + 1),
        second & (key == query - period + 2),
    ]
    marks = torch.stack(wanted)  # (head, query, key)
    marks[..., 0] |= ~marks.any(-1)
    return marks.double() / marks.sum(-1, keepdim=True)


def by_chance(rng: Rng, shape: tuple[int, ...], length: int) -> Tensor:
    """Causal patterns of random scores, (*shape, query, key)."""
    scores = rng.normal((*shape, length, length), spread=2)
    future = torch.ones(length, length, dtype=torch.bool).triu(1)
    return scores.masked_fill(future, float("-inf")).softmax(-1)


def repeated(rng: Rng, batch: int, period: int, vocab: int, start: int, more: int = 0) -> dict[str, Any]:
    """Tokens that repeat: `start` zeros, a random text, the text again, and its first `more` tokens once more."""
    text = torch.stack([rng.permutation(vocab - 1)[:period] + 1 for _ in range(batch)])  # (batch, period)
    zeros = torch.zeros(batch, start, dtype=torch.long)
    return {"tokens": torch.cat([zeros, text, text, text[:, :more]], 1), "period": period, "start": start}
