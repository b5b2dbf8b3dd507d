"""The symbol index of a database, kept in memory for as long as nobody changes an instrument."""

import threading
from collections.abc import Collection
from itertools import batched
from typing import Any

from sqlalchemy import Engine, Select, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from investlab.models import core as rows
from investlab.schemas.catalog import IdentifierScheme
from investlab.schemas.market import InstrumentRef
from investlab.store.symbol_index import SymbolIndex, SymbolPeriod

DIRECTORY = "symbol_directory"
INSTRUMENTS = "instruments"
MOST_IN_LIST = 1000
_MARK = "SELECT mark FROM change_marks WHERE subject = 'instruments'"


class SymbolDirectory:
    """Holds the symbol index that one database's readers share.

    Whoever changes an instrument or its symbols changes, in the same transaction, the mark that the index was built
    under (`investlab.store.repositories.marks`). A reader compares marks within its own snapshot, so that it sees the
    symbols of that snapshot, whichever process changed them. Sessions of write units are not given one: what they see
    may never be committed.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._held: tuple[str, SymbolIndex] | None = None

    def unchanged(self) -> SymbolIndex | None:
        """Return the index held, if it is what the database says at this moment.

        It is asked past SQLAlchemy's layers, at a tenth of their cost; whatever goes wrong is left to an ordinary read.
        """
        held = self._held
        if held is None:
            return None
        try:
            connection = self._engine.raw_connection()
        except SQLAlchemyError:
            return None
        try:
            cursor = connection.cursor()
            cursor.execute(_MARK)
            found = cursor.fetchone()
            cursor.close()
        except self._engine.dialect.loaded_dbapi.Error:
            return None
        finally:
            connection.close()
        return held[1] if held[0] == (found[0] if found else "") else None

    def within(self, session: Session) -> SymbolIndex:
        """Return the index of the session's snapshot."""
        mark = session.connection().exec_driver_sql(_MARK).scalar() or ""
        held = self._held
        if held is not None and held[0] == mark:
            return held[1]
        with self._lock:
            if self._held is not None and self._held[0] == mark:
                return self._held[1]
            index = read_symbols(session)
            self._held = (mark, index)
            return index


def symbols_within(
    session: Session, *, symbols: Collection[str] | None = None, of: Collection[int] | None = None
) -> SymbolIndex:
    """Return the index of what a session sees; it holds at least these symbols, and the instruments with these keys.

    In a write unit it is read anew, so that naming what is wanted saves time there.
    """
    directory: SymbolDirectory | None = session.info.get(DIRECTORY)
    if directory is not None:
        return directory.within(session)
    if of is not None:
        return read_symbols(session, of=of)
    if symbols is None:
        return read_symbols(session)
    found = read_symbols(session, symbols=symbols)
    return found if all(symbol in found for symbol in symbols) else read_symbols(session)


def read_symbols(
    session: Session, *, symbols: Collection[str] | None = None, of: Collection[int] | None = None
) -> SymbolIndex:
    """Return the index of these symbols or these instruments, of all unless given, read from the database."""
    # The tables rather than the classes mapped to them: reading past the unit of work takes half the time.
    period, instrument, venue = (
        mapped.__table__.c for mapped in (rows.InstrumentIdentifier, rows.Instrument, rows.Venue)
    )
    query = (
        select(
            period.value,
            period.valid_from,
            period.valid_to,
            instrument.id,
            instrument.name,
            instrument.currency,
            instrument.sector,
            venue.mic,
        )
        .where(period.instrument_id == instrument.id, instrument.venue_id == venue.id)
        .where(period.scheme == IdentifierScheme.SYMBOL)
    )
    if symbols is None and of is None:
        return SymbolIndex(_periods(session, query))
    conditions = [
        *(period.value.in_(some) for some in batched(sorted(set(symbols or ())), MOST_IN_LIST)),
        *(period.instrument_id.in_(some) for some in batched(sorted(set(of or ())), MOST_IN_LIST)),
    ]
    return SymbolIndex(found for condition in conditions for found in _periods(session, query.where(condition)))


def _periods(session: Session, query: Select[Any]) -> list[SymbolPeriod]:
    return [
        SymbolPeriod(
            InstrumentRef(
                instrument_id=key, symbol=symbol, name=name, currency=currency, venue=mic, sector=sector or ""
            ),
            start,
            end,
        )
        for symbol, start, end, key, name, currency, sector, mic in session.execute(query)
    ]
