"""What the gradebook's methods say to the database more than once."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from headwork.gradebook.columns import storable
from headwork.gradebook.tables import Base, Learner


def now() -> datetime:
    return datetime.now(UTC)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def insert(session: Session, table: type[Base]) -> Any:
    """An insert that can say what to do on conflict, which is each database's own."""
    return (postgresql if session.get_bind().dialect.name == "postgresql" else sqlite).insert(table)


def put(
    session: Session, table: type[Base], keys: dict[str, Any], new: dict[str, Any], old: dict[str, Any] | None = None
) -> None:
    """Insert `new` under these keys, or set `old` (by default `new`) where they are taken."""
    row = insert(session, table).values(**keys, **new)
    session.execute(row.on_conflict_do_update(index_elements=list(keys), set_=old or new))


def id_of(session: Session, name: str) -> int:
    """The learner's id, made on first sight."""
    known = select(Learner.id).where(Learner.name == storable(name))
    found = session.scalar(known)
    if found is None:
        session.execute(insert(session, Learner).values(name=name, created=now()).on_conflict_do_nothing())
        found = session.scalar(known)
    assert found is not None
    return found


def rows_of(learner: str, table: Any, *columns: Any) -> Any:
    """Select columns of a learner's rows."""
    return select(*columns).join(Learner, Learner.id == table.learner_id).where(Learner.name == storable(learner))
