"""`sae.feature_batch`: sparse inputs, judged by their exact law.

Draws are counted in classes whose probabilities are known, one input feature (or pair of features) a row. By
Chernoff's bound a right answer fails a check less than once in a thousand million runs (`grading/sampling.py`).
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.checks import drawn_from, same, satisfies
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.checkers.sae.probes.toy import BINS

ask = Exercise("feature_batch")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for relation, features, probability in [
        ("independent", 5, 0.3),
        ("independent", 7, 0.06),
        ("independent", 3, 1.0),
        ("correlated", 6, 0.25),
        ("correlated", 4, 0.7),
        ("anti-correlated", 6, 0.2),
        ("anti-correlated", 4, 0.5),
        ("anti-correlated", 8, 0.07),
    ]:
        yield Case(
            f"{relation}, probability {probability}",
            probability=probability,
            relation=relation,
            features=features,
            count=20_000 + 1000 * features,
            seed=rng.seed(),
        )


def _law_of_values(case: Case) -> Tensor:
    """(feature, class): absent, one of the bins, or outside of 0 to 1, which should never be."""
    active = case.probability / BINS
    return torch.tensor([[1 - case.probability, *[active] * BINS, 0]]).double().repeat(case.features, 1)


def _coarse(case: Case) -> Tensor:
    """The law of one feature in three classes: absent, weak, strong."""
    p = case.probability
    return torch.tensor([1 - p, p / 2, p / 2]).double()


def _law_of_neighbours(case: Case) -> Tensor:
    """(feature, nine classes): each feature with the next one, the last with the first."""
    one, p = _coarse(case), case.probability
    apart = torch.outer(one, one)
    strengths = torch.tensor([0, 0.5, 0.5]).double()
    if case.relation == "correlated":
        partners = p * torch.outer(strengths, strengths)
        partners[0, 0] = 1 - p
    else:
        partners = torch.zeros(3, 3).double()
        partners[0], partners[:, 0], partners[0, 0] = p * strengths, p * strengths, 1 - 2 * p
    paired = [case.relation != "independent" and feature % 2 == 0 for feature in range(case.features)]
    return torch.stack([(partners if pair else apart).flatten() for pair in paired])


def _law_of_strangers(case: Case) -> Tensor:
    """(feature, nine classes): each feature in one input and in the next one, or with one that is no partner."""
    return torch.outer(_coarse(case), _coarse(case)).flatten().repeat(case.features, 1)


def _one_for_all_seeds(value: Any, case: Case) -> str:
    alike = isinstance(value, list) and len(value) == 2 and torch.equal(*value)
    return "two generators with different seeds gave the very same batch" if alike else ""


ask.checks(
    drawn_from("values", law=_law_of_values, title="each feature is absent, or drawn evenly from 0 to 1", weight=2),
    drawn_from("neighbours", law=_law_of_neighbours, title="who is active together is as the relation says", weight=2),
    drawn_from("half the width apart", law=_law_of_strangers, title="features of different pairs are strangers"),
    drawn_from("one input and the next", law=_law_of_strangers, title="each input is drawn by itself"),
    same("again", as_="once", title="the same generator gives the same batch"),
    satisfies("two seeds", _one_for_all_seeds, title="another generator gives another batch"),
)

VALUES = "values = torch.rand(count, features, generator=generator)"
ALONE = "return values * (torch.rand(count, features, generator=generator) < probability)"
CHANCE = "chance = torch.rand(count, features // 2, 1, generator=generator)"
BOTH = "active = (chance < probability).expand(-1, -1, 2)"
EITHER = "torch.cat([chance < probability, 1 - chance <= probability], -1)"
REUSED = (
    "The number that decides whether a feature is active is also its value, so no value is above the probability: "
    "draw the two apart."
)

ask.mistakes(
    edit(ALONE, "return values * (values < probability)", REUSED),
    edit(
        ALONE,
        ALONE.replace("< probability", "> probability"),
        "Features are absent with `probability`: that is how often they are to be active.",
    ),
    edit(VALUES, "values = torch.ones(count, features)", "Active features are all 1: draw their strength evenly."),
    edit(
        VALUES,
        "values = torch.randn(count, features, generator=generator).abs()",
        "Values are drawn from a normal distribution: draw them evenly from 0 to 1.",
    ),
    edit(
        VALUES,
        "values = 2 * torch.rand(count, features, generator=generator) - 1",
        "Values may be negative: draw them from 0 to 1.",
    ),
    edit(
        VALUES,
        "values = torch.rand(1, features, generator=generator).expand(count, -1)",
        "A feature has one strength in all inputs: draw it for each.",
    ),
    edit(
        VALUES,
        "values = torch.rand(count, 1, generator=generator).expand(-1, features)",
        "All features of an input have one strength: draw it for each feature.",
    ),
    edit(
        ALONE,
        "return values * (torch.rand(count, 1, generator=generator) < probability)",
        "All features of an input are active together: with no relation, each is by itself.",
    ),
    edit(
        ALONE,
        "return values * (torch.rand(features, generator=generator) < probability)",
        "The same features are active in all inputs: draw who is active for each input.",
    ),
    edit(BOTH, BOTH.replace("probability)", "probability**2)"), "A pair is active with the square of `probability`."),
    edit(
        BOTH,
        "values = values[:, ::2].repeat_interleave(2, 1)\n        " + BOTH,
        "Both features of a pair have one strength: only whether they are active is shared.",
    ),
    edit(
        CHANCE,
        "chance = torch.rand(count, 1, 1, generator=generator).expand(-1, features // 2, -1)",
        "One draw decides for all pairs: draw for each pair.",
    ),
    edit(
        EITHER,
        "torch.cat([chance < probability, chance >= probability], -1)",
        "One of the two is always active: the second has 1 - `probability`, and is to have `probability`.",
    ),
    edit(
        EITHER,
        "torch.cat([chance < probability / 2, 1 - chance <= probability / 2], -1)",
        "Each feature is active half as often as asked: a pair is active with twice the `probability`.",
    ),
    edit(
        EITHER,
        "torch.rand(count, features // 2, 2, generator=generator) < probability\n"
        "        active = active & ~active.all(-1, keepdim=True)",
        "Both are drawn by themselves and thrown away when they meet, so each is active less often than asked.",
    ),
    edit(
        "return values * active.flatten(1)",
        "return values * active.mT.flatten(1)",
        "The partner of a feature is the one half the width away: partners are 0 and 1, 2 and 3, and so on.",
    ),
    edit(
        'relation == "correlated"',
        'relation != "correlated"',
        "The two relations are swapped: correlated features come together.",
    ),
    edit('relation == "independent"', "True", "The relation is not used: pairs are drawn like strangers."),
    edit(
        VALUES,
        "values = torch.rand(count, features)",
        "The generator is not used for the values: draw all from it.",
    ),
    edit(
        VALUES,
        "generator = torch.Generator().manual_seed(0)\n    " + VALUES,
        "A seed is fixed inside: use the generator that is passed.",
    ),
)

EDGE = "they differ only where a draw falls on an edge exactly, which happens once in 2**24 draws"
ask.survives(
    "return values * (torch.rand(count, features, generator=generator) < probability)",
    "return values * (torch.rand(count, features, generator=generator) <= probability)",
    EDGE,
)
ask.survives(BOTH, BOTH.replace("<", "<="), EDGE)
ask.survives(f"active = {EITHER}", f"active = {EITHER.replace('<', '<=', 1)}".replace("<==", "<="), EDGE)
ask.survives(f"active = {EITHER}", f"active = {EITHER.replace('<= ', '< ')}", EDGE)
