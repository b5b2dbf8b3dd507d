"""A small file system of its own for a command: full or read-only even for root."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

PROBE = 'mount -t tmpfs -o size=1m tmpfs "$1"'


def require_mounts(folder: Path) -> None:
    """Skip, saying so, where no private mount can be made."""
    if shutil.which("unshare") is None:
        pytest.skip("no private mounts: there is no unshare command")
    probe = subprocess.run(["unshare", "-m", "sh", "-c", PROBE, "sh", str(folder)], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"no private mounts: {probe.stderr.decode().strip()}")


def run_mounted(
    folder: Path, script: str, environment: Mapping[str, str], *, size: str = "64m"
) -> subprocess.CompletedProcess[str]:
    """Run a shell script with a tmpfs of that size on `folder`; `$python` is this interpreter."""
    whole = f'set -e; mount -t tmpfs -o size={size} tmpfs "$mounted"; {script}'
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", whole],
        env={**os.environ, **environment, "mounted": str(folder), "python": sys.executable},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
