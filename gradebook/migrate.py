"""Brings a database to the newest revision, or refuses it untouched. Alembic is imported only to change one."""

import sqlite3
import time
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, inspect, text

from headwork.gradebook.engine import BUSY_SECONDS, WRITING, spoken
from headwork.gradebook.errors import GradebookError

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "headwork_version"
LOCK = 0x48454144  # PostgreSQL's advisory lock: one migration at a time


def revisions() -> list[str]:
    """Every revision this headwork knows, oldest first, read off the names of the files."""
    return sorted(file.name.split("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def bring_up_to_date(engine: Engine) -> None:
    """Raises `GradebookError` for the database of a newer headwork, or of another program."""
    with engine.connect() as connection:
        if _checked_version(connection) == revisions()[-1]:
            return
    if engine.dialect.name == "sqlite":
        _write_ahead(engine)
    _upgrade(engine)
    engine.dispose()  # the connection that migrated ignores foreign keys


def _checked_version(connection: Connection) -> str | None:
    """The stored revision; None for an empty database."""
    tables = inspect(connection)
    where = spoken(connection.engine.url)
    if not tables.has_table(VERSION_TABLE):
        if connection.dialect.name == "sqlite" and tables.get_table_names():
            raise GradebookError(f"{where} is the database of another program; it was left as it is: name another file")
        return None
    version = connection.execute(text(f"select version_num from {VERSION_TABLE}")).scalar()
    if version is not None and version not in revisions():
        raise GradebookError(
            f"{where} was written by a newer headwork (revision {version}); it was left as it is: "
            "pip install --upgrade headwork"
        )
    return version


def _upgrade(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.execution_options(**WRITING).connect() as connection:
        on_sqlite = connection.dialect.name == "sqlite"
        if on_sqlite:  # altering a table drops and copies it, which must not cascade; no effect inside a transaction
            _driver(connection).execute("PRAGMA foreign_keys = OFF")
        with connection.begin():
            if not on_sqlite:
                connection.execute(text(f"select pg_advisory_xact_lock({LOCK})"))
            if _checked_version(connection) == revisions()[-1]:
                return  # another process was faster
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            if on_sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise GradebookError(f"{spoken(engine.url)} could not be upgraded; it was left as it is")


def _write_ahead(engine: Engine) -> None:
    """Let readers read while one writes. The file remembers it.

    SQLite does not wait for its lock here, so when several programs open a new file at once, we do.
    """
    until = time.monotonic() + BUSY_SECONDS
    with engine.connect() as connection:
        switch = partial(_driver(connection).execute, "PRAGMA journal_mode = WAL")
        while True:
            try:
                switch()
                return
            except sqlite3.OperationalError as problem:
                busy = getattr(problem, "sqlite_errorname", "").startswith("SQLITE_BUSY")
                if not busy or time.monotonic() > until:
                    raise GradebookError(f"cannot open {spoken(engine.url)}: {problem}") from problem
                time.sleep(0.02)


def _driver(connection: Connection) -> Any:
    return connection.connection.dbapi_connection
