"""Reading bars at a version and as of a time: few files, few columns, corrections laid over the base."""

import functools
import json
import operator
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads

from investlab.core.errors import Corrupt, NotFound
from investlab.store import delta_log
from investlab.store.bar_columns import row_keys
from investlab.store.bar_files import DataFile, active_data_files, day_column, read_files
from investlab.store.bar_heads import read_head
from investlab.store.bar_tables import READ_DAMAGE, BarQuery, first_line
from investlab.store.bar_versions import BASE, CORRECTIONS, VersionPin, versions_of

READERS = 2
"""Data files that are read at a time."""

KEY_COLUMNS = ("instrument_id", "session")
ORDER_COLUMNS = ("known_at", "revision")
EPOCH = date(1970, 1, 1)
FIRST_DAY, LAST_DAY = -(2**31), 2**31 - 1
FIRST_KEY, LAST_KEY = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class BarSource:
    """The tables of a dataset at a pinned version."""

    folder: Path
    pin: VersionPin

    def columns(self) -> tuple[str, ...]:
        """Return the columns of the base table.

        Raises:
            NotFound: The dataset has no table.
            Corrupt: The pinned commit is damaged.
        """
        self._require_table()
        return read_head(self.folder / BASE, self.pin.base_version, self.folder.name).columns

    def rows(self, query: BarQuery, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the chosen columns of bars ordered by (instrument_id, session), each as it was last known.

        Raises:
            NotFound: The dataset has no table.
            Corrupt: A commit or data file is damaged.
        """
        wanted = tuple(columns or (name for name in self.columns() if name != "year"))
        read = tuple(dict.fromkeys((*KEY_COLUMNS, *wanted, *ORDER_COLUMNS)))
        parts = [part for table in (BASE, CORRECTIONS) for part in self._tables(table, query, read)]
        if not parts:
            return _nothing(wanted)
        joined = pa.concat_tables(parts, promote_options="default")
        return joined.take(pa.array(_last_known(joined))).select(
            [name for name in wanted if name in joined.column_names]
        )

    def base_parts(self, query: BarQuery, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Give the base table's rows known at `as_of`, file by file in no promised order, uncorrected.

        Raises:
            NotFound: The dataset has no table.
            Corrupt: A commit or data file is damaged.
        """
        yield from self._tables(BASE, query, tuple(columns))

    def corrections(self, query: BarQuery, columns: Sequence[str]) -> pa.Table | None:
        """Return the corrections known at `as_of`, those known last coming last, None when there are none.

        Raises:
            Corrupt: A commit or data file is damaged.
        """
        read = tuple(dict.fromkeys((*columns, *ORDER_COLUMNS)))
        parts = list(self._tables(CORRECTIONS, query, read))
        if not parts:
            return None
        joined = pa.concat_tables(parts, promote_options="default")
        return joined.sort_by([("known_at", "ascending"), ("revision", "ascending")])

    def _require_table(self) -> None:
        if self.pin.base_version < 0 or not (self.folder / BASE).exists():
            raise NotFound(
                f"The market store has no bars of dataset {self.folder.name!r}.",
                remedy=f"Ingest it: `investlab data ingest sample --dataset {self.folder.name}`.",
            )

    def _tables(self, table: str, query: BarQuery, columns: tuple[str, ...]) -> Iterator[pa.Table]:
        """Give the rows of each file that may hold some, two files at a time."""
        if table == BASE:
            self._require_table()
        version = versions_of(self.pin)[table]
        files = [file for file in active_data_files(self.folder / table, version) if _may_hold(file, query)]
        with ThreadPoolExecutor(READERS) as pool:
            yield from pool.map(lambda file: self._read(table, file, query, columns), files)

    def _read(self, table: str, file: DataFile, query: BarQuery, columns: tuple[str, ...]) -> pa.Table:
        try:
            return read_files(self.folder / table, [file.name], columns, _where(file, query))
        except READ_DAMAGE as error:
            commit = delta_log.Commit(versions_of(self.pin)[table], added=((file.name, file.size),))
            delta_log.check_files(self.folder / table, commit, self.folder.name)
            raise Corrupt(
                f"A data file of dataset {self.folder.name!r} cannot be read: {file.name} ({first_line(error)}).",
                remedy=delta_log.remedy(self.folder.name),
            ) from error


def _last_known(rows: pa.Table) -> np.ndarray:
    """Return the positions of the rows known last of each bar, in the order of instrument and session."""
    keys = row_keys(rows["instrument_id"].to_numpy(), day_column(rows))
    if (keys[1:] > keys[:-1]).all():
        return np.arange(len(keys))
    known = rows["known_at"].cast(pa.int64()).to_numpy()
    order = np.lexsort((rows["revision"].to_numpy(), known, keys))
    ordered = keys[order]
    last: np.ndarray = order[np.r_[ordered[1:] != ordered[:-1], True]]
    return last


def _nothing(columns: Sequence[str]) -> pa.Table:
    kinds = {"instrument_id": pa.int64(), "session": pa.date32(), "revision": pa.int32()}
    stamps = dict.fromkeys(("known_at", "ingested_at"), pa.timestamp("us", tz="UTC"))
    return pa.schema([(name, (kinds | stamps).get(name, pa.float64())) for name in columns]).empty_table()


def _may_hold(file: DataFile, query: BarQuery) -> bool:
    ids = query.instrument_ids
    if ids is not None and not ids:
        return False
    instruments = (FIRST_KEY, LAST_KEY) if ids is None else (min(ids), max(ids))
    days = (_day(query.start, FIRST_DAY), _day(query.end, LAST_DAY))
    return file.holds(instruments, days)


def _day(day: date | None, otherwise: int) -> int:
    return otherwise if day is None else (day - EPOCH).days


def _where(file: DataFile, query: BarQuery) -> pads.Expression | None:
    """Return the filter that a file still needs: what all its rows fulfil is left out."""
    terms = []
    if query.start is not None and file.days[0] < _day(query.start, FIRST_DAY):
        terms.append(pads.field("session") >= query.start)
    if query.end is not None and file.days[1] > _day(query.end, LAST_DAY):
        terms.append(pads.field("session") <= query.end)
    if query.instrument_ids is not None:
        terms.append(pads.field("instrument_id").isin(pa.array(sorted(query.instrument_ids), type=pa.int64())))
    if query.as_of is not None and not _is_known_by(file, query.as_of):
        terms.append(pads.field("known_at") <= pa.scalar(query.as_of, type=pa.timestamp("us", tz="UTC")))
    return functools.reduce(operator.and_, terms) if terms else None


def _is_known_by(file: DataFile, as_of: datetime) -> bool:
    """Say whether all rows of a file were known by a moment; its statistics may be cut to milliseconds."""
    latest = json.loads(file.stats).get("maxValues", {}).get("known_at")
    if latest is None:
        return False
    return bool(np.datetime64(latest.removesuffix("Z"), "us") + np.timedelta64(1, "ms") <= _utc(as_of))


def _utc(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")
