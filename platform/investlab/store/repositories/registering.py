"""Reading instruments with all their names into memory, and writing back what changed, many at a time."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import batched
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, bindparam, insert, select, update
from sqlalchemy.orm import Session

from investlab.models import core as rows
from investlab.schemas.catalog import IdentifierScheme
from investlab.store.repositories.identity import Known, Name, Names
from investlab.store.repositories.marks import mark_changed
from investlab.store.symbol_directory import INSTRUMENTS, MOST_IN_LIST


def read_names(
    session: Session, wanted: Iterable[tuple[IdentifierScheme, str]], *, also: Collection[int] = ()
) -> Names:
    """Return every instrument that ever bore one of these names, on any venue, and those with these keys."""
    values: dict[IdentifierScheme, set[str]] = {}
    for scheme, value in wanted:
        values.setdefault(scheme, set()).add(value)
    keys = set(also)
    for scheme, of_scheme in values.items():
        for some in batched(sorted(of_scheme), MOST_IN_LIST):
            query = select(rows.InstrumentIdentifier.instrument_id).where(
                rows.InstrumentIdentifier.scheme == scheme, rows.InstrumentIdentifier.value.in_(some)
            )
            keys.update(session.scalars(query))
    return Names(read_instruments(session, keys))


def read_instruments(session: Session, keys: Collection[int]) -> list[Known]:
    """Return instruments with all of their names, ordered by key; those that do not exist are left out."""
    found: dict[int, Known] = {}
    for some in batched(sorted(keys), MOST_IN_LIST):
        found |= {known.key: known for known in _instruments(session, rows.Instrument.id.in_(some)) if known.key}
        for name in _names(session, found, rows.InstrumentIdentifier.instrument_id.in_(some)):
            name.bearer.names.append(name)
    return list(found.values())


def write_names(session: Session, names: Names) -> None:
    """Record new and changed instruments and names, and mark that instruments changed, if any did."""
    changed = [known for known in names.instruments if known.is_changed]
    told = [name for known in names.instruments for name in known.names if name.is_changed]
    if not changed and not told:
        return
    _update(session, rows.Instrument, [{"key": known.key, **_described(known)} for known in changed if known.key])
    _insert_instruments(session, [known for known in changed if known.key is None])
    moved = [{"key": name.row, "valid_from": name.start, "valid_to": name.end} for name in told if name.row]
    _update(session, rows.InstrumentIdentifier, moved)
    new = [_recorded(name) for name in told if name.row is None]
    if new:
        session.execute(insert(_table(rows.InstrumentIdentifier)), new)
    said = [str(tuple(_described(known).values())) for known in changed]
    said += [str(tuple(_recorded(name).values())) for name in told]
    mark_changed(session, INSTRUMENTS, "\n".join(said))


# Rows go in and out through the tables, past the unit of work: it would write thousands of them one by one.


def _table(mapped: type[rows.Base]) -> Table:
    return cast("Table", mapped.__table__)


def _insert_instruments(session: Session, new: Sequence[Known]) -> None:
    if not new:
        return
    table = _table(rows.Instrument)
    query = insert(table).returning(table.c.id, sort_by_parameter_order=True)
    values = [{"venue_id": known.venue_id, "kind": known.kind, **_described(known)} for known in new]
    for known, key in zip(new, session.scalars(query, values), strict=True):
        known.key = key


def _update(session: Session, mapped: type[rows.Base], values: Sequence[Mapping[str, Any]]) -> None:
    if not values:
        return
    table = _table(mapped)
    columns: dict[str, Any] = {name: bindparam(name) for name in values[0] if name != "key"}
    query = update(table).where(table.c.id == bindparam("key")).values(columns)
    session.connection().execute(query, list(values))


def _described(known: Known) -> dict[str, Any]:
    return {
        "name": known.name,
        "currency": known.currency,
        "level_basis": known.level_basis,
        "sector": known.sector or None,
    }


def _recorded(name: Name) -> dict[str, Any]:
    return {
        "instrument_id": name.bearer.key,
        "scheme": name.scheme,
        "value": name.value,
        "valid_from": name.start,
        "valid_to": name.end,
        "source": name.source,
    }


def _instruments(session: Session, which: ColumnElement[bool]) -> list[Known]:
    table = rows.Instrument
    columns = (table.id, table.venue_id, table.kind, table.currency, table.name, table.level_basis, table.sector)
    found = session.execute(select(*columns).where(which).order_by(table.id))
    return [Known(*row[:-1], row[-1] or "") for row in found]


def _names(session: Session, bearers: Mapping[int, Known], which: ColumnElement[bool]) -> list[Name]:
    table = rows.InstrumentIdentifier
    columns = (
        table.instrument_id,
        table.scheme,
        table.value,
        table.valid_from,
        table.valid_to,
        table.source,
        table.id,
    )
    found = session.execute(select(*columns).where(which).order_by(table.id))
    return [Name(bearers[row[0]], *row[1:]) for row in found]
