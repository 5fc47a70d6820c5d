"""GPT-2's tokenizer as data: its merges, and the vocabulary that follows from them.

Source: Radford et al. 2019; the merges are the published ones (tokenizers/gpt2/NOTICE).
"""

from functools import lru_cache
from importlib.resources import files

END_OF_TEXT = b"<|endoftext|>"

# Bytes that have a visible character in Latin-1: the file shows them as that character.
VISIBLE = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
BYTES = [*VISIBLE, *sorted({*range(256)} - {*VISIBLE})]  # in the order of their tokens
SHOWN = {chr(byte if place < len(VISIBLE) else 256 + place - len(VISIBLE)): byte for place, byte in enumerate(BYTES)}


def from_shown(text: str) -> bytes:
    """The bytes that a tokenizer's file shows as `text`, one character a byte: 'Ġthe' is b' the'."""
    return bytes(map(SHOWN.__getitem__, text))


@lru_cache
def merges() -> tuple[tuple[bytes, bytes], ...]:
    """The 50,000 merges, the first learned first."""
    text = files("headwork.models").joinpath("tokenizers/gpt2/merges.txt").read_text(encoding="utf-8")
    pairs = (line.split(" ") for line in text.splitlines()[1:])  # the first line is a version
    return tuple((from_shown(left), from_shown(right)) for left, right in pairs)


def ranks() -> dict[tuple[bytes, bytes], int]:
    """The place of each merge in the order of learning, from 0."""
    return {pair: rank for rank, pair in enumerate(merges())}


def vocabulary() -> dict[bytes, int]:
    """The token of each piece: 256 bytes, then what each merge makes, then the end of a text; 50,257 in all."""
    pieces = [*(bytes([byte]) for byte in BYTES), *(left + right for left, right in merges()), END_OF_TEXT]
    return {piece: token for token, piece in enumerate(pieces)}
