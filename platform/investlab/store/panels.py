"""The panel cache: a dataset's bars as memory-mapped float64 cubes, shared read-only by every process of a node."""

import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from investlab.core.errors import Busy, StorageUnavailable
from investlab.core.hashing import hash_json
from investlab.market.actions import ActionTable
from investlab.market.adjustment import ADJUSTED_FIELDS, write_adjusted
from investlab.schemas.catalog import DatasetVersionInfo
from investlab.schemas.market import BAR_FIELDS, Adjust
from investlab.store.bar_reading import BarSource
from investlab.store.bar_tables import BarQuery
from investlab.store.cube_files import AXES, META, CubeFolder
from investlab.store.cubes import Cube, Order, as_they_are, lay_out
from investlab.store.locks import folder_lock
from investlab.store.market import MarketStore, VersionPin
from investlab.store.recent import Recent

LAYOUT = 3
DAY_SECONDS = 86_400.0
MOST_PARTS = 32


@dataclass(frozen=True, slots=True)
class CubeKey:
    """Which cube: a dataset version as of a time."""

    version: DatasetVersionInfo
    as_of: datetime | None


@dataclass(frozen=True, slots=True, eq=False)
class Adjusting:
    """How to adjust the fields of a cube: by which actions, laid out on it, whose hash is `digest`.

    `named` names the instrument of a column.
    """

    adjust: Adjust
    actions: ActionTable
    digest: str
    named: Callable[[int], str]

    def array(self, name: str) -> str:
        """Return the name under which an adjusted field is kept."""
        return f"{name}.{self.adjust}-{self.digest[:16]}"


class PanelStore:
    """Builds cubes from the market store, field by field as they are asked for, and keeps them within a size budget.

    Fields used longest ago go first, and those not used for `keep_days`. The folder may be deleted at any time; what
    is damaged is built anew. `parts` holds in memory what is worked out for panels from the database.
    """

    def __init__(
        self,
        root: Path,
        market: MarketStore,
        *,
        budget_mib: int,
        lock_timeout_seconds: float = 60.0,
        keep_days: float = 30.0,
    ) -> None:
        self.root = root
        self.market = market
        self.budget_bytes = budget_mib * 2**20
        self.lock_timeout_seconds = lock_timeout_seconds
        self.keep_days = keep_days
        self.parts = Recent(MOST_PARTS)

    def cube(
        self,
        version: DatasetVersionInfo,
        as_of: datetime | None,
        fields: Collection[str] | None = None,
        order: Order = as_they_are,
    ) -> Cube:
        """Return the cube of a dataset version as of a time with some fields, or all, building what is not cached.

        `order` puts the columns of a cube that is built anew into their order.

        Raises:
            NotFound: The dataset has no bars, or a vacuum removed the version.
            Corrupt: The bars are damaged.
        """
        folder = self._folder(CubeKey(version, as_of))
        cached = self._recalled(folder, fields)
        if cached is not None:
            return cached
        source = self._source(version)
        stored = [name for name in BAR_FIELDS if name in source.columns()]
        wanted = [name for name in stored if fields is None or name in fields]
        query = BarQuery(as_of=as_of)
        kept = self._kept(folder, wanted, lambda: _build(folder, source, query, stored, wanted, order))
        return kept or _in_memory(source, query, wanted, order)

    def adjusted(self, key: CubeKey, cube: Cube, asked: Adjusting) -> Cube:
        """Return a cube with its fields adjusted backward, equal to the bit to adjusting them on read.

        `cube` is that of the key, with its close.

        Raises:
            InvalidInput: A dividend is as large as the price.
        """
        folder = self._folder(key)
        names = {name: asked.array(name) for name in cube.fields if name in ADJUSTED_FIELDS}
        found = self._recalled(folder, tuple(names.values()))
        if found is None:
            found = self._kept(folder, names.values(), lambda: _build_adjusted(folder, cube, names, asked))
        if found is None:
            arrays = {name: np.empty(cube.shape) for name in names}
            write_adjusted(cube.fields, asked.actions, asked.adjust, arrays, asked.named)
            return replace(cube, fields={**cube.fields, **_read_only(arrays)}, digests={})
        fields, digests = dict(cube.fields), dict(cube.digests)
        for name, kept in names.items():
            fields[name], digests[name] = found.fields[kept], found.digests[kept]
        return replace(cube, fields=fields, digests=digests)

    def verify(self) -> int:
        """Check every cached array against the hash that panels take from the sidecar; return how many there are.

        Raises:
            Corrupt: One differs from what was written.
        """
        return sum(CubeFolder(meta.parent).verify() for meta in sorted(self.root.glob(f"*/*/{META}")))

    def clear(self) -> None:
        """Delete every cached cube."""
        self.parts.clear()
        shutil.rmtree(self.root, ignore_errors=True)

    def _folder(self, key: CubeKey) -> CubeFolder:
        named = hash_json([LAYOUT, key.version.dataset, key.version.content_hash, key.as_of])[:24]
        return CubeFolder(self.root / key.version.dataset / named)

    def _source(self, version: DatasetVersionInfo) -> BarSource:
        pin = VersionPin(version.base_version, version.corrections_version, version.content_hash)
        return self.market.source(version.dataset, pin)

    def _recalled(self, folder: CubeFolder, names: Collection[str] | None) -> Cube | None:
        """Return a cached cube, mapped once for all who ask while its files stay as they are."""
        stamp = folder.stamp(names)
        if stamp is None:
            return folder.load(names)
        found = self.parts.get(("cube", folder, stamp), lambda: folder.load(names))
        if found is not None:
            folder.mark_used(found.fields)
        return found

    def _kept(self, folder: CubeFolder, names: Collection[str], build: Callable[[], None]) -> Cube | None:
        """Build what is missing as its only builder and return it; None where the cache cannot be written."""
        try:
            with folder_lock(folder.path.with_suffix(".lock"), self.lock_timeout_seconds):
                if folder.load(names) is None:
                    build()
            found = folder.load(names)
            self._keep_budget({folder.file(name) for name in names}, folder)
        except (OSError, StorageUnavailable, Busy):
            return None
        return found

    def _keep_budget(self, newest: Collection[Path], used: CubeFolder) -> None:
        """Delete the arrays that were not used for long, then those used longest ago, until the budget is kept."""
        folders = [CubeFolder(meta.parent) for meta in self.root.glob(f"*/*/{META}")]
        found = sorted((_used_at(path), path, path.stat().st_size) for folder in folders for path in folder.files())
        total = sum(size for _, _, size in found)
        oldest = time.time() - self.keep_days * DAY_SECONDS
        for used_at, path, size in found:
            if path not in newest and (total > self.budget_bytes or used_at < oldest):
                path.unlink(missing_ok=True)
                total -= size
        for folder in folders:
            if folder != used and not any(folder.files()) and _used_at(folder.file(AXES[0])) < oldest:
                shutil.rmtree(folder.path, ignore_errors=True)


def _used_at(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0


def _build(
    folder: CubeFolder, source: BarSource, query: BarQuery, stored: Sequence[str], wanted: Sequence[str], order: Order
) -> None:
    """Write the fields that are not kept; columns stay as those of a kept cube are."""
    whole = folder.whole(folder.described())
    beside = folder.load(()) if whole else None
    layout = lay_out(source, query, order if beside is None else lambda ids: beside.instrument_ids)
    missing = [name for name in wanted if name not in whole]
    folder.write(layout.cube(), stored, missing, layout.fill)


def _build_adjusted(folder: CubeFolder, cube: Cube, names: Mapping[str, str], asked: Adjusting) -> None:
    def fill(arrays: Mapping[str, np.ndarray]) -> None:
        adjusted = {name: arrays[kept] for name, kept in names.items() if kept in arrays}
        write_adjusted(cube.fields, asked.actions, asked.adjust, adjusted, asked.named)

    described = folder.described()
    whole = folder.whole(described)
    folder.write(cube, described.fields, [kept for kept in names.values() if kept not in whole], fill)


def _in_memory(source: BarSource, query: BarQuery, fields: Sequence[str], order: Order) -> Cube:
    layout = lay_out(source, query, order)
    arrays = {name: np.empty(layout.shape) for name in fields}
    layout.fill(arrays)
    return layout.cube(_read_only(arrays))


def _read_only(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    for values in arrays.values():
        values.flags.writeable = False
    return dict(arrays)
