"""Bar tables as the first version wrote them: data files by delta-rs, one hash for each commit, no copies."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, write_deltalake

from investlab.core.hashing import hash_json
from investlab.store.bar_tables import ordered_bars, rows_hash
from investlab.store.market import VersionPin
from tests.support.bars import INGESTED_AT

HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


def append_as_before(folder: Path, new: pd.DataFrame, changed: pd.DataFrame, last: VersionPin | None) -> VersionPin:
    """Append new bars to the base and changed ones to the corrections, as the first version did."""
    parts = {"bars": rows_hash(ordered_bars(new)), "corrections": rows_hash(ordered_bars(changed))}
    content_hash = hash_json([last.content_hash if last else None, parts])
    versions = {"bars": last.base_version if last else -1, "corrections": -1}
    if last is not None and last.corrections_version is not None:
        versions["corrections"] = last.corrections_version
    for table, rows in (("bars", new), ("corrections", changed)):
        if len(rows):
            stamped = rows if table == "bars" else rows.assign(known_at=pd.Timestamp(INGESTED_AT))
            revision = -1 if table == "bars" else versions[table] + 1
            marks = {"investlab.batch_hash": parts[table], "investlab.content_hash": content_hash}
            versions[table] = _commit(folder / table, ordered_bars(stamped), revision, marks)
    corrections = versions["corrections"]
    return VersionPin(versions["bars"], corrections if corrections >= 0 else None, content_hash)


def _commit(table: Path, rows: pd.DataFrame, revision: int, marks: dict[str, str]) -> int:
    stamp = pa.timestamp("us", tz="UTC")
    known_at = rows["known_at"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]")
    columns = {
        "instrument_id": pa.array(rows["instrument_id"].to_numpy("int64")),
        "session": pa.array(rows["session"].to_numpy("datetime64[D]")),
        "year": pa.array(rows["session"].dt.year.to_numpy("int32")),
        **{name: pa.array(rows[name].to_numpy("float64")) for name in ("open", "close", "volume") if name in rows},
        "known_at": pa.array(known_at).cast(stamp),
        "ingested_at": pa.array([INGESTED_AT] * len(rows), type=stamp),
        "revision": pa.array([revision] * len(rows), type=pa.int32()),
    }
    write_deltalake(
        table,
        pa.table(columns),
        mode="append",
        partition_by=["year"],
        schema_mode="merge" if DeltaTable.is_deltatable(str(table)) else None,
        commit_properties=CommitProperties(custom_metadata=marks),
        post_commithook_properties=HOOKS,
    )
    return DeltaTable(table).version()
