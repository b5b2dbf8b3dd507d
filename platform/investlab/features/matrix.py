"""The feature matrix: features of every instrument at every session of a price panel."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise

import numpy as np
import pandas as pd

from investlab.core.errors import InvalidInput, NotFound
from investlab.core.hashing import hash_arrays, hash_json
from investlab.features.definitions import AnyFeature, resolve_features
from investlab.features.fundamentals import FundamentalFeature
from investlab.market.adjustment import action_factors
from investlab.market.panel import PanelSource, PricePanel, read_only
from investlab.schemas.market import InstrumentRef


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMatrix:
    """Features as a read-only float64 array `values` (sessions × instruments × features), NaN = unknown.

    Row *t* uses only closes up to session *t*. `id` is a hash of all content; `panel_id` and `source` say which panel
    the features were built from.
    """

    values: np.ndarray
    sessions: np.ndarray
    listing: tuple[InstrumentRef, ...]
    names: tuple[str, ...]
    panel_id: str
    source: PanelSource
    id: str = field(default="")

    def __post_init__(self) -> None:
        if not self.id:
            header = {"names": self.names, "listing": [(each.instrument_id, each.symbol) for each in self.listing]}
            content = hash_arrays([("sessions", self.sessions), ("values", self.values)])
            object.__setattr__(self, "id", "fm-" + hash_json([header, content])[:24])

    @property
    def symbols(self) -> list[str]:
        """Return the symbols in column order."""
        return [instrument.symbol for instrument in self.listing]

    def frame(self, name: str) -> pd.DataFrame:
        """Return one feature as a frame of sessions × symbols.

        Raises:
            NotFound: The matrix has no such feature; near matches are named.
        """
        if name not in self.names:
            raise NotFound.named("feature", name, self.names)
        index = pd.DatetimeIndex(self.sessions.astype("datetime64[ns]"), name="session")
        values = self.values[:, :, self.names.index(name)]
        return pd.DataFrame(values, index=index, columns=pd.Index(self.symbols, name="symbol"))

    def table(self, session: date) -> pd.DataFrame:
        """Return the features of every instrument at a session, symbols × features.

        Raises:
            NotFound: The session is not in the matrix.
        """
        index = pd.Index(self.symbols, name="symbol")
        return pd.DataFrame(self.row(session), index=index, columns=pd.Index(self.names, name="feature"))

    def row(self, session: date) -> np.ndarray:
        """Return the features of every instrument at a session (instruments × features).

        Raises:
            NotFound: The session is not in the matrix.
        """
        day = np.datetime64(session, "D")
        place = int(np.searchsorted(self.sessions, day))
        if place == len(self.sessions) or self.sessions[place] != day:
            raise NotFound(
                f"There are no features at {session}.",
                remedy=f"Ask for a session between {self.sessions[0]} and {self.sessions[-1]}.",
            )
        row: np.ndarray = self.values[place]
        return row


def build_features(panel: PricePanel, features: Sequence[str | AnyFeature]) -> FeatureMatrix:
    """Return features of a panel's adjusted closes or of its figures from reports, given by name or as they are.

    A value is NaN where the history is too short, where the session's close is missing, and where the feature needs a
    close that is missing. Every session sees prices adjusted as of itself, with nothing carried from before its
    lookback: the tail of a panel gives the same bits as the whole.

    Raises:
        InvalidInput: No feature is given, two have one name, or the panel lacks figures that one needs.
        NotFound: A name is unknown, near matches are named, or the panel has no closes.
    """
    defined = resolve_features(features)
    longest = max(each.lookback_sessions for each in defined)
    close = panel.values("close")
    values = np.full((*panel.shape, len(defined)), np.nan)
    for rows, prices in _adjusted(panel, longest):
        count = rows.stop - rows.start
        for place, each in enumerate(defined):
            if not isinstance(each, FundamentalFeature):
                found = _shaped(each.name, each.compute, prices, prices.shape)
                values[rows, :, place] = found[len(prices) - count :]
    for place, each in enumerate(defined):
        if isinstance(each, FundamentalFeature):
            values[:, :, place] = _shaped(each.name, each.values, panel, panel.shape)
    for place, each in enumerate(defined):
        values[: each.lookback_sessions, :, place] = np.nan
    values[np.isnan(close)] = np.nan
    values[~np.isfinite(values)] = np.nan
    values.flags.writeable = False
    names = tuple(each.name for each in defined)
    return FeatureMatrix(values, panel.sessions, panel.listing, names, panel.id, panel.source)


def _shaped[T](name: str, compute: Callable[[T], np.ndarray], given: T, shape: tuple[int, ...]) -> np.ndarray:
    with np.errstate(all="ignore"):
        values = compute(given)
    if np.shape(values) != shape:
        raise InvalidInput(
            f"The feature {name} gives values of shape {np.shape(values)} for prices of {shape}.",
            remedy="Give one value for each session and instrument, NaN where it is unknown.",
        )
    return values


def _adjusted(panel: PricePanel, lookback: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield spans of sessions with the closes they see: those of the span and of `lookback` sessions before it.

    Without corporate actions that is the panel in one piece. Otherwise a span ends before each ex-date, and earlier
    closes are scaled backward from the span, so that what a session sees has one scale whatever lies further back.
    """
    close = panel.values("close")
    if not len(panel.actions):
        yield slice(0, len(close)), close
        return
    factors = action_factors(panel)
    begins = np.unique([0, *panel.actions.session.tolist(), len(close)])
    for start, stop in pairwise(begins.tolist()):
        first = max(start - lookback, 0)
        later = np.cumprod(factors[first + 1 : start + 1][::-1], axis=0)[::-1]
        prices = close[first:stop].copy()
        prices[: len(later)] /= later
        yield slice(start, stop), read_only(prices)
