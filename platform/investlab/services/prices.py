"""Price panels from the stores: symbols, fields, sessions, adjustment and as-of time become one `PricePanel`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from investlab.core.errors import EmptyUniverse, InvalidInput, NotFound
from investlab.market.adjustment import ADJUSTED_FIELDS, adjusted_terms, needs_adjusting, write_adjusted
from investlab.market.panel import PanelSource, PricePanel, read_only
from investlab.market.panel_identity import PanelDigests, events_digest, field_digest, panel_id
from investlab.schemas.backtest import PanelRequest
from investlab.schemas.catalog import DatasetInfo, DatasetVersionInfo
from investlab.schemas.market import BAR_FIELDS, Adjust, InstrumentRef, PriceBasis
from investlab.services.context import Context
from investlab.services.fundamentals import fundamental_panel, known_metrics
from investlab.services.panel_parts import (
    Events,
    Listing,
    Reading,
    by_symbol,
    events_of,
    instruments_at,
    listing_of,
)
from investlab.store.cubes import Cube
from investlab.store.database import Session
from investlab.store.market import VersionPin
from investlab.store.panels import Adjusting, CubeKey
from investlab.store.repositories import datasets
from investlab.store.repositories.action_columns import newest_action

DEFAULT_FIELDS = ("open", "high", "low", "close", "volume")


def dataset_version(context: Context, name: str, number: int | None = None) -> tuple[DatasetInfo, DatasetVersionInfo]:
    """Return a dataset and one of its versions, the latest unless numbered.

    Raises:
        NotFound: There is no such dataset or version, or nothing was ingested yet.
    """
    with context.database.read() as session:
        return _version(session, name, number)


def _version(session: Session, name: str, number: int | None) -> tuple[DatasetInfo, DatasetVersionInfo]:
    info, found = datasets.dataset_at(session, name, number or None)
    if found is None:
        raise NotFound(
            f"Dataset {name!r} has no bars yet.", remedy=f"Run `investlab data ingest sample --dataset {name}`."
        )
    return info, found


def version_pin(version: DatasetVersionInfo) -> VersionPin:
    """Return where a dataset version lies in the market store."""
    return VersionPin(version.base_version, version.corrections_version, version.content_hash)


def dataset_instruments(context: Context, name: str, number: int | None = None) -> list[InstrumentRef]:
    """Return the instruments that have bars in a dataset as of the workspace's time, ordered by symbol."""
    _, version = dataset_version(context, name, number)
    cube = context.panels.cube(version, context.as_of, (), by_symbol(context, context.as_of))
    found = instruments_at(context, cube.instrument_ids.tolist(), context.as_of)
    return sorted(found, key=lambda ref: ref.symbol)


def build_panel(context: Context, request: PanelRequest) -> PricePanel:
    """Return the panel asked for; sessions at either end without any close are left out.

    A field that is no bar's may be a metric of companies' reports, as it was known at each close.
    A panel of all instruments in the order of their symbols is a view of the cached cube: nothing is copied.

    Raises:
        EmptyUniverse: No symbol is given, or none has bars in the range.
        InvalidInput: The dates are reversed, or a symbol is given twice.
        NotFound: Dataset, version, symbol or field is unknown; near matches are named.
        Corrupt: The stored bars are damaged.
    """
    _check_request(request)
    metrics = known_metrics(context, [name for name in request.fields if name not in BAR_FIELDS])
    if metrics:
        bars = tuple(name for name in request.fields if name not in metrics) or ("close",)
        panel = build_panel(context, request.model_copy(update={"fields": bars}))
        return fundamental_panel(context, panel, metrics)
    as_of = request.as_of or context.as_of
    with context.database.read() as session:
        info, version = _version(session, request.dataset, request.dataset_version)
        reading = Reading(CubeKey(version, as_of), info.price_basis, newest_action(session))
    fields = _check_fields(request.fields or tuple(f for f in DEFAULT_FIELDS if f in info.fields), info)
    cube = context.panels.cube(version, as_of, fields, by_symbol(context, as_of))
    listing = listing_of(context, request.symbols, cube, reading)
    rows = _rows(cube, listing, request)
    events = events_of(context, listing, rows, cube, reading)
    source = PanelSource(
        dataset=info.name,
        dataset_version=version.number,
        dataset_hash=version.content_hash,
        as_of=as_of,
        calendar=info.calendar,
        currency=info.currency,
        synthetic=info.synthetic,
        origin=info.source,
        licence=info.licence,
        biases=info.biases,
    )
    asked = _Asked(reading, cube, listing, rows, events, source)
    if needs_adjusting(info.price_basis, request.adjust, source):
        return _adjusted(context, asked, request.adjust)
    return _panel(asked, _cut_fields(asked), cube.digests)


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """All that makes up a panel, before its fields are cut out of the cube."""

    reading: Reading
    cube: Cube
    listing: Listing
    rows: slice
    events: Events
    source: PanelSource

    @property
    def is_whole(self) -> bool:
        return self.listing.is_whole and (self.rows.start, self.rows.stop) == (0, len(self.cube.sessions))


def _panel(asked: _Asked, fields: Mapping[str, np.ndarray], known: Mapping[str, str]) -> PricePanel:
    """Return the panel with fields on its own basis; `known` are their hashes if the panel is the whole cube."""
    digests = {name: known.get(name) if asked.is_whole else None for name in fields}
    hashed = PanelDigests(
        {name: digests[name] or field_digest(values) for name, values in fields.items()},
        asked.listing.digest,
        asked.events.digest,
    )
    sessions = asked.cube.sessions[asked.rows]
    return PricePanel(
        sessions=sessions,
        listing=asked.listing.refs,
        fields=fields,
        basis=asked.reading.basis,
        actions=asked.events.actions,
        source=asked.source,
        id=panel_id(sessions, asked.reading.basis, asked.source, hashed),
        delistings=asked.events.delistings,
    )


def _adjusted(context: Context, asked: _Asked, adjust: Adjust) -> PricePanel:
    """Return the panel adjusted, from the cached cube of adjusted fields if it is the whole cube."""
    actions, refs = asked.events.actions, asked.listing.refs

    def named(column: int) -> str:
        return refs[column].symbol

    basis, events = context.panels.parts.get(
        ("adjusted events", asked.events.digest, adjust), lambda: _left_out(asked.events, adjust, len(refs))
    )
    done = replace(
        asked,
        reading=replace(asked.reading, basis=basis),
        events=events,
        source=replace(asked.source, adjust=adjust),
    )
    if asked.is_whole:
        asking = Adjusting(adjust, actions, asked.events.digest, named)
        cube = context.panels.adjusted(asked.reading.key, asked.cube, asking)
        return _panel(done, _cut_fields(replace(done, cube=cube)), cube.digests)
    raw = _cut_fields(asked)
    adjusted = {name: np.empty(values.shape) for name, values in raw.items() if name in ADJUSTED_FIELDS}
    write_adjusted(raw, actions, adjust, adjusted, named)
    return _panel(done, {name: read_only(adjusted.get(name, values)) for name, values in raw.items()}, {})


def _left_out(events: Events, adjust: Adjust, columns: int) -> tuple[PriceBasis, Events]:
    """Return the basis of adjusted prices and the events that are not in them."""
    basis, left = adjusted_terms(events.actions, adjust, columns)
    digest = events_digest(left.arrays(), events.delistings.arrays())
    return basis, Events(left, events.delistings, digest)


def request_of(panel: PricePanel) -> PanelRequest:
    """Return the request that builds this panel again from its dataset version.

    Raises:
        InvalidInput: The panel was not built from a dataset.
    """
    if panel.source.dataset_version is None:
        raise InvalidInput(
            "This panel was made from frames, so a recorded run could not be traced to its data.",
            remedy="Use il.simulate_weights, il.simulate_signals or il.sweep, or ingest the prices and use lab.panel.",
        )
    return PanelRequest(
        dataset=panel.source.dataset,
        symbols=tuple(panel.symbols),
        fields=tuple(panel.fields),
        start=panel.first_session,
        end=panel.last_session,
        adjust=panel.source.adjust,
        as_of=panel.source.as_of,
        dataset_version=panel.source.dataset_version,
    )


def parse_adjust(adjust: str) -> Adjust:
    """Return the adjustment of that name.

    Raises:
        InvalidInput: There is none.
    """
    try:
        return Adjust(adjust)
    except ValueError as error:
        raise InvalidInput(f"Unknown adjustment {adjust!r}.", remedy=f"Use {', '.join(Adjust)}.") from error


def _check_request(request: PanelRequest) -> None:
    if not request.symbols:
        raise EmptyUniverse(
            "The universe is empty.",
            remedy=f"Name at least one symbol; lab.universe({request.dataset!r}) lists those of the dataset.",
        )
    if request.start and request.end and request.start > request.end:
        raise InvalidInput(
            f"The start {request.start} lies after the end {request.end}.", remedy="Exchange the two dates."
        )


def _check_fields(fields: Sequence[str], info: DatasetInfo) -> tuple[str, ...]:
    for name in fields:
        if name not in info.fields:
            raise NotFound.named("field", name, info.fields, remedy=f"Dataset {info.name} has no other fields.")
    return tuple(dict.fromkeys((*fields, "close")))


def _rows(cube: Cube, listing: Listing, request: PanelRequest) -> slice:
    """Return the sessions in the range, from the first to the last on which some instrument has a close."""
    start, end = (_day(request.start), _day(request.end))
    first = int(np.searchsorted(cube.sessions, start)) if start is not None else 0
    stop = int(np.searchsorted(cube.sessions, end, side="right")) if end is not None else len(cube.sessions)
    close = cube.fields["close"]
    columns = slice(None) if listing.is_whole else listing.columns
    begin = _first_known(close, first, stop, columns)
    if begin is None:
        names = ", ".join(ref.symbol for ref in listing.refs[:5])
        span = f"{cube.sessions[0]} to {cube.sessions[-1]}" if len(cube.sessions) else "no session at all"
        raise EmptyUniverse(
            f"{request.dataset} has no bars of {names} from {request.start or 'its beginning'} to "
            f"{request.end or 'its end'}.",
            remedy=f"Its bars run from {span}.",
        )
    after = _first_known(close[::-1], len(close) - stop, len(close) - begin, columns)
    return slice(begin, len(close) - (after or 0))


def _first_known(close: np.ndarray, first: int, stop: int, columns: slice | np.ndarray) -> int | None:
    """Return the first row of a range with a close, None for none; ever longer stretches are looked at."""
    stretch = 1
    while first < stop:
        upto = min(first + stretch, stop)
        known = np.flatnonzero((~np.isnan(close[first:upto][:, columns])).any(axis=1))
        if len(known):
            return first + int(known[0])
        first, stretch = upto, stretch * 4
    return None


def _cut_fields(asked: _Asked) -> dict[str, np.ndarray]:
    """Return the panel's part of each field; all columns in their order are a view that copies nothing."""
    every = {name: values[asked.rows] for name, values in asked.cube.fields.items()}
    if asked.listing.is_whole:
        return {name: read_only(values) for name, values in every.items()}
    return {name: read_only(values[:, asked.listing.columns]) for name, values in every.items()}


def _day(value: date | None) -> np.datetime64 | None:
    return None if value is None else np.datetime64(value, "D")
