"""The one way kernels are compiled: cached on disk, strict IEEE arithmetic, no thread of their own."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

import numba

_KERNEL_PACKAGES = ("analytics", "backtest")


def compiled[Kernel: Callable[..., object]](function: Kernel) -> Kernel:
    """Compile a function at its first call; sums keep their written order, so the same input gives the same bits.

    numba checks its cache against the file of the compiled function alone and would run a kernel built on an earlier
    version of a kernel in another file. Here the cache holds only while no file of the packages with kernels changed.
    """
    try:
        kernel: Any = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")(function)
    except RuntimeError:  # no folder to write a cache to: compile in every process
        return cast("Kernel", numba.njit(nogil=True, fastmath=False, error_model="numpy")(function))
    if hasattr(kernel, "_cache"):  # absent where numba is switched off
        kernel._cache._cache_file._source_stamp = kernel_sources()  # noqa: SLF001 (numba has no public way)
    return cast("Kernel", kernel)


@cache
def kernel_sources() -> str:
    """Return the SHA-256 over the source files of the packages that hold kernels."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for package in _KERNEL_PACKAGES:
        for path in sorted((root / package).glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
