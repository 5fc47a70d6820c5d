"""`tensors.sample_categorical`: independent draws from each row, judged by their exact law."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.checks import drawn_from, same, satisfies
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("sample_categorical", forbid=["multinomial"])


# Each law asked of a case costs 1e-10 of false alarms at most: pairs are asked of one case, and all stay below 1e-9.
@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, rows, vocab, never, count, pairs in [
        ("three rows, in pairs too", 3, 7, [], 3000, True),
        ("other rows, fewer draws", 5, 4, [], 1000, False),
        ("tokens that never come", 4, 9, [0, 3, 4, 8], 1500, False),
        ("one row", 1, 6, [], 2000, False),
    ]:
        table = _rows(rng, rows, vocab, never)
        yield Case(name, probabilities=table, count=count, pairs=pairs, seed=rng.seed())
    first = torch.tensor([[0.25], [0.65]], dtype=torch.float64) + rng.uniform((2, 1), 0, 0.1)
    table = torch.cat([first, 1 - first], -1)
    yield Case("two tokens", probabilities=table, count=4000, pairs=False, seed=rng.seed())


def _rows(rng: Rng, rows: int, vocab: int, never: list[int]) -> Tensor:
    """Unsorted probabilities without ties; both halves of the vocabulary have at least a quarter in each row."""
    while True:
        weights = rng.uniform((rows, vocab), 0.05, 1)
        weights[:, never] = 0
        table = weights / weights.sum(-1, keepdim=True)
        first = table[:, : vocab // 2].sum(-1)
        if float(first.min()) > 0.25 and float(first.max()) < 0.75:
            return table


def law(case: Case) -> Tensor:
    """The probability of every token, (row, vocab)."""
    return torch.as_tensor(case.probabilities).double()


def _dependent(what: str, next_row: int) -> Callable[[Any, Case], str]:
    """Judges pairs of draws, (row, pair), coded 0 to 3 by which half of the vocabulary either is from.

    The second of a pair is from the row `next_row` further, round to the first. By Hoeffding's inequality a share of
    n independent pairs is off by t or more with a chance of at most 2 exp(-2 n t^2), here 1e-10 for all together.
    """

    def flaw(value: Any, case: Case) -> str:
        half = case.probabilities.shape[1] // 2
        low = case.probabilities[:, :half].sum(-1).double()  # (row,)
        due = low * low.roll(-next_row)
        if not isinstance(value, Tensor) or value.dim() != 2 or len(value) != len(due):
            return "there are no pairs of draws to look at"
        found = (value == 0).double().mean(-1)  # (row,): both from the first half
        bound = math.sqrt(math.log(2 * len(due) / 1e-10) / (2 * value.shape[1]))
        row = int((found - due).abs().argmax())
        if abs(found[row] - due[row]) < bound:
            return ""
        return (
            f"{what} depend on each other: in row {row} both are among the first {half} tokens in {found[row]:.1%} "
            f"of the pairs, and independent draws would be in {due[row]:.1%}"
        )

    return flaw


def _alike(flaw: str) -> Callable[[Any, Case], str]:
    """60 draws a row, twice, are alike with a chance below 1e-9."""

    def found(value: Any, case: Case) -> str:
        match value:
            case [Tensor() as one, Tensor() as other] if torch.equal(one, other):
                return flaw
        return ""

    return found


ask.checks(
    drawn_from("tokens", law=law, title="draws every token with its probability", weight=2),
    drawn_from("two at a time", law=law, title="two draws at a time follow the same probabilities"),
    satisfies(
        "pairs in a row", _dependent("two draws of a row", 0), title="the draws of a row are independent of each other"
    ),
    satisfies("pairs of rows", _dependent("draws of two rows", 1), title="the rows are independent of each other"),
    same("again", as_="once", title="the same generator gives the same tokens"),
    satisfies(
        "two calls",
        _alike("two calls in a row, with one generator, gave the very same tokens"),
        title="the next call with the same generator gives other tokens",
    ),
    satisfies(
        "two seeds",
        _alike("two generators with different seeds gave the very same tokens"),
        title="another generator gives other tokens",
    ),
)

RAND = "points = torch.rand(size, generator=generator, dtype=edges.dtype, device=edges.device)"
RETURN = "return torch.searchsorted(edges, points * edges[:, -1:], right=True)"

ask.mistakes(
    edit(
        "size = (probabilities.shape[0], count)",
        "size = (1, count)",
        "All rows share their uniform numbers, so that their draws go up and down together: draw one for each row "
        "and draw.",
    ),
    edit(
        RAND,
        "points = torch.rand((len(edges), 1), generator=generator, dtype=edges.dtype).expand(size)",
        "One uniform number serves all draws of a row, so they are all the same token: draw one for each.",
    ),
    edit(
        RAND,
        "steps = torch.arange(count, dtype=edges.dtype, device=edges.device)\n"
        "    points = (steps + torch.rand((len(edges), 1), generator=generator, dtype=edges.dtype)) / count",
        "The draws of a row depend on each other (evenly spaced, say, or mirrored): give each a uniform number of "
        "its own.",
    ),
    edit(
        "probabilities.cumsum(-1)",
        "probabilities.cumsum(0)",
        "The running sum goes down the rows: each row is a distribution of its own, over its tokens.",
    ),
    edit(
        "probabilities.cumsum(-1)",
        "probabilities",
        "The uniform numbers are compared with the probabilities themselves: compare them with their running sum.",
    ),
    edit(
        RETURN,
        "return (torch.searchsorted(edges, points * edges[:, -1:], right=True) - 1).clamp(min=0)",
        "Each token is one too low: the token is the number of edges at or below the point.",
    ),
    edit(
        RETURN,
        "return (torch.searchsorted(edges, points * edges[:, -1:], right=True) + 1).clamp(max=edges.shape[1] - 1)",
        "Each token is one too high: the token is the number of edges at or below the point.",
    ),
    edit(
        RAND,
        "points = torch.rand(size, dtype=edges.dtype, device=edges.device)",
        "The generator is not used: pass it on, so that a draw can be repeated.",
    ),
    edit(
        "generator=generator",
        "generator=torch.Generator().manual_seed(0)",
        "A seed is fixed inside, so every call draws alike: use the generator that is passed.",
    ),
    edit(
        "generator=generator",
        "generator=generator and torch.Generator().manual_seed(generator.initial_seed())",
        "The generator's seed is used afresh in every call, so two calls draw alike: draw from the generator itself.",
    ),
    edit(
        "probabilities.cumsum(-1)",
        "probabilities.sort(-1, descending=True).values.cumsum(-1)",
        "These are ranks among the sorted probabilities, not tokens: leave the rows in their own order.",
    ),
    edit(
        "probabilities.cumsum(-1)",
        "probabilities[:1].cumsum(-1).expand_as(probabilities).contiguous()",
        "All rows are drawn with the first row's probabilities: every row has its own.",
    ),
    edit(
        RETURN,
        "return probabilities.argmax(-1, keepdim=True).expand(size)",
        "This always takes the likeliest token: draw.",
    ),
    edit(
        RETURN,
        "return (points * edges.shape[1]).long()",
        "Every token gets the same chance: invert the running sum of the probabilities.",
    ),
    edit(
        "probabilities.cumsum(-1)",
        "probabilities.softmax(-1).cumsum(-1)",
        "The probabilities go through a softmax, which evens them out and revives zeros: use them as they are.",
    ),
)

ask.survives(
    "return torch.searchsorted(edges, points * edges[:, -1:], right=True)",
    "return torch.searchsorted(edges, points * edges[:, -1:], right=False)",
    "they differ only where a point falls on an edge exactly, which no affordable number of draws shows",
)
ask.survives(
    "return torch.searchsorted(edges, points * edges[:, -1:], right=True)",
    "return torch.searchsorted(edges, points, right=True)",
    "rows sum to 1, so the factor differs from 1 only by rounding",
)
