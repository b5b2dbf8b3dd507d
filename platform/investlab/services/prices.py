"""Price panels from the stores: symbols, fields, sessions, adjustment and as-of time become one `PricePanel`."""

from collections.abc import Sequence
from datetime import date

import numpy as np

from investlab.core.errors import EmptyUniverse, InvalidInput, NotFound
from investlab.market.actions import place_actions
from investlab.market.adjustment import adjust_panel
from investlab.market.panel import PanelSource, PricePanel, read_only
from investlab.schemas.backtest import PanelRequest
from investlab.schemas.catalog import DatasetInfo, DatasetVersionInfo
from investlab.schemas.market import Adjust, InstrumentRef
from investlab.services.context import Context
from investlab.store.cubes import Cube
from investlab.store.market import VersionPin
from investlab.store.repositories import actions, catalog, datasets

DEFAULT_FIELDS = ("open", "high", "low", "close", "volume")


def dataset_version(context: Context, name: str, number: int | None = None) -> tuple[DatasetInfo, DatasetVersionInfo]:
    """Return a dataset and one of its versions, the latest unless numbered.

    Raises:
        NotFound: There is no such dataset or version, or nothing was ingested yet.
    """
    with context.database.read() as session:
        info = datasets.dataset(session, name)
        found = datasets.version(session, name, number) if number else datasets.latest_version(session, name)
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
    cube = context.panels.cube(version, context.as_of, ())
    ids = cube.instrument_ids.tolist()
    with context.database.read() as session:
        if context.as_of is None:
            found = catalog.instruments(session, ids)
        else:
            found = catalog.instruments_on(session, ids, on=context.as_of.date())
    return sorted(found, key=lambda ref: ref.symbol)


def build_panel(context: Context, request: PanelRequest) -> PricePanel:
    """Return the panel asked for; sessions at either end without any close are left out.

    Raises:
        EmptyUniverse: No symbol is given, or none has bars in the range.
        InvalidInput: The dates are reversed, or a symbol is given twice.
        NotFound: Dataset, version, symbol or field is unknown; near matches are named.
        Corrupt: The stored bars are damaged.
    """
    _check_request(request)
    info, version = dataset_version(context, request.dataset, request.dataset_version)
    fields = _check_fields(request.fields or tuple(f for f in DEFAULT_FIELDS if f in info.fields), info)
    as_of = request.as_of or context.as_of
    cube = context.panels.cube(version, as_of, fields)
    among = set(cube.instrument_ids.tolist())
    with context.database.read() as session:
        if as_of is None:
            listing = catalog.resolve_symbols(session, request.symbols, among=among)
        else:
            listing = catalog.resolve_symbols_as_of(session, request.symbols, day=as_of.date(), among=among)
        told = actions.actions_as_of(
            session,
            request.dataset,
            [ref.instrument_id for ref in listing],
            as_of=as_of,
            ingested_by=version.ingested_at,
        )
    rows = _rows(cube, listing, request)
    columns = np.searchsorted(cube.instrument_ids, [ref.instrument_id for ref in listing])
    sessions = cube.sessions[rows]
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
    panel = PricePanel(
        sessions=sessions,
        listing=tuple(listing),
        fields={name: read_only(_cut(cube.fields[name], rows, columns)) for name in fields},
        basis=info.price_basis,
        actions=place_actions(told, sessions, [ref.instrument_id for ref in listing]),
        source=source,
    )
    return adjust_panel(panel, request.adjust)


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
    repeated = sorted({symbol for symbol in request.symbols if request.symbols.count(symbol) > 1})
    if repeated:
        raise InvalidInput(f"{', '.join(repeated)} is named more than once.", remedy="Name each symbol once.")
    if request.start and request.end and request.start > request.end:
        raise InvalidInput(
            f"The start {request.start} lies after the end {request.end}.", remedy="Exchange the two dates."
        )


def _check_fields(fields: Sequence[str], info: DatasetInfo) -> tuple[str, ...]:
    for name in fields:
        if name not in info.fields:
            raise NotFound.named("field", name, info.fields, remedy=f"Dataset {info.name} has no other fields.")
    return tuple(dict.fromkeys((*fields, "close")))


def _rows(cube: Cube, listing: Sequence[InstrumentRef], request: PanelRequest) -> slice:
    """Return the sessions in the range, from the first to the last on which some instrument has a close."""
    start, end = (_day(request.start), _day(request.end))
    first = int(np.searchsorted(cube.sessions, start)) if start is not None else 0
    last = int(np.searchsorted(cube.sessions, end, side="right")) if end is not None else len(cube.sessions)
    columns = np.searchsorted(cube.instrument_ids, [ref.instrument_id for ref in listing])
    present = np.flatnonzero((~np.isnan(cube.fields["close"][first:last, columns])).any(axis=1))
    if not len(present):
        names = ", ".join(ref.symbol for ref in listing[:5])
        span = f"{cube.sessions[0]} to {cube.sessions[-1]}" if len(cube.sessions) else "no session at all"
        raise EmptyUniverse(
            f"{request.dataset} has no bars of {names} from {request.start or 'its beginning'} to "
            f"{request.end or 'its end'}.",
            remedy=f"Its bars run from {span}.",
        )
    return slice(first + int(present[0]), first + int(present[-1]) + 1)


def _cut(values: np.ndarray, rows: slice, columns: np.ndarray) -> np.ndarray:
    """Return rows and columns of a field; all columns in their order are a view that copies nothing."""
    if len(columns) == values.shape[1] and (columns == np.arange(len(columns))).all():
        return values[rows]
    return values[rows][:, columns]


def _day(value: date | None) -> np.datetime64 | None:
    return None if value is None else np.datetime64(value, "D")
