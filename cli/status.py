"""`headwork status`: the map of the course, and how far I have come."""

from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from headwork.cli.say import PASSED, as_json, draw, in_words, stdout
from headwork.gradebook.practice import ChapterStand, Map, Stand, map_of
from headwork.gradebook.store import ME, Gradebook
from headwork.grading.render.words import WORDS, Word, number

UNTRIED = Word("·", "dim", "", "")
WIDE, NARROW = 20, 8  # cells of a bar


def run(*, json: bool) -> int:
    with Gradebook.open() as book:
        course = map_of(book, ME)
    if json:
        as_json(as_data(course))
    else:
        show(course)
    return PASSED


def as_data(course: Map) -> dict[str, Any]:
    totals = {"points": course.points, "out_of": course.out_of, "passed": course.passed}
    return {**totals, "exercises": len(course.exercises), "next": course.next and course.next.id, **asdict(course)}


def show(course: Map) -> None:
    width = max((len(each.id) for each in course.exercises), default=0)
    for chapter in course.chapters:
        draw(_head(chapter, stdout().width), _exercises(chapter, width), "")
    points = f"{number(course.points)} of {number(course.out_of)} points"
    total = f"{course.passed} of {len(course.exercises)} passed, {points}."
    if course.next is None:
        in_words(f"{total} You have written all of it.")
        return
    id = course.next.id
    in_words(f"{total} Next: {id}, about {course.next.minutes} minutes.")
    in_words(f"`headwork hint {id}` gives a first idea.\n`headwork check {id}` judges your work.")


def _head(chapter: ChapterStand, width: int) -> Table:
    row = Table.grid(padding=(0, 2), expand=True)
    row.add_column(ratio=1)
    row.add_column(no_wrap=True)
    row.add_column(justify="right", no_wrap=True, min_width=5)
    points = f"{number(chapter.points)}/{number(chapter.out_of)}"
    title = Text(chapter.title, "bold").append(f"  {number(chapter.hours)}\u00a0h", "not bold dim")
    row.add_row(title, bar(chapter.points, chapter.out_of, WIDE if width >= 72 else NARROW), Text(points, "bold"))
    return row


def bar(points: float, out_of: float, cells: int = WIDE) -> Text:
    """How full it is. Any point is seen, and nothing but all fills it."""
    full = int(cells * points / out_of) if out_of else 0
    if points > 0:
        full = max(full, 1)
    return Text("━" * full, "green").append("─" * (cells - full), "dim")


def _exercises(chapter: ChapterStand, width: int) -> Table:
    """width: of the longest id of the course, so that chapters stand in line."""
    rows = Table.grid(padding=(0, 1), expand=True)
    rows.add_column(width=3, no_wrap=True)
    rows.add_column(no_wrap=True, min_width=width + 1)
    rows.add_column(ratio=1)
    rows.add_column(justify="right", no_wrap=True)
    rows.add_column(justify="right", no_wrap=True, min_width=5)
    for stand in chapter.exercises:
        word = _word(stand)
        about = "" if stand.passed else word.name
        points = Text(f"{number(stand.points)}/{number(stand.out_of)}", "" if stand.passed else "dim")
        title = Text(stand.title + (" (reference seen)" if stand.solution_viewed else ""), "dim")
        rows.add_row(Text(f"  {word.mark}", word.colour), Text(stand.id), title, Text(about, word.colour), points)
    return rows


def _word(stand: Stand) -> Word:
    """How its status is shown; one that is as it was given says nothing."""
    if stand.status == "untried" or stand.status == "not_started" or stand.status == "missing":
        return UNTRIED
    return WORDS[stand.status]
