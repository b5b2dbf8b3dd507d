"""Bars as rows of a table: their order, their hash, their Arrow form, and queries over them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
from deltalake.exceptions import DeltaError

from investlab.core.errors import StorageUnavailable
from investlab.core.hashing import hash_arrays
from investlab.schemas.market import BAR_FIELDS

KEYS = ["instrument_id", "session"]
READ_DAMAGE = (DeltaError, OSError, pa.ArrowException, pl.exceptions.PolarsError, KeyError)
"""What reading damaged tables raises."""


@dataclass(frozen=True, slots=True)
class BarQuery:
    """Which bars to read: all instruments and sessions unless narrowed, known at or before `as_of`."""

    instrument_ids: tuple[int, ...] | None = None
    start: date | None = None
    end: date | None = None
    as_of: datetime | None = None


class storage_errors:  # noqa: N801  (reads as a statement)
    """Turns errors of the disk and of Delta into `StorageUnavailable`."""

    def __init__(self, dataset: str) -> None:
        self.dataset = dataset

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (OSError, DeltaError, pa.ArrowException)):
            raise StorageUnavailable(
                f"The bars of dataset {self.dataset!r} could not be written: {first_line(error)}.",
                remedy="Nothing was changed. Free space or make the home folder writable, then run it again.",
            ) from error


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its class when it has none."""
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def ordered_bars(bars: pd.DataFrame) -> pd.DataFrame:
    """Return bars ordered by instrument and session."""
    frame = bars.assign(session=bars["session"].astype("datetime64[s]"))
    return frame.sort_values(KEYS, kind="stable", ignore_index=True)


def rows_hash(rows: pd.DataFrame) -> str:
    """Return the hash of rows' keys and fields in their order; times of knowing and storing do not count."""
    fields = [name for name in BAR_FIELDS if name in rows.columns]
    parts = [
        ("instrument_id", rows["instrument_id"].to_numpy(np.int64)),
        ("session", rows["session"].to_numpy("datetime64[D]").astype(np.int64)),
        *((name, rows[name].to_numpy(np.float64)) for name in fields),
    ]
    return hash_arrays(parts)


def arrow_table(rows: pd.DataFrame, ingested_at: datetime) -> pa.Table:
    """Return rows as an Arrow table with their year, which partitions the stored files."""
    fields = [name for name in BAR_FIELDS if name in rows.columns]
    stamp = pa.timestamp("us", tz="UTC")
    columns = {
        "instrument_id": pa.array(rows["instrument_id"].to_numpy(np.int64)),
        "session": pa.array(rows["session"].to_numpy("datetime64[D]")),
        "year": pa.array(rows["session"].dt.year.to_numpy(np.int32)),
        **{name: pa.array(rows[name].to_numpy(np.float64)) for name in fields},
        "known_at": pa.array(_utc_microseconds(rows["known_at"]), type=pa.timestamp("us")).cast(stamp),
        "ingested_at": pa.array([ingested_at] * len(rows), type=stamp),
        "revision": pa.array(rows["revision"].to_numpy(np.int32)),
    }
    return pa.table(columns)


def _utc_microseconds(moments: pd.Series) -> np.ndarray:
    plain: np.ndarray = moments.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]")
    return plain


def filter_of(query: BarQuery) -> pads.Expression | None:
    """Return a query as an Arrow expression, None for everything."""
    terms: list[pads.Expression] = []
    if query.start is not None:
        terms += [pads.field("year") >= query.start.year, pads.field("session") >= query.start]
    if query.end is not None:
        terms += [pads.field("year") <= query.end.year, pads.field("session") <= query.end]
    if query.instrument_ids is not None:
        terms.append(pads.field("instrument_id").isin(_ids(query.instrument_ids)))
    if query.as_of is not None:
        terms.append(pads.field("known_at") <= pa.scalar(query.as_of, type=pa.timestamp("us", tz="UTC")))
    if not terms:
        return None
    combined = terms[0]
    for term in terms[1:]:
        combined = combined & term
    return combined


def _ids(instrument_ids: Sequence[int]) -> pa.Array:
    return pa.array(instrument_ids, type=pa.int64())
