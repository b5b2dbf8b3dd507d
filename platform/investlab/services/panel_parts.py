"""What a panel takes from the database: who its columns are and what befell them, kept while nothing changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from investlab.core.errors import InvalidInput
from investlab.market.actions import ActionTable, place_actions
from investlab.market.delistings import DelistingTable, place_delistings
from investlab.market.panel_identity import events_digest, listing_digest
from investlab.market.told_actions import ToldActions
from investlab.schemas.market import InstrumentRef, PriceBasis
from investlab.services.context import Context
from investlab.store.cubes import Cube, Order
from investlab.store.panels import CubeKey
from investlab.store.repositories import catalog
from investlab.store.repositories.action_columns import told_actions

FEW = 500
"""The actions of up to so many instruments are asked for by name; those of more with the whole dataset's."""


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """The instruments of a panel in their order, and the column of the cube that holds each.

    `is_whole` says that they are all columns of the cube, in its order.
    """

    refs: tuple[InstrumentRef, ...]
    instrument_ids: np.ndarray
    columns: np.ndarray
    is_whole: bool
    digest: str


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """What befell the instruments of a panel, laid out on it."""

    actions: ActionTable
    delistings: DelistingTable
    digest: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read: a cube, on a price basis, with the actions recorded up to the one numbered `newest_action`."""

    key: CubeKey
    basis: PriceBasis
    newest_action: int

    @property
    def name(self) -> tuple[str, int, str, datetime | None]:
        """Return what tells the cube from others in memory."""
        version = self.key.version
        return version.dataset, version.number, version.content_hash, self.key.as_of


def by_symbol(context: Context, as_of: datetime | None) -> Order:
    """Return the order of instruments by the symbols they had at a time, in which people look at a whole market."""

    def order(instrument_ids: np.ndarray) -> np.ndarray:
        found = sorted(instruments_at(context, instrument_ids.tolist(), as_of), key=lambda ref: ref.symbol)
        return np.array([ref.instrument_id for ref in found], np.int64)

    return order


def instruments_at(context: Context, instrument_ids: Sequence[int], as_of: datetime | None) -> list[InstrumentRef]:
    """Return a cube's instruments in the order given, each under a name that leads back to it at that time."""
    on = None if as_of is None else as_of.date()
    with context.database.read() as session:
        return catalog.named_instruments(session, instrument_ids, on=on, among=frozenset(instrument_ids))


def listing_of(context: Context, symbols: tuple[str, ...], cube: Cube, reading: Reading) -> Listing:
    """Return the instruments that symbols meant at the time of reading.

    Raises:
        InvalidInput: A symbol is given twice.
        NotFound: A symbol is unknown; near matches are named.
    """
    # The index is another object whenever an instrument or a symbol has changed.
    key = ("listing", symbols, context.database.symbols(), reading.name, cube.shape)
    return context.panels.parts.get(key, lambda: _listing(context, symbols, cube, reading.key.as_of))


def _listing(context: Context, symbols: tuple[str, ...], cube: Cube, as_of: datetime | None) -> Listing:
    if len(set(symbols)) != len(symbols):
        repeated = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
        raise InvalidInput(f"{', '.join(repeated)} is named more than once.", remedy="Name each symbol once.")
    among = set(cube.instrument_ids.tolist())
    with context.database.read() as session:
        if as_of is None:
            found = catalog.resolve_symbols(session, symbols, among=among)
        else:
            found = catalog.resolve_symbols_as_of(session, symbols, day=as_of.date(), among=among)
    ids = np.array([ref.instrument_id for ref in found], np.int64)
    ordered = np.argsort(cube.instrument_ids, kind="stable")
    columns = ordered[np.searchsorted(cube.instrument_ids, ids, sorter=ordered)]
    is_whole = len(columns) == len(cube.instrument_ids) and bool((columns == np.arange(len(columns))).all())
    return Listing(tuple(found), ids, columns, is_whole, listing_digest(found))


def events_of(context: Context, listing: Listing, rows: slice, cube: Cube, reading: Reading) -> Events:
    """Return what befell the instruments of a panel, as known at the time of reading, on those rows of the cube."""
    key = ("events", reading.name, reading.newest_action, listing.digest, rows.start, rows.stop)
    return context.panels.parts.get(key, lambda: _events(context, listing, rows, cube, reading))


def _events(context: Context, listing: Listing, rows: slice, cube: Cube, reading: Reading) -> Events:
    told = _told(context, listing, reading)
    sessions = cube.sessions[rows]
    actions = place_actions(told, sessions, listing.instrument_ids)
    raw = cube.fields["close"][rows] if reading.basis is PriceBasis.RAW else None
    close = raw if raw is None or listing.is_whole else raw[:, listing.columns]
    delistings = place_delistings(told, sessions, listing.instrument_ids, close)
    return Events(actions, delistings, events_digest(actions.arrays(), delistings.arrays()))


def _told(context: Context, listing: Listing, reading: Reading) -> ToldActions:
    version, as_of = reading.key.version, reading.key.as_of

    def read(instrument_ids: Sequence[int] | None) -> ToldActions:
        with context.database.read() as session:
            return told_actions(session, version.dataset, instrument_ids, as_of=as_of, ingested_by=version.ingested_at)

    if len(listing.refs) <= FEW:
        return read(listing.instrument_ids.tolist())
    return context.panels.parts.get(("told", reading.name, reading.newest_action), lambda: read(None))
