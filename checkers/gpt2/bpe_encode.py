"""`gpt2.bpe_encode`: from text to tokens."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit, replace
from headwork.checkers.gpt2.tables import Pair, random_merges, write_ranks, write_vocabulary
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.models.gpt2_tokenizer import merges

ask = Exercise("bpe_encode")

LEARNED = 2000  # of GPT-2's merges


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    unreachable: list[Pair] = [(b"b", b"c"), (b"a", b"b"), (b"ab", b"c"), (b" ", b"a"), (b"c", b"!")]
    letters = random_merges(rng, b"abcd ", 14)
    for name, pairs, texts in [
        ("English", merges()[:LEARNED], ["Hello world, it's 1984 again.", "the  end \n", "A"]),
        ("beyond ASCII", merges()[:LEARNED], ["naïve café", "cafe\u0301", "你好 🙂 שלום", "x² \u00a0!"]),
        ("the end of a text, as text", merges()[:LEARNED], ["one<|endoftext|>two", "<|endoftext|>"]),
        ("a table at random", letters, ["".join("abcd "[pick] for pick in rng.integers((40,), 5).tolist())]),
        ("a table at random, other signs", letters, ["abba, dada!", "BAD é", ""]),
        ("a piece that merging does not reach", unreachable, ["abc abcc", "abc", "abcab bcabc! c!"]),
    ]:
        shuffle = rng if pairs is not merges()[:LEARNED] and pairs[0] != merges()[0] else None
        yield Case(name, merges=write_ranks(pairs, shuffle), vocabulary=write_vocabulary(pairs, shuffle), texts=texts)


ask.checks(
    equal(
        "ids as it stands", "ids with our parts", title="cuts, merges each word's bytes, looks up each piece", weight=3
    ),
    equal("tables as it stands", "tables with our parts", title="leaves both tables as they were"),
)

WORDS = 'words = [word.encode("utf-8") for word in pretokenize(text)]'
LOOKUP = "return [vocabulary[piece] for word in words for piece in byte_pair_merge(word, ranks)]"

LONGEST = """
def bpe_encode(text, ranks, vocabulary):
    data, ids, place = text.encode("utf-8"), [], 0
    while place < len(data):
        end = len(data)
        while data[place:end] not in vocabulary:
            end -= 1
        ids.append(vocabulary[data[place:end]])
        place = end
    return ids
"""

ask.mistakes(
    edit(
        WORDS,
        'words = [text.encode("utf-8")] if text else []',
        "The text is merged in one piece: cut it with pretokenize first, for no merge may cross a cut.",
    ),
    edit(
        WORDS,
        'words = [word.encode("utf-8") for word in text.split()]',
        "split() throws the white space away: cut with pretokenize, which loses nothing.",
    ),
    edit(
        WORDS,
        'words = [word.strip().encode("utf-8") for word in pretokenize(text)]',
        "The space before a word is stripped off: it is part of the word, and of its token.",
    ),
    edit(
        WORDS,
        'words = [word.lower().encode("utf-8") for word in pretokenize(text)]',
        "Capital letters become small ones: the tokens must give the text back as it was.",
    ),
    edit(
        WORDS,
        'words = [word.encode("latin-1", "replace") for word in pretokenize(text)]',
        "The characters become bytes by Latin-1: the bytes of a token are UTF-8.",
    ),
    edit(
        WORDS,
        'words = [word.encode("ascii", "ignore") for word in pretokenize(text)]',
        "Characters beyond ASCII are dropped: encode the word as UTF-8, which has bytes for every character.",
    ),
    edit(
        WORDS,
        'words = [word.encode("utf-8") for word in pretokenize(unicodedata.normalize("NFC", text))]'.replace(
            "unicodedata", "__import__('unicodedata')"
        ),
        "The text is normalised, which joins an accent to its letter: encode the characters as they are.",
    ),
    edit(
        WORDS,
        'words = [word.replace(" ", "Ġ").encode("utf-8") for word in pretokenize(text)]',
        "Spaces become Ġ, which stands for them in files that show bytes as characters: here a space is a space.",
    ),
    edit(
        WORDS,
        'words = [word.encode("utf-8") for word in pretokenize(" " + text)]',
        "A space is put before the text: encode the text as it is.",
    ),
    edit(
        WORDS + "\n    " + LOOKUP,
        """ids = []
    for number, part in enumerate(text.split("<|endoftext|>")):
        ids += [vocabulary[b"<|endoftext|>"]] if number else []
        for word in pretokenize(part):
            ids += [vocabulary[piece] for piece in byte_pair_merge(word.encode("utf-8"), ranks)]
    return ids""",
        "The text <|endoftext|> becomes the token of that name: here it is text like any other, cut and merged.",
    ),
    edit(
        LOOKUP,
        LOOKUP[:-1] + ' + [vocabulary[b"<|endoftext|>"]]'.replace(" + ", "] + "),
        "The end-of-text token is appended: only the tokens of the text are asked for.",
    ),
    edit(
        LOOKUP,
        "return [[vocabulary[piece] for piece in byte_pair_merge(word, ranks)] for word in words]",
        "Each word has a list of its own: return one flat list of integers.",
    ),
    edit(
        "for piece in byte_pair_merge(word, ranks)]",
        "for piece in byte_pair_merge(word, ranks)[:1]]",
        "Only the first piece of each word is kept: a word may have several.",
    ),
    edit(
        "vocabulary[piece] for word",
        "list(vocabulary).index(piece) for word",
        "The place in the vocabulary is taken for the token: look the token up, vocabulary[piece].",
    ),
    edit(
        "for piece in byte_pair_merge(word, ranks)]",
        "for piece in ([word] if word in vocabulary else byte_pair_merge(word, ranks))]",
        "A word that stands in the vocabulary is taken whole: only what merging leads to counts, so always merge.",
    ),
    edit(
        "for piece in byte_pair_merge(word, ranks)]",
        "for piece in (word[place : place + 1] for place in range(len(word)))]",
        "Every byte becomes a token: merge the bytes of each word with byte_pair_merge.",
    ),
    replace(
        LONGEST,
        "The longest known piece is cut off from the left: cut the text into words, and merge each by rank.",
    ),
)
