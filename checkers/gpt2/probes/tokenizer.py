"""What is asked of answers in chapter `gpt2`: the tokenizer.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.probing import Answer, Case, in_ways


def pretokenize(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield case.about, answer.pretokenize(case.text)


def byte_pair_merge(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    ranks = read_ranks(case.merges)
    tables = [dict(ranks) for _ in case.words]
    words = map(unspelled, case.words)
    yield "pieces", [_shown(answer.byte_pair_merge(*each)) for each in zip(words, tables, strict=True)]
    yield "table", all(table == ranks for table in tables)


def bpe_encode(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Asked twice: as it stands, and with decoys for `pretokenize` and `byte_pair_merge`, which have exercises.

    Only one of the two has to work: an answer may do without these functions, or not have them yet.
    """

    def ask(way: str) -> Iterator[tuple[str, Any]]:
        ranks, vocabulary = read_ranks(case.merges), read_vocabulary(case.vocabulary)
        yield "ids", [answer.bpe_encode(text, ranks, vocabulary) for text in case.texts]
        yield "tables", ranks == read_ranks(case.merges) and vocabulary == read_vocabulary(case.vocabulary)

    parts = {"pretokenize": _decoy_words, "byte_pair_merge": _decoy_pieces}
    yield from in_ways(answer, {"as it stands": {}, "with our parts": parts}, ask)


def bpe_decode(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    vocabulary = read_vocabulary(case.vocabulary)
    tables = [dict(vocabulary) for _ in case.ids]
    texts = [answer.bpe_decode(list(ids), table) for ids, table in zip(case.ids, tables, strict=True)]
    yield "texts", [repr(text) if isinstance(text, bytes) else text for text in texts]
    yield "table", all(table == vocabulary for table in tables)


def spelled(piece: bytes) -> str:
    """Bytes as text that has no spaces and crosses the wire: 256 added to each."""
    return "".join(chr(256 + byte) for byte in piece)


def unspelled(text: str) -> bytes:
    return bytes(ord(character) - 256 for character in text)


def read_ranks(text: str) -> dict[tuple[bytes, bytes], int]:
    """The table of lines `left right rank`, in the order of the lines."""
    lines = (line.split(" ") for line in text.splitlines())
    return {(unspelled(left), unspelled(right)): int(rank) for left, right, rank in lines}


def read_vocabulary(text: str) -> dict[bytes, int]:
    """The table of lines `piece token`, in the order of the lines."""
    lines = (line.split(" ") for line in text.splitlines())
    return {unspelled(piece): int(token) for piece, token in lines}


def _shown(pieces: Any) -> Any:
    """Pieces as they are written in Python: bytes do not cross the wire, and are not to be taken for text."""
    return [repr(piece) for piece in pieces] if isinstance(pieces, (list, tuple)) else pieces


def _decoy_words(text: str) -> list[str]:
    """A cut that no exercise asks for: after every third character."""
    return [text[place : place + 3] for place in range(0, len(text), 3)]


def _decoy_pieces(word: bytes, ranks: dict[tuple[bytes, bytes], int]) -> list[bytes]:
    """Pieces that no exercise asks for: of two bytes where there is such a merge, from every second byte on."""
    pieces: list[bytes] = []
    for place in range(0, len(word), 2):
        one, other = word[place : place + 1], word[place + 1 : place + 2]
        pieces += [one + other] if (one, other) in ranks or not other else [one, other]
    return pieces
