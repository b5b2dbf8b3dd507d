"""Rows of data files: one file as pyarrow reads it, or what a query asks for of many, which polars skips through."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from investlab.schemas.market import BAR_FIELDS
from investlab.store.bar_files import EPOCH, DataFile
from investlab.store.bar_tables import BarQuery

FIRST, LAST = -(2**62), 2**62
STATISTICS_GRAIN = np.timedelta64(1, "ms")
"""Other writers cut the times in statistics to milliseconds."""

COLUMN_TYPES = {
    "instrument_id": pl.Int64(),
    "session": pl.Date(),
    **dict.fromkeys(BAR_FIELDS, pl.Float64()),
    "known_at": pl.Datetime("us", "UTC"),
    "ingested_at": pl.Datetime("us", "UTC"),
    "revision": pl.Int32(),
}


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


def read_rows(table: Path, files: Sequence[DataFile], query: BarQuery, columns: Sequence[str]) -> pa.Table:
    """Return the chosen columns of the rows that a query asks for, file by file in each one's order.

    A column that a file lacks is null there. Row groups that cannot hold rows asked for are not read.
    """
    types = {name: COLUMN_TYPES[name] for name in dict.fromkeys((*columns, "instrument_id", "session", "known_at"))}
    scan = pl.scan_parquet(
        [str(table / file.name) for file in files],
        schema=types,
        missing_columns="insert",
        extra_columns="ignore",
        hive_partitioning=False,
        glob=False,
    )
    if query.instrument_ids is not None:
        scan = scan.filter(pl.col("instrument_id").is_in(list(query.instrument_ids)))
    if query.start is not None:
        scan = scan.filter(pl.col("session") >= query.start)
    if query.end is not None:
        scan = scan.filter(pl.col("session") <= query.end)
    if query.as_of is not None and not all(_is_known_by(file, query.as_of) for file in files):
        scan = scan.filter(pl.col("known_at") <= query.as_of)
    return scan.select(columns).collect().to_arrow()


def read_file(table: Path, file: DataFile, as_of: datetime | None, columns: Sequence[str]) -> pa.Table:
    """Return the chosen columns of a file's rows known at `as_of`, in its order; a column it lacks is left out.

    One thread reads it, so that several files can be read at a time without further ones.
    """
    is_partial = as_of is not None and not _is_known_by(file, as_of)
    with pa.memory_map(str(table / file.name)) as content, pq.ParquetFile(content) as opened:
        names = [name for name in columns if name in opened.schema_arrow.names]
        read = opened.read([*dict.fromkeys((*names, *(("known_at",) if is_partial else ())))], use_threads=False)
    if is_partial:
        read = read.filter(pc.less_equal(read["known_at"], pa.scalar(as_of, type=read.schema.field("known_at").type)))
    return read.select(names)


def _is_known_by(file: DataFile, as_of: datetime) -> bool:
    """Say whether all rows of a file were known by a moment, as far as its statistics tell."""
    latest = (json.loads(file.stats) if file.stats else {}).get("maxValues", {}).get("known_at")
    if latest is None:
        return False
    return bool(np.datetime64(latest.removesuffix("Z"), "us") + STATISTICS_GRAIN <= _utc(as_of))


def _utc(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")
