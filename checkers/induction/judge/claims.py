"""Claims about the heads of the house model: their form, and the experiments that try them, once for each seed."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.induction.judge.data import Texts, pairs, repeats
from headwork.checkers.induction.judge.experiments import losses_with_edges_cut
from headwork.checkers.induction.judge.rules import HOW, keep, worth
from headwork.models import zoo
from headwork.models.gpt2 import GPT2

MODEL = "house"
PREVIOUS = (0, 2)  # its head that attends to the token before and so leaves the trace: named in mistakes, not in rules
TEXTS, LENGTH = 32, 48
KINDS = {"texts that repeat": repeats, "pairs that come back": pairs}


def form(value: Any, layers: int, heads: int) -> str:
    """What is wrong with the form of a list of heads; '' when nothing is."""
    if not isinstance(value, (list, tuple)):
        return "the answer is a list of heads, each a pair (layer, head)."
    for each in value:
        if not isinstance(each, (list, tuple)) or len(each) != 2 or not all(type(number) is int for number in each):
            return f"{str(each)[:40]} is no head: a head is a pair (layer, head) of whole numbers."
        if not (0 <= each[0] < layers and 0 <= each[1] < heads):
            return (
                f"there is no head {tuple(each)}: layers go from 0 to {layers - 1}, heads from 0 to {heads - 1}, "
                "and the layer comes first."
            )
    if len({tuple(each) for each in value}) < len(value):
        return "a head is named twice."
    return ""


def numbered(value: Any) -> frozenset[int]:
    """The heads as numbers, layer * n_heads + head."""
    return frozenset(layer * model().config.n_heads + head for layer, head in value)


@lru_cache
def model() -> GPT2:
    return zoo.load(MODEL)


@lru_cache(maxsize=4)
def texts(seed: int) -> dict[str, Texts]:
    """Fresh texts of both kinds."""
    source = torch.Generator().manual_seed(seed)
    return {name: make(TEXTS, LENGTH, model().config.d_vocab, source) for name, make in KINDS.items()}


@lru_cache(maxsize=4)
def worths(seed: int) -> Tensor:
    """What each head is worth, in nats, averaged over both kinds of texts: (head,)."""
    source = torch.Generator().manual_seed(seed + 1)
    return torch.stack([worth(model(), each, source) for each in texts(seed).values()]).mean(0)


@lru_cache(maxsize=256)
def loss_with_cut(seed: int, heads: frozenset[int]) -> float:
    """The loss when the induction edges of these heads are cut, averaged over both kinds of texts."""
    config = model().config
    cut = torch.zeros(1, config.n_layers * config.n_heads, dtype=torch.bool)
    cut[0, list(heads)] = True
    return float(
        torch.stack([losses_with_edges_cut(model(), each, cut).mean() for each in texts(seed).values()]).mean()
    )


@lru_cache(maxsize=256)
def kept(seed: int, heads: frozenset[int]) -> tuple[tuple[str, str, float, float], ...]:
    """What only these heads keep, on each kind of texts and with each way of silencing: kind, way, share, error."""
    return tuple((kind, how, *keep(model(), each, heads, how)) for kind, each in texts(seed).items() for how in HOW)
