"""Bars as plain columns: checked, ordered by instrument and session, split by year."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from investlab.core.errors import InvalidInput
from investlab.core.hashing import hash_arrays
from investlab.schemas.market import BAR_FIELDS

DAY_BITS = 20
"""Bits that a session takes within a key: days within ± 1,400 years of 1970."""


@dataclass(frozen=True, slots=True, eq=False)
class BarColumns:
    """Bars, one a row: days since 1970, microseconds since 1970 (UTC), and float64 values for each field."""

    instrument_ids: np.ndarray
    days: np.ndarray
    known_at: np.ndarray
    fields: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.instrument_ids)

    def keys(self) -> np.ndarray:
        """Return one int64 for each row that orders by instrument, then session."""
        return row_keys(self.instrument_ids, self.days)

    def take(self, rows: np.ndarray | slice) -> "BarColumns":
        """Return the rows chosen by positions, by a mask, or by a slice, which copies nothing."""
        return BarColumns(
            self.instrument_ids[rows],
            self.days[rows],
            self.known_at[rows],
            {name: values[rows] for name, values in self.fields.items()},
        )

    def of_year(self, years: np.ndarray, year: int) -> "BarColumns":
        """Return the rows of one year, ordered; `years` has the year of each row.

        Raises:
            InvalidInput: A bar is given twice.
        """
        rows = np.flatnonzero(years == year)
        first, last = int(rows[0]), int(rows[-1]) + 1
        return self.take(slice(first, last) if last - first == len(rows) else rows).ordered()

    def ordered(self) -> "BarColumns":
        """Return the rows ordered by instrument and session.

        Raises:
            InvalidInput: A bar is given twice.
        """
        keys, bars = self.keys(), self
        if len(keys) and not (keys[1:] > keys[:-1]).all():
            order = _order(self.instrument_ids, self.days)
            keys, bars = keys[order], self.take(order)
        twice = np.flatnonzero(keys[1:] == keys[:-1])
        if len(twice):
            raise repeated(bars, int(twice[0]))
        return bars


def repeated(bars: BarColumns, row: int) -> InvalidInput:
    """Return the error for a bar that is given twice."""
    day = np.datetime64(int(bars.days[row]), "D")
    return InvalidInput(
        f"The bar of instrument {bars.instrument_ids[row]} on {day} is given more than once.",
        remedy="Give one bar for each instrument and session.",
    )


def _order(instrument_ids: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Return the order by instrument, then session; numpy sorts keys of 16 bits in linear time."""
    by_day = np.argsort(_narrow(days), kind="stable")
    order: np.ndarray = by_day[np.argsort(_narrow(instrument_ids)[by_day], kind="stable")]
    return order


def _narrow(keys: np.ndarray) -> np.ndarray:
    low = keys.min()
    return (keys - low).astype(np.uint16) if keys.max() - low < 2**16 else keys


def columns_of(bars: pd.DataFrame) -> BarColumns:
    """Return a frame's bars as columns, without a copy where the frame has them as they are needed."""
    return BarColumns(
        bars["instrument_id"].to_numpy(np.int64),
        bars["session"].to_numpy("datetime64[D]").view(np.int64).astype(np.int32),
        bars["known_at"].dt.as_unit("us").dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().view(np.int64),
        {name: bars[name].to_numpy(np.float64) for name in BAR_FIELDS if name in bars.columns},
    )


def row_keys(instrument_ids: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Return one int64 for each row that orders by instrument, then session."""
    keys: np.ndarray = (instrument_ids << DAY_BITS) + (days.astype(np.int64) + 2 ** (DAY_BITS - 1))
    return keys


def years_of(days: np.ndarray) -> np.ndarray:
    """Return the calendar year of each day, as int16."""
    if not len(days):
        return np.empty(0, np.int16)
    first, last = int(days.min()), int(days.max())
    calendar = np.arange(first, last + 1).astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    found: np.ndarray = calendar.astype(np.int16)[days - first]
    return found


def columns_hash(instrument_ids: np.ndarray, days: np.ndarray, fields: dict[str, np.ndarray]) -> str:
    """Return the hash of rows' keys and fields in their order; times of knowing and storing do not count."""
    values = [(name, fields[name]) for name in BAR_FIELDS if name in fields]
    keys = [("instrument_id", instrument_ids.astype(np.int64, copy=False)), ("session", days.astype(np.int64))]
    return hash_arrays([*keys, *values])
