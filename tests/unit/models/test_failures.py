"""What each exception of the database means, and that no sentence tells a secret."""

import sqlite3

import psycopg
import pytest
from psycopg import errors as postgres
from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    NoResultFound,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from investlab.core.errors import (
    Busy,
    Conflict,
    Corrupt,
    InvalidInput,
    InvestlabError,
    NotFound,
    StorageUnavailable,
)
from investlab.models.failures import is_contention, meaning, translated

SECRET = "s3cret"


def _sqlite(name: str, message: str = SECRET) -> DBAPIError:
    driver = sqlite3.OperationalError(message)
    driver.sqlite_errorname = name
    return OperationalError("SELECT 1", {}, driver)


def _postgres(kind: type[psycopg.Error]) -> DBAPIError:
    return DBAPIError("SELECT 1", {}, kind(SECRET))


@pytest.mark.parametrize(
    ("error", "expected", "words"),
    [
        pytest.param(_sqlite("SQLITE_BUSY"), Busy, "Another writer", id="sqlite-busy"),
        pytest.param(_sqlite("SQLITE_BUSY_SNAPSHOT"), Busy, "Another writer", id="sqlite-snapshot"),
        pytest.param(_sqlite("SQLITE_LOCKED"), Busy, "Another writer", id="sqlite-locked"),
        pytest.param(_sqlite("SQLITE_READONLY"), StorageUnavailable, "read-only", id="sqlite-read-only"),
        pytest.param(_sqlite("SQLITE_FULL"), StorageUnavailable, "full", id="sqlite-full"),
        pytest.param(_sqlite("SQLITE_IOERR_WRITE"), StorageUnavailable, "reports an error", id="sqlite-disk"),
        pytest.param(_sqlite("SQLITE_CANTOPEN"), StorageUnavailable, "cannot be reached", id="sqlite-gone"),
        pytest.param(_sqlite("SQLITE_CORRUPT"), Corrupt, "damaged", id="sqlite-corrupt"),
        pytest.param(_sqlite("SQLITE_NOTADB"), Corrupt, "damaged", id="sqlite-no-database"),
        pytest.param(_sqlite("SQLITE_CONSTRAINT_UNIQUE"), Conflict, "already exists", id="sqlite-unique"),
        pytest.param(_sqlite("SQLITE_CONSTRAINT_FOREIGNKEY"), Conflict, "refers", id="sqlite-reference"),
        pytest.param(_sqlite("SQLITE_CONSTRAINT_CHECK"), InvalidInput, "refuses", id="sqlite-check"),
        pytest.param(_sqlite("SQLITE_CONSTRAINT_NOTNULL"), InvalidInput, "refuses", id="sqlite-null"),
        pytest.param(_sqlite("SQLITE_TOOBIG"), InvalidInput, "refuses", id="sqlite-too-big"),
        pytest.param(_sqlite("SQLITE_ERROR", "no such table: x"), StorageUnavailable, "db upgrade", id="sqlite-table"),
        pytest.param(_sqlite("SQLITE_ERROR"), InvestlabError, "OperationalError", id="sqlite-other"),
        pytest.param(_postgres(postgres.SerializationFailure), Busy, "Another writer", id="pg-serialization"),
        pytest.param(_postgres(postgres.DeadlockDetected), Busy, "Another writer", id="pg-deadlock"),
        pytest.param(_postgres(postgres.LockNotAvailable), Busy, "Another writer", id="pg-lock"),
        pytest.param(_postgres(postgres.TooManyConnections), Busy, "Another writer", id="pg-connections"),
        pytest.param(_postgres(postgres.UniqueViolation), Conflict, "already exists", id="pg-unique"),
        pytest.param(_postgres(postgres.ForeignKeyViolation), Conflict, "refers", id="pg-reference"),
        pytest.param(_postgres(postgres.RestrictViolation), Conflict, "refers", id="pg-restrict"),
        pytest.param(_postgres(postgres.CheckViolation), InvalidInput, "refuses", id="pg-check"),
        pytest.param(_postgres(postgres.NumericValueOutOfRange), InvalidInput, "refuses", id="pg-range"),
        pytest.param(_postgres(postgres.DiskFull), StorageUnavailable, "full", id="pg-full"),
        pytest.param(_postgres(postgres.ReadOnlySqlTransaction), StorageUnavailable, "read-only", id="pg-read-only"),
        pytest.param(_postgres(postgres.IoError), StorageUnavailable, "reports an error", id="pg-disk"),
        pytest.param(_postgres(postgres.AdminShutdown), StorageUnavailable, "cannot be reached", id="pg-shutdown"),
        pytest.param(_postgres(postgres.InvalidPassword), StorageUnavailable, "cannot be reached", id="pg-password"),
        pytest.param(_postgres(postgres.UndefinedTable), StorageUnavailable, "db upgrade", id="pg-table"),
        pytest.param(_postgres(postgres.InternalError_), Corrupt, "damaged", id="pg-damage"),
        pytest.param(_postgres(postgres.SyntaxError), InvestlabError, "DBAPIError", id="pg-other"),
        pytest.param(
            OperationalError("", {}, psycopg.OperationalError(SECRET)), StorageUnavailable, "reached", id="pg-gone"
        ),
        pytest.param(
            InterfaceError("", {}, psycopg.InterfaceError(SECRET)), StorageUnavailable, "reached", id="pg-closed"
        ),
        pytest.param(ProgrammingError("", {}, psycopg.DataError(SECRET)), InvalidInput, "refuses", id="pg-nul"),
        pytest.param(StatementError(SECRET, "", {}, ValueError(SECRET)), InvalidInput, "refuses", id="bad-value"),
        pytest.param(StatementError("", "", {}, NotFound("None here.")), NotFound, "None here", id="our-own"),
        pytest.param(StatementError("", "", {}, RuntimeError(SECRET)), InvestlabError, "Statement", id="unknown-cause"),
        pytest.param(PoolTimeout(SECRET), Busy, "Another writer", id="pool"),
        pytest.param(NoResultFound(SECRET), InvestlabError, "NoResultFound", id="no-result"),
    ],
)
def test_meaning(error: SQLAlchemyError, expected: type[InvestlabError], words: str) -> None:
    found = meaning(error)
    assert type(found) is expected
    assert words in found.sentence
    assert SECRET not in found.sentence


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(_sqlite("SQLITE_BUSY"), True, id="sqlite-busy"),
        pytest.param(_sqlite("SQLITE_CONSTRAINT_UNIQUE"), False, id="sqlite-unique"),
        pytest.param(_sqlite("SQLITE_FULL"), False, id="sqlite-full"),
        pytest.param(_postgres(postgres.SerializationFailure), True, id="pg-serialization"),
        pytest.param(_postgres(postgres.UniqueViolation), True, id="pg-unique-race"),
        pytest.param(_postgres(postgres.AdminShutdown), False, id="pg-shutdown"),
    ],
)
def test_only_another_writer_is_worth_a_retry(error: SQLAlchemyError, expected: bool) -> None:
    assert is_contention(error) is expected


def test_nothing_of_sqlalchemy_leaves_a_translated_block() -> None:
    with pytest.raises(Busy) as raised, translated():
        raise _sqlite("SQLITE_BUSY")
    assert isinstance(raised.value.__cause__, SQLAlchemyError)
