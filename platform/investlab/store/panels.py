"""The panel cache: a dataset's bars as memory-mapped float64 cubes, shared read-only by every process of a node."""

import json
import os
import shutil
from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path

import numpy as np

from investlab.core.errors import StorageUnavailable
from investlab.core.hashing import hash_json
from investlab.schemas.catalog import DatasetVersionInfo
from investlab.schemas.market import BAR_FIELDS
from investlab.store.bar_tables import BarQuery
from investlab.store.cubes import Cells, Cube, read_cells
from investlab.store.locks import folder_lock
from investlab.store.market import MarketStore, VersionPin

META = "cube.json"
LAYOUT = 2


class PanelStore:
    """Builds cubes from the market store, field by field as they are asked for, and keeps them within a size budget.

    The folder may be deleted at any time; a damaged cube is built anew.
    """

    def __init__(self, root: Path, market: MarketStore, *, budget_mib: int, lock_timeout_seconds: float = 60.0) -> None:
        self.root = root
        self.market = market
        self.budget_bytes = budget_mib * 2**20
        self.lock_timeout_seconds = lock_timeout_seconds

    def cube(self, version: DatasetVersionInfo, as_of: datetime | None, fields: Collection[str] | None = None) -> Cube:
        """Return the cube of a dataset version as of a time with some fields, or all, building what is not cached.

        Raises:
            NotFound: The dataset has no bars, or a vacuum removed the version.
            Corrupt: The bars are damaged.
        """
        folder = self.root / version.dataset / hash_json([LAYOUT, version.dataset, version.content_hash, as_of])[:24]
        cached = _load(folder, fields)
        if cached is not None:
            return cached
        source = self.market.source(
            version.dataset, VersionPin(version.base_version, version.corrections_version, version.content_hash)
        )
        stored = source.columns()
        wanted = [name for name in BAR_FIELDS if name in stored and (fields is None or name in fields)]
        query = BarQuery(as_of=as_of)
        try:
            with folder_lock(folder.with_suffix(".lock"), self.lock_timeout_seconds):
                cached = _load(folder, wanted)
                if cached is None:
                    missing = [name for name in wanted if name not in _whole_fields(folder)]
                    _keep(read_cells(source, query, missing), missing, folder, stored)
                    cached = _load(folder, wanted)
            self._keep_budget(folder)
        except (OSError, StorageUnavailable):
            cached = None
        return cached or _in_memory(read_cells(source, query, wanted), wanted)

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


def _in_memory(cells: Cells, fields: Collection[str]) -> Cube:
    return Cube(cells.sessions, cells.instrument_ids, {name: cells.array(name) for name in fields})


def _keep(cells: Cells, fields: Collection[str], folder: Path, stored: Collection[str]) -> None:
    """Write fields beside those kept already, each whole or not at all; what says that they are there comes last."""
    kept = _whole_fields(folder)
    if not kept:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    building = folder / f"building.{os.getpid()}"
    try:
        for name, axis in (("sessions", cells.sessions.astype(np.int64)), ("instrument_ids", cells.instrument_ids)):
            np.save(_npy(building, name), axis)
            _npy(building, name).replace(_npy(folder, name))
        for name in fields:
            array = np.lib.format.open_memmap(_npy(building, name), mode="w+", dtype=np.float64, shape=cells.shape)
            cells.fill(name, array)
            array.flush()
            del array
            _npy(building, name).replace(_npy(folder, name))
        names = ("sessions", "instrument_ids", *kept, *fields)
        meta = {
            "fields": [name for name in BAR_FIELDS if name in stored],
            "sizes": {name: _npy(folder, name).stat().st_size for name in names},
        }
        building.write_text(json.dumps(meta), encoding="utf-8")
        building.replace(folder / META)
    finally:
        for left in folder.glob(f"{building.name}*"):
            left.unlink(missing_ok=True)


def _npy(start: Path, name: str) -> Path:
    return start.with_name(f"{start.name}.{name}.npy") if start.name.startswith("building.") else start / f"{name}.npy"


def _whole_fields(folder: Path) -> tuple[str, ...]:
    """Return the fields that are kept whole, none where the axes are not."""
    try:
        sizes = json.loads((folder / META).read_text(encoding="utf-8"))["sizes"]
        whole = [name for name, size in sizes.items() if (folder / f"{name}.npy").stat().st_size == size]
    except (OSError, ValueError, KeyError):
        return ()
    if len(whole) != len(sizes):
        return ()
    return tuple(name for name in whole if name in BAR_FIELDS)


def _load(folder: Path, fields: Collection[str] | None) -> Cube | None:
    """Return the cached cube with some fields, or all, or None when one is absent or not whole."""
    whole = _whole_fields(folder)
    try:
        wanted = json.loads((folder / META).read_text(encoding="utf-8"))["fields"] if fields is None else fields
        if not set(wanted) <= set(whole):
            return None
        os.utime(folder / META)
        mapped = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in wanted}
        sessions = np.load(folder / "sessions.npy").astype("datetime64[D]")
        return Cube(sessions, np.load(folder / "instrument_ids.npy"), mapped)
    except (OSError, ValueError, KeyError):
        return None
