"""Finds a reference circuit by elimination: from the whole model, what is missed least goes first.

Found on prompts of the known names and templates, so that the held-out ones, on which circuits are judged, stay unseen.
The figures of every round are told, and a node goes only while F stays above the floor.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from headwork.checkers.ioi.judge.bench import ABLATIONS, Bench
from headwork.checkers.ioi.judge.rules import faithfulness

FLOOR = 0.9
WAYS = (0, 1)  # the mean and one donor while searching
Say = Callable[[str], None]


def eliminate(bench: Bench, floor: float = FLOOR, say: Say = lambda line: None) -> Tensor:
    """The kept nodes, (node,): no single one can go without F falling below the floor.

    Each round tries every kept node alone, then lets as many of the least missed go together as the floor allows. The
    floor comes down in steps, so that nothing is lost early on that is hard to miss later.
    """
    kept = torch.ones(len(bench.nodes), dtype=torch.bool)
    for level in [step for step in (0.99, 0.97, 0.95, 0.93) if step > floor] + [floor]:
        while True:
            members = kept.nonzero()[:, 0]
            trial = kept.repeat(len(members), 1)
            trial[torch.arange(len(members)), members] = False
            order = members[faithful(bench, trial).argsort(descending=True)]
            gone = _most_that_may_go(bench, kept, order, level)
            if not gone:
                break
            kept[order[:gone]] = False
            say(f"F at least {level:.2f}: {int(kept.sum())} nodes are left")
    return kept


def _most_that_may_go(bench: Bench, kept: Tensor, order: Tensor, level: float) -> int:
    """How many of these nodes, in this order, may go together: tried by halving."""

    def holds(count: int) -> bool:
        trial = kept.clone()
        trial[order[:count]] = False
        return bool(faithful(bench, trial[None])[0] >= level)

    low, high = 0, len(order)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def faithful(bench: Bench, sets: Tensor) -> Tensor:
    """F of each set, (set,)."""
    ends = torch.stack([torch.ones(len(bench.nodes)), torch.zeros(len(bench.nodes))]).bool()
    whole, none = bench.answers(ends, WAYS)
    weight = torch.ones(1, len(bench.data))
    answers = bench.answers(sets, WAYS) if len(sets) else torch.zeros(0)
    return torch.stack([faithfulness(each, whole[0], none, weight)[0] for each in answers])


assert max(WAYS) < ABLATIONS
