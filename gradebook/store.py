"""The gradebook: who handed in what, and what was said of it.

A submission is pending until its whole report is stored, in one transaction, so a grader that is killed loses
nothing. Threads share a `Gradebook`; processes open their own, on the same file or database.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import Engine, case, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from headwork.gradebook import migrate
from headwork.gradebook.columns import storable
from headwork.gradebook.engine import WRITING, address, connect, plainly, spoken
from headwork.gradebook.errors import GradebookError
from headwork.gradebook.records import Attempt, Draft, Pending, Progress, SolutionView
from headwork.gradebook.tables import (
    DONE,
    PENDING,
    Base,
    DraftRow,
    HintRow,
    Learner,
    PlaceRow,
    SolutionViewRow,
    SubmissionRow,
    VerdictRow,
)
from headwork.grading.program import Submission, Unit
from headwork.grading.report import FORMAT, Report, Verdict

ME = "me"  # the learner on their own machine


class Gradebook:
    """What a method writes, it writes in one transaction.

    All raise `GradebookError`, one line, when the database fails them.
    """

    def __init__(self, engine: Engine) -> None:
        self._reader = engine
        self._writer = engine.execution_options(**WRITING)

    @classmethod
    def open(cls, url_or_path: str | Path | None = None) -> "Gradebook":
        """Open a SQLite file or a PostgreSQL URL, by default the file in `home()`; make or upgrade its tables."""
        url = address(url_or_path)
        engine = connect(url)
        try:
            with plainly(url):
                migrate.bring_up_to_date(engine)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    def close(self) -> None:
        self._reader.dispose()

    def __enter__(self) -> "Gradebook":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def where(self) -> str:
        """The file, or the URL without its password."""
        return spoken(self._reader.url)

    # Submissions

    def submit(self, learner: str, submission: Submission, ids: Sequence[str], seed: int = 0) -> int:
        """Store what was handed in and give its id. It is pending until `record`.

        While the same sources, exercises (in any order) and seed are pending for this learner, that row's id is given;
        once it is graded, handing it in again is a new attempt.
        """
        sources = [[unit.label, unit.source] for unit in submission.units]
        request = _digest([sources, sorted(set(ids)), seed])
        with self._writing() as session:
            learner_id = _learner(session, learner)
            mine = (SubmissionRow.learner_id == learner_id, SubmissionRow.request == request)
            found = None
            while found is None:  # twice only when another process records the same request in between
                session.execute(
                    _insert(session, SubmissionRow)
                    .values(
                        learner_id=learner_id,
                        name=submission.name,
                        asked=list(ids),
                        seed=seed,
                        sources=sources,
                        sha256=_digest(sources),
                        request=request,
                        state=PENDING,
                        created=_now(),
                    )
                    .on_conflict_do_nothing()
                )
                found = session.scalar(select(SubmissionRow.id).where(*mine, SubmissionRow.state == PENDING))
            return found

    def record(self, submission_id: int, report: Report) -> bool:
        """Store a whole report and mark its submission done. False when nothing was stored.

        Nothing is stored of a report that is `faulty`, which leaves the submission pending, nor of a second one.
        """
        if report.faulty:
            return False
        with self._writing() as session:
            row = session.get(SubmissionRow, submission_id, with_for_update=True)
            if row is None:
                raise GradebookError(f"there is no submission {submission_id} in {self.where}")
            if row.state == DONE:
                return False
            for position, (verdict, whole) in enumerate(
                zip(report.verdicts, report.as_json()["verdicts"], strict=True)
            ):
                session.add(_verdict_row(submission_id, position, verdict, whole))
            row.isolation, row.versions, row.problem = report.isolation, report.versions, report.problem
            row.state, row.finished = DONE, _now()
            return True

    def withdraw(self, submission_id: int) -> None:
        """Forget a submission that is still pending: it was handed in, and taken back before it was graded."""
        with self._writing() as session:
            row = session.get(SubmissionRow, submission_id, with_for_update=True)
            if row is not None and row.state == PENDING:
                session.delete(row)

    def pending(self) -> list[Pending]:
        """What is still to be graded, oldest first."""
        asked = (
            select(SubmissionRow, Learner.name)
            .join(Learner, Learner.id == SubmissionRow.learner_id)
            .where(SubmissionRow.state == PENDING)
            .order_by(SubmissionRow.id)
        )
        with self._reading() as session:
            return [
                Pending(row.id, learner, _submission(row), tuple(row.asked), row.seed, row.created)
                for row, learner in session.execute(asked)
            ]

    def report(self, submission_id: int) -> Report | None:
        """The report as it was recorded; None while the submission is pending or when there is none."""
        with self._reading() as session:
            row = session.get(SubmissionRow, submission_id)
            if row is None or row.state == PENDING:
                return None
            wholes = session.scalars(
                select(VerdictRow.whole).where(VerdictRow.submission_id == submission_id).order_by(VerdictRow.position)
            )
            return Report(
                submission=row.name,
                verdicts=tuple(_verdict(whole) for whole in wholes),
                seed=row.seed,
                isolation=row.isolation or "",
                versions=row.versions or {},
                problem=row.problem or "",
            )

    # What became of them

    def learners(self) -> list[str]:
        with self._reading() as session:
            return list(session.scalars(select(Learner.name).order_by(Learner.name)))

    def attempts(self, learner: str, exercise: str, limit: int | None = None) -> list[Attempt]:
        """Graded attempts at an exercise, newest first."""
        graded = (
            select(SubmissionRow, VerdictRow.whole)
            .join(VerdictRow, VerdictRow.submission_id == SubmissionRow.id)
            .join(Learner, Learner.id == SubmissionRow.learner_id)
            .where(Learner.name == storable(learner), VerdictRow.exercise == exercise, SubmissionRow.state == DONE)
            .order_by(SubmissionRow.id.desc())
            .limit(limit)
        )
        with self._reading() as session:
            return [
                Attempt(
                    row.id,
                    learner,
                    _verdict(whole),
                    _submission(row),
                    row.seed,
                    row.created,
                    row.finished or row.created,
                )
                for row, whole in session.execute(graded)
            ]

    def best(self, learner: str) -> dict[str, Verdict]:
        """The best verdict on each exercise: passed first, then by points, the latest among equals."""
        place = func.row_number().over(
            partition_by=VerdictRow.exercise,
            order_by=[
                case((VerdictRow.status == "passed", 0), else_=1),
                VerdictRow.points.desc(),
                VerdictRow.submission_id.desc(),
            ],
        )
        ranked = (
            select(VerdictRow.exercise, VerdictRow.whole, place.label("place"))
            .join(SubmissionRow, SubmissionRow.id == VerdictRow.submission_id)
            .join(Learner, Learner.id == SubmissionRow.learner_id)
            .where(Learner.name == storable(learner))
            .subquery()
        )
        firsts = select(ranked.c.exercise, ranked.c.whole).where(ranked.c.place == 1).order_by(ranked.c.exercise)
        with self._reading() as session:
            return {exercise: _verdict(whole) for exercise, whole in session.execute(firsts)}

    def progress(self, learner: str) -> dict[str, Progress]:
        """Every exercise the learner has handed in, taken a hint for or seen the solution of."""
        counted = (
            select(VerdictRow.exercise, func.count(), func.max(SubmissionRow.created))
            .join(SubmissionRow, SubmissionRow.id == VerdictRow.submission_id)
            .join(Learner, Learner.id == SubmissionRow.learner_id)
            .where(Learner.name == storable(learner))
            .group_by(VerdictRow.exercise)
        )
        best = self.best(learner)
        with self._reading() as session:
            tried = {exercise: (count, last) for exercise, count, last in session.execute(counted)}
            hints = dict(map(tuple, session.execute(_of(learner, HintRow, HintRow.exercise, HintRow.taken))))
            seen = set(session.scalars(_of(learner, SolutionViewRow, SolutionViewRow.exercise)))
        return {
            exercise: Progress(exercise, *_attempted(tried, best, exercise), hints.get(exercise, 0), exercise in seen)
            for exercise in sorted({*tried, *hints, *seen})
        }

    # What a learner keeps

    def save_draft(self, learner: str, exercise: str, text: str) -> None:
        with self._writing() as session:
            keys = {"learner_id": _learner(session, learner), "exercise": exercise}
            _put(session, DraftRow, keys, {"text": text, "updated": _now()})

    def draft(self, learner: str, exercise: str) -> Draft | None:
        with self._reading() as session:
            row = session.scalar(_of(learner, DraftRow, DraftRow).where(DraftRow.exercise == exercise))
            return None if row is None else Draft(row.text, row.updated)

    def drafts(self, learner: str) -> dict[str, Draft]:
        """Every draft of the learner, by exercise."""
        with self._reading() as session:
            return {
                row.exercise: Draft(row.text, row.updated) for row in session.scalars(_of(learner, DraftRow, DraftRow))
            }

    def keep_place(self, learner: str, chapter: str, place: str) -> None:
        """Remember where the learner is in a chapter."""
        with self._writing() as session:
            keys = {"learner_id": _learner(session, learner), "chapter": chapter}
            _put(session, PlaceRow, keys, {"place": place, "updated": _now()})

    def place(self, learner: str, chapter: str) -> str | None:
        with self._reading() as session:
            found: str | None = session.scalar(
                _of(learner, PlaceRow, PlaceRow.place).where(PlaceRow.chapter == chapter)
            )
            return found

    def last_place(self, learner: str) -> str | None:
        """Where the learner was last, in whichever chapter."""
        with self._reading() as session:
            newest = _of(learner, PlaceRow, PlaceRow.place).order_by(PlaceRow.updated.desc()).limit(1)
            found: str | None = session.scalar(newest)
            return found

    def take_hint(self, learner: str, exercise: str, of: int) -> int:
        """Take the next of `of` hints; how many are taken now. At the last one, nothing changes."""
        if of <= 0:
            return 0
        with self._writing() as session:
            keys = {"learner_id": _learner(session, learner), "exercise": exercise}
            more = case((HintRow.taken < of, HintRow.taken + 1), else_=HintRow.taken)
            _put(session, HintRow, keys, {"taken": 1, "updated": _now()}, {"taken": more, "updated": _now()})
            taken = session.scalar(_of(learner, HintRow, HintRow.taken).where(HintRow.exercise == exercise))
            return min(taken or 0, of)

    def hints_taken(self, learner: str, exercise: str) -> int:
        with self._reading() as session:
            return session.scalar(_of(learner, HintRow, HintRow.taken).where(HintRow.exercise == exercise)) or 0

    def view_solution(self, learner: str, exercise: str, forced: bool) -> None:
        """Record that the reference was shown; `forced` when it was before an attempt."""
        with self._writing() as session:
            who = _learner(session, learner)
            session.add(SolutionViewRow(learner_id=who, exercise=exercise, forced=forced, seen=_now()))

    def solution_viewed(self, learner: str, exercise: str) -> SolutionView | None:
        """The first view of the reference, or None."""
        with self._reading() as session:
            row = session.scalar(
                _of(learner, SolutionViewRow, SolutionViewRow)
                .where(SolutionViewRow.exercise == exercise)
                .order_by(SolutionViewRow.id)
                .limit(1)
            )
            return None if row is None else SolutionView(row.forced, row.seen)

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with plainly(self._reader.url), Session(self._reader) as session:
            yield session

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        with plainly(self._reader.url), Session(self._writer) as session, session.begin():
            yield session


def _now() -> datetime:
    return datetime.now(UTC)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _insert(session: Session, table: type[Base]) -> Any:
    """An insert that can say what to do on conflict, which is each database's own."""
    return (postgresql if session.get_bind().dialect.name == "postgresql" else sqlite).insert(table)


def _put(
    session: Session, table: type[Base], keys: dict[str, Any], new: dict[str, Any], old: dict[str, Any] | None = None
) -> None:
    """Insert `new` under these keys, or set `old` (by default `new`) where they are taken."""
    row = _insert(session, table).values(**keys, **new)
    session.execute(row.on_conflict_do_update(index_elements=list(keys), set_=old or new))


def _learner(session: Session, name: str) -> int:
    """The learner's id, made on first sight."""
    known = select(Learner.id).where(Learner.name == storable(name))
    found = session.scalar(known)
    if found is None:
        session.execute(_insert(session, Learner).values(name=name, created=_now()).on_conflict_do_nothing())
        found = session.scalar(known)
    assert found is not None
    return found


def _of(learner: str, table: Any, *columns: Any) -> Any:
    """Select columns of a learner's rows."""
    return select(*columns).join(Learner, Learner.id == table.learner_id).where(Learner.name == storable(learner))


def _submission(row: SubmissionRow) -> Submission:
    return Submission(row.name, tuple(Unit(label, source) for label, source in row.sources))


def _verdict(whole: dict[str, Any]) -> Verdict:
    return Report.from_json({"format": FORMAT, "submission": "", "verdicts": [whole]}).verdicts[0]


def _verdict_row(submission_id: int, position: int, verdict: Verdict, whole: dict[str, Any]) -> VerdictRow:
    return VerdictRow(
        submission_id=submission_id,
        position=position,
        exercise=verdict.exercise,
        status=verdict.status,
        points=verdict.points,
        out_of=verdict.out_of,
        message=verdict.message,
        mistake=verdict.mistake,
        whole=whole,
    )


def _attempted(
    tried: dict[str, tuple[int, datetime]], best: dict[str, Verdict], exercise: str
) -> tuple[int, Verdict | None, datetime | None]:
    attempts, last = tried.get(exercise, (0, None))
    return attempts, best.get(exercise), last
