"""Locks between processes: one writer for each folder, held by the operating system and gone with its process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from investlab.core.errors import Busy


@contextmanager
def folder_lock(path: Path, timeout_seconds: float) -> Iterator[None]:
    """Hold the lock file `path` while the block runs.

    Raises:
        Busy: Another process held it for longer than the timeout; its pid is named.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=timeout_seconds)
    holder = path.with_suffix(".pid")
    try:
        lock.acquire()
    except Timeout as error:
        pid = holder.read_text().strip() if holder.exists() else "unknown"
        raise Busy(
            f"Another process (pid {pid}) is writing {path.stem!r} and did not finish within {timeout_seconds:g} s.",
            remedy="Wait for it to end and run this again; INVESTLAB_LOCK_TIMEOUT_SECONDS sets how long to wait.",
        ) from error
    try:
        holder.write_text(str(os.getpid()))
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()
