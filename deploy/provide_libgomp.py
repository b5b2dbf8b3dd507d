"""Give LightGBM the OpenMP runtime that a bare Debian lacks: a copy of scikit-learn's, under the name it asks for.

The copy lies in `<venv>/lib/investlab/libgomp.so.1`. It works in two ways: that folder on LD_LIBRARY_PATH (the
Makefile's commands have it), or the file loaded by `ctypes.CDLL` before `import lightgbm`. The second needs the
library to carry the name inside (its SONAME), so the one string is rewritten in the copy.
"""

import ctypes
import sys
from pathlib import Path

NAME = "libgomp.so.1"


def rename_library(source: Path, target: Path) -> None:
    """Copy a shared library, replacing the file name it carries inside by the shorter name of the target."""
    inside = source.name.encode() + b"\0"
    content = source.read_bytes()
    if content.count(inside) != 1 or len(target.name) >= len(inside):
        raise SystemExit(f"{source} does not carry its name exactly once: install the system package libgomp1 instead.")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.replace(inside, target.name.encode().ljust(len(inside), b"\0")))


def main() -> None:
    """Provide the library when the system has none (Linux only: macOS has `brew install libomp`)."""
    if not sys.platform.startswith("linux"):
        return
    try:
        ctypes.CDLL(NAME)
        return
    except OSError:
        pass
    bundled = sorted(Path(sys.prefix).glob("lib/python*/site-packages/scikit_learn.libs/libgomp*.so*"))
    if not bundled:
        raise SystemExit("LightGBM needs libgomp.so.1: install the system package libgomp1.")
    target = Path(sys.prefix) / "lib" / "investlab" / NAME
    rename_library(bundled[0], target)
    ctypes.CDLL(str(target))
    print(f"        the system has no {NAME}; using a copy of scikit-learn's at {target}")


if __name__ == "__main__":
    main()
