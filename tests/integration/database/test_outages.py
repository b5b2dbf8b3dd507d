"""PostgreSQL away and back again: a clear error, nothing half written, and no restart needed."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from investlab.core.errors import StorageUnavailable
from investlab.store.database import Database
from investlab.store.repositories import outbox
from tests.support.databases import PostgresServer
from tests.support.records import AT

pytestmark = pytest.mark.postgres
NAME = "outages"


@pytest.fixture
def away(postgres: PostgresServer, postgres_template: str) -> Iterator[Database]:
    """A database whose connections a test cuts."""
    opened = Database(postgres.create(NAME, postgres_template), sleep=lambda _: None)
    yield opened
    opened.close()
    postgres.drop(NAME)


def _enqueue(session: Session) -> None:
    outbox.enqueue(session, "system", {}, at=AT)


def _cut(postgres: PostgresServer) -> None:
    postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{NAME}'")


def _count(database: Database) -> int:
    with database.read() as session:
        return len(outbox.pending(session))


def test_a_connection_cut_between_units_is_replaced(postgres: PostgresServer, away: Database) -> None:
    away.write(_enqueue)
    assert _count(away) == 1
    _cut(postgres)
    away.write(_enqueue)
    assert _count(away) == 2


def test_a_connection_cut_inside_a_unit_loses_the_unit_and_says_so(postgres: PostgresServer, away: Database) -> None:
    def unit(session: Session) -> None:
        _enqueue(session)
        _cut(postgres)
        _enqueue(session)

    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        away.write(unit)
    assert _count(away) == 0
    away.write(_enqueue)
    assert _count(away) == 1


def test_a_database_that_does_not_exist_is_reported(postgres: PostgresServer) -> None:
    missing = Database(postgres.url_of("nowhere"), sleep=lambda _: None)
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        missing.write(_enqueue)
    missing.close()


def test_a_reading_session_cannot_write(away: Database) -> None:
    with pytest.raises(StorageUnavailable, match="read-only"), away.read() as session:
        session.execute(text("DELETE FROM outbox"))
