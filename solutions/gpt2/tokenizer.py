"""Chapter `gpt2`: from text to tokens and back, by byte pair encoding.

Sources: Sennrich et al. 2016; Radford et al. 2019.
"""

import math
from itertools import pairwise

import regex


def pretokenize(text: str) -> list[str]:
    """The words that are encoded apart from each other, as GPT-2 cuts them; joined they are `text` again."""
    ### BEGIN SOLUTION
    contraction = r"'s|'t|'re|'ve|'m|'ll|'d"
    word = r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"
    space = r"\s+(?!\S)|\s+"  # all of it at the end of the text; elsewhere all but its last character
    return regex.findall(f"{contraction}|{word}|{space}", text)
    ### END SOLUTION


def byte_pair_merge(word: bytes, ranks: dict[tuple[bytes, bytes], int]) -> list[bytes]:
    """The pieces that `word` becomes: neighbours are merged, always the pair of lowest rank, until none has a rank.

    `ranks` holds the place of each merge in the order of learning, by its two parts.
    """
    ### BEGIN SOLUTION
    pieces = [word[place : place + 1] for place in range(len(word))]
    while len(pieces) > 1:
        pair = min(pairwise(pieces), key=lambda pair: ranks.get(pair, math.inf))
        if pair not in ranks:
            break
        merged, place = [], 0
        while place < len(pieces):
            size = 2 if tuple(pieces[place : place + 2]) == pair else 1
            merged.append(b"".join(pieces[place : place + size]))
            place += size
        pieces = merged
    return pieces
    ### END SOLUTION


def bpe_encode(text: str, ranks: dict[tuple[bytes, bytes], int], vocabulary: dict[bytes, int]) -> list[int]:
    """The tokens of `text`. `ranks` as for `byte_pair_merge`; `vocabulary` holds the token of each piece of bytes."""
    ### BEGIN SOLUTION
    words = [word.encode("utf-8") for word in pretokenize(text)]
    return [vocabulary[piece] for word in words for piece in byte_pair_merge(word, ranks)]
    ### END SOLUTION


def bpe_decode(ids: list[int], vocabulary: dict[bytes, int]) -> str:
    """The text of the tokens `ids`; bytes that are no UTF-8 become the replacement character U+FFFD."""
    ### BEGIN SOLUTION
    pieces = {token: piece for piece, token in vocabulary.items()}
    return b"".join(pieces[token] for token in ids).decode("utf-8", errors="replace")
    ### END SOLUTION
