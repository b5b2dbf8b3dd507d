"""What a commit says of its whole table, so that nobody has to read the table for it: columns and extent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from deltalake import DeltaTable

from investlab.core.errors import Corrupt
from investlab.schemas.market import BAR_FIELDS
from investlab.store import delta_log
from investlab.store.bar_columns import BarColumns
from investlab.store.bar_files import day_column
from investlab.store.bar_tables import READ_DAMAGE, first_line
from investlab.store.bar_versions import Extent

HEAD = "investlab.head"
FIXED_TYPES = {
    "instrument_id": "long",
    "session": "date",
    "year": "integer",
    "known_at": "timestamp",
    "ingested_at": "timestamp",
    "revision": "integer",
}
Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class BarExtent:
    """How much a table holds: rows, the least and greatest day since 1970, and instruments as ranges of their keys."""

    rows: int = 0
    days: tuple[int, int] | None = None
    instruments: Ranges = ()

    def joined(self, other: "BarExtent") -> "BarExtent":
        """Return the extent of the rows of both, which have no bar in common."""
        spans = [span for span in (self.days, other.days) if span is not None]
        days = (min(low for low, _ in spans), max(high for _, high in spans)) if spans else None
        ids = np.union1d(ids_of(self.instruments), ids_of(other.instruments))
        return BarExtent(self.rows + other.rows, days, ranges_of(ids))

    def may_hold(self, bars: BarColumns) -> bool:
        """Say whether some of these bars may be among the rows, judged by their days alone."""
        if self.days is None or not len(bars):
            return False
        return bool(bars.days.min() <= self.days[1] and bars.days.max() >= self.days[0])

    def summary(self) -> Extent:
        """Return it as the store's callers see it."""
        first, last = (np.datetime64(day, "D").item() for day in self.days) if self.days else (None, None)
        return Extent(self.rows, sum(high - low + 1 for low, high in self.instruments), first, last)


@dataclass(frozen=True, slots=True)
class TableHead:
    """A table's identity, columns in their order, and extent at one version."""

    table_id: str
    created_at: int
    columns: tuple[str, ...]
    extent: BarExtent = field(default_factory=BarExtent)

    def with_fields(self, fields: Iterable[str]) -> "TableHead":
        """Return the head of the table once it has these fields too; new ones come last."""
        added = [name for name in BAR_FIELDS if name in set(fields) - set(self.columns)]
        return replace(self, columns=(*self.columns, *added))

    def as_json(self) -> dict[str, Any]:
        """Return it as a commit keeps it."""
        return {
            "table_id": self.table_id,
            "created_at": self.created_at,
            "columns": list(self.columns),
            "rows": self.extent.rows,
            "days": list(self.extent.days) if self.extent.days else None,
            "instruments": [list(span) for span in self.extent.instruments],
        }


def extent_of(bars: BarColumns) -> BarExtent:
    """Return the extent of bars in their order."""
    if not len(bars):
        return BarExtent()
    ids = bars.instrument_ids
    distinct = ids[np.r_[True, ids[1:] != ids[:-1]]]
    return BarExtent(len(bars), (int(bars.days.min()), int(bars.days.max())), ranges_of(distinct))


def new_head(table_id: str, created_at: int, fields: Iterable[str]) -> TableHead:
    """Return the head of a new table; `created_at` in milliseconds since 1970."""
    prices = [name for name in BAR_FIELDS if name in set(fields)]
    columns = ("instrument_id", "session", "year", *prices, "known_at", "ingested_at", "revision")
    return TableHead(table_id, created_at, columns)


def read_head(table: Path, version: int, dataset: str) -> TableHead:
    """Return a table's head at a version; a table of an older investlab is read for it.

    Raises:
        Corrupt: The commit is damaged, or the table of an older investlab cannot be read.
    """
    kept: Mapping[str, Any] | None = delta_log.read_commit(table, version, dataset).metadata.get(HEAD)
    if kept is None:
        return _head_of_older_table(table, version, dataset)
    days = (int(kept["days"][0]), int(kept["days"][1])) if kept["days"] else None
    ranges = tuple((int(low), int(high)) for low, high in kept["instruments"])
    extent = BarExtent(int(kept["rows"]), days, ranges)
    return TableHead(str(kept["table_id"]), int(kept["created_at"]), tuple(kept["columns"]), extent)


def _head_of_older_table(table: Path, version: int, dataset: str) -> TableHead:
    try:
        opened = DeltaTable(table, version=version)
        found = opened.to_pyarrow_dataset(filesystem=delta_log.own_files(table))
        rows = found.to_table(["instrument_id", "session"])
        described = opened.metadata()
        columns = tuple(column.name for column in opened.schema().fields)
    except READ_DAMAGE as error:
        raise Corrupt(
            f"The bars of dataset {dataset!r} cannot be read at version {version}: {first_line(error)}.",
            remedy=delta_log.remedy(dataset),
        ) from error
    ids, days = np.unique(rows["instrument_id"].to_numpy()), day_column(rows)
    spread = (int(days.min()), int(days.max())) if len(days) else None
    extent = BarExtent(len(rows), spread, ranges_of(ids))
    return TableHead(str(described.id), described.created_time or 0, columns, extent)


def schema_json(columns: Iterable[str]) -> dict[str, Any]:
    """Return a table's schema as a Delta log has it."""
    fields = [
        {"name": name, "type": FIXED_TYPES.get(name, "double"), "nullable": True, "metadata": {}} for name in columns
    ]
    return {"type": "struct", "fields": fields}


def ranges_of(ids: np.ndarray) -> Ranges:
    """Return increasing keys as ranges without gaps."""
    if not len(ids):
        return ()
    breaks = np.flatnonzero(np.diff(ids) != 1)
    lows, highs = ids[np.r_[0, breaks + 1]], ids[np.r_[breaks, len(ids) - 1]]
    return tuple(zip(lows.tolist(), highs.tolist(), strict=True))


def overlap(one: Ranges, other: Ranges) -> bool:
    """Say whether a key lies in ranges of both."""
    return bool(np.isin(ids_of(one), ids_of(other), assume_unique=True).any())


def ids_of(ranges: Ranges) -> np.ndarray:
    """Return the keys that lie in ranges, increasing."""
    spans = [np.arange(low, high + 1, dtype=np.int64) for low, high in ranges]
    return np.concatenate(spans) if spans else np.empty(0, np.int64)
