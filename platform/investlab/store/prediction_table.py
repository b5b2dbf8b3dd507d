"""The Delta table of compacted predictions: durable commits, a bounded number of files, reads at a version."""

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.parquet as pq
from deltalake import DeltaTable, PostCommitHookProperties, WriterProperties, write_deltalake

from investlab.store import delta_log
from investlab.store.prediction_rows import SCHEMA
from investlab.store.prediction_spools import flush_folder

MOST_FILES = 24
_BATCH = 2**15
_LAYOUT = WriterProperties(max_row_group_size=2**16)  # rows come in the order of their times: a time is in few groups
_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


def read_rows(table: Path, version: int, where: pads.Expression | None, columns: list[str] | None = None) -> pa.Table:
    """Return the rows of a version that an expression chooses; none where there is no version yet."""
    if version < 0:
        return SCHEMA.empty_table() if columns is None else SCHEMA.empty_table().select(columns)
    rows = _dataset(table, version).to_table(columns, filter=where)
    return rows if columns is not None else rows.select(SCHEMA.names).cast(SCHEMA)


def stored_ids(table: Path, version: int, among: set[str]) -> set[str]:
    """Return which of some prediction ids a version holds."""
    chosen = pads.field("prediction_id").isin(pa.array(sorted(among), pa.string()))
    found = read_rows(table, version, chosen, ["prediction_id"])
    return set(pc.unique(found["prediction_id"]).to_pylist())


def rows_beginning(table: Path, version: int, beginning: str) -> pa.Table:
    """Return the rows of the predictions whose ids begin like this.

    An id is the same on all rows of its prediction, and stored once for a group of rows: only those are looked at, and
    only groups that have one that matches are read whole.
    """
    found = [SCHEMA.empty_table()]
    for file in _files(table, version):
        with pq.ParquetFile(file, read_dictionary=["prediction_id"], memory_map=True) as opened:
            for group in range(opened.num_row_groups):
                ids = opened.read_row_group(group, ["prediction_id"], use_threads=False)["prediction_id"]
                if any(pc.any(pc.starts_with(chunk.dictionary, beginning)).as_py() for chunk in ids.chunks):
                    rows = opened.read_row_group(group).select(SCHEMA.names).cast(SCHEMA)
                    found.append(rows.filter(pc.starts_with(rows["prediction_id"], beginning)))
    return pa.concat_tables(found)


def are_among(found: dict[str, datetime]) -> pads.Expression:
    """Return what chooses the rows of these predictions; their times keep the parts of the table apart."""
    chosen = pads.field("prediction_id").isin(pa.array(sorted(found), pa.string()))
    if not found:
        return chosen
    first, last = (
        pa.scalar(moment, pa.timestamp("us", tz="UTC")) for moment in (min(found.values()), max(found.values()))
    )
    return chosen & (pads.field("at") >= first) & (pads.field("at") <= last)


def newest_ids(table: Path, version: int, where: pads.Expression | None, count: int) -> dict[str, datetime]:
    """Return the latest `count` predictions that an expression chooses, with their times.

    Only ids and times are read, batch by batch, so that what is kept in memory does not grow with the history.
    """
    newest: dict[str, datetime] = {}
    if version < 0:
        return newest
    rows = _dataset(table, version)
    for batch in rows.to_batches(
        ["at", "prediction_id"], filter=where, batch_size=_BATCH, batch_readahead=1, fragment_readahead=1
    ):
        known = pa.array(newest.values(), batch.schema.field("at").type)
        times = pc.unique(pa.chunked_array([batch["at"], known]))
        least = times.take(pc.select_k_unstable(times, min(count, len(times)), [("", "descending")]))
        recent = batch.filter(pc.greater_equal(batch["at"], pc.min(least)))  # a time has one prediction or more
        newest |= zip(recent["prediction_id"].to_pylist(), recent["at"].to_pylist(), strict=True)
        newest = latest(newest, count)
    return newest


def latest(found: dict[str, datetime], count: int) -> dict[str, datetime]:
    """Return the latest `count` of predictions with their times; of equal times the greater ids."""
    if len(found) <= count:
        return found
    return dict(sorted(found.items(), key=lambda item: (item[1], item[0]))[-count:])


def _files(table: Path, version: int) -> list[Path]:
    """Return the data files of a version; the log's paths are relative to the table, its URIs are percent-encoded."""
    if version < 0:
        return []
    added = pa.table(DeltaTable(table, version=version).get_add_actions())
    return [table / path for path in added["path"].to_pylist()]


def _dataset(table: Path, version: int) -> pads.Dataset:
    """Return a version for pyarrow to read by itself."""
    return DeltaTable(table, version=version).to_pyarrow_dataset(filesystem=delta_log.own_files(table))


def append_rows(table: Path, rows: pa.Table) -> int:
    """Append rows, flushed to the disk, and return the version that holds them."""
    write_deltalake(table, rows, mode="append", post_commithook_properties=_HOOKS, writer_properties=_LAYOUT)
    return _durable(table)


def merge_files(table: Path) -> int:
    """Merge the table's small files into few and return the version that reads them; the old files stay."""
    DeltaTable(table).optimize.compact(post_commithook_properties=_HOOKS, writer_properties=_LAYOUT)
    return _durable(table)


def write_checkpoint(table: Path, version: int) -> None:
    """Write the log's checkpoint at a version, which must be the latest, and flush it to the disk."""
    DeltaTable(table, version=version).create_checkpoint()
    log = table / "_delta_log"
    for path in (*log.glob("*.checkpoint.parquet"), log / "_last_checkpoint"):
        flush_folder(path)
    flush_folder(log)


def file_count(table: Path, version: int) -> int:
    """Return how many data files a version reads."""
    return 0 if version < 0 else len(DeltaTable(table, version=version).file_uris())


def remove_beyond(table: Path, version: int, checkpoint: int | None, target: Path) -> None:
    """Move commits after a version into `target`, and remove checkpoints that were never acknowledged."""
    delta_log.set_aside_commits_after(table, version, target)
    log = table / "_delta_log"
    later = [path for path in log.glob("*.checkpoint.parquet") if _number(path) != checkpoint]
    if later:
        (log / "_last_checkpoint").unlink(missing_ok=True)  # a hint only: without it the log is listed
    for path in later:
        path.unlink()


def remove_before(table: Path, version: int) -> None:
    """Remove what a version with a checkpoint needs no more: older commits, checkpoints, and data files."""
    for path in (table / "_delta_log").glob("[0-9]*"):
        if _number(path) < version:
            path.unlink()
    kept = {Path(name).name for name in DeltaTable(table, version=version).file_uris()}
    for path in table.glob("*.parquet"):
        if path.name not in kept:
            path.unlink()


def _durable(table: Path) -> int:
    version = DeltaTable(table).version()
    delta_log.make_durable(table, version)
    return version


def _number(path: Path) -> int:
    return int(path.name.split(".")[0])
