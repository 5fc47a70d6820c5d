"""Texts to tokens and back, by a model's tokenizer.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from headwork.models.gpt2_tokenizer import from_shown

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Encoding

BOS = "<|endoftext|>"  # GPT-2 has one token for the end of a text and for the beginning of the next


class Tokenizer:
    """A model's tokens. The file is read at first use: most work on a model needs neither words nor their library."""

    def __init__(self, file: Path):
        self.file = file

    @cached_property
    def bos(self) -> int:
        """The token that begins every text. Raises ValueError if there is none."""
        token = self._encoding.token_to_id(BOS)
        if token is None:
            raise ValueError(f"{self.file} has no token {BOS}")
        return token

    @cached_property
    def _encoding(self) -> Encoding:
        from tokenizers import Tokenizer as Encoding

        return Encoding.from_file(str(self.file))

    @cached_property
    def _file(self) -> dict[str, Any]:
        settings: dict[str, Any] = json.loads(self.file.read_text(encoding="utf-8"))
        return settings

    def merges(self) -> list[tuple[bytes, bytes]]:
        """The merges of byte pair encoding, the first learned first."""
        pairs = (pair if isinstance(pair, list) else pair.split(" ") for pair in self._file["model"]["merges"])
        return [(from_shown(left), from_shown(right)) for left, right in pairs]

    def vocabulary(self) -> dict[bytes, int]:
        """The token of each piece of text, and those of the special texts."""
        special = {each["content"] for each in self._file["added_tokens"]}
        pieces = self._file["model"]["vocab"].items()
        return {piece.encode() if piece in special else from_shown(piece): token for piece, token in pieces}

    @property
    def begins_with_space(self) -> bool:
        """Whether a space is put before every text, so that its first word is as the others."""
        return bool(self._file["pre_tokenizer"].get("add_prefix_space"))

    def __len__(self) -> int:
        """How many tokens there are."""
        return self._encoding.get_vocab_size()

    def encode(self, text: str) -> list[int]:
        """The text's tokens, without one for its beginning."""
        return self._encoding.encode(text).ids

    def decode(self, ids: Sequence[int] | Tensor) -> str:
        """The text of some tokens, that of the beginning included."""
        return self._encoding.decode(_ints(ids), skip_special_tokens=False)

    def to_tokens(self, texts: str | Sequence[str], *, pad: bool = False) -> Tensor:
        """Texts as a batch, (batch, position), each with the token of the beginning before it.

        Texts of different lengths are a ValueError, unless `pad` fills the shorter ones up at the end, with that same
        token. Causal attention keeps what stands before it as it was; but the last position is then not the text's.
        """
        rows = [[self.bos, *self.encode(text)] for text in ([texts] if isinstance(texts, str) else texts)]
        lengths = {len(row) for row in rows}
        if len(lengths) > 1 and not pad:
            raise ValueError(
                f"the texts have from {min(lengths)} to {max(lengths)} tokens: make them equal, or pad=True"
            )
        return torch.tensor([row + [self.bos] * (max(lengths) - len(row)) for row in rows])

    def str_tokens(self, text: str) -> list[str]:
        """The text cut into its tokens, with that of the beginning: what stands at each position of `to_tokens`."""
        return [self.decode([token]) for token in (self.bos, *self.encode(text))]

    def single_token(self, word: str) -> int:
        """The token of a word, which inside a text begins with its space. Raises ValueError if it is not one token."""
        ids = self.encode(word)
        if len(ids) != 1:
            raise ValueError(f"{word!r} is not one token but {len(ids)}: {[self.decode([token]) for token in ids]}")
        return ids[0]


def _ints(ids: Sequence[int] | Tensor) -> list[int]:
    return [int(token) for token in (ids.tolist() if isinstance(ids, Tensor) else ids)]
