"""The map of the course as the pages show it. Plain functions, no Streamlit."""

from collections.abc import Collection
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Literal

from headwork.chapters.course import COURSE, Chapter, chapters
from headwork.chapters.directives import ExerciseText, Finding
from headwork.chapters.made import counted
from headwork.gradebook.practice import NO_ATTEMPT, Map, Stand
from headwork.grading.render.words import number
from headwork.streamlit_app.logic import plain

State = Literal["done", "begun", "open"]
MARKS: dict[State, str] = {"done": "✓", "begun": "◐", "open": "○"}
WORDS: dict[State, str] = {"done": "done", "begun": "begun", "open": "not yet"}
STRETCH = " (stretch)"


@dataclass(frozen=True)
class Row:
    """An exercise on the map."""

    id: str
    title: str  # without what the tag says
    tag: str  # 'finding', 'stretch' or nothing
    state: State
    points: float
    out_of: float
    minutes: int

    @property
    def label(self) -> str:
        """The row as the Markdown of a link: its mark, its title, its tag, and what it is worth."""
        score = f"{number(self.points)} of " if self.points else ""
        tag = f" `{self.tag}`" if self.tag else ""
        about = f"{score}{counted(self.out_of, 'point')} · {self.minutes} min"
        return f"**{MARKS[self.state]}** {plain(self.title)}{tag} *{about}*"


@dataclass(frozen=True)
class Part:
    """A chapter on the map."""

    name: str
    title: str
    summary: str
    hours: float
    rows: tuple[Row, ...]

    @property
    def done(self) -> int:
        return sum(row.state == "done" for row in self.rows)

    def head(self, at: int) -> str:
        """The chapter's title, what it is about, and how far the learner has come, as HTML."""
        points = f"{number(sum(row.points for row in self.rows))} of {number(sum(row.out_of for row in self.rows))}"
        told = f"{self.done} of {counted(len(self.rows), 'exercise')} done" if self.rows else "To read"
        return (
            f'<header class="hw-chapter"><h2><span>{at}</span> {escape(self.title)}</h2>'
            f"<p>{escape(self.summary)}</p>{strip(self.rows)}"
            f'<p class="hw-figures"><span>{told}</span><span>{points} points</span>'
            f"<span>about {counted(self.hours, 'hour')}</span></p></header>"
        )


def parts(course: Map, drafts: Collection[str] = (), folder: Path = COURSE) -> list[Part]:
    """Every chapter with its exercises. `drafts`: the exercises of which there is one."""
    stands = {each.id: each for each in course.exercises}
    return [part(each, stands, drafts) for each in chapters(folder)]


def part(chapter: Chapter, stands: dict[str, Stand], drafts: Collection[str] = ()) -> Part:
    rows = (_row(each, stands[each.id], each.id in drafts) for each in chapter.exercises)
    return Part(chapter.name, chapter.title, chapter.summary, chapter.hours, tuple(rows))


def _row(exercise: ExerciseText, stand: Stand, drafted: bool) -> Row:
    tried = stand.status not in ("untried", *NO_ATTEMPT)
    state: State = "done" if stand.passed else "begun" if tried or drafted or stand.hints else "open"
    is_stretch = exercise.title.endswith(STRETCH)
    tag = "finding" if isinstance(exercise, Finding) else "stretch" if is_stretch else ""
    title = exercise.title.removesuffix(STRETCH)
    return Row(exercise.id, title, tag, state, stand.points, exercise.points, exercise.minutes)


def tally(course: Collection[Part]) -> str:
    """How many exercises are done, begun and not yet begun, with their marks, as HTML."""
    states = [row.state for part in course for row in part.rows]
    return "".join(
        f'<span><b class="hw-{state}">{mark}</b> {states.count(state)} {WORDS[state]}</span>'
        for state, mark in MARKS.items()
    )


def strip(rows: Collection[Row], here: str = "") -> str:
    """A quiet line of progress, a piece for each exercise, as HTML; the words beside it say the same."""
    pieces = "".join(f'<i class="hw-{row.state}{" hw-now" if row.id == here else ""}"></i>' for row in rows)
    return f'<div class="hw-strip" aria-hidden="true">{pieces}</div>' if rows else ""


def continued(course: Map, last: str | None) -> Stand | None:
    """Where to go on: the exercise the learner was at, or the first after it that has not passed.

    None when all have.
    """
    ids = [each.id for each in course.exercises]
    after = course.exercises[ids.index(last) :] if last in ids else ()
    return next((each for each in after if not each.passed), course.next)
