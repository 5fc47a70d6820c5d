"""The blocks of a chapter's text: prose, and the directives in it.

A directive is a fence at the top level whose info string is `{kind} NAME`; every other fence is prose.
"""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.front_matter import front_matter_plugin

from headwork.chapters.fields import Place, positive, read_fields, text, texts, whole

COMMENT = re.compile(r"^<!-- .* -->\n", re.MULTILINE)  # a line for authors, which learners do not see
LONGEST_NAME = 32  # an exercise's name is part of a notebook's cell ids, which hold 64 letters


@dataclass(frozen=True)
class Prose:
    """Markdown as it stands between two directives, byte for byte, but for lines that are comments."""

    markdown: str


@dataclass(frozen=True)
class ExerciseText:
    """What a chapter says of one exercise. `hints` go from gentle to nearly the answer."""

    id: str  # "gpt2.layer_norm"
    title: str
    difficulty: int  # 1 to 5
    importance: int  # 1 to 5
    minutes: int
    points: float
    hints: tuple[str, ...]
    markdown: str  # what to write
    line: int  # where the directive stands in chapter.md
    without: tuple[str, ...] = ()  # packages of the chapter that this exercise's answers may not import
    file: str = ""  # the name of a file that is handed in beside the code, where there is one

    @property
    def name(self) -> str:
        return self.id.partition(".")[2]


@dataclass(frozen=True)
class Finding(ExerciseText):
    """An exercise whose answer is a claim about a model."""


@dataclass(frozen=True)
class Predict:
    """A question to answer before running, and its answer, both in Markdown."""

    question: str
    answer: str


@dataclass(frozen=True)
class Figure:
    """A picture that the pages draw from live data. `alt` says what can be seen in it."""

    name: str
    caption: str
    alt: str


@dataclass(frozen=True)
class Reading:
    """What to read, in Markdown."""

    markdown: str


Block: TypeAlias = Prose | ExerciseText | Predict | Figure | Reading


@lru_cache
def parser() -> MarkdownIt:
    """CommonMark with front matter, tables and maths between dollars: what a chapter is written in."""
    return MarkdownIt("commonmark").enable("table").use(front_matter_plugin).use(dollarmath_plugin)


def read_blocks(source: str, tokens: list[Token], file: str, chapter: str) -> tuple[Block, ...]:
    """The blocks of a chapter, in order, after its front matter. Raises ChapterError."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", source)
    blocks: list[Block] = []
    named: set[str] = set()
    start = 0

    def add_prose(end: int) -> None:
        prose = COMMENT.sub("", "".join(lines[start:end]))
        if prose.strip():
            blocks.append(Prose(prose))

    for token in tokens:
        if token.type == "front_matter" and token.map:
            start = token.map[1]
        if token.type != "fence" or not token.map:
            continue
        place = Place(file, token.map[0] + 1, _called(token))
        _check_fence(token, lines, place)
        if not token.info.strip().startswith("{"):
            continue
        block = _directive(token, place, chapter)
        name = _name(block)
        if name in named:
            raise place.fault(f"a second {name!r}: give each exercise and figure a name of its own")
        named |= {name} - {""}
        add_prose(token.map[0])
        blocks.append(block)
        start = token.map[1]
    add_prose(len(lines))
    return tuple(blocks)


def _called(token: Token) -> str:
    return token.info.strip() or "code block"


def _name(block: Block) -> str:
    return block.name if isinstance(block, ExerciseText | Figure) else ""


def _check_fence(token: Token, lines: list[str], place: Place) -> None:
    """Finds fences that were never closed; CommonMark closes them silently at the end, or at the next fence's end."""
    assert token.map
    is_directive = token.info.strip().startswith("{")
    mend = f"close it with a line {token.markup}, or open it with a longer fence if it holds code"
    if token.level:
        if is_directive:
            raise place.fault("a directive inside a list or a quotation: move it to the left margin")
        return
    last = lines[token.map[1] - 1].strip()
    if token.map[1] - token.map[0] < 2 or not last.startswith(token.markup) or last.strip(token.markup[0]):
        raise place.fault(f"this fence is never closed: {mend}")
    info = r"[^`\s]" if is_directive else r"\{"
    opening = re.compile(rf" {{0,3}}{re.escape(token.markup)}{token.markup[0]}*[ \t]*{info}")
    for number, line in enumerate(lines[token.map[0] + 1 : token.map[1] - 1], start=place.line + 1):
        if opening.match(line):
            raise place.fault(f"this fence is still open where another opens at line {number}: {mend}")


def _directive(token: Token, place: Place, chapter: str) -> Block:
    matched = re.fullmatch(r"\{([^{}]*)\}[ \t]*(.*)", token.info.strip())
    kind, name = (matched[1], matched[2]) if matched else (token.info.strip(), "")
    if kind not in DIRECTIVES:
        near = difflib.get_close_matches(kind, DIRECTIVES, 1)
        known = ", ".join(f"{{{each}}}" for each in DIRECTIVES)
        mend = f"did you mean {{{near[0]}}}?" if near else f"there are {known}"
        raise place.fault(f"unknown directive: {mend}")
    read, takes_name = DIRECTIVES[kind]
    if not takes_name and name:
        raise place.fault(f"{{{kind}}} takes no name: remove {name!r}")
    if takes_name and (not re.fullmatch(r"[a-z][a-z0-9_]*", name) or len(name) > LONGEST_NAME):
        wanted = f"small letters, digits and _, at most {LONGEST_NAME}"
        raise place.fault(f"the name is {name!r}: write {{{kind}}} NAME, the name in {wanted}")
    return read(token.content, place, f"{chapter}.{name}")


def _split(content: str, place: Place, above: str, below: str) -> tuple[str, str]:
    head, *rest = re.split(r"^---[ \t]*$\n?", content, maxsplit=1, flags=re.MULTILINE)
    if not rest:
        raise place.fault(f"no line --- between {above} and {below}: add one")
    if not rest[0].strip():
        raise place.fault(f"nothing after the line ---: write {below} there")
    return head, rest[0].strip("\n")


def _exercise(content: str, place: Place, id: str, kind: type[ExerciseText] = ExerciseText) -> ExerciseText:
    head, markdown = _split(content, place, "the fields", "what is to be written")
    fields = {
        "title": text(),
        "difficulty": whole(1, 5),
        "importance": whole(1, 5),
        "minutes": whole(1, 10_000),
        "points": positive(),
        "hints": texts(at_least=2),
        "without": texts(default=()),
        "file": text(default=""),
    }
    values = read_fields(head, fields, Place(place.file, place.line + 1, place.what))
    lists = {key: tuple(values[key]) for key in ("hints", "without")}
    return kind(id=id, markdown=markdown, line=place.line, **{**values, **lists})


def _finding(content: str, place: Place, id: str) -> ExerciseText:
    return _exercise(content, place, id, Finding)


def _predict(content: str, place: Place, id: str) -> Predict:
    question, answer = _split(content, place, "the question", "the answer")
    if not question.strip():
        raise place.fault("nothing before the line ---: write the question there")
    return Predict(question.strip("\n"), answer)


def _figure(content: str, place: Place, id: str) -> Figure:
    fields = {"caption": text(), "alt": text(default="")}
    return Figure(id.partition(".")[2], **read_fields(content, fields, Place(place.file, place.line + 1, place.what)))


def _reading(content: str, place: Place, id: str) -> Reading:
    if not content.strip():
        raise place.fault("it is empty: say what to read")
    return Reading(content.strip("\n"))


DIRECTIVES: dict[str, tuple[Callable[[str, Place, str], Block], bool]] = {  # kind -> (its reader, has it a name?)
    "exercise": (_exercise, True),
    "finding": (_finding, True),
    "predict": (_predict, False),
    "figure": (_figure, True),
    "reading": (_reading, False),
}
