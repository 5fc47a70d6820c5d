"""What a head is worth, and what a set of heads keeps: the rules by which claims about induction are judged.

Heads stand in for one another: cut singly, each may cost little. So a head is worth what cutting its induction edges
adds to the loss on average over random orders of cutting all heads (the Shapley value, Shapley 1953).
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from headwork.checkers.induction.judge.data import Texts
from headwork.checkers.induction.judge.experiments import losses_keeping, losses_with_edges_cut
from headwork.models.gpt2 import GPT2

PRESENT, ABSENT = 0.05, 0.01  # shares of the sum of all worths; a head in between counts neither way
HOW = ("resample", "mean")
BAR = 0.9


def worth(model: GPT2, texts: Texts, source: torch.Generator) -> Tensor:
    """What cutting each head's induction edges adds to the loss, in nats, over one random order for each text: (head,).

    The worths sum to what cutting the edges of all heads costs.
    """
    orders, heads = len(texts.tokens), model.config.n_layers * model.config.n_heads
    order = torch.stack([torch.randperm(heads, generator=source) for _ in range(orders)])  # (order, step)
    place = order.argsort(1)  # (order, head)
    cut = torch.stack([place < step for step in range(heads + 1)], 1)  # (order, step, head)
    pick = torch.arange(orders).repeat_interleave(heads + 1)
    losses = losses_with_edges_cut(model, texts, cut.flatten(0, 1), pick).reshape(orders, heads + 1).cpu()
    added = losses.diff(dim=1)  # (order, step)
    return torch.zeros(orders, heads).scatter(1, order, added).mean(0)


def agreement(claimed: Iterable[int], worths: Tensor) -> float:
    """F1 of the claimed heads on those that are decided: present from 5 % of the sum on, absent up to 1 %."""
    shares = worths / worths.sum()
    present = {head for head, share in enumerate(shares.tolist()) if share >= PRESENT}
    decided = present | {head for head, share in enumerate(shares.tolist()) if share <= ABSENT}
    named = set(claimed) & decided
    return 2 * len(named & present) / (len(named) + len(present)) if named or present else 1.0


def keep(model: GPT2, texts: Texts, kept: Iterable[int], how: str) -> tuple[float, float]:
    """The share of induction that only these heads keep, the rest being silenced, and its standard error.

    (L_none - L_kept) / (L_none - L_all), where L_none is at most what a guesser loses. The error is a jackknife's
    over texts.
    """
    heads = model.config.n_layers * model.config.n_heads
    masks = torch.zeros(3, heads, dtype=torch.bool)
    masks[1] = True
    masks[2, list(kept)] = True
    none, whole, some = losses_keeping(model, texts, masks, how).double().cpu()  # (text,) each
    guess, count = guess_of(model), len(none)
    losses = torch.stack([none, whole, some])  # (which, text)
    without = share((losses.sum(1, keepdim=True) - losses) / (count - 1), guess)  # each text left out, (text,)
    error = ((without - without.mean()).square().sum() * (count - 1) / count).sqrt()
    return float(share(losses.mean(1), guess)), float(error)


def guess_of(model: GPT2) -> float:
    """What a guesser loses, in nats."""
    return math.log(model.config.d_vocab_out or model.config.d_vocab)


def share(losses: Tensor, guess: float) -> Tensor:
    """What is kept, of the losses with none of the heads, with all, and with some: (3, ...)."""
    none, whole, some = losses
    none = none.clamp(max=guess)
    return (none - some) / (none - whole)
