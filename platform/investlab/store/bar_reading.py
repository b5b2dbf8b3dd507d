"""Reading bars at a version and as of a time: few files, few columns, corrections laid over the base."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from investlab.core.errors import Corrupt, NotFound
from investlab.store import delta_log
from investlab.store.bar_columns import row_keys
from investlab.store.bar_files import DataFile, active_data_files, day_column
from investlab.store.bar_heads import read_head
from investlab.store.bar_parts import COLUMN_TYPES, may_hold, read_file, read_rows
from investlab.store.bar_tables import READ_DAMAGE, BarQuery, first_line
from investlab.store.bar_versions import BASE, CORRECTIONS, VersionPin, versions_of

READERS = 2
"""Data files that are read at a time."""

KEY_COLUMNS = ("instrument_id", "session")
ORDER_COLUMNS = ("known_at", "revision")


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

    def rows(self, query: BarQuery, columns: Sequence[str] | None = None, *, ordered: bool = True) -> pa.Table:
        """Return the chosen columns of bars, each as it was last known, ordered by (instrument_id, session).

        Without `ordered` they come as they are stored, which is quicker.

        Raises:
            NotFound: The dataset has no table.
            Corrupt: A commit or data file is damaged.
        """
        stored = self.columns()
        wanted = [name for name in columns or stored if name in stored and name != "year"]
        keyed = tuple(dict.fromkeys((*KEY_COLUMNS, *wanted)))
        rows = self._rows(BASE, query, keyed)
        told = self.corrections(query, keyed)
        if told is not None or ordered:
            rows = rows.combine_chunks()
        if told is not None:
            rows = _laid_over(rows, told.select(keyed))
        if ordered:
            rows = _ordered(rows)
        return rows.select(wanted)

    def base_files(self, query: BarQuery) -> list[DataFile]:
        """Return the base table's files that may hold rows asked for, by their years and least instruments.

        Raises:
            NotFound: The dataset has no table.
            Corrupt: A commit is damaged.
        """
        self._require_table()
        return self._files(BASE, query)

    def each_base_file[Result](
        self, query: BarQuery, task: Callable[[DataFile, Callable[[Sequence[str]], pa.Table]], Result]
    ) -> Iterator[Result]:
        """Give what a task makes of each base file, in order, two at a time; it reads columns by what it is given.

        The rows are all of the file that were known at `as_of`, uncorrected: for whole markets, since no more than two
        files are in memory.

        Raises:
            NotFound: The dataset has no table.
            Corrupt: A commit or data file is damaged.
        """
        files = self.base_files(query)
        with ThreadPoolExecutor(READERS) as pool:
            yield from pool.map(
                lambda file: task(file, lambda columns: self._read(BASE, file, query.as_of, columns)), files
            )

    def corrections(self, query: BarQuery, columns: Sequence[str]) -> pa.Table | None:
        """Return the corrections known at `as_of`, of each bar the one known last; None when there are none.

        Raises:
            Corrupt: A commit or data file is damaged.
        """
        read = tuple(dict.fromkeys((*KEY_COLUMNS, *columns, *ORDER_COLUMNS)))
        told = self._rows(CORRECTIONS, query, read)
        return told.take(pa.array(_last_known(told))) if len(told) else None

    def _require_table(self) -> None:
        if self.pin.base_version < 0 or not (self.folder / BASE).exists():
            raise NotFound(
                f"The market store has no bars of dataset {self.folder.name!r}.",
                remedy=f"Ingest it: `investlab data ingest sample --dataset {self.folder.name}`.",
            )

    def _files(self, table: str, query: BarQuery) -> list[DataFile]:
        files = active_data_files(self.folder / table, versions_of(self.pin)[table])
        return sorted((f for f in files if may_hold(f, query)), key=lambda f: (f.year, f.instruments, f.name))

    def _rows(self, table: str, query: BarQuery, columns: Sequence[str]) -> pa.Table:
        files = self._files(table, query)
        if not files:
            return _nothing(columns)
        try:
            return read_rows(self.folder / table, files, query, columns)
        except READ_DAMAGE as error:
            for file in files:  # the one that is damaged is named
                self._read(table, file, None, tuple(COLUMN_TYPES))
            raise Corrupt(
                f"The bars of dataset {self.folder.name!r} cannot be read: {first_line(error)}.",
                remedy=delta_log.remedy(self.folder.name),
            ) from error

    def _read(self, table: str, file: DataFile, as_of: datetime | None, columns: Sequence[str]) -> pa.Table:
        try:
            return read_file(self.folder / table, file, as_of, columns)
        except READ_DAMAGE as error:
            commit = delta_log.Commit(versions_of(self.pin)[table], added=((file.name, file.size),))
            delta_log.check_files(self.folder / table, commit, self.folder.name)
            raise Corrupt(
                f"A data file of dataset {self.folder.name!r} cannot be read: {file.name} ({first_line(error)}).",
                remedy=delta_log.remedy(self.folder.name),
            ) from error


def _nothing(columns: Sequence[str]) -> pa.Table:
    kinds = {"instrument_id": pa.int64(), "session": pa.date32(), "revision": pa.int32()}
    stamps = dict.fromkeys(("known_at", "ingested_at"), pa.timestamp("us", tz="UTC"))
    return pa.schema([(name, (kinds | stamps).get(name, pa.float64())) for name in columns]).empty_table()


def _keys(rows: pa.Table) -> np.ndarray:
    return row_keys(rows["instrument_id"].to_numpy(), day_column(rows))


def _ordered(rows: pa.Table) -> pa.Table:
    """Return rows ordered by instrument and session.

    Each file is ordered, and files come by year: a stable order of the instruments alone nearly always does it.
    """
    keys = _keys(rows)
    if (keys[1:] > keys[:-1]).all():
        return rows
    order = np.argsort(_ranks(rows["instrument_id"].to_numpy()), kind="stable")
    ordered = keys[order]
    if not (ordered[1:] > ordered[:-1]).all():
        order = np.argsort(keys, kind="stable")
    return rows.take(pa.array(order))


def _ranks(ids: np.ndarray) -> np.ndarray:
    """Return numbers in the order of the ids; numpy sorts those of 16 bits in linear time."""
    low = ids.min()
    return (ids - low).astype(np.uint16) if ids.max() - low < 2**16 else ids


def _last_known(told: pa.Table) -> np.ndarray:
    """Return the positions of the rows known last of each bar, in the order of instrument and session."""
    keys = _keys(told)
    known = told["known_at"].cast(pa.int64()).to_numpy()
    order = np.lexsort((told["revision"].to_numpy(), known, keys))
    ordered = keys[order]
    last: np.ndarray = order[np.r_[ordered[1:] != ordered[:-1], True]]
    return last


def _laid_over(rows: pa.Table, told: pa.Table) -> pa.Table:
    """Return rows with those that were told again replaced; `told` is ordered and has one row of a bar."""
    keys, later = _keys(rows), _keys(told)
    places = np.minimum(np.searchsorted(later, keys), len(later) - 1)
    replaced = np.flatnonzero(later[places] == keys)
    chosen = np.arange(len(rows))
    chosen[replaced] = len(rows) + places[replaced]
    # A correction without its bar is seen only in tables that something else has written.
    alone = np.setdiff1d(np.arange(len(told)), places[replaced])
    joined = pa.concat_tables([rows, told], promote_options="default").combine_chunks()
    return joined.take(pa.array(np.concatenate([chosen, len(rows) + alone])))
