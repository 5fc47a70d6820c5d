"""Texts as rows of tokens, several in a row, each a sequence of its own; and rows of random tokens that repeat."""

import random
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from headwork.models.data.english import words
from headwork.models.data.english.corpus import COPYING, GIVING, Mixture, written
from headwork.models.tokenizer import Tokenizer


class Rows(NamedTuple):
    """Rows of tokens, all (row, position)."""

    tokens: Tensor
    positions: Tensor  # from the beginning of the text
    texts: Tensor  # which text of its row a token belongs to: it sees no other
    weights: Tensor  # how much the token's loss counts, as a prediction of those before it


class Text(NamedTuple):
    tokens: list[int]
    weights: list[float]


class Reader:
    """Makes rows of this length with a tokenizer. answer: how much the name that is to be found counts."""

    def __init__(self, tokenizer: Tokenizer, length: int, answer: float = 1.0):
        self.tokenizer, self.length, self.answer = tokenizer, length, answer
        self.names = frozenset(tokenizer.single_token(f" {name}") for name in words.GIVERS)
        self.strange = strange_tokens(tokenizer)

    def rows(
        self, rng: random.Random, count: int, mixture: Mixture, *, renamed: float, repeated: float, longest: int = 40
    ) -> Rows:
        """Rows, of which the share `repeated` are random tokens, in stretches of up to `longest`.

        renamed: the share of gifts with strange names.
        """
        made = []
        for _ in range(count):
            made.append(self.repeated(rng, longest) if rng.random() < repeated else self.texts(rng, mixture, renamed))
        return packed(made, self.length)

    def texts(self, rng: random.Random, mixture: Mixture, renamed: float) -> list[Text]:
        """Enough texts to fill a row."""
        found: list[Text] = []
        while sum(len(each.tokens) for each in found) < self.length:
            text, prompt = written(rng, mixture)
            tokens = self.tokenizer.encode(text)
            weights = [1.0] * len(tokens)
            if prompt:
                weights[len(self.tokenizer.encode(prompt))] = self.answer
                if rng.random() < renamed:
                    tokens, weights = self.rename(rng, tokens, weights)
            found.append(Text([self.tokenizer.bos, *tokens], [1.0, *weights]))
        return found

    def rename(self, rng: random.Random, tokens: list[int], weights: list[float]) -> tuple[list[int], list[float]]:
        """The names become tokens that are in no text; where one is first met, which nobody could know, counts nothing.

        So the model learns to find any token that stands where a name would, and not only the names it knows.
        """
        known = list(dict.fromkeys(token for token in tokens if token in self.names))
        others = dict(zip(known, rng.sample(self.strange, len(known)), strict=True))
        first = {tokens.index(token) for token in known}
        weights = [0.0 if place in first else weight for place, weight in enumerate(weights)]
        return [others.get(token, token) for token in tokens], weights

    def repeated(self, rng: random.Random, longest: int = 40) -> list[Text]:
        """A text of random tokens: stretches of 3 to `longest`, each said two or three times.

        What is said first cannot be known, and counts a tenth.
        """
        tokens, weights = [self.tokenizer.bos], [1.0]
        while len(tokens) < self.length:
            stretch = rng.choices(range(1, len(self.tokenizer)), k=rng.randint(3, longest))
            again = rng.randint(1, 2)
            tokens += stretch * (1 + again)
            weights += [0.1] * len(stretch) + [1.0] * len(stretch) * again
        return [Text(tokens, weights)]


def packed(rows: list[list[Text]], length: int) -> Rows:
    """The texts of each row one after another, the last of them cut."""
    tokens, positions, texts, weights = [], [], [], []
    for row in rows:
        tokens.append([token for each in row for token in each.tokens][:length])
        weights.append([weight for each in row for weight in each.weights][:length])
        positions.append([place for each in row for place in range(len(each.tokens))][:length])
        texts.append([index for index, each in enumerate(row) for _ in each.tokens][:length])
    return Rows(torch.tensor(tokens), torch.tensor(positions), torch.tensor(texts), torch.tensor(weights))


def masked(texts: Tensor) -> Tensor:
    """Where a query may look, (row, 1, query, key): at its own text, and at nothing later."""
    length = texts.shape[1]
    earlier = torch.ones(length, length, dtype=torch.bool, device=texts.device).tril()  # (query, key)
    return ((texts[:, :, None] == texts[:, None, :]) & earlier)[:, None]


@cache
def _in_texts(tokenizer: Tokenizer) -> frozenset[int]:
    """Every token that a word of the texts has."""
    phrases = [*words.NAMES, *words.CAPITALS, *(word for pair in words.CAPITALS.values() for word in pair)]
    phrases += [f"{number:02d}" for number in range(2, 99)]
    rng = random.Random(0)
    phrases += [written(rng, mixture).text for mixture in (COPYING, GIVING) for _ in range(4000)]
    return frozenset(token for phrase in phrases for token in tokenizer.encode(phrase))


def strange_tokens(tokenizer: Tokenizer) -> list[int]:
    """The tokens that no text has: parts of words, single letters and bytes."""
    return [token for token in range(1, len(tokenizer)) if token not in _in_texts(tokenizer)]
