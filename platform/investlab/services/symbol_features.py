"""Features of a model's instruments at a session, from the stored bars, by the same code as in training."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np

from investlab.core.clock import parse_as_of
from investlab.core.errors import EmptyUniverse, InvalidInput, NotFound
from investlab.features.definitions import lookback_of
from investlab.features.matrix import build_features
from investlab.schemas.backtest import PanelRequest
from investlab.schemas.catalog import DatasetVersionInfo
from investlab.schemas.market import InstrumentRef
from investlab.schemas.registry import ModelLineage, ModelVersionInfo
from investlab.schemas.serving import ClockState, Freshness
from investlab.services import prices
from investlab.services.context import Context
from investlab.services.session_clock import SessionClock, close_of, last_closed_session, read_session_clock
from investlab.store.repositories import catalog

KEPT_SESSIONS = 16


@dataclass(frozen=True, slots=True, eq=False)
class SessionFeatures:
    """The features of all instruments of a model at one session: `values` is instruments × features, NaN = unknown.

    `unlisted` are those of whom nothing was known yet, `silent` those listed without a close as far as features look.
    """

    session: date
    listing: tuple[InstrumentRef, ...]
    values: np.ndarray
    unlisted: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class SymbolRows:
    """Rows for the symbols asked for, in their order, and what they stand on; `as_of` is when all of it was known."""

    listing: tuple[InstrumentRef, ...]
    values: np.ndarray
    session: date
    as_of: datetime
    dataset: str
    dataset_version: int
    fresh: Freshness
    pass_id: str | None


@dataclass(frozen=True, slots=True)
class _Universe:
    """A model's instruments at a time: the name each had then by the name the model knows, and those not known yet."""

    present: Mapping[str, str]
    unlisted: frozenset[str]


class SymbolFeatures:
    """Builds the features that a model needs for symbols and keeps those of the last sessions asked for.

    They are built for the whole universe that the model was trained on, as in training, on the tail of the panel that
    the features look back over. The session clock is read at each request, so nobody sees a session too early.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._built: OrderedDict[tuple[object, ...], SessionFeatures] = OrderedDict()
        self._building = threading.Lock()

    def rows(self, version: ModelVersionInfo, symbols: Sequence[str], as_of: date | datetime | None) -> SymbolRows:
        """Return the features of these symbols at the last session known as of a time, the clock's present by default.

        Raises:
            NotFound: A symbol is not in the model's universe; near matches are named.
            InvalidInput: `as_of` is later than the session clock or before the data, a symbol is named twice, or an
                instrument was not listed yet or has too little history.
        """
        clock = read_session_clock(self._context, version.lineage.dataset)
        moment = _limit(as_of, clock)
        found = self.at(version, clock, moment)
        picked = _pick(found, symbols)
        values = found.values[picked]
        _require_known(values, symbols, version.signature.features, found)
        return SymbolRows(
            listing=tuple(found.listing[place] for place in picked),
            values=values,
            session=found.session,
            as_of=moment or close_of(clock.info.calendar, found.session, clock.info.lag_seconds),
            dataset=clock.info.name,
            dataset_version=clock.version.number,
            fresh=clock.freshness(found.session),
            pass_id=clock.pass_id,
        )

    def at(self, version: ModelVersionInfo, clock: SessionClock, moment: datetime | None) -> SessionFeatures:
        """Return the features of the model's whole universe at a moment, the clock's present by default."""
        bars, calendar, lag = clock.version, clock.info.calendar, clock.info.lag_seconds
        end = clock.session if moment is None else min(clock.session, last_closed_session(calendar, moment, lag))
        known = moment
        if moment is None and clock.state is ClockState.REPLAY:
            known = close_of(calendar, end, lag)
        if bars.corrections_version is None:
            known = None  # every bar is known at its close: to cut by session is to cut by time, and far cheaper
        key = (bars.content_hash, known, end, version.lineage.symbols, version.signature.features)
        with self._building:
            built = self._built.get(key)
            if built is None:
                built = self._build(version, clock, end, known)
                self._built[key] = built
                while len(self._built) > KEPT_SESSIONS:
                    self._built.popitem(last=False)
            self._built.move_to_end(key)
        return built

    def _build(
        self, version: ModelVersionInfo, clock: SessionClock, end: date, known: datetime | None
    ) -> SessionFeatures:
        names = version.signature.features
        universe = self._universe(version.lineage, clock.version, known or self._context.as_of)
        if not universe.present:
            raise EmptyUniverse(
                f"{clock.info.name} has no bars of the model's instruments by {end}: none was listed yet.",
                remedy="Ask for a later as_of.",
            )
        whole = PanelRequest(
            dataset=clock.info.name,
            symbols=tuple(universe.present.values()),
            fields=("close",),
            end=end,
            as_of=known,
            dataset_version=clock.version.number,
        )
        sessions = prices.build_panel(self._context, whole).sessions
        start: date = sessions[-min(len(sessions), lookback_of(names) + 1)].item()
        panel = prices.build_panel(self._context, whole.model_copy(update={"start": start}))
        matrix = build_features(panel, names)
        values = np.ascontiguousarray(matrix.values[-1])
        values.flags.writeable = False
        listing = tuple(
            ref.model_copy(update={"symbol": symbol})
            for ref, symbol in zip(panel.listing, universe.present, strict=True)
        )
        quiet = np.flatnonzero(np.isnan(panel.values("close")).all(axis=0))
        silent = frozenset(listing[column].symbol for column in quiet)
        return SessionFeatures(panel.last_session, listing, values, universe.unlisted, silent)

    def _universe(self, lineage: ModelLineage, bars: DatasetVersionInfo, as_of: datetime | None) -> _Universe:
        """Return the model's instruments, found as in training, that something was known of at a time."""
        if as_of is None:
            return _Universe({symbol: symbol for symbol in lineage.symbols}, frozenset())
        among = set(self._context.panels.cube(bars, None, ()).instrument_ids.tolist())
        held = set(self._context.panels.cube(bars, as_of, ()).instrument_ids.tolist())
        with self._context.database.read() as session:
            if lineage.as_of is None:
                found = catalog.resolve_symbols(session, lineage.symbols, among=among)
            else:
                day = lineage.as_of.date()
                found = catalog.resolve_symbols_as_of(session, lineage.symbols, day=day, among=among)
            known = {
                symbol: ref.instrument_id
                for symbol, ref in zip(lineage.symbols, found, strict=True)
                if ref.instrument_id in held
            }
            then = catalog.instruments_on(session, list(known.values()), on=as_of.date())
        present = {symbol: ref.symbol for symbol, ref in zip(known, then, strict=True)}
        return _Universe(present, frozenset(lineage.symbols) - frozenset(present))


def _limit(as_of: date | datetime | None, clock: SessionClock) -> datetime | None:
    """Return the moment to read at, None for the clock's present."""
    moment = parse_as_of(as_of)
    if moment is None:
        return None
    latest = clock.session if clock.state is ClockState.REPLAY else clock.now.astimezone(UTC).date()
    if moment.astimezone(UTC).date() > latest:
        raise InvalidInput(
            f"as_of {as_of} is later than the session clock, which stands at {latest}: that would look ahead.",
            remedy=f"Ask for {latest} or earlier, or leave as_of out.",
        )
    return moment


def _pick(found: SessionFeatures, symbols: Sequence[str]) -> list[int]:
    places = {ref.symbol: place for place, ref in enumerate(found.listing)}
    for symbol in symbols:
        if symbol in found.unlisted:
            raise InvalidInput(
                f"{symbol} was not listed yet at {found.session}.",
                remedy="Leave it out, or ask for a later as_of.",
                details={"symbol": symbol},
            )
        if symbol not in places:
            raise NotFound.named("symbol", symbol, places, remedy="The model knows the instruments it was trained on.")
    if len(set(symbols)) != len(symbols):
        raise InvalidInput("A symbol is named twice.", remedy="Name each symbol once.")
    return [places[symbol] for symbol in symbols]


def _require_known(values: np.ndarray, symbols: Sequence[str], names: Sequence[str], found: SessionFeatures) -> None:
    unknown = ~np.isfinite(values)
    if not unknown.any():
        return
    row = int(np.flatnonzero(unknown.any(axis=1))[0])
    missing = [name for name, bad in zip(names, unknown[row], strict=True) if bad]
    said = (
        f"{symbols[row]} has no price as far back from {found.session} as the features look: it is not listed yet, or "
        "no longer."
        if symbols[row] in found.silent
        else f"{symbols[row]} has not enough history at {found.session} for {', '.join(missing)}."
    )
    raise InvalidInput(
        said,
        remedy="Leave it out, or ask for a later as_of.",
        details={"symbol": symbols[row], "features": missing},
    )
