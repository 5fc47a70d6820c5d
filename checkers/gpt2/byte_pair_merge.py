"""`gpt2.byte_pair_merge`: the pieces of one word, by a table of merges."""

from collections.abc import Iterator

from headwork.checkers.checks import equal, satisfies
from headwork.checkers.exercise import Edit, Exercise, edit, replace
from headwork.checkers.gpt2.probes.tokenizer import spelled
from headwork.checkers.gpt2.tables import Pair, random_merges, write_ranks
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.models.gpt2_tokenizer import merges

ask = Exercise("byte_pair_merge")

LEARNED = 3000  # of GPT-2's merges: enough for whole words


def _pairs(*pairs: str) -> list[Pair]:
    """Merges written `left+right`."""
    return [(left.encode(), right.encode()) for left, right in (pair.split("+") for pair in pairs)]


def _words(rng: Rng, alphabet: bytes, *lengths: int) -> list[bytes]:
    picks = [rng.integers((length,), len(alphabet)).tolist() for length in lengths]
    return [bytes(alphabet[pick] for pick in each) for each in picks]


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    english = [
        b"tokenization",
        b" the",
        b" international",
        b"antidisestablishmentarianism",
        b"....",
        b"2024",
    ]
    for name, pairs, words in [
        ("the sea", _pairs("e+a", "s+ea", "sea+l"), [b"seal", b"steal", b"teaseal", b"ease", b"lea"]),
        ("one merge", _pairs("a+b"), [b"abcab", b"ba", b"aabb"]),
        ("letters in a row", _pairs("a+a", "aa+b", "aa+aa"), [b"aaa", b"aaaab", b"aaaaaaa", b"baaab"]),
        ("a piece that two ways lead to", _pairs("b+c", "a+b", "ab+c", "bc+d"), [b"abc", b"abd", b"abcd", b"dabc"]),
        ("a table listed backwards", _pairs("a+b", "b+c", "c+d", "ab+c"), [b"abc", b"bcd", b"abcd", b"dcbabcdd"]),
        ("short words, and no word", _pairs("x+y", "y+z"), [b"x", b"", b"xy", b"zx", b"zyx"]),
        ("at random", random_merges(rng, b"abcd", 12), _words(rng, b"abcd", 12, 9, 17, 40)),
        (
            "bytes that are no letters",
            random_merges(rng, b"\x00\x9f\xf0\xff ", 9),
            _words(rng, b"\x00\x9f\xf0\xff ", 11, 7),
        ),
        ("the first merges of GPT-2", merges()[:LEARNED], english),
        ("emoji and accents in bytes", merges()[:LEARNED], ["naïve".encode(), " 🙂".encode(), "語".encode()]),
    ]:
        table = write_ranks(pairs, rng if name == "at random" else None)
        if "backwards" in name:
            table = "\n".join(reversed(table.splitlines()))
        yield Case(name, merges=table, words=[spelled(word) for word in words])


def _changed(value: object, case: Case) -> str:
    return "" if value is True else "`ranks` was changed: whoever passed it in still needs it"


ask.checks(
    equal("pieces", title="merges the pair of lowest rank, wherever it stands, until no pair has a rank", weight=3),
    satisfies("table", _changed, title="leaves the table of ranks as it was"),
)

LOOP = """    while len(pieces) > 1:
        pair = min(pairwise(pieces), key=lambda pair: ranks.get(pair, math.inf))
        if pair not in ranks:
            break
        merged, place = [], 0
        while place < len(pieces):
            size = 2 if tuple(pieces[place : place + 2]) == pair else 1
            merged.append(b"".join(pieces[place : place + size]))
            place += size
        pieces = merged
"""
BEST = "pair = min(pairwise(pieces), key=lambda pair: ranks.get(pair, math.inf))"
SCAN = LOOP[LOOP.index("        merged, place") :]


def inside(old: str, new: str, sentence: str) -> Edit:
    """An edit of the loop, which takes the place of the whole of it: two of them together might never end."""
    return edit(LOOP, Edit(old, new, sentence).apply(LOOP), sentence)


LONGEST = """
def byte_pair_merge(word, ranks):
    known = {left + right for left, right in ranks}
    pieces, place = [], 0
    while place < len(word):
        end = len(word)
        while end > place + 1 and word[place:end] not in known:
            end -= 1
        pieces.append(word[place:end])
        place = end
    return pieces
"""

STEPWISE = """
def byte_pair_merge(word, ranks):
    pieces = [word[place : place + 1] for place in range(len(word))]
    while True:
        pairs = list(zip(pieces, pieces[1:]))
        found = [(ranks[pair], place) for place, pair in enumerate(pairs) if pair in ranks]
        if not found:
            return pieces
        place = min(found)[1]
        pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]
"""
GREEDY = """
def byte_pair_merge(word, ranks):
    pieces = []
    for place in range(len(word)):
        pieces.append(word[place : place + 1])
        while tuple(pieces[-2:]) in ranks:
            pieces[-2:] = [pieces[-2] + pieces[-1]]
    return pieces
"""
TEXT = """
def byte_pair_merge(word, ranks):
    pieces = list(word.decode("latin-1"))
    table = {(left.decode("latin-1"), right.decode("latin-1")): rank for (left, right), rank in ranks.items()}
    while True:
        found = [(table[pair], place) for place, pair in enumerate(zip(pieces, pieces[1:])) if pair in table]
        if not found:
            return pieces
        place = min(found)[1]
        pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]
"""

FIRST = "The first pair that has a rank is merged: take the pair of lowest rank in the whole word."
HIGHEST = "The pair of highest rank is merged: the lowest rank was learned first, and goes first."
ZERO = "Rank 0 counts as no rank, since 0 is taken for nothing (`or`, `if rank`): compare with None, or use a default."
JOINED = (
    "Ranks are looked up by what a merge would make: look them up by the two parts, and merge no other pair, even "
    "if it would make a known piece."
)

ask.mistakes(
    inside(
        BEST,
        "pair = next((pair for pair in pairwise(pieces) if pair in ranks), None)",
        FIRST,
    ),
    inside(
        BEST,
        "pair = max(pairwise(pieces), key=lambda pair: ranks.get(pair, -1))",
        HIGHEST,
    ),
    inside(
        BEST,
        "pair = max(pairwise(pieces), key=lambda pair: (pair in ranks, len(b''.join(pair)), -ranks.get(pair, 0)))",
        "The longest pair is merged first: only the rank decides.",
    ),
    inside(
        "ranks.get(pair, math.inf)",
        "ranks.get(pair) or math.inf",
        ZERO,
    ),
    inside(
        "ranks.get(pair, math.inf)",
        "ranks.get(pair, 0)",
        "A pair without a rank goes before all others here, and ends the work: it must come last.",
    ),
    inside(
        "key=lambda pair: ranks.get(pair, math.inf)",
        "key=lambda pair: {a + b: rank for (a, b), rank in ranks.items()}.get(pair[0] + pair[1], math.inf)",
        JOINED,
    ),
    inside(
        "        pieces = merged\n",
        "        return merged\n",
        "Only one kind of pair is merged: go on until no pair has a rank.",
    ),
    inside(
        'b"".join(pieces[place : place + size])',
        'b"".join(reversed(pieces[place : place + size]))',
        "The two parts are joined in the wrong order: left before right.",
    ),
    inside(
        "            place += size\n",
        "            place += 1\n",
        "After a merge the right part is used again: go on behind both parts.",
    ),
    inside(
        "while place < len(pieces):",
        "while place < len(pieces) - 1:",
        "The last piece is lost: the walk must reach it even when it is not merged.",
    ),
    inside(
        SCAN,
        """        merged, place = [], len(pieces)
        while place > 0:
            size = 2 if tuple(pieces[max(place - 2, 0) : place]) == pair else 1
            merged.insert(0, b"".join(pieces[place - size : place]))
            place -= size
        pieces = merged
""",
        "Occurrences are merged from the right: in aaa it is the left pair that becomes one.",
    ),
    edit(
        "pieces = [word[place : place + 1] for place in range(len(word))]",
        "pieces = list(word)",
        "list() makes integers of bytes: cut the word into bytes of length one, as word[i : i + 1] does.",
    ),
    edit(
        "pieces = [word[place : place + 1] for place in range(len(word))]",
        'pieces = [character.encode() for character in word.decode("utf-8", "replace")]',
        "The word begins as characters: it begins as single bytes, and a character may need several.",
    ),
    inside(
        "        if pair not in ranks:\n            break\n",
        "",
        "It goes on where no pair has a rank, until the word is one piece: stop when the best pair is not in `ranks`.",
    ),
    inside(
        BEST,
        "pair = min(pairwise(pieces), key=lambda pair: ranks.pop(pair, math.inf))",
        "The ranks that were looked up are taken out of the table: read them with get.",
    ),
    inside(
        "ranks.get(pair, math.inf)",
        "[*ranks, pair].index(pair)",
        "The order of the dict is taken for the rank: read the rank itself, ranks[pair].",
    ),
    replace(GREEDY, FIRST),
    replace(STEPWISE.replace("min(found)[1]", "min(place for rank, place in found)"), FIRST),
    replace(STEPWISE.replace("min(found)[1]", "max(found)[1]"), HIGHEST),
    replace(STEPWISE.replace("if pair in ranks]", "if ranks.get(pair)]"), ZERO),
    replace(
        STEPWISE.replace("ranks[pair], place", "ranks[b''.join(pair)], place")
        .replace("if pair in ranks", "if b''.join(pair) in ranks")
        .replace("    while True", "    ranks = {a + b: rank for (a, b), rank in ranks.items()}\n    while True"),
        JOINED,
    ),
    replace(
        STEPWISE.replace("place + 1]]\n", "place + 1]]\n        return pieces\n"),
        "Only one pair is merged: go on until no pair has a rank.",
    ),
    replace(
        STEPWISE.replace("enumerate(pairs)", "enumerate(pairs[:-1])"),
        "The last pair of the word is never looked at: two pieces have one pair, and n pieces n - 1.",
    ),
    replace(
        TEXT,
        "The pieces are text: work on bytes, and return bytes.",
    ),
    replace(
        LONGEST,
        "The longest known piece is cut off from the left: merge neighbours by rank, beginning with single bytes.",
    ),
)
