"""What is tried on the house model: directions of its residual stream, found on some texts and tried on others.

A direction is a latent's, or it is found from a property of places: the difference of the means with the property and
without it (MEANS), or a linear probe (PROBE), which is that difference divided by the covariance within the two.
`python -m headwork.checkers.sae.judge.trials [SEED ...]` prints what the experiment shows of each claim.
"""

import sys
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from headwork.checkers.sae.judge.data import Corpus
from headwork.checkers.sae.judge.file import Autoencoder, parsed
from headwork.checkers.sae.judge.properties import PROPERTIES
from headwork.checkers.sae.judge.recipe import RESIDUAL
from headwork.checkers.sae.judge.uses import CONTROLS, Use, against_random, areas
from headwork.models import zoo
from headwork.models.dictionaries import load_autoencoder
from headwork.models.gpt2 import GPT2

MODEL, HOOK, LAYER, K = "house", RESIDUAL, 2, 16
READINGS = 6  # of 64 texts each, to find directions on, and as many to try them on
TEXTS = 24  # so many texts at most have something taken out
RIDGE = 1e-3  # of the mean variance: what is added to each before a covariance is divided by

MEANS, PROBE = "means", "probe"

# What is claimed, and of which property and direction: MEANS, PROBE, or the number of a latent. The raw size of an
# effect does not tell them apart, nor the AUC, nor how the direction was found: see the tests.
CLAIMS: dict[str, tuple[str, str | int]] = {
    "a name, by a probe": ("a name", PROBE),
    "a woman's name, by means": ("a woman's name", MEANS),
    "the word the, by means": ("the word the", MEANS),
    "the word the, by a probe": ("the word the", PROBE),
    "a vowel first, by a probe": ("a vowel first", PROBE),
    "after and, by a probe": ("after and", PROBE),
    "one of the first seven, by a probe": ("one of the first seven", PROBE),
    "a name that stood before, latent 506": ("a name that stood before", 506),
    "the word lost, latent 282": ("the word lost", 282),
    "the name Ethan, latent 838": ("the name Ethan", 838),
}


@dataclass(frozen=True)
class Places:
    """Texts as rows: tokens, which of them count, and the stream before block LAYER at each."""

    tokens: Tensor  # (text, position)
    counts: Tensor  # (text, position)
    x: Tensor  # (text, position, d_model)


class Trials:
    """All directions, on the texts that one seed gives."""

    def __init__(self, seed: int):
        self.seed = seed
        self.model: GPT2 = zoo.load(MODEL).requires_grad_(False)
        self.sae: Autoencoder = parsed(load_autoencoder(HOOK, K))

    @cached_property
    def found(self) -> Places:
        return self._places("found")

    @cached_property
    def tried(self) -> Places:
        return self._places("tried")

    def _places(self, kind: str) -> Places:
        assert self.model.tokenizer is not None
        corpus = Corpus(self.model.tokenizer, self.model.config.n_ctx, f"{kind} {self.seed}")
        read = [each for index in range(READINGS) if (each := corpus(index + 1)) is not None]
        longest = max(tokens.shape[1] for tokens, _ in read)
        pairs = zip(*([F.pad(part, (0, longest - part.shape[1])) for part in each] for each in read), strict=True)
        tokens, counts = (torch.cat(parts) for parts in pairs)
        with torch.no_grad():
            return Places(tokens, counts, self.model(tokens, stop_at_layer=LAYER))

    def classes(self, places: Places, name: str) -> tuple[Tensor, Tensor]:
        """Where the property holds, and where it is asked and does not: (text, position) both."""
        assert self.model.tokenizer is not None
        asked = PROPERTIES[name].asked(places.tokens, self.model.tokenizer) & places.counts
        holds = PROPERTIES[name].holds(places.tokens, self.model.tokenizer)
        return asked & holds, asked & ~holds

    def direction(self, name: str, how: str) -> tuple[Tensor, float]:
        """The direction of a property, (d_model,), of length 1, and what it reads on average without the property."""
        yes, no = (self.found.x[where] for where in self.classes(self.found, name))
        along = yes.mean(0) - no.mean(0)
        if how == PROBE:
            within = torch.cat([yes - yes.mean(0), no - no.mean(0)]).double()
            covariance = within.T @ within / len(within)
            ridge = RIDGE * covariance.diagonal().mean() * torch.eye(len(covariance), dtype=torch.float64)
            along = torch.linalg.solve(covariance + ridge, along.double()).to(along)
        along = along / along.norm()
        return along, float((no @ along).mean())

    @cached_property
    def latents(self) -> Tensor:
        """What each latent is at each place that is tried, (text, position, latent); 0 where nothing counts."""
        counts = self.tried.counts
        code = torch.zeros(*counts.shape, self.sae.latents)
        code[counts] = self.sae.encode(self.tried.x[counts])
        return code

    @torch.no_grad()
    def use(self, name: str, how: str | int) -> Use:
        """Takes a direction out: a latent where it is active, any other where the property holds.

        A latent is taken out whole. Of another direction what it reads there beyond its mean without the property.
        """
        yes, no = self.classes(self.tried, name)
        if isinstance(how, int):
            direction, read = self.sae.W_dec[how], self.latents[..., how]
            strength = read
        else:
            direction, without = self.direction(name, how)
            read = self.tried.x @ direction
            strength = (read - without) * yes
        area = float(areas(read[yes | no][:, None], yes[yes | no])[0])
        source = torch.Generator().manual_seed(self.seed)
        random = torch.randn(CONTROLS, len(direction), generator=source)
        texts = (strength != 0).any(1).nonzero().flatten()
        few = texts[torch.randperm(len(texts), generator=source)[:TEXTS]]
        return against_random(self.model, LAYER, self.tried.x[few], strength[few], direction, area, random)


@lru_cache(maxsize=2)
def trials(seed: int) -> Trials:
    return Trials(seed)


@lru_cache(maxsize=128)
def use(seed: int, claim: str) -> Use:
    """What the experiment shows of a claim on the texts of a seed."""
    return trials(seed).use(*CLAIMS[claim])


def main() -> None:
    """Prints the table."""
    for seed in [int(each) for each in sys.argv[1:]] or [0]:
        for claim in CLAIMS:
            found = use(seed, claim)
            figures = f"AUC {found.area:.3f}  {found.effect:.5f} nats  U {found.ratio:7.2f}, bound {found.bound:5.2f}"
            print(f"{seed}  {claim:38} {figures}  {found.verdict or 'in between'}", flush=True)


if __name__ == "__main__":
    main()
