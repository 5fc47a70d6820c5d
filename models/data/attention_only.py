"""Random tokens in which something comes again: what can be predicted only by looking back at what followed.

Every sequence begins with BOS. The other tokens are drawn evenly and differ from each other, but for those that come
again: if chance repeated some, most of what follows a repeated token would be new, and one should not expect the old.
The periods vary: with one alone, attention to a fixed distance would do as well.
"""

from typing import NamedTuple

import torch
from torch import Tensor

D_VOCAB = 256
BOS = 0
LENGTH = 64  # tokens of a sequence, BOS included
PERIODS = (4, 30)  # from, to


class Sequences(NamedTuple):
    """tokens: (sequence, LENGTH). announced: (sequence, LENGTH), whether a token can be known from those before it."""

    tokens: Tensor
    announced: Tensor


def periodic(count: int, generator: torch.Generator, *, anywhere: bool = False) -> Sequences:
    """A random segment again and again, of a period of its own in each sequence.

    It begins behind BOS, or anywhere behind random tokens that do not come again, early enough for a second round.
    Announced from the second token of the second round on: the token before it has then been seen.
    """
    low, high = PERIODS
    periods = torch.randint(low, high + 1, (count, 1), generator=generator)  # (sequence, 1)
    room = LENGTH - 2 * periods  # where a segment may begin
    begins = (torch.rand(count, 1, generator=generator) * room).long() if anywhere else torch.zeros_like(periods)
    drawn = _distinct(count, LENGTH - 1, generator)
    places = torch.arange(LENGTH - 1)[None] - begins  # (sequence, position): in the segment, below 0 in front of it
    tokens = drawn.gather(1, begins + torch.where(places < 0, places, places % periods))
    return Sequences(_after_bos(tokens), _after_bos(places > periods, False))


def bigrams(count: int, generator: torch.Generator, *, anywhere: bool = False) -> Sequences:
    """Random tokens, among which one pair of neighbours stands a second time, at any distance alike.

    That brings the first pair to an early place more often than to a late one; with `anywhere` its place is drawn
    first, all alike, and then the distance. Announced is the second token of the second pair, and nothing else.
    """
    tokens = _distinct(count, LENGTH - 1, generator)
    first = torch.randint(2, LENGTH - 2, (count,), generator=generator)  # a distance from 2: pairs do not overlap
    second = (torch.rand(count, generator=generator) * (LENGTH - 2 - first)).long()
    distances, starts = (second + 2, first - 2) if anywhere else (first, second)
    again = starts + distances  # the second pair is here and one further
    rows = torch.arange(count)
    tokens[rows, again] = tokens[rows, starts]
    tokens[rows, again + 1] = tokens[rows, starts + 1]
    announced = torch.zeros_like(tokens, dtype=torch.bool)
    announced[rows, again + 1] = True
    return Sequences(_after_bos(tokens), _after_bos(announced, False))


def _distinct(count: int, length: int, generator: torch.Generator) -> Tensor:
    """Tokens that differ from each other in each row, (count, length); none is BOS."""
    return 1 + torch.rand(count, D_VOCAB - 1, generator=generator).argsort(1)[:, :length]


def _after_bos(rows: Tensor, first: int | bool = BOS) -> Tensor:
    return torch.cat([torch.full_like(rows[:, :1], first), rows], 1)  # (sequence, LENGTH)
