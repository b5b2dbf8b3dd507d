"""Appending to a dataset's bar tables: parts are written as files, then made visible by one commit for each table."""

import time
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

import numpy as np
import pandas as pd

from investlab.core.hashing import hash_json
from investlab.schemas.catalog import RowCounts
from investlab.store.bar_changes import KnownFiles, StoredBars
from investlab.store.bar_columns import BarColumns, columns_of, years_of
from investlab.store.bar_commits import BATCH_HASH, CONTENT_HASH, PARTS, PREVIOUS_HASH, FileChanges
from investlab.store.bar_files import DataFile, active_data_files, bars_table
from investlab.store.bar_heads import BarExtent, extent_of, new_head
from investlab.store.bar_versions import BASE, CORRECTIONS, AppendReceipt, VersionPin, pin_of
from investlab.store.bar_writing import BarWriting, in_threads

NOTHING_STORED = VersionPin(-1, None, hash_json([None, {}]))


@dataclass(frozen=True, slots=True)
class _Written:
    """Data files that were written for a table and are in no commit yet."""

    files: tuple[DataFile, ...] = ()
    extent: BarExtent = field(default_factory=BarExtent)
    fields: frozenset[str] = frozenset()

    def joined(self, other: "_Written") -> "_Written":
        return _Written(self.files + other.files, self.extent.joined(other.extent), self.fields | other.fields)


class Appending:
    """One append in parts; `MarketStore.begin` makes it, `commit` or `abort` ends it.

    An error in any of its methods ends it too, with nothing left behind. Memory is bounded by one part.
    """

    def __init__(self, writing: BarWriting, ingested_at: datetime) -> None:
        self._writing = writing
        self._ingested_at = int(np.datetime64(ingested_at.astimezone(UTC).replace(tzinfo=None), "us").astype(np.int64))
        self._token = uuid.uuid4().hex
        self._parts = 0
        self._written = {BASE: _Written(), CORRECTIONS: _Written()}
        self._same = 0
        self._stored: KnownFiles | None = None

    def add(self, bars: pd.DataFrame) -> RowCounts:
        """Write one part of the bars and return how many of them are new, changed and the same.

        Raises:
            InvalidInput: A bar is given twice, or an earlier part gave it with other values.
            StorageUnavailable: The disk is full or read-only; the tables are as before.
        """
        with self._writing.ended_by_errors():
            self._parts += 1
            columns = columns_of(bars)
            years = years_of(columns.days)
            stored = StoredBars(self._writing.folder, self._stored_files(columns), self._pending_files())
            task = partial(self._store_year, columns, years, stored)
            counts = {"new": 0, "changed": 0, "same": 0}
            for new, changed, same in in_threads(task, _distinct(years)):
                self._written[BASE] = self._written[BASE].joined(new)
                self._written[CORRECTIONS] = self._written[CORRECTIONS].joined(changed)
                self._same += same
                counts["new"] += new.extent.rows
                counts["changed"] += changed.extent.rows
                counts["same"] += same
            return RowCounts(**counts)

    def commit(self) -> AppendReceipt:
        """Make all parts visible and durable and return the receipt; without news nothing is written.

        Raises:
            StorageUnavailable: The disk is full or read-only; the tables are as before.
        """
        with self._writing.ended_by_errors():
            new, changed = (self._written[table].extent.rows for table in (BASE, CORRECTIONS))
            pin = self._commit_tables() if new or changed else self._writing.acknowledged or NOTHING_STORED
            self._writing.complete()
            return AppendReceipt(new, changed, self._same, pin)

    def abort(self) -> None:
        """Remove everything this append wrote; a file that cannot be removed is left to the next writer."""
        self._writing.abort()

    def _stored_files(self, bars: BarColumns) -> KnownFiles:
        """Return the files with which bars must be compared: none where all bars are later or earlier."""
        base = self._writing.heads[BASE]
        if base is None or not base.extent.may_hold(bars):
            return KnownFiles()
        if self._stored is None:
            files = {
                table: active_data_files(self._writing.folder / table, version)
                for table, version in self._writing.versions.items()
            }
            self._stored = KnownFiles(files, base.extent)
        return self._stored

    def _pending_files(self) -> KnownFiles:
        whole = self._written[BASE].extent.joined(self._written[CORRECTIONS].extent)
        return KnownFiles({table: done.files for table, done in self._written.items()}, whole)

    def _store_year(
        self, bars: BarColumns, years: np.ndarray, stored: StoredBars, year: int
    ) -> tuple[_Written, _Written, int]:
        """Write the bars of one year and return the new ones, the corrections, and how many were stored already."""
        changes = stored.compare(bars.of_year(years, year), year, self._ingested_at)
        new = self._write(BASE, year, changes.new, -1)
        changed = self._write(CORRECTIONS, year, changes.changed, self._writing.versions[CORRECTIONS] + 1)
        return new, changed, changes.same

    def _write(self, table: str, year: int, bars: BarColumns, revision: int) -> _Written:
        if not len(bars):
            return _Written()
        name = f"year={year}/part-{self._parts:05d}-{self._token}.parquet"
        file = self._writing.write_file(table, name, bars_table(bars, self._ingested_at, revision))
        return _Written((file,), extent_of(bars), frozenset(bars.fields))

    def _commit_tables(self) -> VersionPin:
        parts = {
            table: hash_json([file.rows_hash for file in written.files]) for table, written in self._written.items()
        }
        previous = self._writing.acknowledged.content_hash if self._writing.acknowledged else None
        content_hash = hash_json([previous, parts])
        marks = {CONTENT_HASH: content_hash, PREVIOUS_HASH: previous, PARTS: parts}
        versions = dict(self._writing.versions)
        for table, written in self._written.items():
            if written.files:
                versions[table] = self._commit_table(table, {**marks, BATCH_HASH: parts[table]})
        return pin_of(versions, content_hash)

    def _commit_table(self, table: str, marks: dict[str, object]) -> int:
        earlier, written = self._writing.heads[table], self._written[table]
        begun = earlier or new_head(str(uuid.uuid4()), int(time.time() * 1000), written.fields)
        head = replace(begun.with_fields(written.fields), extent=begun.extent.joined(written.extent))
        return self._writing.commit(table, "WRITE", head, FileChanges(added=written.files, marks=marks))


def _distinct(years: np.ndarray) -> list[int]:
    if not len(years):
        return []
    first = int(years.min())
    found: list[int] = (np.flatnonzero(np.bincount(years - first)) + first).tolist()
    return found
