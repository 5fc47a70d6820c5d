"""What a learner does, whatever face they do it in: check, take a hint, look at the reference, see the map.

Light to import, but for the gradebook itself: no torch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from headwork.chapters.course import COURSE, Chapter, ExerciseText, chapters, exercise_text
from headwork.gradebook.records import Progress
from headwork.grading.control import Stopped
from headwork.grading.program import Submission
from headwork.grading.report import Report, Status, Verdict

if TYPE_CHECKING:  # a grader imports torch, a gradebook SQLAlchemy
    from headwork.gradebook.store import Gradebook
    from headwork.grading.dispatch import Grader

Standing = Status | Literal["untried"]
NO_ATTEMPT = ("not_started", "missing")


def check(
    gradebook: "Gradebook",
    grader: "Grader",
    learner: str,
    submission: Submission,
    ids: Sequence[str],
    on_verdict: Callable[[Verdict], None] | None = None,
) -> Report:
    """Hands in, grades and records. A faulty report is returned too, but its submission stays pending.

    Raises Stopped when the grading was stopped: then it was never handed in.
    """
    number = gradebook.submit(learner, submission, ids, grader.seed)
    try:
        report = grader.grade(submission, ids, on_verdict)
    except Stopped:
        gradebook.withdraw(number)
        raise
    gradebook.record(number, report)
    return report


@dataclass(frozen=True)
class Hint:
    """One hint of an exercise: the `number`th of `of`, counted from 1."""

    exercise: str
    text: str
    number: int
    of: int
    new: bool  # False when the last one was had already, and is said again

    @property
    def left(self) -> int:
        return self.of - self.number


def next_hint(gradebook: "Gradebook", learner: str, id: str, course: Path = COURSE) -> Hint | None:
    """Takes the next hint, which is recorded and costs nothing; the last one again when all are taken.

    None when the exercise has no hints. Raises ChapterError for an unknown exercise.
    """
    hints = exercise_text(id, course).hints
    before = gradebook.hints_taken(learner, id)
    taken = gradebook.take_hint(learner, id, len(hints))
    return Hint(id, hints[taken - 1], taken, len(hints), new=before < taken) if taken else None


def hints_had(gradebook: "Gradebook", learner: str, id: str, course: Path = COURSE) -> list[Hint]:
    """The hints taken so far, in order. Raises ChapterError for an unknown exercise."""
    hints = exercise_text(id, course).hints
    taken = min(gradebook.hints_taken(learner, id), len(hints))
    return [Hint(id, text, number, len(hints), new=False) for number, text in enumerate(hints[:taken], 1)]


def has_attempted(gradebook: "Gradebook", learner: str, id: str) -> bool:
    """True when the learner has handed in something for the exercise that was not the stub."""
    return any(each.verdict.status not in NO_ATTEMPT for each in gradebook.attempts(learner, id))


def may_see(gradebook: "Gradebook", learner: str, id: str, force: bool = False) -> bool:
    """Whether the reference may be shown: after an attempt, or forced. When it may, that is recorded."""
    attempted = has_attempted(gradebook, learner, id)
    if not (attempted or force):
        return False
    gradebook.view_solution(learner, id, forced=not attempted)
    return True


@dataclass(frozen=True)
class Stand:
    """Where a learner stands with one exercise."""

    id: str
    title: str
    minutes: int
    out_of: float
    points: float  # the best so far
    status: Standing  # of the best attempt
    attempts: int
    hints: int  # taken
    solution_viewed: bool

    @property
    def passed(self) -> bool:
        return self.status == "passed"


@dataclass(frozen=True)
class ChapterStand:
    name: str
    title: str
    hours: float
    exercises: tuple[Stand, ...]

    @property
    def points(self) -> float:
        return sum(each.points for each in self.exercises)

    @property
    def out_of(self) -> float:
        return sum(each.out_of for each in self.exercises)

    @property
    def passed(self) -> int:
        return sum(each.passed for each in self.exercises)


@dataclass(frozen=True)
class Map:
    """The whole course, as far as one learner has come."""

    chapters: tuple[ChapterStand, ...]

    @property
    def exercises(self) -> tuple[Stand, ...]:
        return tuple(exercise for chapter in self.chapters for exercise in chapter.exercises)

    @property
    def points(self) -> float:
        return sum(each.points for each in self.chapters)

    @property
    def out_of(self) -> float:
        return sum(each.out_of for each in self.chapters)

    @property
    def passed(self) -> int:
        return sum(each.passed for each in self.chapters)

    @property
    def next(self) -> Stand | None:
        """The first exercise of the course that has not passed; None when all have."""
        return next((each for each in self.exercises if not each.passed), None)


def map_of(gradebook: "Gradebook", learner: str, course: Path = COURSE) -> Map:
    """Every chapter and exercise, with the learner's best. Raises ChapterError when the course is broken."""
    progress = gradebook.progress(learner)
    return Map(tuple(_chapter(each, progress) for each in chapters(course)))


def _chapter(chapter: Chapter, progress: dict[str, Progress]) -> ChapterStand:
    stands = (_stand(each, progress.get(each.id, Progress(each.id))) for each in chapter.exercises)
    return ChapterStand(chapter.name, chapter.title, chapter.hours, tuple(stands))


def _stand(text: ExerciseText, progress: Progress) -> Stand:
    best = progress.best
    return Stand(
        id=text.id,
        title=text.title,
        minutes=text.minutes,
        out_of=text.points,
        points=min(best.points, text.points) if best else 0,
        status=best.status if best else "untried",
        attempts=progress.attempts,
        hints=progress.hints,
        solution_viewed=progress.solution_viewed,
    )
