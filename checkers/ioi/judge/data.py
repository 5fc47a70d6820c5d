"""The prompts that circuits are tried on: fresh ones, of held-out names in held-out templates, and what stands in.

A head that is ablated writes what it writes on prompts of the same template and order in which three people are met
once ("abc"): their mean at each position, or one of them drawn at random. Within such a stratum all prompts have the
same length and the same words in the same places, but for the names.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.ioi.judge.circuit import PLACES
from headwork.models.data.ioi import HELD_OUT_NAMES, HELD_OUT_TEMPLATES
from headwork.solutions.ioi.prompts import Prompts, corrupt, ioi_prompts

DONORS = 3  # prompts drawn for each, to resample from
TWINS = 4  # twins with other names of each prompt; means are over all of a stratum


@dataclass(frozen=True)
class Data:
    """Prompts, and of which kind each of their positions is."""

    prompts: Prompts
    place: Tensor  # (prompt, position), an index of PLACES
    stratum: Tensor  # (prompt,), numbers of (template, order), from 0
    twins: Tensor  # (twin, prompt, position): tokens with three other names
    donors: Tensor  # (donor, prompt): which prompt of the same stratum, and below which of its twins
    donor_twins: Tensor

    def __len__(self) -> int:
        return len(self.stratum)


def draw(
    tokenizer: Any,
    each: int,
    seed: int,
    templates: list[str] = HELD_OUT_TEMPLATES,
    names: list[str] = HELD_OUT_NAMES,
) -> Data:
    """`each` prompts of each template in each order. The same seed draws the same."""
    source = torch.Generator().manual_seed(seed)
    prompts = ioi_prompts(tokenizer, templates, names, 2 * len(templates) * each, source)
    place = torch.full_like(prompts.tokens, PLACES.index("rest"))
    rows = torch.arange(len(place))
    for index, name in enumerate(PLACES[:-1]):
        place[rows, prompts.positions[name]] = index
    stratum = 2 * prompts.template + prompts.order
    twins = torch.stack([corrupt(prompts, "abc", source) for _ in range(TWINS)])
    alike = (stratum[:, None] == stratum).float()  # (prompt, prompt)
    donors = torch.multinomial(alike, DONORS, replacement=True, generator=source).T  # (donor, prompt)
    which = torch.randint(TWINS, donors.shape, generator=source)
    return Data(prompts, place, stratum, twins, donors, which)
