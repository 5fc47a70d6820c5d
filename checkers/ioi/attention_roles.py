"""`ioi.attention_roles`: how much each head looks where the heads of each role do."""

from collections.abc import Iterator

import torch

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.ioi.probes.roles import ROLES
from headwork.checkers.probing import Case

ask = Exercise("attention_roles")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, layers, batch, heads, length, sharp in [
        ("soft patterns", 2, 4, 3, 9, 1),
        ("one layer of one head", 1, 5, 1, 8, 2),
        ("one prompt", 3, 1, 2, 11, 1),
        ("sharp patterns", 4, 6, 5, 10, 8),
    ]:
        scores = rng.normal((layers, batch, heads, length, length), spread=sharp)
        later = torch.ones(length, length, dtype=torch.bool).triu(1)
        places = torch.zeros(batch, 5, dtype=torch.long)
        for row in range(batch):
            first, second, s2 = (1 + rng.permutation(length - 3)[:3].sort().values).tolist()
            io, s1 = (first, second) if row % 2 else (second, first)
            places[row] = torch.tensor([io, s1, s1 + 1, s2, length - 1 - row % 2])
        yield Case(
            name,
            patterns=scores.masked_fill(later, float("-inf")).softmax(-1),
            places=places,
            cotangent=rng.normal((len(ROLES), layers, heads)),
        )


ask.checks(
    *(equal(role, title=f"scores heads as a {role} head", weight=1) for role in ROLES),
    equal("gradient", title="gradients reach the patterns"),
)

LOOK = "patterns.transpose(1, 2)[:, :, rows, positions[query], positions[key]]"

ask.mistakes(
    edit(
        LOOK,
        "patterns.transpose(1, 2)[:, :, rows, positions[key], positions[query]]",
        "Query and key have changed places: (query, key) of a pattern is who looks, and then at whom.",
    ),
    edit(
        LOOK,
        "patterns.transpose(1, 2)[:, :, rows, positions[query][0], positions[key][0]]",
        "The first prompt's positions serve for all: each prompt has its own.",
    ),
    edit(
        "return found.mean(-1)",
        "return patterns.mean(1)[:, :, positions[query], positions[key]].mean(-1)",
        "The patterns are averaged over the prompts before the positions are looked up: each prompt's pattern is read "
        "at its own positions.",
    ),
    edit(
        LOOK,
        "patterns.transpose(1, 2)[:, :, rows, -1 if query == 'END' else positions[query], positions[key]]",
        "END is taken to be the last column: shorter prompts end before it, and `positions` says where.",
    ),
    edit(
        "return found.mean(-1)",
        "return found.sum(-1)",
        "The prompts are added up: take their mean.",
    ),
    edit(
        "return found.mean(-1)",
        "return found.mean(-1).mean(-1, keepdim=True).expand(found.shape[:2])",
        "The heads of a layer are averaged: each gets a score of its own.",
    ),
    edit(
        "return found.mean(-1)",
        "return found.detach().mean(-1)",
        "The result was cut from the graph (detach, .data, .item or no_grad): gradients must reach the patterns.",
    ),
    edit(
        '"name mover": ("END", "IO")',
        '"name mover": ("END", "S1")',
        "Name movers are scored by their look at S1: what they move is IO.",
    ),
    edit(
        '"S-inhibition": ("END", "S2")',
        '"S-inhibition": ("END", "S1")',
        "S-inhibition heads are scored by their look at S1: they read at S2, where the repetition was noticed.",
    ),
    edit(
        '"duplicate token": ("S2", "S1")',
        '"duplicate token": ("S2", "S1+1")',
        "Duplicate token heads are scored at S1+1: they look at the earlier mention itself, S1; after it is where "
        "induction heads look.",
    ),
    edit(
        '"induction": ("S2", "S1+1")',
        '"induction": ("S2", "S1")',
        "Induction heads are scored at S1: they look at what came after the earlier mention, S1+1.",
    ),
    edit(
        '"induction": ("S2", "S1+1")',
        '"induction": ("END", "S1+1")',
        "Induction heads are scored from END: it is S2 that repeats S1, so they look from S2.",
    ),
    edit(
        '"previous token": ("S1+1", "S1")',
        '"previous token": ("S1", "S1+1")',
        "Previous token heads are scored from S1 to the position after it, which nobody can see: it is S1+1 that looks "
        "back at S1.",
    ),
    edit(
        '"previous token": ("S1+1", "S1")',
        '"previous token": ("S2", "S1")',
        "Previous token heads are scored from S2: it is the token right after S1 that looks back at it.",
    ),
)
