"""Connections to the gradebook's database, and its errors in plain words."""

import os
import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Pool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, IntegrityError, ProgrammingError

from headwork.gradebook.errors import GradebookError
from headwork.gradebook.home import gradebook_file

BUSY_SECONDS = 60  # how long a writer waits for the others
WRITING = {"headwork_begin": "BEGIN IMMEDIATE"}  # execution options of a transaction that writes

_left_to_parents: list[Pool] = []  # a child that collected its parent's connections would close them


def address(url_or_path: str | Path | None) -> URL:
    """The URL of a gradebook: of a PostgreSQL database, of a SQLite file, or of the file in `home()`."""
    if url_or_path is None:
        return URL.create("sqlite", database=str(gradebook_file()))
    if isinstance(url_or_path, Path) or "://" not in url_or_path:
        return URL.create("sqlite", database=str(Path(url_or_path).expanduser().absolute()))
    try:
        url = make_url(url_or_path.replace("postgres://", "postgresql://", 1))
    except (ArgumentError, ValueError):
        raise GradebookError("this is not a database's URL: postgresql://user@host/name is one") from None
    backend = url.get_backend_name()
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if backend != "sqlite" or url.database in (None, "", ":memory:"):
        raise GradebookError(f"a gradebook is a SQLite file or a PostgreSQL database, not {spoken(url)}")
    return url


def spoken(url: URL) -> str:
    """What messages call the database: a file's path, or its URL without the password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.set(drivername="postgresql").render_as_string(hide_password=True)


def connect(url: URL) -> Engine:
    """An engine for many threads, whose forked children open connections of their own."""
    if url.get_backend_name() == "sqlite":
        engine = _sqlite(url)
    else:
        try:
            engine = create_engine(url, pool_pre_ping=True, max_overflow=-1, connect_args={"connect_timeout": 10})
        except ModuleNotFoundError:
            raise GradebookError("PostgreSQL needs a driver: pip install 'headwork[postgres]'") from None
    _forget_connections_in_children(engine)
    return engine


def _sqlite(url: URL) -> Engine:
    folder = Path(str(url.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise GradebookError(f"cannot make the folder {folder} ({problem.strerror})") from None
    engine = create_engine(url, max_overflow=-1, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # the driver begins no transaction of its own
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer takes its lock at once: a reader that turns writer half-way is refused without waiting.
        connection.exec_driver_sql(connection.get_execution_options().get("headwork_begin", "BEGIN"))

    return engine


def _forget_connections_in_children(engine: Engine) -> None:
    reference = weakref.ref(engine)

    def forget() -> None:
        engine = reference()
        if engine is not None:
            _left_to_parents.append(engine.pool)
            engine.dispose(close=False)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget)


@contextmanager
def plainly(url: URL) -> Iterator[None]:
    """Turn what the outside world does to a database into one line; a mistake of ours stays an exception."""
    try:
        yield
    except IntegrityError:
        raise
    except ProgrammingError as problem:
        if url.get_backend_name() == "sqlite" or getattr(problem.orig, "sqlstate", None) != "42501":
            raise
        raise GradebookError(_postgresql_says(url, problem)) from problem
    except DBAPIError as problem:
        if not isinstance(problem, DatabaseError):
            raise
        says = _sqlite_says if isinstance(problem.orig, sqlite3.Error) else _postgresql_says
        raise GradebookError(says(url, problem)) from problem


def _sqlite_says(url: URL, problem: DBAPIError) -> str:
    file = spoken(url)
    name = getattr(problem.orig, "sqlite_errorname", "")
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return (
            f"{file} is damaged or is not a gradebook; it was left as it is: "
            f"move it away and start anew, or put a copy in its place ({problem.orig})"
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return f"cannot open and write {file}: make it and its folder writable, or set HEADWORK_HOME ({problem.orig})"
    if name.startswith("SQLITE_FULL"):
        return f"the disk of {file} is full; what was stored before is safe"
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"another program has held {file} for {BUSY_SECONDS} seconds: close it and try again"
    return f"cannot use {file}: {problem.orig}"


def _postgresql_says(url: URL, problem: DBAPIError) -> str:
    reason = " ".join(str(problem.orig).split())
    return f"cannot use the gradebook at {spoken(url)}: {reason}"
