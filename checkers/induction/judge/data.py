"""Texts on which induction shows: repeats of many periods, and single pairs of tokens that come back.

With one fixed period a head that attends to a fixed distance does as well as one that looks for the same token; and a
model may go on with a long repeat for other reasons than the pair before it. So both are asked.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Texts:
    """Tokens with what induction would predict in them.

    tokens: (text, position), the first of each the model's own beginning. edge: (text, query, key), True where the
    query's token stood before the key, so that the key holds what came after it. scored: (text, position), True where
    the next token is the one at the edge's key. unrepeated: (text, position), tokens of which none comes twice.
    """

    tokens: Tensor
    edge: Tensor
    scored: Tensor
    unrepeated: Tensor

    def to(self, device: torch.device) -> "Texts":
        return Texts(*(each.to(device) for each in (self.tokens, self.edge, self.scored, self.unrepeated)))


def repeats(count: int, length: int, vocab: int, source: torch.Generator, bos: int = 0) -> Texts:
    """Each text has a stretch of random tokens twice, of a period and at a place of its own; all else comes once."""
    tokens, unrepeated = _unrepeated(count, length, vocab, source, bos), _unrepeated(count, length, vocab, source, bos)
    came = torch.full((count, length), -1)  # where each token stood before, -1 for nowhere
    for text in range(count):
        longest = (length - 1) // 2
        period = int(torch.randint(max(3, longest // 3), longest + 1, (1,), generator=source))
        start = int(torch.randint(1, length - 2 * period + 1, (1,), generator=source))
        again = slice(start + period, start + 2 * period)
        tokens[text, again] = tokens[text, start : start + period]
        came[text, again] = torch.arange(start, start + period)
    return _texts(tokens, came, unrepeated)


def pairs(count: int, length: int, vocab: int, source: torch.Generator, bos: int = 0) -> Texts:
    """Each text has a few pairs of neighbours that come back, each alone, at distances of their own."""
    tokens, unrepeated = _unrepeated(count, length, vocab, source, bos), _unrepeated(count, length, vocab, source, bos)
    came = torch.full((count, length), -1)
    many = max(1, (length - 1) // 12)
    for text in range(count):
        places = 1 + 3 * torch.randperm((length - 1) // 3, generator=source)[: 2 * many].reshape(many, 2)
        for first, second in places.sort(-1).values.tolist():  # three apart, so that no two pairs touch
            tokens[text, second : second + 2] = tokens[text, first : first + 2]
            came[text, second] = first
    return _texts(tokens, came, unrepeated)


def _unrepeated(count: int, length: int, vocab: int, source: torch.Generator, bos: int) -> Tensor:
    rows = [torch.randperm(vocab - 1, generator=source)[:length] for _ in range(count)]
    tokens = torch.stack(rows)
    tokens += tokens >= bos  # all but the beginning's own token
    tokens[:, 0] = bos
    return tokens


def _texts(tokens: Tensor, came: Tensor, unrepeated: Tensor) -> Texts:
    count, length = tokens.shape
    edge = torch.zeros(count, length, length, dtype=torch.bool)
    text, query = (came >= 0).nonzero(as_tuple=True)
    edge[text, query, came[text, query] + 1] = True
    ahead = (came + 1).clamp(max=length - 1)
    follows = tokens.gather(1, ahead)[:, :-1] == tokens[:, 1:]  # (text, position - 1)
    scored = torch.zeros(count, length, dtype=torch.bool)
    scored[:, :-1] = (came[:, :-1] >= 0) & follows
    return Texts(tokens, edge, scored, unrepeated)
