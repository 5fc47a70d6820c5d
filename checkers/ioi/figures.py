"""The live figures of chapter `ioi`: what each asks of the learner's code, and on what."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch

from headwork.checkers.figure import Choice, Figure
from headwork.checkers.induction.networks import HOUSE
from headwork.checkers.inputs import Rng

if TYPE_CHECKING:
    from headwork.models.gpt2 import GPT2

PARTS = {"what it writes (z)": "z", "its queries": "q", "its keys": "k", "its values": "v", "its pattern": "pattern"}
TWINS = {  # of the prompts, by what is told of them
    "the second mention of S is IO": "s2",
    "the first mention of S is somebody else": "s1",
    "three other people": "abc",
}
PROMPTS = 8


@lru_cache
def _house() -> "GPT2":
    from headwork.models.zoo import load

    return load("house").requires_grad_(False)


def _patches(part: str, twin: str) -> dict[str, Any]:
    """Prompts of one template in one order, so that one picture of attention stands for all of them."""
    from headwork.models.data.ioi import NAMES, TEMPLATES
    from headwork.solutions.ioi.prompts import corrupt, ioi_prompts

    house = _house()
    assert house.tokenizer
    source = Rng("figures of ioi").generator
    both = ioi_prompts(house.tokenizer, TEMPLATES[:1], NAMES, 2 * PROMPTS, source)
    chosen = both.order == 0
    corrupted = corrupt(both, TWINS[twin], source)[chosen]
    clean = both.tokens[chosen]
    _, cache = house.run_with_cache(clean[:1], lambda name: name.endswith("hook_pattern"))
    words = ["(start)", *(house.tokenizer.decode([token]).strip() for token in clean[0, 1:].tolist())]
    return {
        "model": HOUSE,
        "directions": torch.zeros(1),  # its dtype is that of the numbers
        "clean": clean,
        "corrupted": corrupted,
        "end": both.positions["END"][chosen],
        "correct": both.io[chosen],
        "wrong": both.s[chosen],
        "part": PARTS[part],
        "score": f"{part}, from the clean run",
        "shown": torch.stack([pattern[0] for pattern in cache.values()]),  # (layer, head, query, key)
        "words": words,
    }


FIGURES = {
    "patch_map": Figure(
        lambda part, twin: ("patch_heads",) if PARTS[part] == "z" else ("patch_head_inputs",),
        _patches,
        (Choice("part", "of each head", tuple(PARTS)), Choice("twin", "in the corrupted prompts", tuple(TWINS))),
        seconds=30,
    ),
}
