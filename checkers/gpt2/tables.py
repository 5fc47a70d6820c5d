"""Tables for the tokenizer's cases, as the probes read them."""

from collections.abc import Sequence

from headwork.checkers.gpt2.probes.tokenizer import spelled
from headwork.checkers.inputs import Rng
from headwork.models import gpt2_tokenizer

Pair = tuple[bytes, bytes]


def random_merges(rng: Rng, alphabet: bytes, count: int) -> list[Pair]:
    """Merges as training could have found them: of bytes and of what earlier merges make, each result once."""
    pieces = [bytes([byte]) for byte in alphabet]
    found: list[Pair] = []
    while len(found) < count:
        left, right = (pieces[pick] for pick in rng.integers((2,), len(pieces)).tolist())
        if left + right not in pieces and len(left + right) <= 6:
            pieces.append(left + right)
            found.append((left, right))
    return found


def write_ranks(merges: Sequence[Pair], rng: Rng | None = None) -> str:
    """The table of `merges`, of which the first has rank 0; its lines are shuffled when there is an `rng`."""
    lines = [f"{spelled(left)} {spelled(right)} {rank}" for rank, (left, right) in enumerate(merges)]
    return "\n".join(_shuffled(lines, rng))


def write_vocabulary(merges: Sequence[Pair], rng: Rng | None = None) -> str:
    """The tokens of bytes, of what `merges` make and of the end of a text: as in GPT-2, or at random by `rng`."""
    made = [left + right for left, right in merges]
    pieces = [*(bytes([byte]) for byte in gpt2_tokenizer.BYTES), *made, gpt2_tokenizer.END_OF_TEXT]
    tokens = [*range(len(pieces) - 1), len(gpt2_tokenizer.vocabulary()) - 1]
    if rng:
        tokens = rng.permutation(len(pieces)).tolist()
    return write_tokens(dict(zip(pieces, tokens, strict=True)), rng)


def write_tokens(vocabulary: dict[bytes, int], rng: Rng | None = None) -> str:
    """The table of a vocabulary; its lines are shuffled when there is an `rng`."""
    return "\n".join(_shuffled([f"{spelled(piece)} {token}" for piece, token in vocabulary.items()], rng))


def _shuffled(lines: list[str], rng: Rng | None) -> list[str]:
    return [lines[place] for place in rng.permutation(len(lines)).tolist()] if rng else lines
