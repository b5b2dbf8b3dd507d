"""Which bars of a batch are new, changed or stored already, found by reading only what may overlap them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads

from investlab.core.errors import Corrupt
from investlab.schemas.market import BAR_FIELDS
from investlab.store.bar_columns import BarColumns, repeated
from investlab.store.bar_files import DataFile, day_column, float_column, read_files
from investlab.store.bar_heads import BarExtent, extent_of, ids_of, overlap
from investlab.store.bar_tables import READ_DAMAGE, first_line
from investlab.store.bar_versions import BASE
from investlab.store.delta_log import remedy

_KEYS = ("instrument_id", "session")
_COLUMNS = ("instrument_id", "session", "known_at", "revision", *BAR_FIELDS)


@dataclass(frozen=True, slots=True)
class Changes:
    """A batch sorted by what is stored: bars that are new, bars that differ, and how many are the same."""

    new: BarColumns
    changed: BarColumns
    same: int


@dataclass(frozen=True, slots=True)
class KnownFiles:
    """Data files by table, and the extent of the bars in them."""

    files: Mapping[str, Sequence[DataFile]] = field(default_factory=dict)
    extent: BarExtent = field(default_factory=BarExtent)

    def among(self, folder: Path, bars: BarColumns, year: int) -> BarColumns | None:
        """Return bars of a year among which ordered ones may be, each as its latest correction has it.

        Raises:
            Corrupt: A file cannot be read.
        """
        asked = extent_of(bars)
        if asked.days is None or not overlap(asked.instruments, self.extent.instruments):
            return None
        instruments = (asked.instruments[0][0], asked.instruments[-1][1])
        first, last = (pa.scalar(day, pa.int32()).cast(pa.date32()) for day in asked.days)
        where = _between("instrument_id", *instruments) & _between("session", first, last)
        found = []
        for table, files in self.files.items():
            names = [file.name for file in files if file.year == year and file.holds(instruments, asked.days)]
            if names:
                found.append(_read(folder / table, names, where, _COLUMNS))
        return _latest(pa.concat_tables(found, promote_options="default")) if found else None


@dataclass(frozen=True, slots=True)
class StoredBars:
    """What a batch is compared with: what is stored, and what earlier parts of the batch have written.

    A part that tells a bar of an earlier part again must tell the same.
    """

    folder: Path
    stored: KnownFiles
    pending: KnownFiles

    def compare(self, bars: BarColumns, year: int, ingested_at: int) -> Changes:
        """Sort ordered bars of one year by what is stored.

        Raises:
            InvalidInput: An earlier part told one of them otherwise.
            Corrupt: A stored file cannot be read.
        """
        repeats = _sorted_by(bars, self.pending.among(self.folder, bars, year), ingested_at)
        if len(repeats.changed):
            raise repeated(repeats.changed, 0)
        found = _sorted_by(repeats.new, self.stored.among(self.folder, repeats.new, year), ingested_at)
        new = known_when_filled(self.folder / BASE, self.stored, found.new, ingested_at)
        return replace(found, new=new, same=found.same + repeats.same)


def known_when_filled(table: Path, stored: KnownFiles, bars: BarColumns, ingested_at: int) -> BarColumns:
    """Return new bars; those between the first and last stored session of their instrument are known when received.

    They fill a gap: had they been known at their close, reads as of a time before would change.

    Raises:
        Corrupt: A file cannot be read.
    """
    if stored.extent.days is None or not len(bars):
        return bars
    inside = (bars.days > stored.extent.days[0]) & (bars.days < stored.extent.days[1])
    late = np.flatnonzero(inside & np.isin(bars.instrument_ids, ids_of(stored.extent.instruments)))
    if not len(late):
        return bars
    fills = _within_spans(table, stored.files[BASE], bars.take(late))
    known_at = bars.known_at.copy()
    known_at[late[fills]] = np.maximum(known_at[late[fills]], ingested_at)
    return replace(bars, known_at=known_at)


def _within_spans(table: Path, files: Sequence[DataFile], bars: BarColumns) -> np.ndarray:
    """Say for each bar whether its instrument has an earlier and a later one; the nearest files are read first."""
    ids, places = np.unique(bars.instrument_ids, return_inverse=True)
    first, last = np.full(len(ids), np.iinfo(np.int32).max), np.full(len(ids), np.iinfo(np.int32).min)
    day = int(bars.days[0])
    within = np.zeros(len(bars), bool)
    for file in sorted(files, key=lambda file: max(file.days[0] - day, day - file.days[1], 0)):
        if within.all():
            break
        rows = _read(table, [file.name], pads.field("instrument_id").isin(pa.array(ids)), _KEYS)
        owners, days = np.searchsorted(ids, rows["instrument_id"].to_numpy()), day_column(rows)
        np.minimum.at(first, owners, days)
        np.maximum.at(last, owners, days)
        within = (first[places] < bars.days) & (bars.days < last[places])
    return within


def _read(table: Path, names: Sequence[str], where: pads.Expression, columns: Sequence[str]) -> pa.Table:
    try:
        return read_files(table, names, columns, where)
    except READ_DAMAGE as error:
        raise Corrupt(
            f"The stored bars of dataset {table.parent.name!r} cannot be read: {first_line(error)}.",
            remedy=remedy(table.parent.name),
        ) from error


def _between(column: str, low: object, high: object) -> pads.Expression:
    return (pads.field(column) >= low) & (pads.field(column) <= high)


def _latest(rows: pa.Table) -> BarColumns:
    """Return rows ordered by key, of each key the one known last."""
    fields = [name for name in BAR_FIELDS if name in rows.column_names]
    bars = BarColumns(
        rows["instrument_id"].to_numpy(),
        day_column(rows),
        rows["known_at"].cast(pa.int64()).to_numpy(),
        {name: float_column(rows, name) for name in fields},
    )
    keys = bars.keys()
    if (keys[1:] > keys[:-1]).all():
        return bars
    order = np.lexsort((rows["revision"].to_numpy(), bars.known_at, keys))
    last = np.r_[keys[order][1:] != keys[order][:-1], True]
    return bars.take(order[last])


def _sorted_by(bars: BarColumns, stored: BarColumns | None, ingested_at: int) -> Changes:
    nothing = bars.take(np.empty(0, np.int64))
    if stored is None or not len(stored):
        return Changes(bars, nothing, 0)
    keys, known_keys = bars.keys(), stored.keys()
    places = np.minimum(np.searchsorted(known_keys, keys), len(known_keys) - 1)
    known = known_keys[places] == keys
    if not known.any():
        return Changes(bars, nothing, 0)
    told, before = bars.take(known), stored.take(places[known])
    differs = np.zeros(len(told), bool)
    for name, values in told.fields.items():
        earlier = before.fields.get(name, np.full(len(told), np.nan))
        differs |= (values != earlier) & ~(np.isnan(values) & np.isnan(earlier))
    return Changes(
        bars.take(~known), _corrections(told.take(differs), before.take(differs), ingested_at), int((~differs).sum())
    )


def _corrections(told: BarColumns, before: BarColumns, ingested_at: int) -> BarColumns:
    """Return corrected bars, known when received but never before what they correct; fields not told stay."""
    known_at = np.maximum(before.known_at, ingested_at)
    return replace(told, known_at=known_at, fields={**before.fields, **told.fields})
