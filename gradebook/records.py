"""What the gradebook gives back: plain data, tied to no database."""

from dataclasses import dataclass
from datetime import datetime

from headwork.grading.program import Submission
from headwork.grading.report import Verdict


@dataclass(frozen=True)
class Pending:
    """A submission without a report: what is needed to grade it."""

    id: int
    learner: str
    submission: Submission
    ids: tuple[str, ...]  # the exercises asked
    seed: int
    created: datetime


@dataclass(frozen=True)
class Attempt:
    """One exercise of one graded submission: what was said, and the work it was said of."""

    submission_id: int
    learner: str
    verdict: Verdict
    submission: Submission
    seed: int
    created: datetime
    finished: datetime


@dataclass(frozen=True)
class Draft:
    text: str
    updated: datetime


@dataclass(frozen=True)
class SolutionView:
    """The first time a learner looked at a reference; `forced` when it was before an attempt."""

    forced: bool
    seen: datetime


@dataclass(frozen=True)
class Progress:
    """Where a learner stands with an exercise."""

    exercise: str
    attempts: int = 0
    best: Verdict | None = None
    last: datetime | None = None  # when it was last handed in
    hints: int = 0
    solution_viewed: bool = False

    @property
    def passed(self) -> bool:
        return self.best is not None and self.best.passed
