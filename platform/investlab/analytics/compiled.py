"""The one way kernels are compiled: cached on disk, strict IEEE arithmetic, no thread of their own."""

import hashlib
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

import numba

_ROOT = Path(__file__).resolve().parents[2]
_IMPORT = re.compile(rb"^(?:from|import)\s+(investlab[\w.]*)", re.MULTILINE)


def compiled[Kernel: Callable[..., object]](function: Kernel) -> Kernel:
    """Compile a function at its first call; sums keep their written order, so the same input gives the same bits.

    numba checks its cache against the file of the compiled function alone and would run a kernel built on an earlier
    version of a kernel in another file. Here the cache holds only while nothing changed in the files that the
    function's module reaches by its imports.
    """
    try:
        kernel: Any = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")(function)
    except RuntimeError:  # no folder to write a cache to: compile in every process
        return cast("Kernel", numba.njit(nogil=True, fastmath=False, error_model="numpy")(function))
    if hasattr(kernel, "_cache"):  # absent where numba is switched off
        stamp = source_stamp(Path(function.__code__.co_filename).resolve())
        kernel._cache._cache_file._source_stamp = stamp  # noqa: SLF001 (numba has no public way)
    return cast("Kernel", kernel)


@cache
def source_stamp(path: Path) -> str:
    """Return the SHA-256 over a source file and all of investlab that it imports, directly or not."""
    reached, ahead = {path}, [path]
    while ahead:
        for found in _imported(ahead.pop()) - reached:
            reached.add(found)
            ahead.append(found)
    digest = hashlib.sha256()
    for each in sorted(reached):
        digest.update(each.name.encode() + b"\0" + _source(each) + b"\0")
    return digest.hexdigest()


@cache
def _imported(path: Path) -> frozenset[Path]:
    """Return the files of investlab that one imports at its top; of a package, all its modules."""
    found: set[Path] = set()
    for name in _IMPORT.findall(_source(path)):
        place = _ROOT.joinpath(*name.decode().split("."))
        found.update(place.glob("*.py") if place.is_dir() else [place.with_suffix(".py")])
    return frozenset(found)


@cache
def _source(path: Path) -> bytes:
    return path.read_bytes()
