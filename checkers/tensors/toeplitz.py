"""`tensors.toeplitz`: matrices that are constant along their diagonals, and the means of a pattern's diagonals."""

from collections.abc import Iterator

import torch

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("toeplitz", "diagonals", batch=["pattern", "values", "means_cotangent", "matrix_cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, batch, length, causal, spread in [
        ("a causal pattern", 2, 5, True, 2),
        ("a pattern that is not causal", 3, 4, False, 2),
        ("a batch of one", 1, 7, False, 1),
        ("one position", 4, 1, True, 1),
        ("two positions", 3, 2, False, 1),
        ("sharp attention", 5, 6, True, 20),
    ]:
        scores = rng.normal((batch, length, length), spread=spread)
        later = torch.ones(length, length, dtype=torch.bool).triu(1)
        yield Case(
            name,
            pattern=(scores.masked_fill(later, float("-inf")) if causal else scores).softmax(-1),
            values=rng.normal((batch, 2 * length - 1)),
            means_cotangent=rng.normal((batch, length)),
            matrix_cotangent=rng.normal((batch, length, length)),
        )


ask.checks(
    equal("diagonals", title="gives the mean attention at each offset", weight=2),
    equal("gradient of diagonals", title="gradients reach the pattern, at and below its diagonal"),
    equal("toeplitz", title="puts each value on its own diagonal"),
    equal("gradient of toeplitz", title="gradients reach the values"),
)

MEAN = "found.masked_fill(outside, 0).sum(1) / (~outside).sum(0)"
CUT = "was cut from the graph (detach, .data, .item or no_grad): gradients must pass."
BOTH = "The upper triangle is counted as well: only keys at or before the query belong to an offset."

ask.mistakes(
    edit(
        MEAN,
        "found.masked_fill(outside, 0).sum(1)",
        "The diagonals are summed: divide each by its own number of entries, length - offset.",
    ),
    edit(
        MEAN,
        "found.masked_fill(outside, 0).mean(1)",
        "Every diagonal is divided by the length: the one at an offset has only length - offset entries.",
    ),
    edit(
        MEAN,
        "found.masked_fill(outside, 0).sum(1) / ((~outside).sum(0) - 1).clamp(min=1)",
        "Each diagonal is divided by one too few: the one at an offset has length - offset entries.",
    ),
    edit(
        MEAN,
        "found.masked_fill(outside, 0).sum(1) / ((~outside).sum(0) + 1)",
        "Each diagonal is divided by one too many: the one at an offset has length - offset entries.",
    ),
    edit(
        MEAN,
        "found.mean(1)",
        "Where the query has no key so far back, key 0 is read instead: leave these pairs out.",
    ),
    edit(
        "found = pattern.gather(-1, key.clamp(min=0).expand_as(pattern))  # (batch, query, offset)\n    "
        "return found.masked_fill(outside, 0).sum(1) / (~outside).sum(0)",
        "return pattern.gather(-1, (key % len(place)).expand_as(pattern)).mean(1)",
        "Offsets wrap around: a query at the start is paired with keys at the end. "
        "Leave out the pairs whose key would lie before position 0.",
    ),
    edit(
        "pattern.gather(-1, ",
        "pattern.mT.gather(-1, ",
        "These are the diagonals above the main one, keys after the query: the key is `offset` positions *before* it.",
    ),
    edit("pattern.gather(-1, ", "(pattern.tril() + pattern.triu(1).mT).gather(-1, ", BOTH),
    edit("pattern.gather(-1, ", "(pattern + pattern.mT).gather(-1, ", BOTH),
    edit(
        MEAN,
        f"({MEAN}).flip(-1)",
        "The offsets run backwards: offset 0, the main diagonal, comes first.",
    ),
    edit(
        MEAN,
        f"({MEAN}).mean(0, keepdim=True).expand(pattern.shape[:2])",
        "The patterns of the batch are averaged: each has means of its own.",
    ),
    edit(
        MEAN,
        "found.masked_fill(outside, 0).sum(1) / (found * ~outside != 0).sum(0).clamp(min=1)",
        "The sum is divided by a count of nonzero entries over the whole batch: divide by length - offset.",
    ),
    edit(MEAN, f"({MEAN}).detach()", f"The result of diagonals {CUT}"),
    edit(
        "offset + length - 1",
        "length - 1 - offset",
        "toeplitz is transposed: the offset is row minus column, so later values stand further down.",
    ),
    edit(
        "offset + length - 1",
        "(offset + length) % (2 * length - 1)",
        "toeplitz is off by one: the main diagonal holds the value in the middle, at length - 1.",
    ),
    edit(
        "offset + length - 1",
        "offset",
        "Negative offsets count from the end here: the value for offset 0 stands in the middle, at length - 1.",
    ),
    edit(
        "offset + length - 1",
        "offset.abs() + length - 1",
        "toeplitz is symmetric: the diagonals above the main one have values of their own.",
    ),
    edit(
        "values[:, offset + length - 1]",
        "values[:1, offset + length - 1].expand(len(values), -1, -1)",
        "Every matrix is made of the first row of values: each row makes its own.",
    ),
    edit(
        "values[:, offset + length - 1]",
        "values[:, offset + length - 1].detach()",
        f"The result of toeplitz {CUT}",
    ),
)

ask.survives(
    "length = (values.shape[1] + 1) // 2",
    "length = (values.shape[1] + 2) // 2",
    "the number of values is odd, so both round down to the same length",
)
ask.survives(
    "place = torch.arange(pattern.shape[-1], device=pattern.device)",
    "place = torch.arange(pattern.shape[-2], device=pattern.device)",
    "there are as many keys as queries",
)
