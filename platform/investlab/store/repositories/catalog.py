"""Venues and instruments, whose symbols and other identifiers are dated."""

from collections.abc import Collection, Sequence
from datetime import date, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from investlab.core.errors import Conflict, InvalidInput, NotFound
from investlab.models import core as rows
from investlab.schemas.catalog import (
    Identifier,
    IdentifierDraft,
    IdentifierScheme,
    InstrumentDraft,
    InstrumentKind,
    Venue,
)
from investlab.schemas.market import InstrumentRef
from investlab.store.repositories.identity import SYMBOL, Known, Name, Names, told_names
from investlab.store.repositories.lookup import venue_row
from investlab.store.repositories.registering import read_instruments, read_names, write_names
from investlab.store.symbol_directory import symbols_within
from investlab.store.symbol_index import Scope


def ensure_venue(session: Session, venue: Venue) -> Venue:
    """Record a venue, or bring the recorded one with the same MIC up to date, and return it."""
    row = session.scalar(select(rows.Venue).where(rows.Venue.mic == venue.mic))
    if row is None:
        row = rows.Venue(mic=venue.mic)
        session.add(row)
    row.name, row.timezone, row.calendar = venue.name, venue.timezone, venue.calendar
    session.flush()
    return venue


def venues(session: Session) -> list[Venue]:
    """List the venues ordered by MIC."""
    found = session.scalars(select(rows.Venue))
    return sorted((_venue(row) for row in found), key=lambda venue: venue.mic)


def ensure_instrument(session: Session, draft: InstrumentDraft) -> InstrumentRef:
    """Return the instrument that a draft means, recording it when it is new; see `ensure_instruments`."""
    return ensure_instruments(session, [draft])[0]


def ensure_instruments(session: Session, drafts: Sequence[InstrumentDraft]) -> list[InstrumentRef]:
    """Return the instruments that drafts mean, in the order given and under their symbols, recording new ones.

    An instrument of the venue that bore one of the FIGIs, ISINs or CUSIPs told, on a day told, is the same one; else
    one that bore the symbol, a former symbol or the provider's symbol on such a day, unless its FIGI, ISIN or CUSIP is
    another. Of an instrument known, earlier starts, ends and further identifiers are added. A recorded end stays; a
    recorded name without an end ends only when a draft tells its end.

    Raises:
        NotFound: A venue is not recorded.
        Conflict: A recorded instrument is of another kind or currency, or names overlap that exclude each other.
        InvalidInput: `level_basis` is given for what is no index, or a period ends before it begins.
    """
    for draft in drafts:
        if draft.level_basis is not None and draft.kind is not InstrumentKind.INDEX:
            raise InvalidInput(f"{draft.symbol} is no index and has no level basis.", remedy="Leave level_basis out.")
    venue_ids = {mic: venue_row(session, mic).id for mic in sorted({draft.venue for draft in drafts})}
    names = read_names(session, ((told.scheme, told.value) for draft in drafts for told in told_names(draft)))
    ensured: dict[int, Known] = {}
    # The earlier symbols of a delivery come first: one that ended makes way for its next bearer.
    for place in sorted(range(len(drafts)), key=lambda place: drafts[place].valid_from):
        ensured[place] = names.ensure(drafts[place], venue_ids[drafts[place].venue])
    write_names(session, names)
    return [_ref(ensured[place], draft) for place, draft in enumerate(drafts)]


def add_identifier(session: Session, identifier: Identifier) -> Identifier:
    """Record a dated identifier; recording the same one again changes nothing.

    Raises:
        NotFound: The instrument does not exist.
        Conflict: On that venue, the same scheme and value already name something during part of the period, or the
            instrument has another symbol then.
    """
    names, instrument = _with_name(session, identifier.instrument_id, identifier.scheme, identifier.value)
    told = IdentifierDraft(**identifier.model_dump(exclude={"instrument_id", "source"}))
    recorded = names.add(instrument, told, identifier.source)
    write_names(session, names)
    return _identifier(recorded)


def rename_instrument(session: Session, instrument_id: int, symbol: str, *, on: date, source: str) -> InstrumentRef:
    """Give an instrument a new symbol from `on` on; the old one ends that day. Doing it again changes nothing.

    Raises:
        NotFound: The instrument does not exist or has no symbol on that day.
        Conflict: The symbol names another instrument of the venue then, or the instrument was renamed later.
    """
    names, instrument = _with_name(session, instrument_id, SYMBOL, symbol)
    old = _symbol_on(instrument, on)
    if old.value != symbol:
        if old.end is not None or old.start == on:
            raise Conflict(
                f"Instrument {instrument_id} is already renamed: {old.value!r} holds from {old.start} to "
                f"{old.end or 'today'}.",
                remedy="Rename on a day after its latest renaming.",
            )
        old.move(old.start, on)
        names.add(instrument, IdentifierDraft(scheme=SYMBOL, value=symbol, valid_from=on), source)
        write_names(session, names)
    return instruments(session, [instrument_id])[0]


def delist_instrument(session: Session, instrument_id: int, *, on: date) -> InstrumentRef:
    """End an instrument's symbol on a day, the first it no longer trades on. Doing it again changes nothing.

    Raises:
        NotFound: The instrument does not exist or has no symbol on the day before.
        Conflict: The symbol ended, or was given up for another, on another day.
    """
    names, instrument = _with_name(session, instrument_id, SYMBOL, "")
    last = _symbol_on(instrument, on - timedelta(days=1))
    if last.end not in {None, on}:
        raise Conflict(
            f"{last.value!r} of instrument {instrument_id} ended on {last.end}.",
            remedy="Delist it on that day or later.",
        )
    last.move(last.start, on)
    write_names(session, names)
    return instruments(session, [instrument_id])[0]


def identifiers(session: Session, instrument_id: int) -> list[Identifier]:
    """List an instrument's identifiers ordered by scheme, start and value."""
    found = [_identifier(name) for known in read_instruments(session, [instrument_id]) for name in known.names]
    return sorted(found, key=lambda i: (i.scheme, i.valid_from, i.value))


def instruments(session: Session, instrument_ids: Sequence[int]) -> list[InstrumentRef]:
    """Return instruments in the order given, each with its latest symbol.

    Raises:
        NotFound: One of them does not exist.
    """
    return symbols_within(session, of=instrument_ids).instruments(instrument_ids)


def instruments_on(session: Session, instrument_ids: Sequence[int], *, on: date) -> list[InstrumentRef]:
    """Return instruments in the order given, each with the symbol it had on a day, also those delisted before it.

    Where it had none on the day, its last symbol before it is given, else its first.

    Raises:
        NotFound: One of them does not exist.
    """
    return symbols_within(session, of=instrument_ids).instruments(instrument_ids, on=on)


def named_instruments(
    session: Session, instrument_ids: Sequence[int], *, on: date | None = None, among: Collection[int] | None = None
) -> list[InstrumentRef]:
    """Return instruments in the order given, each under a name that `resolve_symbols` finds it by among some others.

    That is its symbol on a day, its latest unless given; `SYMBOL@2007-07-02`, with the last day it bore it, where
    another instrument bore the symbol after it.

    Raises:
        NotFound: One of them does not exist.
    """
    return symbols_within(session).named(instrument_ids, on=on, among=among)


def find_instruments(
    session: Session, query: str = "", *, kind: InstrumentKind | None = None, limit: int = 50
) -> list[InstrumentRef]:
    """List instruments whose name or any identifier contains the query, whatever its case, ordered by symbol."""
    if not query and kind is None:
        return list(symbols_within(session))[:limit]
    named = select(rows.InstrumentIdentifier.instrument_id).where(
        rows.InstrumentIdentifier.value.icontains(query, autoescape=True)
    )
    chosen = select(rows.Instrument.id).where(
        or_(rows.Instrument.name.icontains(query, autoescape=True), rows.Instrument.id.in_(named))
    )
    if kind is not None:
        chosen = chosen.where(rows.Instrument.kind == kind)
    wanted = set(session.scalars(chosen))
    return [ref for ref in symbols_within(session) if ref.instrument_id in wanted][:limit]


def resolve_symbols(
    session: Session,
    symbols: Sequence[str],
    *,
    on: date | None = None,
    venue: str | None = None,
    among: Collection[int] | None = None,
) -> list[InstrumentRef]:
    """Return the instruments that bear these symbols, in the order given, each under the symbol asked for.

    With `on`, the symbol must hold on that day; without it, its latest bearer is meant. `venue` (a MIC) and `among`
    (instrument ids, such as those of a dataset) narrow the choice.

    Raises:
        NotFound: Nothing bears a symbol; near matches are named.
        Conflict: Instruments of several venues bear a symbol.
    """
    return symbols_within(session, symbols=set(symbols)).bearers(symbols, Scope(on=on, venue=venue, among=among))


def resolve_symbols_as_of(
    session: Session, symbols: Sequence[str], *, day: date, among: Collection[int] | None = None
) -> list[InstrumentRef]:
    """Return the instruments that bore these symbols on a day or, if none did, last before it, in the order given.

    What is renamed or listed after the day changes nothing. `among` holds instrument ids, such as those of a dataset.

    Raises:
        NotFound: Nothing bore a symbol by then; near matches are named.
        Conflict: Instruments of several venues bore a symbol.
    """
    return symbols_within(session, symbols=set(symbols)).bearers(symbols, Scope(begun_by=day, among=among))


def resolve_dated(
    session: Session, dated: Sequence[tuple[str, date]], *, venue: str | None = None
) -> list[InstrumentRef]:
    """Return the instruments that bear symbols, each on a day of its own, in the order given.

    Raises:
        NotFound: Nothing bears a symbol on its day; near matches are named.
        Conflict: Instruments of several venues bear a symbol.
    """
    return symbols_within(session, symbols={symbol for symbol, _ in dated}).bearers_on(dated, venue=venue)


def _with_name(session: Session, instrument_id: int, scheme: IdentifierScheme, value: str) -> tuple[Names, Known]:
    """Return an instrument among all that ever bore a name.

    Raises:
        NotFound: The instrument does not exist.
    """
    names = read_names(session, [(scheme, value)], also=[instrument_id])
    for known in names.instruments:
        if known.key == instrument_id:
            return names, known
    raise NotFound(f"There is no instrument {instrument_id}.", remedy="Record the instrument first.")


def _symbol_on(instrument: Known, day: date) -> Name:
    for name in instrument.names:
        if name.scheme is SYMBOL and name.holds(day):
            return name
    raise NotFound(f"Instrument {instrument.key} has no symbol on {day}.", remedy="Check the instrument and the day.")


def _venue(row: rows.Venue) -> Venue:
    return Venue(mic=row.mic, name=row.name, timezone=row.timezone, calendar=row.calendar)


def _identifier(name: Name) -> Identifier:
    return Identifier(
        instrument_id=name.bearer.key or 0,
        scheme=name.scheme,
        value=name.value,
        valid_from=name.start,
        valid_to=name.end,
        source=name.source,
    )


def _ref(known: Known, draft: InstrumentDraft) -> InstrumentRef:
    return InstrumentRef(
        instrument_id=known.key or 0,
        symbol=draft.symbol,
        name=known.name,
        currency=known.currency,
        venue=draft.venue,
        sector=known.sector,
    )
