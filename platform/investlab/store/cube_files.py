"""Cubes on the disk: an array a file, and beside them what says which are whole and what their hashes are."""

import json
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from investlab.core.errors import Corrupt
from investlab.market.panel_identity import field_digest
from investlab.store.cubes import Cube

META = "cube.json"
AXES = ("sessions", "instrument_ids")
BUILDING = "building."
HASHERS = 2

Fill = Callable[[Mapping[str, np.ndarray]], None]
"""Writes arrays of the cube's shape, given by name."""


@dataclass(frozen=True, slots=True)
class Described:
    """What the sidecar says: which fields the bars have, and the size and hash of each array that is kept."""

    fields: tuple[str, ...] = ()
    arrays: Mapping[str, tuple[int, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CubeFolder:
    """The folder of one cube: its axes, and arrays by name, such as `close` or `close.all-1f00`."""

    path: Path

    def described(self) -> Described:
        """Return what the sidecar says, nothing where there is none that can be read."""
        try:
            said = json.loads((self.path / META).read_text(encoding="utf-8"))
            arrays = {str(name): (int(size), str(digest)) for name, (size, digest) in said["arrays"].items()}
            return Described(tuple(said["fields"]), arrays)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return Described()

    def whole(self, described: Described) -> tuple[str, ...]:
        """Return the arrays that are there with their size, none where the axes are not."""
        found = tuple(name for name, (size, _) in described.arrays.items() if _size(self.file(name)) == size)
        return found if set(AXES) <= set(found) else ()

    def load(self, names: Collection[str] | None) -> Cube | None:
        """Return the cube with arrays by name, or with every field, or None when one of them is not there whole."""
        described = self.described()
        wanted = described.fields if names is None else tuple(names)
        if not {*AXES, *wanted} <= set(self.whole(described)):
            return None
        try:
            self.mark_used(wanted)
            mapped = {name: np.load(self.file(name), mmap_mode="r") for name in wanted}
            sessions, ids = (np.load(self.file(name)) for name in AXES)
        except (OSError, ValueError):
            return None
        digests = {name: described.arrays[name][1] for name in wanted}
        return Cube(sessions.astype("datetime64[D]"), ids, mapped, digests)

    def stamp(self, names: Collection[str] | None) -> tuple[object, ...] | None:
        """Return what changes whenever the sidecar or one of these arrays does; None where one is missing."""
        try:
            files = [self.path / META, *(self.file(name) for name in (*AXES, *(names or ())))]
            found = [path.stat() for path in files]
        except OSError:
            return None
        said = found[0].st_mtime_ns
        return (None if names is None else tuple(names), said, *((each.st_ino, each.st_size) for each in found))

    def mark_used(self, names: Iterable[str]) -> None:
        """Note that arrays are used now, so that others go first when there is no room."""
        for name in names:
            with suppress(OSError):  # another process may have deleted it
                os.utime(self.file(name))

    def write(self, cube: Cube, fields: Sequence[str], names: Sequence[str], fill: Fill) -> None:
        """Keep arrays of a cube with these axes beside those kept, each whole or not at all.

        They reach the disk before the sidecar names them. `fields` are all that the bars have.
        """
        described = self.described()
        kept = {name: described.arrays[name] for name in self.whole(described)}
        if not kept:
            shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            if not kept:
                kept |= self._write_axes(cube)
            built = {name: self._building(name) for name in names}
            opened = {name: _new_array(path, cube.shape) for name, path in built.items()}
            fill(opened)
            with ThreadPoolExecutor(HASHERS) as pool:
                digests = dict(zip(names, pool.map(_settled, opened.values()), strict=True))
            del opened
            for name, path in built.items():
                path.replace(self.file(name))
                kept[name] = (_size(self.file(name)), digests[name])
            self._write_meta(Described(tuple(fields), kept))
        finally:
            for left in self.path.glob(f"{BUILDING}{os.getpid()}.*"):
                left.unlink(missing_ok=True)

    def files(self) -> Iterator[Path]:
        """Give the files of the arrays, axes left out."""
        axes = {self.file(name) for name in AXES}
        return (path for path in self.path.glob("*.npy") if path not in axes and not path.name.startswith(BUILDING))

    def verify(self) -> int:
        """Check every array that is kept against its hash; return how many there are.

        Raises:
            Corrupt: One differs from what was written.
        """
        described, checked = self.described(), 0
        for name, (size, digest) in described.arrays.items():
            path = self.file(name)
            if not path.exists():
                continue
            if _size(path) != size or field_digest(np.load(path, mmap_mode="r")) != digest:
                raise Corrupt(
                    f"The cached panel {path.relative_to(self.path.parents[1])} differs from its recorded hash.",
                    remedy=f"Delete the folder {self.path}; it is built anew when it is asked for.",
                )
            checked += 1
        return checked

    def file(self, name: str) -> Path:
        """Return where an array lies."""
        return self.path / f"{name}.npy"

    def _building(self, name: str) -> Path:
        return self.path / f"{BUILDING}{os.getpid()}.{name}.npy"

    def _write_axes(self, cube: Cube) -> dict[str, tuple[int, str]]:
        kept = {}
        for name, axis in zip(AXES, (cube.sessions.astype(np.int64), cube.instrument_ids), strict=True):
            np.save(self._building(name), axis)
            self._building(name).replace(self.file(name))
            kept[name] = (_size(self.file(name)), field_digest(axis))
        return kept

    def _write_meta(self, described: Described) -> None:
        path = self.path / f"{BUILDING}{os.getpid()}.json"
        said = {"fields": described.fields, "arrays": described.arrays}
        path.write_text(json.dumps(said), encoding="utf-8")
        path.replace(self.path / META)


def _new_array(path: Path, shape: tuple[int, int]) -> np.memmap:
    if 0 in shape:
        np.save(path, np.empty(shape))
        return np.load(path)  # type: ignore[no-any-return]  # there is nothing to map
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.float64, shape=shape)


def _settled(values: np.ndarray) -> str:
    """Return the hash of an array that has reached the disk."""
    if isinstance(values, np.memmap):
        values.flush()
    return field_digest(values)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
