"""`gpt2.bpe_decode`: from tokens back to text."""

from collections.abc import Iterator

from headwork.checkers.checks import equal, satisfies
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.gpt2.probes.tokenizer import read_vocabulary
from headwork.checkers.gpt2.tables import random_merges, write_vocabulary
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.models.gpt2_tokenizer import END_OF_TEXT, merges

ask = Exercise("bpe_decode")

LEARNED = 2000  # of GPT-2's merges


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, pairs, shuffle, texts in [
        ("English", merges()[:LEARNED], None, [b" Hello world , it's\n 1984  ", b"A", b""]),
        ("characters in several tokens", merges()[:LEARNED], None, ["🙂 語 é Ġ שלום".encode(), "👩\u200d👧".encode()]),
        ("the end of a text", merges()[:LEARNED], None, [b"one", END_OF_TEXT, " —".encode()]),
        ("a table at random", random_merges(rng, "aé ".encode(), 12), rng, ["é aaé".encode() * 3, b"  a\ta "]),
        (
            "cut within a character",
            merges()[:LEARNED],
            None,
            ["🙂".encode()[:3], "ok 語".encode()[:-1], "é!".encode()[1:]],
        ),
        (
            "bytes that are no UTF-8",
            random_merges(rng, b"\xff\x80a ", 8),
            rng,
            [_noise(rng, 30), b"\xc0\x80\xed\xa0\x80", b"\xf5a"],
        ),
        ("every byte", random_merges(rng, b"xyz", 5), rng, [bytes(range(256)), bytes(range(255, -1, -1))]),
    ]:
        table = write_vocabulary(pairs, shuffle)
        vocabulary = read_vocabulary(table)
        ids = [_tokens(rng, text, vocabulary) for text in texts]
        yield Case(name, vocabulary=table, ids=ids)


def _noise(rng: Rng, length: int) -> bytes:
    return bytes(rng.integers((length,), 256).tolist())


def _tokens(rng: Rng, data: bytes, vocabulary: dict[bytes, int]) -> list[int]:
    """Tokens that hold these bytes, one or cut at random: decoding works for any, not only for those of encoding."""
    if data in vocabulary:
        return [vocabulary[data]]
    ids, place = [], 0
    while place < len(data):
        sizes = [size for size in range(1, 9) if data[place : place + size] in vocabulary and place + size <= len(data)]
        size = sizes[int(rng.integers((), len(sizes)))]
        ids.append(vocabulary[data[place : place + size]])
        place += size
    return ids


def _changed(value: object, case: Case) -> str:
    return "" if value is True else "`vocabulary` was changed: whoever passed it in still needs it"


ask.checks(
    equal("texts", title="joins the bytes of all tokens and reads them as UTF-8", weight=3),
    satisfies("table", _changed, title="leaves the vocabulary as it was"),
)

RETURN = 'b"".join(pieces[token] for token in ids).decode("utf-8", errors="replace")'

ask.mistakes(
    edit(
        RETURN,
        '"".join(pieces[token].decode("utf-8", errors="replace") for token in ids)',
        "Each token is decoded by itself: a character may be spread over several tokens, so join the bytes first.",
    ),
    edit(
        RETURN,
        '"".join(pieces[token].decode("utf-8", errors="ignore") for token in ids)',
        "Each token is decoded by itself, and what is no character then is dropped: join the bytes first.",
    ),
    edit(
        'errors="replace"',
        'errors="ignore"',
        "Bytes that are no UTF-8 are dropped: each must be seen, as the replacement character.",
    ),
    edit(
        ', errors="replace"',
        "",
        "Bytes that are no UTF-8 raise an error: a model may write any tokens, so replace what cannot be read.",
    ),
    edit(
        'errors="replace"',
        'errors="backslashreplace"',
        "Bytes that are no UTF-8 come out as escapes such as \\xff: the replacement character U+FFFD is asked for.",
    ),
    edit(
        '"utf-8", errors="replace"',
        '"latin-1"',
        "The bytes are read as Latin-1, a character each: they are UTF-8.",
    ),
    edit(
        '"utf-8", errors="replace"',
        '"ascii", errors="replace"',
        "Only ASCII is read: the bytes are UTF-8, and most characters have several.",
    ),
    edit(
        'b"".join(',
        'b" ".join(',
        "Spaces are put between the tokens: the tokens bring their own, at the beginning of a word.",
    ),
    edit(
        "pieces = {token: piece for piece, token in vocabulary.items()}",
        "pieces = list(vocabulary)",
        "The place in the vocabulary is taken for the token: turn the dict round, from token to piece.",
    ),
    edit(
        "pieces = {token: piece for piece, token in vocabulary.items()}",
        "pieces = vocabulary",
        "The vocabulary leads from pieces to tokens: turn it round before looking up a token.",
    ),
    edit(
        RETURN,
        RETURN + ".strip()",
        "White space at the ends is stripped off: the text must come back as it was.",
    ),
    edit(
        RETURN,
        RETURN + '.replace("Ġ", " ")',
        "Ġ is turned into a space: it stands for one only in files that show bytes as characters; here it is a letter.",
    ),
    edit(
        "for token in ids)",
        'for token in ids if pieces[token] != b"<|endoftext|>")',
        "The end-of-text token is left out: its text belongs to the result.",
    ),
    edit(
        RETURN,
        'b"".join(pieces[token] for token in ids)',
        "These are bytes: decode them to text.",
    ),
    edit(
        "pieces = {token: piece for piece, token in vocabulary.items()}",
        "pieces = {vocabulary.pop(piece): piece for piece in list(vocabulary)}",
        "The vocabulary is emptied on the way: read it, and take nothing out.",
    ),
)
