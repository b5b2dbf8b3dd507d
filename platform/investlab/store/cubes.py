"""Bars as cubes: every field an array of sessions × instruments, filled file by file, corrections last."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from investlab.store.bar_files import DataFile, day_column, float_column
from investlab.store.bar_reading import KEY_COLUMNS, BarSource
from investlab.store.bar_tables import BarQuery

Order = Callable[[np.ndarray], np.ndarray]
"""Puts increasing instrument ids into the order in which people look at them."""


@dataclass(frozen=True, slots=True, eq=False)
class Cube:
    """All bars of a dataset version as of a time: fields as read-only arrays (sessions × instruments), NaN = no bar.

    `sessions` is increasing datetime64[D]; columns follow `instrument_ids`, in the order given when it was built.
    `digests` holds the hash of each field, where it is known.
    """

    sessions: np.ndarray
    instrument_ids: np.ndarray
    fields: Mapping[str, np.ndarray]
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """Return (sessions, instruments)."""
        return len(self.sessions), len(self.instrument_ids)


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """Where the rows of one data file lie in a cube: a row of the cube each, a column for each run of rows."""

    rows: np.ndarray
    columns: np.ndarray
    runs: np.ndarray

    def write(self, bars: pa.Table, fields: Mapping[str, np.ndarray]) -> None:
        """Write the fields of a file's bars into a cube."""
        columns = np.repeat(self.columns, self.runs)
        for name, values in fields.items():
            values[self.rows, columns] = float_column(bars, name)


@dataclass(frozen=True, slots=True, eq=False)
class _Keys:
    """The keys of one data file's bars: a day for each, an instrument for each run of them."""

    name: str
    days: np.ndarray
    instrument_ids: np.ndarray
    runs: np.ndarray

    @classmethod
    def of(cls, file: DataFile, bars: pa.Table) -> "_Keys":
        ids = bars["instrument_id"].to_numpy()
        starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]]) if len(ids) else np.empty(0, np.int64)
        return cls(file.name, day_column(bars), ids[starts], np.diff(np.r_[starts, len(ids)]))

    def distinct_days(self) -> np.ndarray:
        """Return the days, each once, in order."""
        if not len(self.days):
            return np.empty(0, np.int64)
        low = int(self.days.min())
        found: np.ndarray = np.flatnonzero(np.bincount(self.days - low)) + low
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The axes of a cube and where the bars of each file lie in it, so that its fields can be filled one by one."""

    source: BarSource
    query: BarQuery
    sessions: np.ndarray
    instrument_ids: np.ndarray
    places: Mapping[str, _Places]

    @property
    def shape(self) -> tuple[int, int]:
        """Return (sessions, instruments)."""
        return len(self.sessions), len(self.instrument_ids)

    def cube(self, fields: Mapping[str, np.ndarray] | None = None) -> Cube:
        """Return the cube with some fields, none unless given."""
        return Cube(self.sessions, self.instrument_ids, fields or {})

    def fill(self, fields: Mapping[str, np.ndarray]) -> None:
        """Write fields into arrays of the cube's shape, bars first and then what corrects them.

        Raises:
            Corrupt: The bars are damaged.
        """
        for values in fields.values():
            values.fill(np.nan)

        def write(file: DataFile, read: Callable[[Sequence[str]], pa.Table]) -> None:
            self.places[file.name].write(read(tuple(fields)), fields)

        for _ in self.source.each_base_file(self.query, write):
            continue
        told = self.source.corrections(self.query, tuple(fields))
        if told is not None:
            self._of(told).write(told, fields)

    def _of(self, bars: pa.Table) -> _Places:
        by_key = np.argsort(self.instrument_ids)
        columns = by_key[np.searchsorted(self.instrument_ids, bars["instrument_id"].to_numpy(), sorter=by_key)]
        rows = np.searchsorted(self.sessions.view(np.int64), day_column(bars))
        return _Places(rows, columns, np.ones(len(bars), np.int64))


def as_they_are(instrument_ids: np.ndarray) -> np.ndarray:
    """Return instrument ids in their own order."""
    return instrument_ids


def lay_out(source: BarSource, query: BarQuery, order: Order) -> Layout:
    """Return the axes of the cube of all bars that a query asks for, and where each lies.

    Raises:
        NotFound: The dataset has no bars, or a vacuum removed the version.
        Corrupt: The bars are damaged.
    """
    found = list(source.each_base_file(query, lambda file, read: _Keys.of(file, read(KEY_COLUMNS))))
    days = _distinct([keys.distinct_days() for keys in found])
    instruments = order(_distinct([keys.instrument_ids for keys in found]))
    at_day, at_instrument = _Lookup.of(days), _Lookup.of(instruments)
    places = {}
    while found:  # each file's keys go as its places come
        keys = found.pop()
        places[keys.name] = _Places(at_day.places(keys.days), at_instrument.places(keys.instrument_ids), keys.runs)
    return Layout(source, query, days.view("datetime64[D]"), instruments, places)


def _distinct(values: Sequence[np.ndarray]) -> np.ndarray:
    found: np.ndarray = np.unique(np.concatenate([np.empty(0, np.int64), *values]))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Lookup:
    """Places on an axis by value, through a table of its range."""

    low: int
    table: np.ndarray

    @classmethod
    def of(cls, axis: np.ndarray) -> "_Lookup":
        if not len(axis):
            return cls(0, np.empty(0, np.uint16))
        low = int(axis.min())
        table = np.zeros(int(axis.max()) - low + 1, np.uint16 if len(axis) <= 2**16 else np.int32)
        table[axis - low] = np.arange(len(axis))
        return cls(low, table)

    def places(self, values: np.ndarray) -> np.ndarray:
        found: np.ndarray = self.table[values - self.low]
        return found
