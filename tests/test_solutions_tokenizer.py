"""The tokenizer's references against transformers, the tokenizers library, Unicode's categories and brute force."""

import json
import random
import unicodedata
from functools import lru_cache
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwork.models import gpt2_tokenizer
from headwork.solutions.gpt2.tokenizer import bpe_decode, bpe_encode, byte_pair_merge, pretokenize

RANKS = gpt2_tokenizer.ranks()
VOCABULARY = gpt2_tokenizer.vocabulary()
PIECES = {token: piece for piece, token in VOCABULARY.items()}

CORPUS = [
    "",
    " ",
    "The quick brown fox isn't the dog's; they've said we'll go, I'm sure, you're right, he'd know.",
    "IT'S DON'T 'Tis 'twas rock'n'roll dogs' ''' it’s",
    "emoji 👍🏽 👩\u200d👩\u200d👧\u200d👦 🇫🇷 ☃\ufe0f🙂🙂",
    "中文分词 日本語のテキスト 한국어 텍스트 ไทย",
    "שלום עולם مرحبا بالعالم ٣٤٥ \u200fabc\u200e",
    "cafe\u0301 n\u0303 हिन्दी a\u0308\u0323 \u0301",
    "x² Ⅳ ½ ③ 10³ 12345678901234567890 3.14159 1,000,000",
    "a  b   c    d\t\te\n\n\nf \n g\r\n  \u00a0h\u2003\u3000i  ",
    " " * 300 + "x" + "\n" * 70 + " y" + "\t \t " * 20,
    "".join(map(chr, range(0x80))),
    "\x00\x01\x1b[31m\x7f\x85\u2028\u2029\ufeff\ufffd\U0010ffff\ue000",
    "<|endoftext|> one<|endoftext|>two <| endoftext |>",
    "def f(x):\n    return x_1 != y['key'] or __name__ == \"__main__\"\n" * 3,
    "https://example.org/?q=a%20b&c=d#e f@g.h C++ #hashtag $9.99 50% ~/.bashrc ÃÂÃÂ",
    "antidisestablishmentarianism SolidGoldMagikarp tokenization anyone cached",
    b"\xff\xfe\x80 ok \xe2\x82 \xed\xa0\x80 \xf0\x9f\x99".decode("utf-8", "replace"),
    bytes(range(256)).decode("latin-1"),
    bytes(range(256)).decode("utf-8", "replace"),
]
MIXED = st.text(
    st.one_of(
        st.sampled_from("'sStTrevmld  \n\t\u00a0\u3000_-.…²Ⅳ½٣三é\u0301\u200d🙂🏽ġĠ0 9aZ"),
        st.characters(exclude_categories=["Cs", "Cn"]),
    )
)


@lru_cache
def _shown() -> dict[int, str]:
    """The character that stands for each byte in the libraries' vocabularies, as in Radford et al.'s code."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {byte: chr(256 + place) for place, byte in enumerate(hidden)}


def _show(piece: bytes) -> str:
    return "".join(_shown()[byte] for byte in piece)


def _files() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges as the libraries want them."""
    vocabulary = {_show(piece): token for piece, token in VOCABULARY.items()}
    return vocabulary, [(_show(left), _show(right)) for left, right in gpt2_tokenizer.merges()]


@pytest.fixture(scope="module")
def library():
    """Hugging Face's byte-level BPE, to which the end of a text is text like any other."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    vocabulary, merges = _files()
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


@pytest.fixture(scope="module")
def transformers_tokenizer():
    from transformers import GPT2Tokenizer

    vocabulary, merges = _files()
    return GPT2Tokenizer(vocab=vocabulary, merges=merges)


def test_the_vocabulary_is_gpt2s():
    assert len(RANKS) == 50_000 and len(VOCABULARY) == 50_257
    known = {b"!": 0, b"A": 32, b" ": 220, b"\n": 198, b" t": 256, b" the": 262, b"the": 1169, b"<|endoftext|>": 50256}
    assert {piece: VOCABULARY[piece] for piece in known} == known


def test_every_merge_is_made_of_bytes_and_earlier_merges_and_makes_something_new():
    made = {bytes([byte]) for byte in range(256)}
    for left, right in gpt2_tokenizer.merges():
        assert left in made and right in made and left + right not in made
        made.add(left + right)


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
def test_tokens_are_those_of_transformers(text, transformers_tokenizer):
    parts = text.split("<|endoftext|>")  # transformers takes it for the token
    for part in parts:
        ids = bpe_encode(part, RANKS, VOCABULARY)
        assert ids == transformers_tokenizer(part)["input_ids"]
        assert bpe_decode(ids, VOCABULARY) == part
        assert transformers_tokenizer.decode(ids, clean_up_tokenization_spaces=False) == part


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
def test_tokens_are_those_of_the_tokenizers_library(text, library):
    assert bpe_encode(text, RANKS, VOCABULARY) == library.encode(text).ids


@settings(max_examples=300, deadline=None)
@given(text=MIXED)
def test_any_text_has_the_librarys_tokens_and_comes_back(text, library):
    words = pretokenize(text)
    assert "".join(words) == text and all(words)
    ids = bpe_encode(text, RANKS, VOCABULARY)
    assert bpe_decode(ids, VOCABULARY) == text
    assert ids == library.encode(text).ids


@settings(max_examples=200, deadline=None)
@given(ids=st.lists(st.integers(0, 50_256), max_size=12))
def test_any_tokens_decode_as_their_bytes_do(ids, library):
    text = bpe_decode(ids, VOCABULARY)
    assert text == b"".join(PIECES[token] for token in ids).decode("utf-8", "replace")
    assert text.count("\ufffd") == library.decode(ids, skip_special_tokens=False).count("\ufffd")


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs", "Cn", "Co"], exclude_characters="\x1c\x1d\x1e\x1f")))
def test_each_part_is_of_one_kind_by_unicodes_categories(text):
    def kind(character):
        return "Z" if character.isspace() else {"L": "L", "N": "N"}.get(unicodedata.category(character)[0], "o")

    for word in pretokenize(text):
        if word not in ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d"):
            assert len({kind(character) for character in (word if word.isspace() else word.removeprefix(" "))}) == 1


def test_merging_is_the_definition_by_brute_force():
    """One merge at a time, the leftmost occurrence of the lowest rank, on tables and words drawn at random."""
    draw = random.Random(5)
    for _ in range(300):
        pieces = [b"a", b"b", b"c"]
        ranks: dict[tuple[bytes, bytes], int] = {}
        for _ in range(draw.randrange(9)):
            left, right = draw.choice(pieces), draw.choice(pieces)
            if left + right not in pieces:
                ranks[left, right] = len(ranks)
                pieces.append(left + right)
        word = bytes(draw.choices(b"abc", k=draw.randrange(25)))
        parts = [bytes([byte]) for byte in word]
        while found := [(ranks[pair], place) for place, pair in enumerate(zip(parts, parts[1:])) if pair in ranks]:  # noqa: B905, RUF007
            place = min(found)[1]
            parts[place : place + 2] = [parts[place] + parts[place + 1]]
        assert byte_pair_merge(word, ranks) == parts


def test_in_gpt2s_table_merging_leads_to_every_piece():
    missed = [piece for piece in VOCABULARY if byte_pair_merge(piece, RANKS) != [piece]]
    assert missed == [b"<|endoftext|>"]


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
def test_the_house_models_tokens_come_from_its_own_merges(text):
    """Its tokenizer file puts a space before the text, and takes the end of a text for its token."""
    from tokenizers import Tokenizer

    file = files("headwork.models").joinpath("weights/house/tokenizer.json").read_text(encoding="utf-8")
    theirs, table = Tokenizer.from_str(file), json.loads(file)["model"]
    bytes_of = {character: byte for byte, character in _shown().items()}

    def piece(shown):
        return bytes(map(bytes_of.__getitem__, shown))

    ranks = {(piece(left), piece(right)): rank for rank, (left, right) in enumerate(table["merges"])}
    vocabulary = {piece(shown): token for shown, token in table["vocab"].items()}
    for part in text.split("<|endoftext|>"):
        spaced = part if part.startswith(" ") or not part else " " + part
        assert bpe_encode(spaced, ranks, vocabulary) == theirs.encode(part).ids


def test_a_lone_surrogate_is_a_clear_error():
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        bpe_encode("ok \ud800", RANKS, VOCABULARY)


def pieces_of(text):
    return [PIECES[token].decode("utf-8", "backslashreplace") for token in bpe_encode(text, RANKS, VOCABULARY)]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("The cat sat on the mat.", ["The", " cat", " sat", " on", " the", " mat", "."]),
        ("hello", ["hello"]),
        ("Hello", ["Hello"]),
        ("HELLO", ["HE", "LL", "O"]),
        ("2020", ["2020"]),
        ("2021", ["20", "21"]),
        (" 2022", [" 2022"]),
        (" 2023", [" 20", "23"]),
        ("12345", ["123", "45"]),
        ("1234567", ["123", "45", "67"]),
        ("the end", ["the", " end"]),
        ("the end ", ["the", " end", " "]),
        ("    return", [" ", " ", " ", " return"]),
        ("🙂", ["\\xf0\\x9f", "\\x99\\x82"]),
        (" SolidGoldMagikarp", [" SolidGoldMagikarp"]),
        ("<|endoftext|>", ["<", "|", "end", "of", "text", "|", ">"]),
        ("anyone", ["any", "one"]),
        ("cached", ["c", "ached"]),
    ],
)
def test_the_chapters_examples_are_gpt2s(text, pieces):
    assert pieces_of(text) == pieces


def test_the_chapters_other_figures():
    assert b"anyon" in VOCABULARY and b"cache" in VOCABULARY and b"anyone" not in VOCABULARY
    assert [len(PIECES[token]) for token in bpe_encode("日本語", RANKS, VOCABULARY)] == [2, 1, 2, 1, 2, 1]
    longest = max(VOCABULARY, key=len)
    assert len(longest) == 128 and longest.decode() == "ÃÂ" * 32
    assert pretokenize("Don't  panic: it costs 42 pounds") == (
        ["Don", "'t", " ", " panic", ":", " it", " costs", " 42", " pounds"]
    )
    assert [pretokenize(text) for text in ("DON'T", " 'tis", "a   \nb", "cafe\u0301")] == (
        [["DON", "'", "T"], [" '", "tis"], ["a", "   ", "\n", "b"], ["cafe", "\u0301"]]
    )


def test_the_sea_in_the_chapter():
    """The merges that training finds in the chapter's text, and what they make of its words."""
    words = [[*word] for word in ["sea", "sea", "sea", "seal", "seal", "tea"]]
    ranks: dict[tuple[bytes, bytes], int] = {}
    for counts in ([6, 5, 2, 1], [5, 2, 1], [2, 1]):
        pairs = [pair for word in words for pair in zip(word, word[1:])]  # noqa: B905, RUF007
        frequency = {pair: pairs.count(pair) for pair in pairs}
        assert sorted(frequency.values(), reverse=True) == counts
        left, right = max(frequency, key=lambda pair: frequency[pair])
        ranks[left.encode(), right.encode()] = len(ranks)
        for word in words:
            for place in range(len(word) - 1, 0, -1):
                if (word[place - 1], word[place]) == (left, right):
                    word[place - 1 : place + 1] = [left + right]
    assert ranks == {(b"e", b"a"): 0, (b"s", b"ea"): 1, (b"sea", b"l"): 2}
    made = {word: b" ".join(byte_pair_merge(word, ranks)) for word in (b"seal", b"steal", b"teaseal", b"ease")}
    assert made == {b"seal": b"seal", b"steal": b"s t ea l", b"teaseal": b"t ea seal", b"ease": b"ea s e"}
    assert byte_pair_merge(b"aaa", {(b"a", b"a"): 0}) == [b"aa", b"a"]
    assert byte_pair_merge(b"abc", {(b"b", b"c"): 0, (b"a", b"b"): 1, (b"ab", b"c"): 2}) == [b"a", b"bc"]
