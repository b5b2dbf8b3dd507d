"""What the database's exceptions mean: each becomes one of the platform's errors, none names a password."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from investlab.core.errors import (
    Busy,
    Conflict,
    Corrupt,
    InvalidInput,
    InvestlabError,
    StorageUnavailable,
)

UNIQUE_SQLSTATE = "23505"
_BUSY_SQLSTATES = {"40001", "40P01", "55P03"}
_FULL_SQLSTATES = {"53100", "53200"}
_READ_ONLY_SQLSTATES = {"25006"}
_FAULT_SQLSTATES = {"58000", "58030"}
_NO_TABLE_SQLSTATES = {"42P01", "42703", "3D000"}

logger = logging.getLogger(__name__)

_DUPLICATE = (Conflict, "A record with the same identity already exists.", "Read it, or choose another id.")
_REFUSED = (InvalidInput, "The database refuses a value.", "Check the record's fields.")
_ERRORS: dict[str, tuple[type[InvestlabError], str, str]] = {
    "busy": (Busy, "Another writer holds the database.", "Try again in a few seconds."),
    "unique": _DUPLICATE,
    "unique_race": _DUPLICATE,
    "reference": (
        Conflict,
        "The record refers to one that does not exist, or others still refer to it.",
        "Create what it refers to first; remove what refers to it before removing it.",
    ),
    "rule": _REFUSED,
    "data": _REFUSED,
    "read_only": (StorageUnavailable, "The database is read-only.", "Give this process leave to write to it."),
    "full": (StorageUnavailable, "The database's disk is full.", "Free some space and try again."),
    "fault": (StorageUnavailable, "The database's disk reports an error.", "Check the disk and the log."),
    "gone": (
        StorageUnavailable,
        "The database cannot be reached.",
        "Check INVESTLAB_DATABASE_URL and that the database is up.",
    ),
    "no_table": (
        StorageUnavailable,
        "The database lacks tables this version needs.",
        "Run `investlab db upgrade` and try again.",
    ),
    "corrupt": (Corrupt, "The database is damaged.", "Restore it from a backup."),
}


def is_contention(error: SQLAlchemyError) -> bool:
    """Say whether running the whole write unit again can succeed: another writer was in the way."""
    return _cause(error) in {"busy", "unique_race"}


def meaning(error: SQLAlchemyError) -> InvestlabError:
    """Return the platform's error for one of SQLAlchemy's; the driver's own text stays in the exception chain."""
    if isinstance(error, StatementError) and isinstance(error.orig, InvestlabError):
        return error.orig
    return _error(_cause(error), error)


@contextmanager
def translated() -> Iterator[None]:
    """Let no exception of SQLAlchemy or of SQLite out of the block."""
    try:
        yield
    except SQLAlchemyError as error:
        raise meaning(error) from error
    except sqlite3.Error as error:
        raise _error(_sqlite_cause(error), error) from error


def _cause(error: SQLAlchemyError) -> str:
    if isinstance(error, PoolTimeout):
        return "busy"
    if not isinstance(error, StatementError):
        return "other"
    driver = error.orig
    if isinstance(driver, sqlite3.Error):
        return _sqlite_cause(driver)
    state = getattr(driver, "sqlstate", None)
    if state is not None:
        return _postgres_cause(state)
    if isinstance(error, DBAPIError):
        return "gone" if isinstance(error, (OperationalError, InterfaceError)) else "data"
    if isinstance(driver, (ValueError, TypeError, OverflowError, LookupError)):
        return "data"
    return "other"


def _sqlite_cause(driver: sqlite3.Error) -> str:
    name = getattr(driver, "sqlite_errorname", "") or ""
    text = str(driver)
    for start, cause in (
        ("SQLITE_BUSY", "busy"),
        ("SQLITE_LOCKED", "busy"),
        ("SQLITE_READONLY", "read_only"),
        ("SQLITE_FULL", "full"),
        ("SQLITE_IOERR", "fault"),
        ("SQLITE_CANTOPEN", "gone"),
        ("SQLITE_CORRUPT", "corrupt"),
        ("SQLITE_NOTADB", "corrupt"),
        ("SQLITE_CONSTRAINT_FOREIGNKEY", "reference"),
        ("SQLITE_CONSTRAINT_TRIGGER", "reference"),  # ON DELETE RESTRICT is a trigger to SQLite; there are no others
        ("SQLITE_CONSTRAINT_UNIQUE", "unique"),
        ("SQLITE_CONSTRAINT_PRIMARYKEY", "unique"),
        ("SQLITE_CONSTRAINT", "rule"),
        ("SQLITE_MISMATCH", "data"),
        ("SQLITE_TOOBIG", "data"),
    ):
        if name.startswith(start):
            return cause
    return "no_table" if text.startswith(("no such table", "no such column")) or "has no column" in text else "other"


def _postgres_cause(state: str) -> str:
    if state in _BUSY_SQLSTATES or state == "53300":
        return "busy"
    if state == UNIQUE_SQLSTATE:
        return "unique_race"
    if state == "23503" or state == "23001":
        return "reference"
    if state in _FULL_SQLSTATES:
        return "full"
    if state in _READ_ONLY_SQLSTATES:
        return "read_only"
    if state in _FAULT_SQLSTATES:
        return "fault"
    if state in _NO_TABLE_SQLSTATES:
        return "no_table"
    for start, cause in (
        ("08", "gone"),
        ("57P", "gone"),
        ("28", "gone"),
        ("XX", "corrupt"),
        ("23", "rule"),
        ("22", "data"),
    ):
        if state.startswith(start):
            return cause
    return "other"


def _error(cause: str, error: Exception) -> InvestlabError:
    if cause not in _ERRORS:
        logger.error("unexpected database error", exc_info=error)
        return InvestlabError(
            f"The database could not do what was asked ({type(error).__name__}).", remedy="The log says more."
        )
    kind, detail, remedy = _ERRORS[cause]
    return kind(detail, remedy=remedy)
