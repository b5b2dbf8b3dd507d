"""Venues and instruments, whose symbols and other identifiers are dated."""

from collections.abc import Collection, Sequence
from datetime import date

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from investlab.core.errors import Conflict, InvalidInput, NotFound
from investlab.models import core as rows
from investlab.schemas.catalog import Identifier, IdentifierScheme, InstrumentDraft, InstrumentKind, Venue
from investlab.schemas.market import InstrumentRef
from investlab.store.repositories.lookup import save, venue_row

_MOST_IN_LIST = 1000


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
    """Return the instrument that bears a symbol on a venue from a date on, recording it when it is new.

    An instrument whose symbol is recorded from a later date gets the earlier one; a symbol whose period has ended
    before `valid_from` belongs to another instrument, so a new one is recorded.

    Raises:
        NotFound: The venue is not recorded.
        Conflict: The recorded instrument is of another kind or currency, or the earlier period is another's.
        InvalidInput: `level_basis` is given for what is no index.
    """
    if draft.level_basis is not None and draft.kind is not InstrumentKind.INDEX:
        raise InvalidInput(f"{draft.symbol} is no index and has no level basis.", remedy="Leave level_basis out.")
    venue = venue_row(session, draft.venue)
    periods = _periods(session, IdentifierScheme.SYMBOL, draft.symbol, venue.id)
    known = [period for period in periods if period.valid_to is None or period.valid_to > draft.valid_from]
    if known:
        return _known_instrument(session, draft, min(known, key=lambda period: period.valid_from))
    instrument = rows.Instrument(
        kind=draft.kind,
        name=draft.name,
        currency=draft.currency,
        venue_id=venue.id,
        level_basis=draft.level_basis,
    )
    save(session, instrument)
    session.add(
        rows.InstrumentIdentifier(
            instrument_id=instrument.id,
            scheme=IdentifierScheme.SYMBOL,
            value=draft.symbol,
            valid_from=draft.valid_from,
            source=draft.source,
        )
    )
    session.flush()
    return _ref(instrument, venue.mic, draft.symbol)


def _known_instrument(session: Session, draft: InstrumentDraft, period: rows.InstrumentIdentifier) -> InstrumentRef:
    instrument = session.get_one(rows.Instrument, period.instrument_id)
    for what, recorded, given in (
        ("kind", instrument.kind, draft.kind),
        ("currency", instrument.currency, draft.currency),
    ):
        if recorded != given:
            raise Conflict(
                f"{draft.symbol} on {draft.venue} is recorded with {what} {recorded}, not {given}.",
                remedy="Correct the source, or give the venue it really trades on.",
            )
    instrument.name = instrument.name or draft.name
    instrument.level_basis = instrument.level_basis or draft.level_basis
    period.valid_from = min(period.valid_from, draft.valid_from)
    session.flush()
    return _ref(instrument, draft.venue, draft.symbol)


def add_identifier(session: Session, identifier: Identifier) -> Identifier:
    """Record a dated identifier; recording the same one again changes nothing.

    Raises:
        NotFound: The instrument does not exist.
        Conflict: On that venue, the same scheme and value already name something during part of the period.
    """
    instrument = session.get(rows.Instrument, identifier.instrument_id)
    if instrument is None:
        raise NotFound(f"There is no instrument {identifier.instrument_id}.", remedy="Record the instrument first.")
    for other in _periods(session, identifier.scheme, identifier.value, instrument.venue_id):
        if _identifier(other).model_copy(update={"source": identifier.source}) == identifier:
            return _identifier(other)
        if _overlap(other, identifier):
            raise Conflict(
                f"{identifier.scheme} {identifier.value!r} already names instrument {other.instrument_id} "
                f"from {other.valid_from} to {other.valid_to or 'today'}.",
                remedy="End that period first, or give one that does not overlap.",
            )
    session.add(rows.InstrumentIdentifier(**identifier.model_dump()))
    session.flush()
    return identifier


def rename_instrument(session: Session, instrument_id: int, symbol: str, *, on: date, source: str) -> InstrumentRef:
    """Give an instrument a new symbol from `on` on; the old one ends that day. Doing it again changes nothing.

    Raises:
        NotFound: The instrument does not exist or has no symbol on that day.
        Conflict: The symbol names another instrument of the venue then, or the instrument was renamed later.
    """
    periods = [p for p in identifiers(session, instrument_id) if p.scheme is IdentifierScheme.SYMBOL]
    running = [p for p in periods if p.valid_from <= on and (p.valid_to is None or on < p.valid_to)]
    if not running:
        raise NotFound(f"Instrument {instrument_id} has no symbol on {on}.", remedy="Check the instrument and the day.")
    old = running[0]
    if old.value != symbol:
        if old.valid_to is not None or old.valid_from == on:
            raise Conflict(
                f"Instrument {instrument_id} is already renamed: {old.value!r} holds from {old.valid_from} to "
                f"{old.valid_to or 'today'}.",
                remedy="Rename on a day after its latest renaming.",
            )
        row = session.scalars(
            select(rows.InstrumentIdentifier).where(
                rows.InstrumentIdentifier.instrument_id == instrument_id,
                rows.InstrumentIdentifier.scheme == IdentifierScheme.SYMBOL,
                rows.InstrumentIdentifier.value == old.value,
                rows.InstrumentIdentifier.valid_from == old.valid_from,
            )
        ).one()
        row.valid_to = on
        new = Identifier(
            instrument_id=instrument_id, scheme=IdentifierScheme.SYMBOL, value=symbol, valid_from=on, source=source
        )
        add_identifier(session, new)
    return instruments(session, [instrument_id])[0]


def identifiers(session: Session, instrument_id: int) -> list[Identifier]:
    """List an instrument's identifiers ordered by scheme, start and value."""
    found = session.scalars(
        select(rows.InstrumentIdentifier).where(rows.InstrumentIdentifier.instrument_id == instrument_id)
    )
    return sorted((_identifier(row) for row in found), key=lambda i: (i.scheme, i.valid_from, i.value))


def instruments(session: Session, instrument_ids: Sequence[int]) -> list[InstrumentRef]:
    """Return instruments in the order given, each with its latest symbol.

    Raises:
        NotFound: One of them does not exist.
    """
    wanted = set(instrument_ids)
    found = {ref.instrument_id: ref for ref in _latest_refs(session) if ref.instrument_id in wanted}
    missing = sorted(wanted - set(found))
    if missing:
        raise NotFound(f"There is no instrument {missing[0]}.", remedy="Ingest its bars first.")
    return [found[key] for key in instrument_ids]


def find_instruments(
    session: Session, query: str = "", *, kind: InstrumentKind | None = None, limit: int = 50
) -> list[InstrumentRef]:
    """List instruments whose name or any identifier contains the query, whatever its case, ordered by symbol."""
    named = select(rows.InstrumentIdentifier.instrument_id).where(
        rows.InstrumentIdentifier.value.icontains(query, autoescape=True)
    )
    chosen = select(rows.Instrument.id).where(
        or_(rows.Instrument.name.icontains(query, autoescape=True), rows.Instrument.id.in_(named))
    )
    if kind is not None:
        chosen = chosen.where(rows.Instrument.kind == kind)
    wanted = set(session.scalars(chosen))
    return [ref for ref in _latest_refs(session) if ref.instrument_id in wanted][:limit]


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
    candidates = _bearers(session, symbols, on, venue, among)
    resolved = []
    for symbol in symbols:
        bearers = candidates.get(symbol, {})
        if not bearers:
            known = _known_symbols(session, on, venue, among)
            raise NotFound.named("symbol", symbol, known, remedy=f"It must hold on {on}." if on else "")
        if len(bearers) > 1:
            raise Conflict(f"{symbol} trades on {', '.join(sorted(bearers))}.", remedy="Name the venue.")
        resolved.append(next(iter(bearers.values())))
    return resolved


def _bearers(
    session: Session, symbols: Sequence[str], on: date | None, venue: str | None, among: Collection[int] | None
) -> dict[str, dict[str, InstrumentRef]]:
    """Map each symbol to its bearer on each venue, the latest one where several follow each other."""
    found: dict[str, dict[str, InstrumentRef]] = {}
    wanted = set(symbols)
    for period, instrument, mic in _symbol_rows(session, on, venue, wanted if len(wanted) <= _MOST_IN_LIST else None):
        if period.value in wanted and (among is None or instrument.id in among):
            found.setdefault(period.value, {})[mic] = _ref(instrument, mic, period.value)
    return found


def _known_symbols(session: Session, on: date | None, venue: str | None, among: Collection[int] | None) -> set[str]:
    return {
        period.value
        for period, instrument, _ in _symbol_rows(session, on, venue, None)
        if among is None or instrument.id in among
    }


def _symbol_rows(
    session: Session, on: date | None, venue: str | None, values: Collection[str] | None
) -> list[tuple[rows.InstrumentIdentifier, rows.Instrument, str]]:
    """Return symbol periods with instrument and MIC; the period that ends last comes last."""
    period = rows.InstrumentIdentifier
    query = (
        select(period, rows.Instrument, rows.Venue.mic)
        .join(rows.Instrument, rows.Instrument.id == period.instrument_id)
        .join(rows.Venue, rows.Venue.id == rows.Instrument.venue_id)
        .where(period.scheme == IdentifierScheme.SYMBOL)
    )
    if on is not None:
        query = query.where(period.valid_from <= on, or_(period.valid_to.is_(None), period.valid_to > on))
    if venue is not None:
        query = query.where(rows.Venue.mic == venue)
    if values is not None:
        query = query.where(period.value.in_(sorted(values)))
    found = [(row[0], row[1], row[2]) for row in session.execute(query)]
    return sorted(found, key=lambda row: (row[0].valid_to or date.max, row[0].valid_from, row[0].id))


def _latest_refs(session: Session) -> list[InstrumentRef]:
    latest = {
        instrument.id: _ref(instrument, mic, period.value)
        for period, instrument, mic in _symbol_rows(session, None, None, None)
    }
    return sorted(latest.values(), key=lambda ref: (ref.symbol, ref.venue, ref.instrument_id))


def _periods(
    session: Session, scheme: IdentifierScheme, value: str, venue_id: int
) -> Sequence[rows.InstrumentIdentifier]:
    return session.scalars(
        select(rows.InstrumentIdentifier)
        .join(rows.Instrument, rows.Instrument.id == rows.InstrumentIdentifier.instrument_id)
        .where(
            rows.Instrument.venue_id == venue_id,
            rows.InstrumentIdentifier.scheme == scheme,
            rows.InstrumentIdentifier.value == value,
        )
    ).all()


def _overlap(period: rows.InstrumentIdentifier, other: Identifier) -> bool:
    starts_before_end = other.valid_to is None or period.valid_from < other.valid_to
    ends_after_start = period.valid_to is None or period.valid_to > other.valid_from
    return starts_before_end and ends_after_start


def _venue(row: rows.Venue) -> Venue:
    return Venue(mic=row.mic, name=row.name, timezone=row.timezone, calendar=row.calendar)


def _identifier(row: rows.InstrumentIdentifier) -> Identifier:
    return Identifier(
        instrument_id=row.instrument_id,
        scheme=row.scheme,
        value=row.value,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        source=row.source,
    )


def _ref(row: rows.Instrument, mic: str, symbol: str) -> InstrumentRef:
    return InstrumentRef(instrument_id=row.id, symbol=symbol, name=row.name, currency=row.currency, venue=mic)
