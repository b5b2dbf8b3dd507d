"""Bars as cubes: every field an array of sessions × instruments, filled file by file, corrections last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from investlab.store.bar_files import day_column, float_column
from investlab.store.bar_reading import KEY_COLUMNS, BarSource
from investlab.store.bar_tables import BarQuery


@dataclass(frozen=True, slots=True, eq=False)
class Cube:
    """All bars of a dataset version as of a time: fields as read-only arrays (sessions × instruments), NaN = no bar.

    `sessions` is increasing datetime64[D]; columns follow `instrument_ids`, which increase.
    """

    sessions: np.ndarray
    instrument_ids: np.ndarray
    fields: Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The bars of a cube before they are laid out: parts in the order in which they are written over each other."""

    sessions: np.ndarray
    instrument_ids: np.ndarray
    parts: Sequence["_Part"]

    @property
    def shape(self) -> tuple[int, int]:
        """Return (sessions, instruments)."""
        return len(self.sessions), len(self.instrument_ids)

    def fill(self, name: str, values: np.ndarray) -> None:
        """Write a field into an array of the cube's shape."""
        values.fill(np.nan)
        for part in self.parts:
            rows = _places(self.sessions.view(np.int64), part.days)
            columns = _places(self.instrument_ids, part.instrument_ids)
            values[rows, columns] = part.fields[name]

    def array(self, name: str) -> np.ndarray:
        """Return a field as a read-only array."""
        values = np.empty(self.shape)
        self.fill(name, values)
        values.flags.writeable = False
        return values


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    instrument_ids: np.ndarray
    days: np.ndarray
    fields: Mapping[str, np.ndarray]


def read_cells(source: BarSource, query: BarQuery, fields: Sequence[str]) -> Cells:
    """Return the bars known at a query's time with the chosen fields.

    Raises:
        NotFound: The dataset has no bars, or a vacuum removed the version.
        Corrupt: The bars are damaged.
    """
    columns = (*KEY_COLUMNS, *fields)
    parts = [_part(rows, fields) for rows in source.base_parts(query, columns) if len(rows)]
    corrections = source.corrections(query, columns)
    sessions = _distinct([part.days for part in parts]).view("datetime64[D]")
    instruments = _distinct([part.instrument_ids for part in parts])
    if corrections is not None and len(corrections):
        parts.append(_last_of_each(_part(corrections, fields)))
    return Cells(sessions, instruments, parts)


def _part(rows: pa.Table, fields: Sequence[str]) -> _Part:
    values = {name: float_column(rows, name) for name in fields}
    return _Part(rows["instrument_id"].to_numpy(), day_column(rows).astype(np.int64), values)


def _last_of_each(part: _Part) -> _Part:
    """Return the last row of each bar, for an assignment through repeated places promises no order."""
    keys = np.stack([part.instrument_ids[::-1], part.days[::-1]], axis=1)
    _, first = np.unique(keys, axis=0, return_index=True)
    last = len(keys) - 1 - first
    return _Part(part.instrument_ids[last], part.days[last], {n: values[last] for n, values in part.fields.items()})


def _distinct(values: Sequence[np.ndarray]) -> np.ndarray:
    """Return the distinct int64 values of some arrays in order, found through a table of their range."""
    held = [array for array in values if len(array)]
    if not held:
        return np.empty(0, np.int64)
    low = min(int(array.min()) for array in held)
    seen = np.zeros(max(int(array.max()) for array in held) - low + 1, bool)
    for array in held:
        seen[array - low] = True
    found: np.ndarray = np.flatnonzero(seen) + low
    return found


def _places(axis: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return where values lie on an axis that holds them all, through a table of its range."""
    low = int(axis[0])
    table = np.zeros(int(axis[-1]) - low + 1, np.int64)
    table[axis - low] = np.arange(len(axis))
    found: np.ndarray = table[values - low]
    return found
