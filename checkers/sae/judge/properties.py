"""Properties of places in texts of the house model, each computed from the tokens alone.

A property holds or not, and is asked of some of the places only: whether a name is a woman's is asked of names.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from headwork.models.data.english.words import FEMALE, NAMES
from headwork.models.tokenizer import Tokenizer

Places = Callable[[Tensor, Tokenizer], Tensor]  # of tokens, (text, position): at which of them, booleans as large


@dataclass(frozen=True)
class Property:
    """What holds at a place, and of which places it is asked."""

    holds: Places
    asked: Places


def written(pattern: str) -> Places:
    """Places whose token is spelt so, its space included."""
    return lambda tokens, tokenizer: torch.isin(tokens, _spelt(tokenizer, pattern).to(tokens.device))


@lru_cache
def _spelt(tokenizer: Tokenizer, pattern: str) -> Tensor:
    texts = (tokenizer.decode([token]) for token in range(len(tokenizer)))
    return torch.tensor([token for token, text in enumerate(texts) if re.fullmatch(pattern, text)])


def after(pattern: str) -> Places:
    """Places whose token before is spelt so."""
    at = written(pattern)
    return lambda tokens, tokenizer: F.pad(at(tokens, tokenizer), (1, 0))[:, :-1]


def one_of(words: Sequence[str]) -> str:
    """How any of these words is spelt, with the space before it."""
    return f" ({'|'.join(words)})"


def everywhere(tokens: Tensor, tokenizer: Tokenizer) -> Tensor:
    return torch.ones_like(tokens, dtype=torch.bool)


def again(tokens: Tensor, tokenizer: Tokenizer) -> Tensor:
    """Places whose token stands earlier in the text as well."""
    return (tokens[:, :, None] == tokens[:, None, :]).tril(-1).any(-1)


def first_seven(tokens: Tensor, tokenizer: Tokenizer) -> Tensor:
    """Positions 1 to 7: the beginning, at position 0, is no place that counts."""
    return (torch.arange(tokens.shape[1], device=tokens.device) < 8).expand_as(tokens)


NAME, WORD = written(one_of(NAMES)), written(" [a-z]+")

PROPERTIES = {
    "a name": Property(NAME, everywhere),
    "a name that stood before": Property(again, NAME),
    "a woman's name": Property(written(one_of(FEMALE)), NAME),
    "the name Ethan": Property(written(" Ethan"), everywhere),
    "the word the": Property(written(" the"), everywhere),
    "the word lost": Property(written(" lost"), everywhere),
    "a vowel first": Property(written(" [aeiou][a-z]*"), WORD),
    "after and": Property(after(" and"), everywhere),
    "one of the first seven": Property(first_seven, everywhere),
}
