"""The data files of bars: Parquet by year, ordered by instrument and session, with the statistics readers prune by."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from investlab.core.errors import Corrupt
from investlab.schemas.market import BAR_FIELDS
from investlab.store.bar_columns import BarColumns, columns_hash
from investlab.store.bar_tables import first_line
from investlab.store.delta_log import Commit, active_files, flush, read_commit, remedy

ROW_GROUP = 2**14
"""Rows of a group: about 65 instruments of one year, the grain at which readers skip."""
DICTIONARY_BYTES = 2**16
EPOCH = date(1970, 1, 1)
STAMP = pa.timestamp("us", tz="UTC")
_KEPT_STATISTICS = ("instrument_id", "session", "known_at")

FILE_HASHES = "investlab.file_hashes"
SNAPSHOT = "investlab.snapshot"

Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DataFile:
    """A data file of a table by its name under the table's folder.

    `instruments` and `days` (since 1970) are the least and the greatest; `stats` is JSON as a Delta log has it.
    `rows_hash` is None for a file of an older version, of which only the whole commit has a hash.
    """

    name: str
    size: int
    rows: int
    instruments: tuple[int, int]
    days: tuple[int, int]
    stats: str
    rows_hash: str | None

    @property
    def year(self) -> int:
        """Return the year of its bars."""
        return int(self.name.split("/", maxsplit=1)[0].removeprefix("year="))

    def holds(self, instruments: tuple[int, int], days: tuple[int, int]) -> bool:
        """Say whether bars of these instruments and days may lie in it."""
        return _meet(self.instruments, instruments) and _meet(self.days, days)

    def add_action(self, *, has_news: bool) -> dict[str, Any]:
        """Return the action of a Delta commit that adds the file."""
        return {
            "path": self.name,
            "partitionValues": {"year": str(self.year)},
            "size": self.size,
            "modificationTime": int(time.time() * 1000),
            "dataChange": has_news,
            "stats": self.stats,
        }


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def bars_table(bars: BarColumns, ingested_at: int, revision: int) -> pa.Table:
    """Return bars as the rows of a data file; `ingested_at` in microseconds since 1970."""
    columns = {
        "instrument_id": pa.array(bars.instrument_ids),
        "session": pa.array(bars.days.astype(np.int32, copy=False)).cast(pa.date32()),
        **{name: pa.array(bars.fields[name]) for name in BAR_FIELDS if name in bars.fields},
        "known_at": pa.array(bars.known_at).cast(STAMP),
        "ingested_at": pa.array(np.full(len(bars), ingested_at)).cast(STAMP),
        "revision": pa.array(np.full(len(bars), revision, np.int32)),
    }
    return pa.table(columns)


def write_file(table: Path, name: str, rows: pa.Table, step: Step) -> DataFile:
    """Write rows, which are of one year and in their order, as a data file that has reached the disk."""
    path = table / name
    path.parent.mkdir(parents=True, exist_ok=True)
    step("data file begun")
    with path.open("xb") as stream:
        pq.write_table(
            rows,
            stream,
            row_group_size=ROW_GROUP,
            compression="zstd",
            compression_level=1,
            dictionary_pagesize_limit=DICTIONARY_BYTES,
            write_page_checksum=True,
        )
    step("data file written")
    flush(path)
    step("data file flushed")
    return describe_file(name, path.stat().st_size, rows)


def describe_file(name: str, size: int, rows: pa.Table) -> DataFile:
    """Return what a data file with these rows is in a log."""
    ends = {column: pc.min_max(rows[column]) for column in _KEPT_STATISTICS}
    stats = {
        "numRecords": len(rows),
        "minValues": {column: _stated(found["min"]) for column, found in ends.items()},
        "maxValues": {column: _stated(found["max"]) for column, found in ends.items()},
        "nullCount": {column: rows[column].null_count for column in rows.column_names},
    }
    return _described(name, size, json.dumps(stats, separators=(",", ":")), table_hash(rows))


def _stated(value: pa.Scalar) -> int | str:
    """Return a value as the statistics of a Delta log have it."""
    if pa.types.is_timestamp(value.type):
        return f"{np.datetime64(value.value, 'us')}Z"
    return str(value.as_py()) if pa.types.is_date(value.type) else value.as_py()


def table_hash(rows: pa.Table) -> str:
    """Return the hash of the rows of a data file, in their order."""
    fields = {name: float_column(rows, name) for name in BAR_FIELDS if name in rows.column_names}
    return columns_hash(rows["instrument_id"].to_numpy(), day_column(rows), fields)


def day_column(rows: pa.Table) -> np.ndarray:
    """Return the sessions of rows as days since 1970."""
    days: np.ndarray = rows["session"].cast(pa.int32()).to_numpy()
    return days


def float_column(rows: pa.Table, name: str) -> np.ndarray:
    """Return a field of rows as float64, NaN where it is absent or null."""
    if name not in rows.column_names:
        return np.full(len(rows), np.nan)
    values: np.ndarray = rows[name].to_numpy()
    return values.astype(np.float64, copy=False)


def read_files(table: Path, names: Sequence[str], columns: Sequence[str], where: pads.Expression | None) -> pa.Table:
    """Return the chosen columns of data files, one file after the other; a field that a file lacks is null there."""
    paths = [str(table / name) for name in names]
    schemas = [pads.dataset(path, format="parquet").schema for path in paths]
    merged = pa.unify_schemas(schemas)
    chosen = [name for name in columns if name in merged.names]
    return pads.dataset(paths, schema=merged, format="parquet").to_table(chosen, filter=where)


def active_data_files(table: Path, version: int) -> list[DataFile]:
    """Return the data files that a table has at a version, −1 for none, reading no further back than a snapshot.

    Raises:
        Corrupt: A commit is damaged.
    """
    commits: list[Commit] = []
    for number in range(version, -1, -1):
        commit = read_commit(table, number, table.parent.name)
        commits.insert(0, _whole_table(commit) if SNAPSHOT in commit.metadata else commit)
        if SNAPSHOT in commit.metadata:
            break
    active = active_files(commits)
    described = {(commit.number, file.name): file for commit in commits for file in files_of(commit)}
    return [described[commit.number, name] for name, (_, commit) in active.items()]


def snapshot_of(files: Sequence[DataFile]) -> list[list[object]]:
    """Return all files of a table as a commit keeps them, so that earlier commits need not be read for them."""
    return [[file.name, file.size, file.stats, file.rows_hash] for file in files]


def _whole_table(commit: Commit) -> Commit:
    """Return a commit that adds all files of its snapshot."""
    files = commit.metadata[SNAPSHOT]
    return Commit(
        number=commit.number,
        added=tuple((name, size) for name, size, _, _ in files),
        metadata={FILE_HASHES: {name: rows_hash for name, _, _, rows_hash in files}},
        stats={name: stats for name, _, stats, _ in files},
    )


def files_of(commit: Commit) -> list[DataFile]:
    """Return the data files a commit added; files without statistics count as holding anything."""
    hashes: Mapping[str, str] = commit.metadata.get(FILE_HASHES, {})
    return [_described(name, size, commit.stats.get(name, ""), hashes.get(name)) for name, size in commit.added]


@lru_cache(maxsize=2**12)
def _described(name: str, size: int, text: str, rows_hash: str | None) -> DataFile:
    stats = json.loads(text) if text else {}

    def span(column: str, read: Callable[[Any], int]) -> tuple[int, int]:
        if column not in stats.get("minValues", {}) or column not in stats.get("maxValues", {}):
            return -(2**62), 2**62
        return read(stats["minValues"][column]), read(stats["maxValues"][column])

    return DataFile(
        name=name,
        size=size,
        rows=int(stats.get("numRecords", -1)),
        instruments=span("instrument_id", int),
        days=span("session", lambda day: date.fromisoformat(day).toordinal() - EPOCH.toordinal()),
        stats=text,
        rows_hash=rows_hash,
    )


def read_whole(table: Path, file: DataFile) -> pa.Table:
    """Return all rows of a data file, checked page by page and against their hash.

    Raises:
        Corrupt: The file cannot be read, or holds other rows than were written.
    """
    dataset = table.parent.name
    try:
        rows = pq.read_table(table / file.name, page_checksum_verification=True, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise Corrupt(
            f"The data file {file.name} of dataset {dataset!r} cannot be read: {first_line(error)}.",
            remedy=remedy(dataset),
        ) from error
    if file.rows_hash is not None and table_hash(rows) != file.rows_hash:
        raise Corrupt(
            f"The bars in {file.name} of dataset {dataset!r} differ from their recorded hash.", remedy=remedy(dataset)
        )
    return rows
