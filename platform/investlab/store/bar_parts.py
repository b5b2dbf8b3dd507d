"""Parts of bar tables: the rows of one data file that a query asks for, read without what its statistics rule out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from investlab.store.bar_files import EPOCH, DataFile, day_column
from investlab.store.bar_tables import BarQuery

FIRST, LAST = -(2**62), 2**62
STATISTICS_GRAIN = np.timedelta64(1, "ms")
"""Other writers cut the times in statistics to milliseconds."""

MOST_FOOTERS = 512
"""Data files whose footers are kept in memory, of some ten to hundred KiB each."""

MOST_SPANS = 64
"""Rows chosen in up to so many pieces are cut out without a copy."""


def may_hold(file: DataFile, query: BarQuery) -> bool:
    """Say whether rows that a query asks for may lie in a file."""
    ids = query.instrument_ids
    if ids is not None and not ids:
        return False
    return file.holds((FIRST, LAST) if ids is None else (min(ids), max(ids)), days_of(query))


def days_of(query: BarQuery) -> tuple[int, int]:
    """Return the first and last day a query asks for, as days since 1970."""
    start, end = query.start, query.end
    return FIRST if start is None else (start - EPOCH).days, LAST if end is None else (end - EPOCH).days


def read_part(table: Path, file: DataFile, query: BarQuery, columns: Sequence[str]) -> pa.Table:
    """Return the chosen columns of the rows that a query asks for, in the file's order; a column it lacks is left out.

    One thread reads it, so that several files can be read at a time without further ones.
    """
    path = str(table / file.name)
    footer = _footer(path, file.size)
    names = [name for name in columns if name in footer.schema.names]
    numbers = footer.groups(query.instrument_ids)
    if not numbers:
        return footer.schema.empty_table().select(names)
    with pa.memory_map(path) as content, pq.ParquetFile(content, metadata=footer.metadata) as opened:
        groups = _Groups(opened, numbers)
        if query.instrument_ids is not None:  # of the few groups left nearly all is needed: one read is the quickest
            groups.rows(tuple(dict.fromkeys(("instrument_id", *names))))
        chosen = _chosen(groups, file, query)
        if chosen is not None and not len(chosen):
            return footer.schema.empty_table().select(names)
        rows = groups.rows(names)
    if chosen is None or len(chosen) == len(rows):
        return rows
    breaks = np.flatnonzero(np.diff(chosen) != 1) + 1
    if len(breaks) < MOST_SPANS:
        return pa.concat_tables(rows.slice(int(span[0]), len(span)) for span in np.split(chosen, breaks))
    return rows.take(pa.array(chosen))


@dataclass(frozen=True, slots=True, eq=False)
class _Footer:
    """What a data file says of itself at its end; `ends` are the least and greatest instrument of each row group."""

    metadata: pq.FileMetaData
    schema: pa.Schema
    ends: tuple[np.ndarray, np.ndarray]

    def groups(self, instrument_ids: Sequence[int] | None) -> list[int]:
        """Return the row groups that may hold bars of some instruments, all of them for None."""
        if instrument_ids is None:
            return list(range(self.metadata.num_row_groups))
        wanted = np.sort(np.array(instrument_ids, np.int64))
        low, high = np.searchsorted(wanted, self.ends[0]), np.searchsorted(wanted, self.ends[1], side="right")
        found: list[int] = np.flatnonzero(high > low).tolist()
        return found


@lru_cache(maxsize=MOST_FOOTERS)
def _footer(path: str, size: int) -> _Footer:
    """Return the footer of a data file, which never changes: its name belongs to its content, as its size does."""
    metadata = pq.read_metadata(path)
    ends = [_ends(metadata.row_group(number)) for number in range(metadata.num_row_groups)]
    lows, highs = np.array(ends, np.int64).reshape(-1, 2).T
    return _Footer(metadata, metadata.schema.to_arrow_schema(), (lows, highs))


def _ends(group: pq.RowGroupMetaData) -> tuple[int, int]:
    for number in range(group.num_columns):
        column = group.column(number)
        if column.path_in_schema == "instrument_id":
            told = column.statistics
            return (FIRST, LAST) if told is None or not told.has_min_max else (told.min, told.max)
    return FIRST, LAST


@dataclass(frozen=True, slots=True)
class _Groups:
    """Some row groups of an opened file, of which each column is read once."""

    opened: pq.ParquetFile
    numbers: list[int]
    columns: dict[str, pa.ChunkedArray] = field(default_factory=dict)

    def read(self, column: str) -> pa.Table:
        """Return one column."""
        return self.rows([column])

    def rows(self, names: Sequence[str]) -> pa.Table:
        """Return some columns."""
        missing = [name for name in names if name not in self.columns]
        if missing or not names:
            found = self.opened.read_row_groups(self.numbers, missing, use_threads=False)
            self.columns.update(zip(found.column_names, found.columns, strict=True))
            if missing == list(names):
                return found
        return pa.table({name: self.columns[name] for name in names})


def _chosen(groups: _Groups, file: DataFile, query: BarQuery) -> np.ndarray | None:
    """Return the positions of the rows asked for, None for all; only the columns that decide are read."""
    chosen: np.ndarray | None = None
    if query.instrument_ids is not None:
        owners = groups.read("instrument_id")["instrument_id"].to_numpy()
        chosen = _of_instruments(owners, np.unique(np.array(query.instrument_ids, np.int64)))
        if not len(chosen):
            return chosen
    first, last = days_of(query)
    if first > file.days[0] or last < file.days[1]:
        days = day_column(groups.read("session"))
        chosen = _among(chosen, (days >= first) & (days <= last))
    if query.as_of is not None and not _is_known_by(file, query.as_of):
        known = groups.read("known_at")["known_at"].cast(pa.timestamp("us")).to_numpy()
        chosen = _among(chosen, known <= _utc(query.as_of))
    return chosen


def _of_instruments(owners: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the positions of rows of some instruments; in an ordered file they are found by halving."""
    if not (owners[1:] >= owners[:-1]).all():
        return np.flatnonzero(np.isin(owners, wanted))
    starts, ends = np.searchsorted(owners, wanted), np.searchsorted(owners, wanted, side="right")
    spans = [np.arange(start, end) for start, end in zip(starts, ends, strict=True) if end > start]
    return np.concatenate(spans) if spans else np.empty(0, np.int64)


def _among(chosen: np.ndarray | None, kept: np.ndarray) -> np.ndarray | None:
    if chosen is not None:
        narrowed: np.ndarray = chosen[kept[chosen]]
        return narrowed
    return None if kept.all() else np.flatnonzero(kept)


def _is_known_by(file: DataFile, as_of: datetime) -> bool:
    """Say whether all rows of a file were known by a moment, as far as its statistics tell."""
    latest = (json.loads(file.stats) if file.stats else {}).get("maxValues", {}).get("known_at")
    if latest is None:
        return False
    return bool(np.datetime64(latest.removesuffix("Z"), "us") + STATISTICS_GRAIN <= _utc(as_of))


def _utc(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")
