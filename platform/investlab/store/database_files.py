"""The file of a SQLite database as a file: is anybody using it, moved aside, put in place."""

import sqlite3
from contextlib import closing
from pathlib import Path

from investlab.core.errors import Busy
from investlab.models.engines import database_url, sqlite_file
from investlab.store.delta_log import flush

_PARTS = ("", "-wal", "-shm", "-journal")


def require_unused(url: str) -> None:
    """Check that no other process has a SQLite database open, and bring its write-ahead log into the file.

    A damaged file counts as unused.

    Raises:
        Busy: Another process has it open.
    """
    file = _file(url)
    if not file.exists():
        return
    try:
        with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")  # leaving WAL needs the file alone
    except sqlite3.DatabaseError as error:
        if (error.sqlite_errorname or "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise Busy(
                f"Another process has the database {file} open.", remedy="End it (`investlab up`, notebooks) first."
            ) from error


def set_aside_file(url: str, folder: Path) -> None:
    """Move a SQLite database into a folder, or into one of that name beside itself where it lies on another disk."""
    file = _file(url)
    beside = file.parent / f"{file.name}.set-aside-{folder.name}"
    target = folder if file.parent.stat().st_dev == folder.stat().st_dev else beside
    target.mkdir(exist_ok=True)
    for ending in _PARTS:
        part = file.with_name(f"{file.name}{ending}")
        if part.exists():
            part.rename(target / part.name)
    flush(target)
    flush(file.parent)


def put_in_place(url: str, made: Path) -> None:
    """Make a file, whole and flushed, the SQLite database of a URL."""
    file = _file(url)
    file.parent.mkdir(parents=True, exist_ok=True)
    if made.parent.stat().st_dev != file.parent.stat().st_dev:
        moved = file.with_name(f".{file.name}.restoring")
        moved.write_bytes(made.read_bytes())
        flush(moved)
        made = moved
    for ending in _PARTS[1:]:
        file.with_name(f"{file.name}{ending}").unlink(missing_ok=True)
    made.replace(file)
    flush(file.parent)


def _file(url: str) -> Path:
    file = sqlite_file(database_url(url))
    if file is None:
        raise TypeError("a SQLite database was expected")
    return file
