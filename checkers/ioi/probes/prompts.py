"""What is asked of answers in chapter `ioi`: prompts, and their corrupted twins.

Learners' processes hold this file: it contains no answer.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.probing import Answer, Case, Unfit, generator

FIELDS = ("tokens", "io", "s", "absent", "template", "order")
PLACES = ("IO", "S1", "S1+1", "S2", "END")


@lru_cache(maxsize=4096)  # names above all, hundreds of times in an answer
def _words(text: str) -> tuple[str, ...]:
    """Words with the space before them, marks and spaces."""
    return tuple(re.findall(r" ?\w+| ?[^\w\s]|\s", text))


class Words:
    """A small tokenizer with the interface of `headwork.models.tokenizer.Tokenizer`.

    A word with the space before it is one token if `vocabulary` has it, and so is it without the space; any other is
    cut into letters. Its tokens are the places in the vocabulary; BOS is the last.
    """

    def __init__(self, vocabulary: list[str]):
        self.pieces = {piece: token for token, piece in enumerate(vocabulary)}
        self.vocabulary = vocabulary
        self.bos = len(vocabulary) - 1

    def __len__(self) -> int:
        return len(self.vocabulary)

    def encode(self, text: str) -> list[int]:
        return [self.pieces[part] for word in _words(text) for part in ([word] if word in self.pieces else word)]

    def decode(self, ids: Sequence[int] | Tensor) -> str:
        return "".join(self.vocabulary[int(token)] for token in ids)

    def to_tokens(self, texts: str | Sequence[str], *, pad: bool = False) -> Tensor:
        rows = [[self.bos, *self.encode(text)] for text in ([texts] if isinstance(texts, str) else texts)]
        longest = max(map(len, rows))
        if not pad and min(map(len, rows)) < longest:
            raise ValueError("the texts have different lengths: make them equal, or pad=True")
        return torch.tensor([row + [self.bos] * (longest - len(row)) for row in rows])

    def str_tokens(self, text: str) -> list[str]:
        return [self.vocabulary[token] for token in (self.bos, *self.encode(text))]

    def single_token(self, word: str) -> int:
        ids = self.encode(word)
        if len(ids) != 1:
            raise ValueError(f"{word!r} is not one token but {len(ids)}")
        return ids[0]


@dataclass
class Given:
    """The fields of the chapter's `Prompts`."""

    tokens: Tensor
    io: Tensor
    s: Tensor
    absent: Tensor
    template: Tensor
    order: Tensor
    positions: dict[str, Tensor]


def ioi_prompts(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """A few prompts to look at, once for each property; and many with few names, whose pairs are counted."""
    tokenizer = Words(case.vocabulary)

    def prompts(count: int, source: torch.Generator) -> dict[str, Any]:
        return _fields(answer.ioi_prompts(tokenizer, list(case.templates), list(case.names), count, source))

    found = prompts(case.count, generator(case.seed))
    for name in ("texts", "places", "absent names", "kinds"):
        yield name, found
    source = generator(case.seed)
    first = prompts(case.count, source)
    yield "once", found["tokens"]
    yield "again", first["tokens"]
    following = prompts(case.count, source)
    yield "the next are the same", torch.equal(first["tokens"], following["tokens"])
    many = prompts(case.many, generator(case.seed + 1))
    known = sorted(tokenizer.encode(f" {name}")[0] for name in case.names if len(tokenizer.encode(f" {name}")) == 1)
    places = torch.tensor(known)
    found_at = (torch.searchsorted(places, many[name].long().contiguous()) for name in ("io", "s"))
    io, s = (place.clamp(max=len(known) - 1) for place in found_at)
    yield "pairs", io * len(known) + s  # strangers may be coded as names: texts are looked at for that


def corrupt(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Each prompt once; and the first of them many times, whose new names are counted."""
    device = case.tokens.device
    prompts = Given(
        **{name: getattr(case, name).clone() for name in FIELDS},
        positions={name: case.places[:, column].clone() for column, name in enumerate(PLACES)},
    )
    found = answer.corrupt(prompts, case.how, generator(case.seed, device))
    if case.how not in ("abc", "s1"):  # nothing is drawn
        yield "exchanged", found
        return
    yield "strangers", found
    yield "once", found
    source = generator(case.seed, device)
    first, following = (answer.corrupt(prompts, case.how, source) for _ in range(2))
    yield "again", first
    yield "the next are the same", torch.equal(first, following)
    many = Given(
        **{name: getattr(case, name)[:1].repeat(case.many, *[1] * (getattr(case, name).dim() - 1)) for name in FIELDS},
        positions={name: case.places[:1, column].repeat(case.many) for column, name in enumerate(PLACES)},
    )
    drawn = answer.corrupt(many, case.how, generator(case.seed + 1, device))
    if not isinstance(drawn, Tensor) or drawn.shape != many.tokens.shape:
        raise Unfit("`corrupt` gives no tensor of the shape of `prompts.tokens`")
    code = torch.zeros(case.many, dtype=torch.long, device=drawn.device)
    for place in ("IO", "S1", "S2") if case.how == "abc" else ("S1",):
        name = drawn[torch.arange(case.many), many.positions[place]]
        which = (many.absent == name[:, None]).long().argmax(1)  # 0 also for a name that is not absent
        code = code * many.absent.shape[1] + which
    yield "draws", code


def _fields(prompts: Any) -> dict[str, Any]:
    """The fields of an answer's prompts, which may be of any class that has them."""
    missing = [name for name in (*FIELDS, "positions") if not hasattr(prompts, name)]
    if missing:
        kind = type(prompts).__name__
        raise Unfit(f"`ioi_prompts` returns a {kind} without `{missing[0]}`: return a `Prompts`")
    if not isinstance(prompts.positions, dict):
        raise Unfit("`positions` is no dict")
    for name in FIELDS:
        if not isinstance(getattr(prompts, name), Tensor):
            raise Unfit(f"`{name}` of the prompts is a {type(getattr(prompts, name)).__name__}: make it a tensor")
    return {name: getattr(prompts, name) for name in FIELDS} | {"positions": dict(prompts.positions)}
