"""The gradebook: who handed in what, and what was said of it.

A submission is pending until its whole report is stored, in one transaction, so a grader that is killed loses
nothing. Threads share a `Gradebook`; processes open their own, on the same file or database.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import Engine, case, func, select
from sqlalchemy.orm import Session

from headwork.gradebook import files, migrate
from headwork.gradebook.columns import storable
from headwork.gradebook.engine import WRITING, address, connect, plainly, spoken
from headwork.gradebook.errors import GradebookError
from headwork.gradebook.records import Attempt, Draft, Pending, Progress, SolutionView
from headwork.gradebook.statements import digest, id_of, insert, now, put, rows_of
from headwork.gradebook.tables import (
    DONE,
    PENDING,
    DraftRow,
    HintRow,
    Learner,
    PlaceRow,
    SolutionViewRow,
    SubmissionRow,
    VerdictRow,
)
from headwork.grading.program import Attachment, Submission, Unit
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
        """Store what was handed in, with its files, and give its id. It is pending until `record`.

        While the same sources, files, exercises (in any order) and seed are pending for this learner, that row's id is
        given; once it is graded, handing it in again is a new attempt.
        """
        sources = [[unit.label, unit.source] for unit in submission.units]
        request = _digest([sources, files.named(submission.attachments), sorted(set(ids)), seed])
        with self._writing() as session:
            learner_id = id_of(session, learner)
            mine = (SubmissionRow.learner_id == learner_id, SubmissionRow.request == request)
            found = None
            while found is None:  # twice only when another process records the same request in between
                session.execute(
                    insert(session, SubmissionRow)
                    .values(
                        learner_id=learner_id,
                        name=submission.name,
                        asked=list(ids),
                        seed=seed,
                        sources=sources,
                        sha256=_digest(sources),
                        request=request,
                        state=PENDING,
                        created=now(),
                    )
                    .on_conflict_do_nothing()
                )
                found = session.scalar(select(SubmissionRow.id).where(*mine, SubmissionRow.state == PENDING))
            files.attach(session, found, submission.attachments)
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
            row.state, row.finished = DONE, now()
            return True

    def withdraw(self, submission_id: int) -> None:
        """Forget a submission that is still pending: it was handed in, and taken back before it was graded."""
        with self._writing() as session:
            row = session.get(SubmissionRow, submission_id, with_for_update=True)
            if row is not None and row.state == PENDING:
                files.detach(session, submission_id)
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
                Pending(
                    row.id,
                    learner,
                    replace(_submission(row), attachments=files.attached(session, row.id)),
                    tuple(row.asked),
                    row.seed,
                    row.created,
                )
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
        """Graded attempts at an exercise, newest first; their code, without the files that came along."""
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
            hints = dict(map(tuple, session.execute(rows_of(learner, HintRow, HintRow.exercise, HintRow.taken))))
            seen = set(session.scalars(rows_of(learner, SolutionViewRow, SolutionViewRow.exercise)))
        return {
            exercise: Progress(exercise, *_attempted(tried, best, exercise), hints.get(exercise, 0), exercise in seen)
            for exercise in sorted({*tried, *hints, *seen})
        }

    # What a learner keeps

    def save_draft(self, learner: str, exercise: str, text: str) -> None:
        with self._writing() as session:
            keys = {"learner_id": id_of(session, learner), "exercise": exercise}
            put(session, DraftRow, keys, {"text": text, "updated": now()})

    def draft(self, learner: str, exercise: str) -> Draft | None:
        with self._reading() as session:
            row = session.scalar(rows_of(learner, DraftRow, DraftRow).where(DraftRow.exercise == exercise))
            return None if row is None else Draft(row.text, row.updated)

    def drafts(self, learner: str) -> dict[str, Draft]:
        """Every draft of the learner, by exercise."""
        with self._reading() as session:
            found = session.scalars(rows_of(learner, DraftRow, DraftRow))
            return {row.exercise: Draft(row.text, row.updated) for row in found}

    def lay_beside(self, learner: str, chapter: str, name: str, data: bytes) -> None:
        """Keep a file beside the learner's drafts of a chapter, in the place of one of that name."""
        with self._writing() as session:
            files.lay_beside(session, learner, chapter, name, data)

    def beside(self, learner: str, chapter: str) -> tuple[Attachment, ...]:
        """The files beside the learner's drafts of a chapter."""
        with self._reading() as session:
            return files.beside(session, learner, chapter)

    def sizes_beside(self, learner: str, chapter: str) -> dict[str, int]:
        """How many bytes each of these files has, by name."""
        with self._reading() as session:
            return files.sizes_beside(session, learner, chapter)

    def keep_place(self, learner: str, chapter: str, place: str) -> None:
        """Remember where the learner is in a chapter."""
        with self._writing() as session:
            keys = {"learner_id": id_of(session, learner), "chapter": chapter}
            put(session, PlaceRow, keys, {"place": place, "updated": now()})

    def place(self, learner: str, chapter: str) -> str | None:
        with self._reading() as session:
            found: str | None = session.scalar(
                rows_of(learner, PlaceRow, PlaceRow.place).where(PlaceRow.chapter == chapter)
            )
            return found

    def last_place(self, learner: str) -> str | None:
        """Where the learner was last, in whichever chapter."""
        with self._reading() as session:
            newest = rows_of(learner, PlaceRow, PlaceRow.place).order_by(PlaceRow.updated.desc()).limit(1)
            found: str | None = session.scalar(newest)
            return found

    def take_hint(self, learner: str, exercise: str, of: int) -> int:
        """Take the next of `of` hints; how many are taken now. At the last one, nothing changes."""
        if of <= 0:
            return 0
        with self._writing() as session:
            keys = {"learner_id": id_of(session, learner), "exercise": exercise}
            more = case((HintRow.taken < of, HintRow.taken + 1), else_=HintRow.taken)
            put(session, HintRow, keys, {"taken": 1, "updated": now()}, {"taken": more, "updated": now()})
            taken = session.scalar(rows_of(learner, HintRow, HintRow.taken).where(HintRow.exercise == exercise))
            return min(taken or 0, of)

    def hints_taken(self, learner: str, exercise: str) -> int:
        with self._reading() as session:
            return session.scalar(rows_of(learner, HintRow, HintRow.taken).where(HintRow.exercise == exercise)) or 0

    def view_solution(self, learner: str, exercise: str, forced: bool) -> None:
        """Record that the reference was shown; `forced` when it was before an attempt."""
        with self._writing() as session:
            who = id_of(session, learner)
            session.add(SolutionViewRow(learner_id=who, exercise=exercise, forced=forced, seen=now()))

    def solution_viewed(self, learner: str, exercise: str) -> SolutionView | None:
        """The first view of the reference, or None."""
        with self._reading() as session:
            row = session.scalar(
                rows_of(learner, SolutionViewRow, SolutionViewRow)
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


def _digest(value: Any) -> str:
    return digest(json.dumps(value).encode())


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
