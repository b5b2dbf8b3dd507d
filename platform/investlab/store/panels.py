"""The panel cache: a dataset's bars as memory-mapped float64 cubes, shared read-only by every process of a node."""

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from investlab.core.errors import StorageUnavailable
from investlab.core.hashing import hash_json
from investlab.schemas.catalog import DatasetVersionInfo
from investlab.schemas.market import BAR_FIELDS
from investlab.store.bar_tables import BarQuery
from investlab.store.locks import folder_lock
from investlab.store.market import MarketStore, VersionPin

META = "cube.json"
LAYOUT = 1


@dataclass(frozen=True, slots=True, eq=False)
class Cube:
    """All bars of a dataset version as of a time: fields as read-only arrays (sessions × instruments), NaN = no bar.

    `sessions` is increasing datetime64[D]; columns follow `instrument_ids`, which increase.
    """

    sessions: np.ndarray
    instrument_ids: np.ndarray
    fields: dict[str, np.ndarray]


class PanelStore:
    """Builds cubes from the market store and keeps them under one folder within a size budget.

    The folder may be deleted at any time; a damaged cube is built anew.
    """

    def __init__(self, root: Path, market: MarketStore, *, budget_mib: int, lock_timeout_seconds: float = 60.0) -> None:
        self.root = root
        self.market = market
        self.budget_bytes = budget_mib * 2**20
        self.lock_timeout_seconds = lock_timeout_seconds

    def cube(self, version: DatasetVersionInfo, as_of: datetime | None) -> Cube:
        """Return the cube of a dataset version as of a time, building it if it is not cached.

        Raises:
            Corrupt: The bars are damaged.
        """
        key = hash_json([LAYOUT, version.dataset, version.content_hash, as_of])[:24]
        folder = self.root / version.dataset / key
        cached = _load(folder)
        if cached is not None:
            return cached
        built = _pivot(
            self.market.read(
                version.dataset,
                VersionPin(version.base_version, version.corrections_version, version.content_hash),
                BarQuery(as_of=as_of),
            )
        )
        try:
            with folder_lock(folder.with_suffix(".lock"), self.lock_timeout_seconds):
                cached = _load(folder)
                if cached is None:
                    _save(built, folder)
            self._keep_budget(folder)
        except (OSError, StorageUnavailable):
            return built
        return cached or _load(folder) or built

    def clear(self) -> None:
        """Delete every cached cube."""
        shutil.rmtree(self.root, ignore_errors=True)

    def _keep_budget(self, newest: Path) -> None:
        cubes = sorted(
            (meta.parent for meta in self.root.glob(f"*/*/{META}")), key=lambda f: (f / META).stat().st_mtime
        )
        sizes = {folder: _size(folder.iterdir()) for folder in cubes}
        total = sum(sizes.values())
        for folder in cubes:
            if total <= self.budget_bytes:
                return
            if folder != newest:
                shutil.rmtree(folder, ignore_errors=True)
                total -= sizes[folder]


def _size(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def _pivot(bars: pd.DataFrame) -> Cube:
    sessions = np.unique(bars["session"].to_numpy("datetime64[D]"))
    instruments = np.unique(bars["instrument_id"].to_numpy(np.int64))
    rows = np.searchsorted(sessions, bars["session"].to_numpy("datetime64[D]"))
    columns = np.searchsorted(instruments, bars["instrument_id"].to_numpy(np.int64))
    fields = {}
    for name in (field for field in BAR_FIELDS if field in bars.columns):
        values = np.full((len(sessions), len(instruments)), np.nan)
        values[rows, columns] = bars[name].to_numpy(np.float64)
        values.flags.writeable = False
        fields[name] = values
    return Cube(sessions, instruments, fields)


def _save(cube: Cube, folder: Path) -> None:
    building = folder.with_name(f"{folder.name}.{os.getpid()}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        arrays = {"sessions": cube.sessions.astype(np.int64), "instrument_ids": cube.instrument_ids, **cube.fields}
        for name, values in arrays.items():
            np.save(building / f"{name}.npy", values)
        meta = {"fields": list(cube.fields), "sizes": {n: (building / f"{n}.npy").stat().st_size for n in arrays}}
        (building / META).write_text(json.dumps(meta), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _load(folder: Path) -> Cube | None:
    """Return the cached cube, or None when it is absent or not whole."""
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
        if any((folder / f"{name}.npy").stat().st_size != size for name, size in meta["sizes"].items()):
            return None
        os.utime(folder / META)
        fields = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in meta["fields"]}
        sessions = np.load(folder / "sessions.npy").astype("datetime64[D]")
        return Cube(sessions, np.load(folder / "instrument_ids.npy"), fields)
    except (OSError, ValueError, KeyError):
        return None
