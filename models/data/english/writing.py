"""Texts from a grammar: a template's slots are filled until none is left."""

import random
import re

from headwork.models.data.english.words import FEMALE, Grammar

SLOT = re.compile(r"\{(\w+)\}")
WOMEN = frozenset(FEMALE)


def write(rng: random.Random, template: str, grammar: Grammar, **bound: str) -> str:
    """The template with each `{slot}` written: what it is bound to, or one of the grammar's phrases for it."""

    def fill(slot: re.Match[str]) -> str:
        name = slot[1]
        phrase = bound[name] if name in bound else rng.choice(grammar[name])
        return SLOT.sub(fill, phrase) if "{" in phrase else phrase

    return SLOT.sub(fill, template)


def pronouns(name: str) -> dict[str, str]:
    """What the slots for a person's pronouns are bound to."""
    woman = name in WOMEN
    return {
        "she": "she" if woman else "he",
        "She": "She" if woman else "He",
        "her": "her" if woman else "his",
        "girl": "girl" if woman else "boy",
    }


def capital(sentence: str) -> str:
    """The sentence with a capital letter at its beginning."""
    return sentence[:1].upper() + sentence[1:]
