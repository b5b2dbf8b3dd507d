"""Fewer files with the same rows: each year's files merged into one, in a commit that says that nothing changed."""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from investlab.store import delta_log
from investlab.store.bar_columns import row_keys
from investlab.store.bar_commits import CONTENT_HASH, FileChanges
from investlab.store.bar_files import SNAPSHOT, DataFile, active_data_files, day_column, read_whole, snapshot_of
from investlab.store.bar_heads import read_head
from investlab.store.bar_versions import VersionPin, pin_of
from investlab.store.bar_writing import BarWriting, in_threads


def compact(writing: BarWriting) -> VersionPin:
    """Merge each year's files into one and return the pin that reads them: same rows, same content hash.

    Files are checked against their hashes before they are merged. Nothing is written where each year has one file.

    Raises:
        Corrupt: A file is damaged.
        StorageUnavailable: The disk is full or read-only; the tables are as before.
    """
    content_hash = writing.acknowledged.content_hash if writing.acknowledged else None
    versions = dict(writing.versions)
    with writing.ended_by_errors():
        for table, version in writing.versions.items():
            files = active_data_files(writing.folder / table, version)
            replaced = _several_a_year(files)
            if replaced:
                merged = in_threads(partial(_merge, writing, table), list(replaced.values()))
                removed = [file for year in replaced.values() for file in year]
                kept = [file for file in files if file.year not in replaced]
                marks = {CONTENT_HASH: content_hash, SNAPSHOT: snapshot_of([*kept, *merged])}
                changes = FileChanges(added=merged, removed=removed, has_news=False, marks=marks)
                head = read_head(writing.folder / table, version, writing.folder.name)
                versions[table] = writing.commit(table, "OPTIMIZE", head, changes)
        writing.complete()
    for table, version in versions.items():
        if version != writing.versions[table]:
            _write_checkpoint(writing.folder / table, version)
    return pin_of(versions, content_hash)


def _several_a_year(files: Sequence[DataFile]) -> dict[int, list[DataFile]]:
    by_year: dict[int, list[DataFile]] = defaultdict(list)
    for file in files:
        by_year[file.year].append(file)
    return {year: found for year, found in sorted(by_year.items()) if len(found) > 1}


def _merge(writing: BarWriting, table: str, files: Sequence[DataFile]) -> DataFile:
    """Write the rows of files of one year as one file, ordered as every data file is."""
    read = [read_whole(writing.folder / table, file) for file in files]
    rows = pa.concat_tables(read, promote_options="default").combine_chunks()
    keys = row_keys(rows["instrument_id"].to_numpy(), day_column(rows))
    known_at = rows["known_at"].cast(pa.int64()).to_numpy()
    order = np.lexsort((rows["revision"].to_numpy(), known_at, keys))
    name = f"year={files[0].year}/merged-{uuid.uuid4().hex}.parquet"
    return writing.write_file(table, name, rows.take(pa.array(order)))


def _write_checkpoint(table: Path, version: int) -> None:
    """Let readers open the table without reading every commit; a log without it is as good, only slower."""
    log = table / delta_log.LOG
    with suppress(OSError, DeltaError):
        DeltaTable(table, version=version).create_checkpoint()
        for path in (*log.glob("*.checkpoint*.parquet"), log / "_last_checkpoint", log):
            delta_log.flush(path)
