"""From what was measured to points: description length, the place beside the ladder, and what brings none.

Every autoencoder has two costs: bits for a description of an activation, and what is lost by it. Rungs are pairs of
these, of autoencoders of our own with different numbers of active latents.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

VALUE_BITS = 8  # for how strong an active latent is
ALIVE = 0.9  # the share of living latents from which no points are lost
DENSE = 4  # active latents may be one for so many dimensions, and no more
LEAST = 1e-4  # losses below this count as this: a logarithm is taken

Rung = tuple[float, float]  # bits, loss


def description_length(latents: int, l0: float) -> float:
    """Bits that say which `l0` of `latents` are active, and how strongly: log2 of the binomial, and 8 for each."""
    within = min(max(l0, 0.0), float(latents))
    which = math.lgamma(latents + 1) - math.lgamma(within + 1) - math.lgamma(latents - within + 1)
    return which / math.log(2) + VALUE_BITS * within


def reference_length(loss: float, rungs: Sequence[Rung]) -> float:
    """How many bits the ladder needs for this loss: between its rungs by a line in logarithms.

    Nothing is extrapolated. A loss above that of the shortest description gets 0, since the ladder never is so bad; one
    below the best gets the best rung's bits.
    """
    ladder = monotone(rungs)
    if not loss <= ladder[0][1]:
        return 0.0
    for (few, high), (many, low) in pairwise(ladder):
        if loss >= low:
            share = math.log(high / max(loss, LEAST)) / math.log(high / low) if high > low else 1.0
            return math.exp(math.log(few) + share * (math.log(many) - math.log(few)))
    return ladder[-1][0]


def monotone(rungs: Sequence[Rung]) -> list[Rung]:
    """Rungs by bits, without those that need more bits than another and lose as much."""
    kept: list[Rung] = []
    for bits, loss in sorted(rungs):
        if not kept or loss < kept[-1][1]:
            kept.append((bits, max(loss, LEAST)))
    return kept


def points(s: float, alive: float) -> float:
    """From 0 to 1: all for a description as short as the ladder's, none for one of twice its length."""
    if s <= 0:
        return 0.0
    return min(max(1 + math.log2(s), 0.0), 1.0) * min(1.0, alive / ALIVE)
