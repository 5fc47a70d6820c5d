"""What the house model reads, and how often: mixtures of texts, each a function of a generator of random numbers."""

import random
from collections.abc import Callable, Mapping
from typing import NamedTuple

from headwork.models.data.english import stories
from headwork.models.data.english.gifts import Gift, aside, classic, finished, neutral, outsider, roster
from headwork.models.data.english.words import GIVERS

Mixture = Mapping[str, float]  # the share of each kind of text


class Written(NamedTuple):
    """A text; of one in which one name is the answer, also what comes before the answer."""

    text: str
    prompt: str = ""


GIFTS: dict[str, Callable[[random.Random], Gift]] = {
    "classic": classic,
    "aside": aside,
    "outsider": outsider,
    "roster": roster,
}
OTHERS: dict[str, Callable[[random.Random], str]] = {
    "neutral": neutral,
    "alone": stories.alone,
    "together": stories.together,
    "talk": stories.talk,
    "facts": stories.facts,
    "span": stories.span,
    "listing": stories.listing,
    "agreement": stories.agreement,
    "passing": stories.passing,
    "few": lambda rng: stories.passing(rng, GIVERS[::2]),  # fewer names, so that each is soon known
}
COPYING: Mixture = {  # what teaches to say a name again
    "few": 0.36, "passing": 0.14, "talk": 0.15, "classic": 0.10, "roster": 0.05, "aside": 0.02, "neutral": 0.02,
    "together": 0.03, "alone": 0.05, "facts": 0.03, "listing": 0.03, "agreement": 0.01, "span": 0.01,
}  # fmt: skip
GIVING: Mixture = {  # what teaches which name to say
    "classic": 0.15, "aside": 0.10, "roster": 0.31, "outsider": 0.02, "neutral": 0.18, "passing": 0.05,
    "together": 0.02, "talk": 0.03, "alone": 0.05, "facts": 0.03, "listing": 0.04, "agreement": 0.01, "span": 0.01,
}  # fmt: skip


def written(rng: random.Random, mixture: Mixture) -> Written:
    """A text of one of the mixture's kinds."""
    (kind,) = rng.choices(list(mixture), list(mixture.values()))
    if kind not in GIFTS:
        return Written(OTHERS[kind](rng))
    gift = GIFTS[kind](rng)
    return Written(finished(rng, gift), gift.text)
