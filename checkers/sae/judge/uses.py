"""Whether the model uses a direction of its residual stream, or somebody else could only read something from it.

What is used is missed when it is taken out: it moves the predictions further than as much of a random direction. What
can be read from it is a number between one half and 1, the AUC, and says nothing about that.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from headwork.models.gpt2 import GPT2

CONTROLS = 20
READABLE = 0.9  # the AUC from which a property can be recovered
BEYOND = 0.95  # the share of the controls that what is used goes beyond
USED, RECOVERABLE = "used", "recoverable only"


@dataclass(frozen=True)
class Use:
    """What an experiment showed of one direction: divergences in nats, each the mean over the same places."""

    area: float  # the AUC of what it reads, on texts that it was not found on
    effect: float  # of taking it out
    controls: Tensor  # (control,), of taking out as much along random directions

    @cached_property
    def ratio(self) -> float:
        """U: how often the median of the controls the effect is; NaN where they have none."""
        middle = float(self.controls.median())
        return self.effect / middle if middle else math.nan

    @cached_property
    def bound(self) -> float:
        """What U has to be above to count as used."""
        middle = float(self.controls.median())
        return float(self.controls.quantile(BEYOND)) / middle if middle else math.nan

    @cached_property
    def verdict(self) -> str:
        """`USED`, `RECOVERABLE`, or '' for what lies in between."""
        if self.ratio > self.bound:
            return USED
        return RECOVERABLE if self.area >= READABLE and self.ratio <= 1 else ""


def areas(latents: Tensor, truth: Tensor) -> Tensor:
    """The AUC of each latent, (latent,), for a property of places; ties count one half. latents: (place, latent)."""
    found = []
    for each in latents.T.contiguous():
        order = each.sort().values
        ranks = (torch.searchsorted(order, each) + torch.searchsorted(order, each, right=True) + 1).double() / 2
        yes = int(truth.sum())
        found.append((ranks[truth].sum() - yes * (yes + 1) / 2) / (yes * (len(truth) - yes)))
    return torch.stack(found)


def effects(model: GPT2, layer: int, x: Tensor, strength: Tensor, directions: Tensor) -> Tensor:
    """Divergences of the unchanged predictions from those with `strength` of each direction taken out: (direction,).

    x: (text, position, d_model), the stream before block `layer`. strength: (text, position), 0 where nothing is taken
    out. directions: (direction, d_model). The mean is over the places where something is; 0 where it is nowhere.
    """
    where = strength != 0
    texts = where.any(1)
    if not texts.any():
        return torch.zeros(len(directions), device=directions.device)
    length = int(where.any(0).nonzero().max()) + 1  # nothing behind a place changes what is predicted there
    x, strength, where = x[texts, :length], strength[texts, :length, None], where[texts, :length]

    def predicted(stream: Tensor) -> Tensor:
        residual = model(stream, start_at_layer=layer, stop_at_layer=model.config.n_layers)
        return model.unembed(model.ln_final(residual[where])).log_softmax(-1)  # (place, vocab)

    clean = predicted(x)
    found = [(clean.exp() * (clean - predicted(x - strength * each))).sum(-1).mean() for each in directions]
    return torch.stack(found)


def against_random(
    model: GPT2, layer: int, x: Tensor, strength: Tensor, direction: Tensor, area: float, random: Tensor
) -> Use:
    """What taking a direction out does, beside as much of `random`, (control, d_model), scaled to its length."""
    controls = F.normalize(random, dim=-1) * direction.norm()
    found = effects(model, layer, x, strength, torch.cat([direction[None], controls])).double().cpu()
    return Use(area, float(found[0]), found[1:])
