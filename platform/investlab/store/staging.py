"""Parts fetched from remote sources, kept until their ingest ends, so that one that broke off goes on from there."""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa

from investlab.core.hashing import hash_json
from investlab.store.bar_tables import storage_errors

KEEP_SECONDS = 2 * 86_400.0
"""Parts of a request that broke off so long ago are not waited for any more."""


class StagingStore:
    """Fetched parts as Parquet files, one folder for each request; what was given up goes when another begins."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def request(self, *identity: object) -> "StagedRequest":
        """Return the place of a request's parts; `identity` is whatever makes two requests the same."""
        oldest = time.time() - KEEP_SECONDS
        for folder in self.root.glob("*"):
            with suppress(OSError):
                if folder.stat().st_mtime < oldest:
                    shutil.rmtree(folder, ignore_errors=True)
        return StagedRequest(self.root / hash_json(list(identity))[:24])


class StagedRequest:
    """The parts of one request that were fetched already."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, part: str) -> pd.DataFrame | None:
        """Return a part that was kept whole, None when it was not."""
        path = self._path(part)
        if not path.exists():
            return None
        try:
            return pd.read_parquet(path)
        except (OSError, pa.ArrowException):
            path.unlink(missing_ok=True)
            return None

    def keep(self, part: str, bars: pd.DataFrame) -> None:
        """Keep a part durably.

        Raises:
            StorageUnavailable: The disk is full or read-only.
        """
        path = self._path(part)
        with storage_errors(part):
            self.folder.mkdir(parents=True, exist_ok=True)
            building = path.with_suffix(f".{os.getpid()}.building")
            try:
                with building.open("wb") as file:
                    bars.to_parquet(file, index=False)
                    file.flush()
                    os.fsync(file.fileno())
                building.rename(path)
            finally:
                building.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove every part; the ingest has ended."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, part: str) -> Path:
        return self.folder / f"{hash_json([part])[:24]}.parquet"
