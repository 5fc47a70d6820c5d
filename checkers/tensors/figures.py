"""The live figures of chapter `tensors`: what each asks of the learner's code, and on what."""

from typing import Any

import torch
from torch import Tensor

from headwork.checkers.figure import Figure, Knob

NAMES = ["previous token", "duplicate token", "induction"]


def planted(length: int, offset: int, strength: float = 0.85) -> Tensor:
    """A pattern of `length` positions that looks `offset` back where it can, and elsewhere at the first position.

    What is left of each row's attention is spread evenly. Returns (query, key).
    """
    place = torch.arange(length)
    causal = (place <= place[:, None]).double()
    even = causal / causal.sum(-1, keepdim=True)
    target = torch.where(place >= offset, place - offset, 0)  # (query,)
    peaked = torch.nn.functional.one_hot(target, length).double()
    return strength * peaked + (1 - strength) * even


def _three_heads(period: int) -> dict[str, Any]:
    offsets = [1, period, period - 1]
    return {"patterns": torch.stack([planted(2 * int(period), int(offset)) for offset in offsets]), "names": NAMES}


FIGURES = {
    "diagonals": Figure(("diagonals",), _three_heads, (Knob("period", "L, the length of the text", 3, 10, 1, 6),)),
}
