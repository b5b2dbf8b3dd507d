"""Bars that cannot be true, kept beside the store with their reasons; no panel reads them."""

import os
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa

from investlab.core.errors import Corrupt
from investlab.store.bar_tables import storage_errors
from investlab.store.delta_log import flush

KEYS = ["symbol", "session", "reason", "ingest_run_id"]
SUFFIX = ".parquet"


class QuarantineStore:
    """Quarantined bars as Parquet files, one for each part of an ingest run, in a folder for each dataset."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def keep(self, dataset: str, ingest_run_id: str, rows: pd.DataFrame, *, part: int = 0) -> Path:
        """Keep bars (symbol, session, fields, reason) durably and return where; keeping a part again replaces it.

        Raises:
            StorageUnavailable: The disk is full or read-only; nothing partial is left.
        """
        folder = self.root / dataset
        path = folder / f"{ingest_run_id}.{part:05d}{SUFFIX}"
        building = path.with_suffix(f".{os.getpid()}.building")
        with storage_errors(dataset):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                with building.open("wb") as stream:
                    rows.astype({"symbol": object}).assign(ingest_run_id=ingest_run_id).to_parquet(stream, index=False)
                    stream.flush()
                    os.fsync(stream.fileno())
                building.replace(path)
            finally:
                building.unlink(missing_ok=True)
            for named in (folder, self.root, self.root.parent):
                flush(named)
        return path

    def read(self, dataset: str, ingest_run_id: str | None = None) -> pd.DataFrame:
        """Return the bars in quarantine, of one ingest run or all, ordered by run, symbol and session.

        Columns: symbol, session, reason, ingest_run_id, then the fields.

        Raises:
            Corrupt: A file cannot be read.
        """
        paths = sorted((self.root / dataset).glob(f"{ingest_run_id or '*'}.*{SUFFIX}"))
        if not paths:
            return pd.DataFrame({name: pd.Series(dtype=object) for name in KEYS})
        rows = pd.concat([_read(path, dataset) for path in paths], ignore_index=True)
        ordered = rows[[*KEYS, *(name for name in rows.columns if name not in KEYS)]]
        return ordered.sort_values(["ingest_run_id", "symbol", "session"], kind="stable", ignore_index=True)

    def remove(self, ingest_run_id: str) -> int:
        """Remove what an ingest run set aside, of a run that did not end well; return how many files there were.

        Where the disk takes no change they stay: they hurt nobody, and the run has an error of its own to tell.
        """
        paths = list(self.root.glob(f"*/{ingest_run_id}.*{SUFFIX}"))
        with suppress(OSError):
            for path in paths:
                path.unlink(missing_ok=True)
        return len(paths)


def _read(path: Path, dataset: str) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, pa.ArrowException) as error:
        raise Corrupt(
            f"Quarantined bars of dataset {dataset!r} cannot be read: {path.name} is damaged.",
            remedy="The stored bars are not affected. Remove the file, or restore it from a backup.",
        ) from error
