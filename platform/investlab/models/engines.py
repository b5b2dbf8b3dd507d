"""Engines: how a connection to the database is opened and how a transaction on it starts."""

import sqlite3
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool, QueuePool

from investlab.core.errors import InvalidSettings

BUSY_TIMEOUT_SECONDS = 5.0
_REMEDY = "Set INVESTLAB_DATABASE_URL to sqlite:///path/to/file.db or postgresql://user@host/name."


class Purpose(StrEnum):
    """What an engine is for; it decides how its transactions start."""

    READ = "read"
    WRITE = "write"
    MIGRATE = "migrate"


def database_url(text: str) -> URL:
    """Return the URL with its driver: a SQLite file or a PostgreSQL database.

    Raises:
        InvalidSettings: The text is no URL, names another kind of database, or a SQLite database in memory (reads and
            writes go through two engines, which would be two databases).
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise InvalidSettings("The database URL cannot be read.", remedy=_REMEDY) from error
    kind = url.get_backend_name()
    if kind in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+psycopg")
    if kind != "sqlite":
        raise InvalidSettings(f"Databases of kind {kind!r} are not supported.", remedy=_REMEDY)
    if not url.database or ":memory:" in url.database or url.query.get("mode") == "memory":
        raise InvalidSettings("A SQLite database in memory cannot be used.", remedy=_REMEDY)
    return url.set(drivername="sqlite+pysqlite")


def sqlite_file(url: URL) -> Path | None:
    """Return the file of a SQLite database; None for PostgreSQL."""
    if url.get_backend_name() != "sqlite" or url.database is None:
        return None
    return Path(url.database.removeprefix("file:"))


def open_engine(url: URL, purpose: Purpose) -> Engine:
    """Return an engine; nothing is connected before its first use."""
    return _sqlite_engine(url, purpose) if url.get_backend_name() == "sqlite" else _postgres_engine(url, purpose)


def _sqlite_engine(url: URL, purpose: Purpose) -> Engine:
    pool: dict[str, Any] = {"poolclass": NullPool}
    if purpose is Purpose.READ:
        pool = {"poolclass": QueuePool, "pool_size": 4, "max_overflow": 16}
    if purpose is Purpose.WRITE:
        # Threads of one process queue here, in order, instead of polling for SQLite's lock.
        pool = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0, "pool_timeout": 30}
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "isolation_level": None, "check_same_thread": False},
        hide_parameters=True,
        **pool,
    )
    begin = "BEGIN" if purpose is Purpose.READ else "BEGIN IMMEDIATE"

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, record: object) -> None:
        for pragma in _pragmas(purpose):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _pragmas(purpose: Purpose) -> tuple[str, ...]:
    match purpose:
        case Purpose.READ:
            return ("query_only = ON",)
        case Purpose.WRITE:
            return ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON")
        case Purpose.MIGRATE:
            # A batch operation drops and recreates a table: with foreign keys on, that deletes its children.
            return ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = OFF")


def _postgres_engine(url: URL, purpose: Purpose) -> Engine:
    # SERIALIZABLE, because units check before they write (does a period overlap, which event is the last, how many
    # trials so far): REPEATABLE READ lets two such units pass each other (write skew), SERIALIZABLE fails one of them
    # and it runs again. A migration holds an advisory lock, and must see what the one before it committed.
    isolation = {
        Purpose.READ: "REPEATABLE READ",
        Purpose.WRITE: "SERIALIZABLE",
        Purpose.MIGRATE: "READ COMMITTED",
    }[purpose]
    engine = create_engine(
        url,
        isolation_level=isolation,
        connect_args={"connect_timeout": 5, "options": f"-c lock_timeout={int(BUSY_TIMEOUT_SECONDS * 1000)}"},
        hide_parameters=True,
        pool_pre_ping=True,
        **({"poolclass": NullPool} if purpose is Purpose.MIGRATE else {"pool_size": 5, "max_overflow": 15}),
    )
    return engine.execution_options(postgresql_readonly=True) if purpose is Purpose.READ else engine
