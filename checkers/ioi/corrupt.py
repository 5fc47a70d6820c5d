"""`ioi.corrupt`: the same prompts with other names in the same places."""

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.checks import claim, drawn_from, equal, same
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.ioi.probes.prompts import FIELDS
from headwork.checkers.probing import Case

ask = Exercise("corrupt", batch=[*FIELDS, "places"])

VOCAB = 40
NAMES = 9  # the tokens from 1 up


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for how, batch, length, absent, many in [
        ("abc", 4, 11, 5, 2000),
        ("names", 5, 9, 4, 1),
        ("order", 3, 12, 6, 1),
        ("s2", 6, 10, 3, 1),
        ("s1", 4, 9, 5, 1500),
        ("abc", 3, 13, 3, 1200),
        ("order", 4, 8, 4, 1),
    ]:
        inputs = prompts(rng, batch, length, absent)
        yield Case(f"{how}, {absent} absent names", how=how, many=many, seed=rng.seed(), **inputs)


def prompts(rng: Rng, batch: int, length: int, absent: int) -> dict[str, Tensor]:
    """Random tokens with two names in them, one of them twice; S1 comes before IO in every other prompt."""
    tokens = rng.integers((batch, length), VOCAB, NAMES + 1)
    order = (torch.arange(batch) + 1) % 2
    places = torch.zeros(batch, 5, dtype=torch.long)
    drawn = torch.stack([1 + rng.permutation(NAMES)[: 2 + absent] for _ in range(batch)])  # (prompt, name)
    for row in range(batch):
        first, second, s2 = (1 + rng.permutation(length - 3)[:3].sort().values).tolist()
        io, s1 = (second, first) if order[row] else (first, second)
        places[row] = torch.tensor([io, s1, s1 + 1, s2, length - 1 - row % 2])
        for place, name in ((io, 0), (s1, 1), (s2, 1)):
            tokens[row, place] = drawn[row, name]
    names = {"io": drawn[:, 0], "s": drawn[:, 1], "absent": drawn[:, 2:]}
    return {"tokens": tokens, **names, "template": rng.integers((batch,), 4, 1), "order": order, "places": places}


def law(case: Case) -> Tensor:
    """The probability of each new name, or of each three, as places in `absent`: the first's is the largest digit."""
    count = case.absent.shape[1]
    if case.how == "s1":
        return torch.full((1, count), 1 / count, dtype=torch.float64)
    table = torch.zeros(count**3, dtype=torch.float64)
    triples = list(permutations(range(count), 3))
    for a, b, c in triples:
        table[(a * count + b) * count + c] = 1 / len(triples)
    return table[None]


def flaw(value: Any, case: Case) -> str:
    """What is wrong with prompts that have strangers in them; '' when nothing is."""
    if not isinstance(value, Tensor) or value.shape != case.tokens.shape:
        return "what comes back is no tensor of the shape of `prompts.tokens`"
    if value.is_floating_point():
        return "the tokens are no integers"
    rows = torch.arange(len(value))
    at = {name: case.places[:, column] for name, column in (("IO", 0), ("S1", 1), ("S2", 3))}
    changed = at if case.how == "abc" else {"S1": at["S1"]}
    aside = torch.ones_like(value, dtype=torch.bool)
    for place in changed.values():
        aside[rows, place] = False
    if not torch.equal(value[aside], case.tokens[aside]):
        return f"tokens are changed elsewhere than at {', '.join(changed)}"
    new = {name: value[rows, place] for name, place in changed.items()}
    for name, tokens in new.items():
        if not bool((case.absent == tokens[:, None]).any(1).all()):
            return f"what stands at {name} is not in every prompt one of its absent names"
    if case.how == "abc" and any(len(set(three)) < 3 for three in zip(*(new[n].tolist() for n in new), strict=True)):
        return "two of the three names are the same in some prompt"
    return ""


ask.checks(
    equal("exchanged", title="names change their places as `how` says, and nothing else changes", weight=2),
    claim("strangers", flaw, title="new names stand where `how` says, and nothing else changes", weight=2),
    drawn_from("draws", law=law, title="every absent name is as likely as every other"),
    same("again", as_="once", title="the same generator gives the same names"),
    equal("the next are the same", title="the next call on one generator gives other names"),
)

ABC = '"abc": (a, b, c)'
PUT = "corrupted[rows, prompts.positions[place]] = name"

ask.mistakes(
    edit(
        ABC,
        '"abc": (a, b, b)',
        "The stranger of S1 comes again at S2, so that a name is still said twice: ABC are three different names.",
    ),
    edit(ABC, '"abc": (io, b, b)', "IO stays, and S becomes another name, twice: with 'abc' all three are strangers."),
    edit(
        ABC,
        '"abc": (s, io, s)',
        "With 'abc' the names of the prompt are only moved about: take three that it does not contain.",
    ),
    edit(
        '"names": (s, io, io)',
        '"names": (io, s, io)',
        "With 'names' only S2 changes, as with 's2': IO and S exchange at all three places.",
    ),
    edit(
        '"names": (s, io, io)',
        '"names": (s, io, s)',
        "With 'names' S2 stays, as with 'order': IO and S exchange at all three places, S2 too.",
    ),
    edit(
        '"order": (s, io, s)',
        '"order": (s, io, io)',
        "With 'order' S2 changes as well, as with 'names': only IO and S1 change places, and who gives stays.",
    ),
    edit('"order": (s, io, s)', '"order": (io, s, s)', "With 'order' nothing changes: IO and S1 change places."),
    edit('"s2": (io, s, io)', '"s2": (io, s, a)', "With 's2' somebody new gives: S2 becomes IO."),
    edit('"s2": (io, s, io)', '"s2": (s, s, s)', "With 's2' IO becomes S: it is S2 that becomes IO."),
    edit('"s1": (io, a, s)', '"s1": (io, s, a)', "With 's1' it is S2 that becomes somebody new: change S1."),
    edit('"s1": (io, a, s)', '"s1": (io, a, a)', "With 's1' S2 becomes the stranger as well: change S1 alone."),
    edit(
        "corrupted, rows = prompts.tokens.clone()",
        "corrupted, rows = prompts.tokens",
        "The prompts' own tokens are changed in place, and the clean ones are gone: work on a clone.",
    ),
    edit(
        PUT,
        "corrupted[rows, prompts.positions[place] - 1] = name",
        "The names land one position too early: position p of the tokens is p, BOS counted.",
    ),
    edit(
        PUT,
        "corrupted[rows, prompts.positions[place][0]] = name",
        "Every prompt is changed at the first one's positions: each has its own.",
    ),
    edit(
        PUT,
        "corrupted[rows, prompts.positions[place]] = name[0]",
        "Every prompt gets the first one's names: each has its own.",
    ),
    edit(
        "prompts.absent.gather(1, order[:, :3])",
        "prompts.absent[:, :3]",
        "The first absent names are taken, without a draw: each is to be as likely as every other.",
    ),
    edit(
        "order = torch.rand(prompts.absent.shape, generator=generator, device=prompts.absent.device).argsort(1)",
        "order = torch.rand(prompts.absent.shape).argsort(1)",
        "The names are drawn without the generator: nobody can repeat these prompts.",
    ),
    edit(
        "order = torch.rand(prompts.absent.shape, generator=generator, device=prompts.absent.device).argsort(1)",
        "order = torch.randint(prompts.absent.shape[1], prompts.absent.shape, generator=generator)",
        "The three names are drawn with replacement, so that two may be the same: draw without.",
    ),
    edit(
        "order = torch.rand(prompts.absent.shape, generator=generator, device=prompts.absent.device).argsort(1)",
        "order = torch.rand(prompts.absent.shape, generator=generator.manual_seed(0)).argsort(1)",
        "The generator is seeded again in every call, so every call draws the same names: draw from it as it comes.",
    ),
)

ask.survives(
    'for place, name in zip(("IO", "S1", "S2"), swaps[how], strict=True):',
    'for place, name in zip(("IO", "S1", "S2"), swaps[how], strict=False):',
    "Each way has three names for the three places: there is nothing for `strict` to notice.",
)
