"""Texts of the house model's grammar as rows of tokens, drawn by number, so that any of them can be made again."""

import random
from collections.abc import Callable

import torch
from torch import Tensor

from headwork.models.data.english.corpus import GIVING, written
from headwork.models.tokenizer import Tokenizer

ROWS, GROUPS = 64, 8  # texts in a reading; how many readings are drawn together, sorted by length
CPU = torch.device("cpu")


class Corpus:
    """Called with 0, 1, 2, ...: tokens and which positions count, both (text, position), 64 texts each.

    A text begins with <|endoftext|>, which does not count, and ends where it ends: what stands behind it is padding.
    The same key gives the same texts, another key others. readings: how many there are; without end for None.
    """

    def __init__(
        self, tokenizer: Tokenizer, length: int, key: str, readings: int | None = None, device: torch.device = CPU
    ):
        self.tokenizer, self.length, self.key, self.readings, self.device = tokenizer, length, key, readings, device
        self.drawn: tuple[int, list[list[int]]] = (-1, [])

    def __call__(self, index: int) -> tuple[Tensor, Tensor] | None:
        if self.readings is not None and index >= self.readings:
            return None
        number, group = divmod(index, GROUPS)
        if self.drawn[0] != number:
            self.drawn = number, self._draw(number)
        tokens, counts = padded(self.drawn[1][group * ROWS : (group + 1) * ROWS])
        return tokens.to(self.device), counts.to(self.device)

    def _draw(self, number: int) -> list[list[int]]:
        """Texts by length, so that a reading has little padding."""
        rng, found = random.Random(f"{self.key} {number}"), list[list[int]]()
        while len(found) < ROWS * GROUPS:
            tokens = [self.tokenizer.bos, *self.tokenizer.encode(written(rng, GIVING).text)][: self.length]
            if len(tokens) > 2:
                found.append(tokens)
        return sorted(found, key=len)


def padded(texts: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Texts of one size, with padding behind, and which positions are neither padding nor the beginning."""
    length = max(map(len, texts))
    tokens = torch.tensor([each + [0] * (length - len(each)) for each in texts])
    size = torch.tensor([len(each) for each in texts])[:, None]
    place = torch.arange(length)
    return tokens, (place > 0) & (place < size)


Told = Callable[[int], None]  # how much has been done since the last time
