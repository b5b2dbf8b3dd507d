"""Write units on SQLite: retries, rollback, durability settings, and what every failure becomes."""

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from investlab.core.clock import FixedClock
from investlab.core.errors import (
    Busy,
    Conflict,
    Corrupt,
    InvalidInput,
    InvestlabError,
    NotFound,
    StorageUnavailable,
)
from investlab.models import core as rows
from investlab.store.database import MOST_RETRIES, Database, compare_and_set
from investlab.store.repositories import catalog, outbox
from tests.support.records import AT, NASDAQ, NYSE


def _count(database: Database) -> int:
    with database.read() as session:
        return len(outbox.pending(session))


def _enqueue(session: Session) -> None:
    outbox.enqueue(session, "system", {}, at=AT)


class _FirstDraws:
    """A generator whose draws are all the same."""

    def random(self) -> float:
        return 0.5


@pytest.fixture
def file(sqlite_database: Database) -> Path:
    return Path(str(sqlite_database.url.database))


def test_a_unit_s_result_is_returned_and_its_writes_are_kept(sqlite_database: Database) -> None:
    assert sqlite_database.write(lambda session: catalog.ensure_venue(session, NASDAQ)) == NASDAQ
    with sqlite_database.read() as session:
        assert catalog.venues(session) == [NASDAQ]


def test_a_unit_that_raises_leaves_nothing(sqlite_database: Database) -> None:
    def unit(session: Session) -> None:
        _enqueue(session)
        raise NotFound("gone")

    with pytest.raises(NotFound, match="gone"):
        sqlite_database.write(unit)
    assert _count(sqlite_database) == 0


def test_a_busy_database_is_tried_six_times_with_growing_jittered_pauses(file: Path) -> None:
    pauses: list[float] = []
    database = Database(f"sqlite:///{file}", jitter=_FirstDraws(), sleep=pauses.append)  # type: ignore[arg-type]
    _set_busy_timeout(database, 0)
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    units: list[Session] = []
    with pytest.raises(Busy) as raised:
        database.write(units.append)
    holder.close()
    database.close()
    assert (raised.value.status, raised.value.retry_after_seconds, units) == (503, 5, [])
    assert pauses == pytest.approx([0.01, 0.02, 0.04, 0.08, 0.16])
    assert len(pauses) == MOST_RETRIES


def test_the_whole_unit_runs_once_the_other_writer_is_done(file: Path) -> None:
    holder = sqlite3.connect(file, isolation_level=None)
    database = Database(f"sqlite:///{file}", sleep=lambda _: holder.rollback())
    _set_busy_timeout(database, 0)
    holder.execute("BEGIN IMMEDIATE")
    database.write(_enqueue)
    holder.close()
    assert _count(database) == 1
    database.close()


def _set_busy_timeout(database: Database, milliseconds: int) -> None:
    with database._writer.connect() as connection:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {milliseconds}")


def test_a_write_unit_inside_another_is_refused(sqlite_database: Database) -> None:
    with pytest.raises(InvestlabError, match="inside another"):
        sqlite_database.write(lambda _: sqlite_database.write(_enqueue))
    sqlite_database.write(_enqueue)
    assert _count(sqlite_database) == 1


def test_threads_of_one_process_wait_for_each_other(sqlite_database: Database) -> None:
    def work() -> None:
        for _ in range(25):
            sqlite_database.write(_enqueue)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _count(sqlite_database) == 100


def test_a_reader_sees_one_snapshot_and_never_waits_for_a_writer(sqlite_database: Database) -> None:
    with sqlite_database.read() as session:
        before = len(outbox.pending(session))
        sqlite_database.write(_enqueue)
        assert len(outbox.pending(session)) == before == 0
    assert _count(sqlite_database) == 1


@pytest.mark.parametrize(
    ("pragma", "expected"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 5000)],
)
def test_writes_are_durable_and_checked(sqlite_database: Database, pragma: str, expected: object) -> None:
    value = sqlite_database.write(lambda session: session.execute(text(f"PRAGMA {pragma}")).scalar_one())
    assert value == expected


def test_a_reading_session_cannot_write(sqlite_database: Database) -> None:
    with pytest.raises(StorageUnavailable, match="read-only"), sqlite_database.read() as session:
        _enqueue(session)


def test_a_read_only_file_is_reported(file: Path) -> None:
    database = Database(f"sqlite:///file:{file}?mode=ro&uri=true", sleep=lambda _: None)
    with pytest.raises(StorageUnavailable, match="read-only"):
        database.write(_enqueue)
    assert _count(database) == 0
    database.close()


def test_a_full_disk_is_reported_and_nothing_is_lost(sqlite_database: Database) -> None:
    sqlite_database.write(_enqueue)
    with sqlite_database._writer.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageUnavailable, match="disk is full"):
        sqlite_database.write(lambda session: outbox.enqueue(session, "system", {"big": "x" * 100_000}, at=AT))
    assert _count(sqlite_database) == 1


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'nowhere' / 'investlab.db'}")
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        database.write(_enqueue)
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        _count(database)


def test_a_database_that_was_never_set_up_says_how_to(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'investlab.db'}")
    with pytest.raises(StorageUnavailable, match="investlab db upgrade"):
        database.write(_enqueue)
    database.close()


def test_a_damaged_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "investlab.db").write_bytes(b"this is no database" * 1000)
    database = Database(f"sqlite:///{tmp_path / 'investlab.db'}")
    with pytest.raises(Corrupt, match="damaged"):
        database.write(_enqueue)
    database.close()


def test_a_password_is_never_shown() -> None:
    database = Database("postgresql://me:s3cret@127.0.0.1:1/x", sleep=lambda _: None)
    with pytest.raises(StorageUnavailable) as raised:
        database.write(_enqueue)
    assert "s3cret" not in f"{raised.value.sentence} {database!r} {database.place}"


def test_compare_and_set_refuses_what_changed_meanwhile(sqlite_database: Database) -> None:
    sqlite_database.write(lambda session: catalog.ensure_venue(session, NASDAQ))

    def rename(session: Session, expected: str) -> None:
        where = rows.Venue.mic == "XNAS"
        compare_and_set(session, rows.Venue.name, where=where, expected=expected, value="New")

    sqlite_database.write(lambda session: rename(session, "Nasdaq"))
    with pytest.raises(Conflict, match="no longer is 'Nasdaq'"):
        sqlite_database.write(lambda session: rename(session, "Nasdaq"))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        pytest.param("INSERT INTO venues VALUES (1, 'XNAS', '', '', '')", Conflict, id="unique"),
        pytest.param("INSERT INTO instruments VALUES (1, 'equity', '', 'USD', 99, NULL, '')", Conflict, id="reference"),
        pytest.param("INSERT INTO instruments VALUES (1, 'share', '', 'USD', 1, NULL, '')", InvalidInput, id="check"),
        pytest.param("INSERT INTO venues (mic) VALUES ('XLON')", InvalidInput, id="not-null"),
    ],
)
def test_constraints_hold(sqlite_database: Database, statement: str, expected: type[InvestlabError]) -> None:
    sqlite_database.write(lambda session: catalog.ensure_venue(session, NASDAQ))
    with pytest.raises(expected):
        sqlite_database.write(lambda session: session.execute(text(statement)) and None)


def test_a_closed_database_opens_again(sqlite_database: Database) -> None:
    sqlite_database.close()
    sqlite_database.write(lambda session: catalog.ensure_venue(session, NYSE))
    with sqlite_database.read() as session:
        assert catalog.venues(session) == [NYSE]


def test_the_clock_is_the_one_given(tmp_path: Path) -> None:
    assert Database(f"sqlite:///{tmp_path / 'x.db'}", FixedClock(AT)).now() == AT
