"""The gradebook's tables. `migrations/` makes them; a test holds the two together."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Double, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from headwork.gradebook.columns import Exact, Moment, Readable

PENDING = "pending"
DONE = "done"


class Base(DeclarativeBase):
    pass


class Learner(Base):
    __tablename__ = "learners"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Readable, unique=True)
    created: Mapped[datetime] = mapped_column(Moment)


class SubmissionRow(Base):
    """What was handed in. Pending until its report is stored, in the transaction that stores it."""

    __tablename__ = "submissions"
    __table_args__ = (
        CheckConstraint("state in ('pending', 'done')", name="submission_state"),
        Index(
            "one_pending_submission_a_request",
            "learner_id",
            "request",
            unique=True,
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index("submissions_by_state", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    learner_id: Mapped[int] = mapped_column(ForeignKey("learners.id"))
    name: Mapped[str] = mapped_column(Exact)
    asked: Mapped[list[str]] = mapped_column(Exact)  # exercise ids, in the order asked
    seed: Mapped[int] = mapped_column(Exact)  # any size: a seed may be 64 bits and unsigned
    sources: Mapped[list[Any]] = mapped_column(Exact)  # [[label, source], ...]
    sha256: Mapped[str]  # of the sources
    request: Mapped[str]  # sha256 of sources, files, exercises and seed: what makes two requests the same
    state: Mapped[str]
    created: Mapped[datetime] = mapped_column(Moment)
    finished: Mapped[datetime | None] = mapped_column(Moment)
    isolation: Mapped[str | None] = mapped_column(Readable)
    versions: Mapped[dict[str, str] | None] = mapped_column(Exact)
    problem: Mapped[str | None] = mapped_column(Exact)


class VerdictRow(Base):
    """One exercise of one submission: columns to ask questions of, and the whole verdict to give back."""

    __tablename__ = "verdicts"
    __table_args__ = (
        UniqueConstraint("submission_id", "exercise", name="one_verdict_an_exercise"),
        Index("verdicts_by_exercise", "exercise", "submission_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    submission_id: Mapped[int] = mapped_column(ForeignKey("submissions.id"))
    position: Mapped[int]  # in the report
    exercise: Mapped[str] = mapped_column(Readable)
    status: Mapped[str]
    points: Mapped[float] = mapped_column(Double)
    out_of: Mapped[float] = mapped_column(Double)
    message: Mapped[str] = mapped_column(Readable)
    mistake: Mapped[str] = mapped_column(Readable)
    whole: Mapped[dict[str, Any]] = mapped_column(Exact)


class FileRow(Base):
    """The contents of a file that came along, once however often it is handed in."""

    __tablename__ = "files"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class AttachmentRow(Base):
    """A file that came along with a submission."""

    __tablename__ = "attachments"

    submission_id: Mapped[int] = mapped_column(ForeignKey("submissions.id"), primary_key=True)
    name: Mapped[str] = mapped_column(Readable, primary_key=True)
    sha256: Mapped[str] = mapped_column(ForeignKey("files.sha256"))
    flaw: Mapped[str] = mapped_column(Readable)


class DraftFileRow(Base):
    """A file that a learner laid beside the drafts of a chapter."""

    __tablename__ = "draft_files"

    learner_id: Mapped[int] = mapped_column(ForeignKey("learners.id"), primary_key=True)
    chapter: Mapped[str] = mapped_column(Readable, primary_key=True)
    name: Mapped[str] = mapped_column(Readable, primary_key=True)
    sha256: Mapped[str] = mapped_column(ForeignKey("files.sha256"))
    updated: Mapped[datetime] = mapped_column(Moment)


class DraftRow(Base):
    __tablename__ = "drafts"

    learner_id: Mapped[int] = mapped_column(ForeignKey("learners.id"), primary_key=True)
    exercise: Mapped[str] = mapped_column(Readable, primary_key=True)
    text: Mapped[str] = mapped_column(Exact)
    updated: Mapped[datetime] = mapped_column(Moment)


class HintRow(Base):
    __tablename__ = "hints"

    learner_id: Mapped[int] = mapped_column(ForeignKey("learners.id"), primary_key=True)
    exercise: Mapped[str] = mapped_column(Readable, primary_key=True)
    taken: Mapped[int]
    updated: Mapped[datetime] = mapped_column(Moment)


class SolutionViewRow(Base):
    __tablename__ = "solution_views"
    __table_args__ = (Index("solution_views_by_exercise", "learner_id", "exercise"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    learner_id: Mapped[int] = mapped_column(ForeignKey("learners.id"))
    exercise: Mapped[str] = mapped_column(Readable)
    forced: Mapped[bool]
    seen: Mapped[datetime] = mapped_column(Moment)


class PlaceRow(Base):
    """Where a learner is in a chapter: whatever the face calls a place."""

    __tablename__ = "places"

    learner_id: Mapped[int] = mapped_column(ForeignKey("learners.id"), primary_key=True)
    chapter: Mapped[str] = mapped_column(Readable, primary_key=True)
    place: Mapped[str] = mapped_column(Exact)
    updated: Mapped[datetime] = mapped_column(Moment)
