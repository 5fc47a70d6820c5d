"""Where the learner is in the course, and what the page shows there. Plain functions, no Streamlit."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from headwork.chapters.course import COURSE, Chapter, ChapterError, chapter, chapters
from headwork.chapters.directives import Block, ExerciseText, Prose, parser
from headwork.chapters.made import counted


def place(asked: str | None, passed: Collection[str] = (), course: Path = COURSE) -> str:
    """The exercise to show: the asked one; else the first of the asked chapter; else the first that is not passed.

    A chapter without exercises is a place under its own name. Raises ChapterError when the course has no chapter.
    """
    places = {each.name: _places(each) for each in chapters(course)}
    if not places:
        raise ChapterError("the course has no chapter: write chapters/NAME/chapter.md")
    everywhere = [id for ids in places.values() for id in ids]
    if asked in everywhere:
        return str(asked)
    within = places.get((asked or "").partition(".")[0])
    if within:
        return within[0]
    return next((id for id in everywhere if id not in passed), everywhere[0])


def _places(chapter: Chapter) -> list[str]:
    return [exercise.id for exercise in chapter.exercises] or [chapter.name]


def neighbours(id: str, course: Path = COURSE) -> tuple[str | None, str | None]:
    """The places before and after this one, in the order of the course."""
    everywhere = [each for chapter in chapters(course) for each in _places(chapter)]
    at = everywhere.index(id)
    before = everywhere[at - 1] if at else None
    return before, everywhere[at + 1] if at + 1 < len(everywhere) else None


def part(chapter: Chapter, id: str) -> tuple[Block, ...]:
    """The piece of a chapter's text around one exercise; the pieces of all its exercises make up the whole text.

    What follows an exercise belongs to it up to the next heading, and all that follows the last one.
    """
    return _parts(chapter)[_places(chapter).index(id)]


@lru_cache(maxsize=32)
def _parts(chapter: Chapter) -> tuple[tuple[Block, ...], ...]:
    return tuple(_cut(chapter))


def _cut(chapter: Chapter) -> Iterator[tuple[Block, ...]]:
    blocks = [piece for block in chapter.blocks for piece in _cut_at_headings(block)]
    last = max((at for at, block in enumerate(blocks) if isinstance(block, ExerciseText)), default=len(blocks))
    gathered: list[Block] = []
    for at, block in enumerate(blocks):
        done = any(isinstance(each, ExerciseText) for each in gathered)
        if done and at <= last and (_opens_section(block) or isinstance(block, ExerciseText)):
            yield tuple(gathered)
            gathered = []
        gathered.append(block)
    yield tuple(gathered)


def _cut_at_headings(block: Block) -> list[Block]:
    if not isinstance(block, Prose):
        return [block]
    lines = block.markdown.splitlines(keepends=True)
    starts = [0, *(line for line in _headings(block.markdown) if line), len(lines)]
    pieces = ("".join(lines[start:end]) for start, end in pairwise(starts))
    return [Prose(piece) for piece in pieces if piece.strip()]


def _opens_section(block: Block) -> bool:
    return isinstance(block, Prose) and bool(block.markdown.lstrip("\n").startswith(("# ", "## ", "### ")))


def _headings(markdown: str) -> list[int]:
    """The lines of the headings of the three highest levels, counted from 0."""
    tokens = parser().parse(markdown)
    opened = (each for each in tokens if each.type == "heading_open" and each.tag in ("h1", "h2", "h3"))
    return [each.map[0] for each in opened if each.map]


@dataclass(frozen=True)
class Entry:
    """A place in a chapter's table of contents."""

    id: str
    title: str
    before: tuple[str, ...]  # the headings of the sections that lead to the exercise
    after: tuple[str, ...]  # and of those behind it


def contents(chapter: Chapter) -> list[Entry]:
    """The chapter's places in order, each with the headings of its part."""
    titles = [exercise.title for exercise in chapter.exercises] or [chapter.title]
    found = zip(_places(chapter), titles, _parts(chapter), strict=True)
    return [Entry(id, title, *_headings_around(part)) for id, title, part in found]


def _headings_around(part: tuple[Block, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    at = next((at for at, block in enumerate(part) if isinstance(block, ExerciseText)), len(part))
    return tuple(_titles(part[:at])), tuple(_titles(part[at:]))


def _titles(part: tuple[Block, ...]) -> Iterator[str]:
    for block in part:
        if isinstance(block, Prose) and (found := re.match(r"\s*## +(.+)", block.markdown)):
            yield found[1].strip(" #")


@lru_cache(maxsize=512)
def shown(markdown: str) -> str:
    """Markdown as Streamlit is to get it: a formula that is a paragraph of its own stands on a line of its own.

    The punctuation after any other formula goes into it, for browsers may begin a line with what follows a formula.
    """
    return re.sub(_FORMULA, _set, markdown)


_FORMULA = re.compile(
    r"(?P<code>(?s:```.*?```)|`[^`\n]+`)"
    r"|(?:\A|(?<=\n\n))\$(?P<alone>[^$\n]+)\$(?=\n?\Z|\n\n)"
    r"|\$(?P<inline>[^$\n]+)\$(?P<after>[.,;:]?)"
)


def _set(found: re.Match[str]) -> str:
    if found["code"]:
        return found[0]
    if found["alone"]:
        return f"$$\n{found['alone']}\n$$"
    after = f"\\text{{{found['after']}}}" if found["after"] else ""
    return f"${found['inline']}{after}$"


def about(exercise: ExerciseText) -> str:
    """'4 points, about 20 minutes, difficulty 2 of 5'."""
    size = f"{counted(exercise.points, 'point')}, about {counted(exercise.minutes, 'minute')}"
    return f"{size}, difficulty {exercise.difficulty} of 5"


def plain(text: str) -> str:
    """Text with nothing in it that Markdown takes for a mark."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]()<>#+-.!$|~:" else letter for letter in text)


def title_of(id: str, course: Path = COURSE) -> str:
    """What a place is called. Raises ChapterError."""
    here = chapter(id.partition(".")[0], course)
    return next((each.title for each in here.exercises if each.id == id), here.title)
