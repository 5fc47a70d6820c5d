"""The files of submissions and drafts in the gradebook: names beside the contents, which are kept once."""

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from headwork.gradebook.columns import storable
from headwork.gradebook.statements import digest, id_of, insert, now, put, rows_of
from headwork.gradebook.tables import AttachmentRow, DraftFileRow, FileRow
from headwork.grading.program import Attachment


def named(attachments: Sequence[Attachment]) -> list[list[str]]:
    """What tells one submission's files from another's."""
    return [[each.name, digest(each.data), each.flaw] for each in attachments]


def attach(session: Session, submission_id: int, attachments: Sequence[Attachment]) -> None:
    """Keep what came along with a submission; nothing changes when that was done before."""
    for each in attachments:
        row = {"submission_id": submission_id, "name": each.name, "sha256": _keep(session, each.data)}
        session.execute(insert(session, AttachmentRow).values(**row, flaw=each.flaw).on_conflict_do_nothing())


def attached(session: Session, submission_id: int) -> tuple[Attachment, ...]:
    """What came along with a submission."""
    rows = (
        select(AttachmentRow.name, FileRow.data, AttachmentRow.flaw)
        .join(FileRow, FileRow.sha256 == AttachmentRow.sha256)
        .where(AttachmentRow.submission_id == submission_id)
        .order_by(AttachmentRow.name)
    )
    return tuple(Attachment(name, bytes(data), flaw) for name, data, flaw in session.execute(rows))


def detach(session: Session, submission_id: int) -> None:
    """Forget which files came along with a submission; the contents may be another's too, and stay."""
    session.execute(delete(AttachmentRow).where(AttachmentRow.submission_id == submission_id))


def lay_beside(session: Session, learner: str, chapter: str, name: str, data: bytes) -> None:
    """Keep a file beside the learner's drafts of a chapter, in the place of one of that name."""
    keys = {"learner_id": id_of(session, learner), "chapter": chapter, "name": storable(name)}
    put(session, DraftFileRow, keys, {"sha256": _keep(session, data), "updated": now()})


def beside(session: Session, learner: str, chapter: str) -> tuple[Attachment, ...]:
    """The files beside the learner's drafts of a chapter."""
    rows = (
        rows_of(learner, DraftFileRow, DraftFileRow.name, FileRow.data)
        .join(FileRow, FileRow.sha256 == DraftFileRow.sha256)
        .where(DraftFileRow.chapter == chapter)
        .order_by(DraftFileRow.name)
    )
    return tuple(Attachment(name, bytes(data)) for name, data in session.execute(rows))


def sizes_beside(session: Session, learner: str, chapter: str) -> dict[str, int]:
    """How many bytes each of these files has, by name."""
    rows = (
        rows_of(learner, DraftFileRow, DraftFileRow.name, func.length(FileRow.data))
        .join(FileRow, FileRow.sha256 == DraftFileRow.sha256)
        .where(DraftFileRow.chapter == chapter)
        .order_by(DraftFileRow.name)
    )
    return dict(map(tuple, session.execute(rows)))


def _keep(session: Session, data: bytes) -> str:
    """The digest under which the contents are kept from now on."""
    sha256 = digest(data)
    session.execute(insert(session, FileRow).values(sha256=sha256, data=data).on_conflict_do_nothing())
    return sha256
