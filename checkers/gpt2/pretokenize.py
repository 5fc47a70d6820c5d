"""`gpt2.pretokenize`: where GPT-2 cuts a text before it merges anything."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit, replace
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("pretokenize")

TEXTS = [
    ("words", "a sentence", "Hello world, it costs 42 pounds (or 7)! Really?"),
    ("words", "letters, digits and signs side by side", "abc123 x_1=y2 _private a.b,c 3.14 (see[1]) 50% $98765 C++"),
    ("words", "an empty text", ""),
    ("words", "a word alone", "Hello"),
    ("contractions", "contractions", "I'm sure they've said it's what we'd do; you'll see they're right, don't"),
    ("contractions", "contractions in capitals", "IT'S late, WE'LL go, I'M off, Don'T, YOU'RE"),
    ("contractions", "apostrophes elsewhere", "'sad dogs' 'tis rock'n'roll o'clock '' it 's '90s 'x x'y"),
    ("contractions", "the curly apostrophe", "it’s don’t ’tis dogs’"),
    ("spaces", "several spaces", "a  b   c    , 12     3 "),
    ("spaces", "tabs and lines", "one\ttwo\n\nthree \n four\r\n\n  five\t\t6\n"),
    ("spaces", "nothing but spaces", "   "),
    ("spaces", "unusual spaces", "a\u00a0b \u00a0c\u2003\u2003d\u3000e\u00a0\u00a0"),
    ("spaces", "spaces and signs", " wait ...  what  ?!   ... \n."),
    ("characters", "other alphabets", "Größe naïve Ελλάδα привет мир שלום עולם مرحبا 你好世界 三人 こんにちは"),
    ("characters", "numbers that are no digits", "x² 10³ Ⅳ 5½ Ⅳ! chapterⅫ ٣٤ 三 ③ a²b²"),
    ("characters", "combining marks", "cafe\u0301 n\u0303o हिन्दी a\u0308"),
    ("characters", "emoji", "ok 👍🏽! 👩\u200d👩\u200d👧 🇫🇷☃\ufe0f x🙂y 7🙂"),
]

FRAGMENTS = [
    *("the", "Word", "über", "мир", "語", "e\u0301", "x", "12", "7", "²", "Ⅳ", "३"),
    *("'s", "'T", "'ll", "'", "_", "-", "...", "!", "🙂", "\u200d", "€"),
    *(" ", " ", " ", "  ", "   ", "\n", "\t", " \n", "\u00a0"),
]


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for about, name, text in TEXTS:
        yield Case(name, about=about, text=text)
    for about, length in [("words", 9), ("contractions", 13), ("spaces", 17), ("characters", 30)]:
        picks = rng.integers((length,), len(FRAGMENTS)).tolist()
        yield Case(f"{length} fragments at random", about=about, text="".join(FRAGMENTS[pick] for pick in picks))


ask.checks(
    equal("words", title="letters, numbers and other signs part, each with the space before it", weight=3),
    equal("contractions", title="contractions are parts of their own, in small letters only"),
    equal("spaces", title="of a run of white space the last character is left to what follows"),
    equal("characters", title="what is a letter and what a number, Unicode says"),
)

CLASSES = r"""
import re

def pretokenize(text):
    return re.findall(
        r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+", text
    )
"""
ASCII = CLASSES.replace(r"[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+", "[A-Za-z]+| ?[0-9]+| ?[^\\sA-Za-z0-9]+")
METHODS = r"""
import re

def kind(character):
    if character.isspace():
        return "space"
    return "number" if TEST else "letter" if character.isalpha() else "other"

def pretokenize(text):
    words, place = [], 0
    while place < len(text):
        found = re.compile("'s|'t|'re|'ve|'m|'ll|'d").match(text, place)
        start = place + (text[place] == " ")
        if found:
            end = found.end()
        elif start < len(text) and kind(text[start]) != "space":
            end = start
            while end < len(text) and kind(text[end]) == kind(text[start]):
                end += 1
        else:
            end = place
            while end < len(text) and kind(text[end]) == "space":
                end += 1
            if end < len(text) and end - place > 1:
                end -= 1
        words.append(text[place:end])
        place = end
    return words
"""
NO_CONTRACTIONS = (
    "No contraction is found: 's, 't, 're, 've, 'm, 'll and 'd are parts of their own, and must be tried before the "
    "signs, which take the apostrophe."
)
BOUNDARY = "Only ASCII's letters and digits are known here: ü, Ελ and 語 are letters too; use \\p{L} and \\p{N}."

ask.mistakes(
    edit(
        'f"{contraction}|{word}|{space}", text)',
        'f"{contraction}|{word}|{space}", text, regex.IGNORECASE)',
        "Capital letters are taken for contractions as well: 'S and 'LL are none to GPT-2.",
    ),
    edit(
        r"|'m|'ll|'d",
        r"|'m|'ll|'d|’s|’t|’re|’ve|’m|’ll|’d",
        "The curly apostrophe begins contractions here: GPT-2 knows the straight one only.",
    ),
    edit(
        'f"{contraction}|{word}|{space}"',
        'f"{word}|{space}"',
        NO_CONTRACTIONS,
    ),
    edit(
        'f"{contraction}|{word}|{space}"',
        'f"{word}|{contraction}|{space}"',
        NO_CONTRACTIONS,
    ),
    edit(
        "'s|'t|'re|'ve|'m|'ll|'d",
        " ?'s| ?'t| ?'re| ?'ve| ?'m| ?'ll| ?'d",
        "A contraction takes the space before it here: after a space, the apostrophe is a sign like any other.",
    ),
    edit(
        r'" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"',
        r'"\p{L}+|\p{N}+|[^\s\p{L}\p{N}]+"',
        "The space before a word is a part of its own here: it belongs to the word that follows.",
    ),
    edit(
        r" ?[^\s\p{L}\p{N}]+",
        r"[^\s\p{L}\p{N}]+",
        "Signs do not take the space before them: they do, as words and numbers do.",
    ),
    edit(
        r'" ?\p{L}+| ?\p{N}+| ?[^',
        r'"\s?\p{L}+|\s?\p{N}+|\s?[^',
        "Any white space is drawn to the word after it: only the plain space is; a tab or a new line stands alone.",
    ),
    edit(
        r" ?\p{L}+| ?\p{N}+|",
        r" ?[\p{L}\p{N}]+|",
        "Letters and numbers are taken together: abc123 is abc and 123.",
    ),
    edit(
        r"| ?\p{N}+|",
        r"| ?\p{N}{1,3}|",
        "Numbers are cut after three digits, as later tokenizers do: GPT-2 keeps a run of digits together.",
    ),
    edit(
        r"[^\s\p{L}\p{N}]+",
        r"[^\s\p{N}]+",
        "Signs take the letters after them along: a run of signs ends where a letter or a number begins.",
    ),
    edit(
        r"[^\s\p{L}\p{N}]+",
        r"[^\s\p{L}\p{N}]",
        "Each sign is cut off by itself: a run of signs stays together, as ... does.",
    ),
    edit(
        r"| ?\p{N}+|",
        r"| ?\p{N}|",
        "Each digit is cut off by itself: GPT-2 keeps a run of them together.",
    ),
    edit(
        r'" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"',
        r'" ?\p{L}+| ?\d+| ?[^\s\p{L}\d]+"',
        "Numbers are more than digits: ², ½ and Ⅳ count as well; use \\p{N}.",
    ),
    edit(
        r'" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"',
        r'" ?[\p{L}\p{M}]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]+"',
        "Combining marks are taken for letters: an accent that is a character of its own is neither letter nor number.",
    ),
    edit(
        r'r"\s+(?!\S)|\s+"',
        r'r"\s+"',
        "A run of white space takes all: its last character must be left to what follows, with (?!\\S).",
    ),
    edit(
        r'r"\s+(?!\S)|\s+"',
        r'r"\s+(?!\S)"',
        "White space before a word that is no plain space, a single new line, is lost: add |\\s+ at the end.",
    ),
    edit(
        r'r"\s+(?!\S)|\s+"',
        r'r"\s"',
        "White space is cut into single characters: a run stays together, but for the last character.",
    ),
    edit(
        "regex.findall(f",
        "text and regex.findall(f",
        "For an empty text this gives the text itself: give an empty list.",
    ),
    edit(
        'return regex.findall(f"{contraction}|{word}|{space}", text)',
        'return [found.strip() for found in regex.findall(f"{contraction}|{word}|{space}", text)]',
        "White space is stripped off the parts: joined, they must give the text back.",
    ),
    edit(
        'return regex.findall(f"{contraction}|{word}|{space}", text)',
        "return text.split()",
        "split() throws white space away and leaves signs on their words: joined, the parts must give the text back.",
    ),
    replace(
        CLASSES,
        "\\w and \\d of `re` stand for letters and numbers: ² and Ⅳ are no \\d. Take Unicode's classes L and N.",
    ),
    replace(ASCII, BOUNDARY),
    replace(
        METHODS.replace("TEST", "character.isnumeric()"),
        "isnumeric() is true of 三, a letter with the value of a number: ask for Unicode's categories N.",
    ),
    replace(
        METHODS.replace("TEST", "character.isdigit()"),
        "isdigit() does not know ½ and Ⅳ, which are numbers: ask for Unicode's categories N.",
    ),
)
