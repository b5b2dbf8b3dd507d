"""The one way kernels are compiled: cached on disk, strict IEEE arithmetic, no thread of their own.

numba checks its cache against the file of the compiled function only. After editing a kernel that kernels of another
file call, remove the `__pycache__` folders of `analytics` and `backtest`.
"""

from collections.abc import Callable
from typing import cast

import numba


def compiled[Kernel: Callable[..., object]](function: Kernel) -> Kernel:
    """Compile a function at its first call; sums keep their written order, so the same input gives the same bits."""
    try:
        return cast("Kernel", numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")(function))
    except RuntimeError:  # no folder to write a cache to: compile in every process
        return cast("Kernel", numba.njit(nogil=True, fastmath=False, error_model="numpy")(function))
