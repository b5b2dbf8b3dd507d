"""The symbols held in memory: read once, read again when anyone changed an instrument, never from what was undone."""

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from investlab.core.errors import NotFound, StorageUnavailable
from investlab.store.database import Database
from investlab.store.repositories import catalog
from tests.support.records import NASDAQ, instrument_draft


@pytest.fixture
def other(database: Database, database_url: str) -> Iterator[Database]:
    """The same database, Apple in it, opened a second time as another process would."""

    def unit(session: Session) -> None:
        catalog.ensure_venue(session, NASDAQ)
        catalog.ensure_instrument(session, instrument_draft())

    database.write(unit)
    opened = Database(database_url, sleep=lambda _: None)
    yield opened
    opened.close()


def _reads(database: Database) -> list[str]:
    """Return a list that grows with every statement read from now on."""
    asked: list[str] = []
    event.listen(database._reader, "before_cursor_execute", lambda *given: asked.append(given[2]))
    return asked


def test_symbols_are_read_once(database: Database, other: Database) -> None:
    first = database.symbols()
    asked = _reads(database)
    assert database.symbols() is first
    with database.read() as session:
        catalog.resolve_symbols(session, ["AAPL"])
        catalog.instruments(session, [1])
    assert [statement for statement in asked if "instrument_identifiers" in statement] == []


def test_a_change_of_another_process_is_seen_at_once(database: Database, other: Database) -> None:
    assert database.symbols().bearer("AAPL").name == "Apple"
    other.write(lambda session: catalog.rename_instrument(session, 1, "APPL", on=date(2024, 1, 2), source="test"))
    assert database.symbols().bearer("APPL").instrument_id == 1
    other.write(
        lambda session: catalog.ensure_instrument(session, instrument_draft(symbol="APPL", sector="Technology"))
    )
    assert database.symbols().bearer("APPL").sector == "Technology"
    other.write(lambda session: catalog.delist_instrument(session, 1, on=date(2025, 1, 2)))
    with database.read() as session, pytest.raises(NotFound):
        catalog.resolve_symbols(session, ["APPL"], on=date(2025, 1, 2))


def test_a_session_sees_the_symbols_of_its_snapshot(database: Database, other: Database) -> None:
    with database.read() as session:
        assert [ref.symbol for ref in catalog.find_instruments(session)] == ["AAPL"]
        other.write(lambda unit: catalog.ensure_instrument(unit, instrument_draft(symbol="MSFT")))
        assert database.symbols().bearer("MSFT").symbol == "MSFT"
        assert [ref.symbol for ref in catalog.find_instruments(session)] == ["AAPL"]


def test_what_was_undone_is_never_seen(database: Database, other: Database) -> None:
    def undone(session: Session) -> None:
        catalog.ensure_instrument(session, instrument_draft(symbol="GONE"))
        assert catalog.resolve_symbols(session, ["GONE"])[0].symbol == "GONE"
        raise NotFound("given up")

    database.symbols()
    with pytest.raises(NotFound, match="given up"):
        database.write(undone)
    database.write(lambda session: catalog.ensure_instrument(session, instrument_draft(symbol="KEPT")))
    assert [ref.symbol for ref in database.symbols()] == ["AAPL", "KEPT"]


def test_telling_again_what_is_known_changes_no_mark(database: Database, other: Database) -> None:
    first = database.symbols()
    other.write(lambda session: catalog.ensure_instrument(session, instrument_draft()))
    assert database.symbols() is first


def test_another_history_after_the_same_beginning_has_another_mark(database: Database, other: Database) -> None:
    def mark() -> str:
        with database.read() as session:
            return str(session.execute(text("SELECT mark FROM change_marks")).scalar_one())

    marks = [mark()]
    for symbol in ("ONE", "TWO"):
        with pytest.raises(NotFound):
            database.write(lambda session, symbol=symbol: _note_and_undo(session, symbol, marks))
    assert len(set(marks)) == 3


def _note_and_undo(session: Session, symbol: str, marks: list[str]) -> None:
    catalog.ensure_instrument(session, instrument_draft(symbol=symbol))
    marks.append(str(session.execute(text("SELECT mark FROM change_marks")).scalar_one()))
    raise NotFound("given up")


def test_a_database_without_tables_is_reported(empty_url: str) -> None:
    empty = Database(empty_url, sleep=lambda _: None)
    with pytest.raises(StorageUnavailable):
        empty.symbols()
    empty.close()
