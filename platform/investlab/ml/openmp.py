"""The OpenMP runtime that LightGBM needs, which a bare Linux may lack."""

import ctypes
import sys
from pathlib import Path

RUNTIME = Path(sys.prefix, "lib", "investlab", "libgomp.so.1")
"""Where setting up the environment puts a copy for systems without one."""

if RUNTIME.exists():
    # Not work but a precondition: LightGBM's library is linked to this name and looks for it at its own import.
    ctypes.CDLL(str(RUNTIME), mode=ctypes.RTLD_GLOBAL)
