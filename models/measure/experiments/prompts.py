"""Prompts for indirect object identification, with where their names stand, and their twins with other names."""

import random
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from headwork.models.data.english.gifts import Gift, classic
from headwork.models.data.english.words import GIVERS, GRAMMAR, Grammar
from headwork.models.tokenizer import Tokenizer


class Prompts(NamedTuple):
    """Prompts of several lengths, filled up at the end. Tokens of names and places are (prompt,)."""

    tokens: Tensor  # (prompt, position)
    end: Tensor  # the last position of each, where the answer is read
    receiver: Tensor  # the token of the indirect object, IO
    subject: Tensor  # the token of the giver, S
    io: Tensor  # the position of IO
    s1: Tensor  # the position of S's first mention
    s2: Tensor  # the position of its second
    absent: Tensor  # tokens of names that are in none of the prompt: (prompt, 4)

    def to(self, device: torch.device) -> "Prompts":
        return Prompts(*(each.to(device) for each in self))

    def replaced(self, place: str, tokens: Tensor) -> Tensor:
        """The tokens with others, (prompt,), at this place: io, s1 or s2."""
        changed = self.tokens.clone()
        changed[torch.arange(len(changed)), getattr(self, place)] = tokens
        return changed

    def flipped(self) -> Tensor:
        """The same prompts with the other person giving: S2 is IO."""
        return self.replaced("s2", self.receiver)

    def without_s1(self) -> Tensor:
        """Somebody new in place of S1: the giver is met once."""
        return self.replaced("s1", self.absent[:, 0])

    def strangers(self, shift: int = 0) -> Tensor:
        """Three people, all met once, in the places of IO, S1 and S2. shift: which of the absent names."""
        rows, changed = torch.arange(len(self.tokens)), self.tokens.clone()
        for index, place in enumerate((self.io, self.s1, self.s2)):
            changed[rows, place] = self.absent[:, (index + shift) % self.absent.shape[1]]
        return changed


def classic_prompts(
    tokenizer: Tokenizer, count: int, seed: int, people: Sequence[str] = GIVERS, grammar: Grammar = GRAMMAR
) -> Prompts:
    """Prompts of the two orders, ABBA and BABA, in turn."""
    rng = random.Random(f"prompts {seed}")
    gifts = [classic(rng, people, grammar, ("ABBA", "BABA")[index % 2]) for index in range(count)]
    absent = []
    for gift in gifts:
        others = [name for name in people if name not in (gift.receiver, *gift.others)]
        absent.append([tokenizer.single_token(f" {name}") for name in rng.sample(others, 4)])
    return located(tokenizer, gifts, absent)


def located(tokenizer: Tokenizer, gifts: Sequence[Gift], absent: list[list[int]]) -> Prompts:
    """The prompts of gifts with one giver, who is mentioned twice."""
    tokens = tokenizer.to_tokens([gift.text for gift in gifts], pad=True)
    receiver = torch.tensor([tokenizer.single_token(f" {gift.receiver}") for gift in gifts])
    subject = torch.tensor([tokenizer.single_token(f" {gift.others[0]}") for gift in gifts])
    end = torch.tensor([len(tokenizer.encode(gift.text)) for gift in gifts])
    mentions = tokens == subject[:, None]  # (prompt, position)
    places = torch.arange(tokens.shape[1])
    s2 = torch.where(mentions, places, -1).max(1).values
    io = (tokens == receiver[:, None]).long().argmax(1)
    return Prompts(tokens, end, receiver, subject, io, mentions.long().argmax(1), s2, torch.tensor(absent))
