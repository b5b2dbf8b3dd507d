"""Bars as arrays ordered by instrument and session, which is how the quality checks read them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from investlab.schemas.market import PRICE_FIELDS

DAY = np.timedelta64(1, "D")
NO_POSITION = -1
VALUES = (*PRICE_FIELDS, "adjusted_close", "volume")
UNREADABLE_DAY = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True, eq=False)
class BarArrays:
    """Bars ordered by instrument and session.

    `codes` number the instruments (places in `symbols`), `days` count from 1970-01-01, `positions` are places in
    `sessions` (−1 on a day without a session), `rows` are places in the frame, and `values` holds the fields.
    """

    symbols: np.ndarray
    sessions: np.ndarray
    codes: np.ndarray
    days: np.ndarray
    positions: np.ndarray
    rows: np.ndarray
    values: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, chosen: np.ndarray) -> "BarArrays":
        """Return the bars of a mask, in their order; all of them when it excludes none."""
        if chosen.all():
            return self
        return BarArrays(
            symbols=self.symbols,
            sessions=self.sessions,
            codes=self.codes[chosen],
            days=self.days[chosen],
            positions=self.positions[chosen],
            rows=self.rows[chosen],
            values={name: values[chosen] for name, values in self.values.items()},
        )

    def starts(self) -> np.ndarray:
        """Return where each instrument's bars begin."""
        return np.flatnonzero(np.append(True, self.codes[1:] != self.codes[:-1])) if len(self) else np.empty(0, int)

    def follows(self) -> np.ndarray:
        """Return a mask of the bars that follow another one of the same instrument."""
        same = np.zeros(len(self), dtype=bool)
        np.equal(self.codes[1:], self.codes[:-1], out=same[1:])
        return same


@dataclass(frozen=True, slots=True, eq=False)
class ReadBars:
    """The bars that can be read, the places of those that cannot, and whether sessions carry a time of day."""

    arrays: BarArrays
    unreadable: np.ndarray
    has_clock_times: bool


def read_bars(bars: pd.DataFrame, sessions: np.ndarray) -> ReadBars:
    """Return a frame's bars in order; without a symbol or a session a bar cannot be read."""
    codes, symbols = _coded(bars["symbol"])
    seconds = bars["session"].to_numpy().astype("datetime64[s]").view(np.int64)
    days = seconds // 86_400
    has_clock_times = bool(np.any((days * 86_400 != seconds) & (seconds != UNREADABLE_DAY)))
    readable = (codes >= 0) & (seconds != UNREADABLE_DAY)
    rows = np.flatnonzero(readable)
    everything = len(rows) == len(bars)
    if not everything:
        codes, days = codes[rows], days[rows]
    order = _order(codes, days)
    picks = rows if order is None else rows[order]
    if order is not None:
        codes, days = codes[order], days[order]
    in_place = everything and order is None
    columns = {name: bars[name].to_numpy(np.float64) for name in VALUES if name in bars.columns}
    arrays = BarArrays(
        symbols=symbols,
        sessions=sessions.astype("datetime64[D]"),
        codes=codes,
        days=days,
        positions=_positions(days, sessions.astype("datetime64[D]").astype(np.int64)),
        rows=picks,
        values=columns if in_place else {name: values[picks] for name, values in columns.items()},
    )
    return ReadBars(arrays, np.flatnonzero(~readable), has_clock_times)


def _coded(symbols: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(symbols.dtype, pd.CategoricalDtype):
        return symbols.cat.codes.to_numpy().astype(np.int64), symbols.cat.categories.to_numpy()
    codes, names = pd.factorize(symbols)
    return codes.astype(np.int64), np.asarray(names, dtype=object)


def _order(codes: np.ndarray, days: np.ndarray) -> np.ndarray | None:
    """Return the order by instrument and day, None where the bars are in it; equal keys keep their order."""
    if not len(codes):
        return None
    first = days.min()
    keys = codes * (days.max() - first + 1) + (days - first)
    if (keys[1:] >= keys[:-1]).all():
        return None
    order: np.ndarray = np.argsort(keys, kind="stable")
    return order


def _positions(days: np.ndarray, sessions: np.ndarray) -> np.ndarray:
    """Return the place of each day among the sessions, −1 where it is none."""
    if not len(sessions) or not len(days):
        return np.full(len(days), NO_POSITION)
    first = min(int(days.min()), int(sessions[0]))
    places = np.full(max(int(days.max()), int(sessions[-1])) - first + 1, NO_POSITION)
    places[sessions - first] = np.arange(len(sessions))
    found: np.ndarray = places[days - first]
    return found
