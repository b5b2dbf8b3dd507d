"""Whole databases copied: into one SQLite file for a backup, or into another database of either kind."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from investlab.core.errors import Conflict, Corrupt
from investlab.migrations.runner import empty_within, known_revision, migrating, upgrade, upgrade_within
from investlab.models.engines import Purpose, database_url, open_engine, sqlite_file
from investlab.models.failures import translated
from investlab.schemas.backups import TableDigest
from investlab.store.delta_log import flush
from investlab.store.table_copies import copy_tables, count_rows, digest_tables, reset_sequences


@dataclass(frozen=True, slots=True)
class DatabaseContent:
    """What a database holds: its revision and the content of every table."""

    revision: str
    tables: dict[str, TableDigest]

    @property
    def rows(self) -> int:
        """Return the rows of all tables."""
        return sum(table.rows for table in self.tables.values())


@contextmanager
def reading(url: str) -> Iterator[Connection]:
    """Give a connection that reads one snapshot of a database and cannot write.

    Raises:
        StorageUnavailable: The database cannot be reached.
    """
    engine = open_engine(database_url(url), Purpose.READ)
    try:
        with translated(), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def content_of(url: str) -> DatabaseContent:
    """Return the revision and the content of every table of a database, from one moment.

    Raises:
        Conflict: The database was never set up, or is newer than this version of investlab.
    """
    with reading(url) as connection:
        return DatabaseContent(_revision(connection), digest_tables(connection))


def rows_of(url: str) -> dict[str, int]:
    """Return how many rows each table of a database has."""
    with reading(url) as connection:
        return count_rows(connection)


def export_database(url: str, file: Path) -> None:
    """Write a database as it is at one moment to a new SQLite file, flushed; others may write meanwhile.

    The file stands alone (no write-ahead log) and is at the database's revision.

    Raises:
        Conflict: The database was never set up, or is newer than this version of investlab.
        Corrupt: The database is damaged.
        StorageUnavailable: The file cannot be written.
    """
    if sqlite_file(database_url(url)) is None:
        _export_rows(url, f"sqlite:///{file}")
    else:
        _export_pages(url, file)
    with translated(), closing(sqlite3.connect(file, isolation_level=None)) as made:
        made.execute("PRAGMA journal_mode = DELETE")
        faults = [row[0] for row in made.execute("PRAGMA integrity_check")]
    if faults != ["ok"]:
        raise Corrupt(f"The database is damaged: {faults[0]}.", remedy="Restore it from a backup.")
    for leftover in ("-wal", "-shm", ".migrating"):
        file.with_name(f"{file.name}{leftover}").unlink(missing_ok=True)
    flush(file)
    flush(file.parent)


def copy_database(source_url: str, target_url: str, *, replace: bool = False) -> DatabaseContent:
    """Copy a database's tables into an empty one, in one transaction, and return what both hold then.

    Every table's rows are counted and hashed on both sides before the commit. With `replace`, tables of ours that the
    target has are dropped first.

    Raises:
        Conflict: The source was never set up or is newer than this version of investlab, or the target has rows or
            another revision.
        Corrupt: A table of the target is not equal to the source's; nothing was copied.
    """
    with reading(source_url) as source:
        revision = _revision(source)
        with migrating(target_url) as target:
            if replace:
                empty_within(target)
            _require_empty(target, revision)
            upgrade_within(target, revision)
            read = copy_tables(source, target)
            written = digest_tables(target)
            differing = sorted(name for name in read if read[name] != written.get(name))
            if differing:
                raise Corrupt(
                    f"The copy of {', '.join(differing)} is not equal to the original; nothing was copied.",
                    remedy="Check the target's disk and try again.",
                )
            reset_sequences(target)
    return DatabaseContent(revision, read)


def _revision(connection: Connection) -> str:
    revision = known_revision(connection)
    if revision is None:
        raise Conflict("The database was never set up.", remedy="Run `investlab db upgrade` first.")
    return revision


def _export_pages(url: str, file: Path) -> None:
    with reading(url) as source:
        _revision(source)
        driver = source.connection.driver_connection
        if not isinstance(driver, sqlite3.Connection):
            raise TypeError(f"a SQLite connection was expected, not {type(driver).__name__}")
        source.rollback()  # the copy reads a snapshot of its own
        with closing(sqlite3.connect(file)) as made:
            driver.backup(made)


def _export_rows(url: str, target_url: str) -> None:
    with reading(url) as source:
        upgrade(target_url, _revision(source))
        with migrating(target_url) as target:
            copy_tables(source, target)


def _require_empty(target: Connection, revision: str) -> None:
    at = known_revision(target)
    if at not in {None, revision}:
        raise Conflict(
            f"The target is at revision {at}, the database at {revision}.",
            remedy="Bring both to one revision with `investlab db upgrade`, or name an empty database.",
        )
    rows = sum(count_rows(target).values()) if at is not None else 0
    if rows:
        raise Conflict(f"The target already has {rows:,} rows.", remedy="Name an empty database; nothing was changed.")
