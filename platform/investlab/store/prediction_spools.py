"""Prediction spools: files that each process appends its predictions to, one line and one write for each.

A spool is locked by its process for as long as it is open, and the operating system lets go of the lock when the
process ends, however it ends. So a spool that can be locked is closed, and its last line is all that can be torn.
"""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from investlab.core.errors import InvalidInput, StorageUnavailable
from investlab.schemas.serving import PredictionRecord

MOST_BYTES = 32 * 2**20
"""A spool that has grown to this is closed and a new one begun, so that compaction can remove it."""

SUFFIX = ".jsonl"
_OPENING = ".opening"
_ATTEMPTS = 100


@dataclass(frozen=True, slots=True)
class SpoolPart:
    """What a spool holds from an offset on: its records, where its last full line ends, and what is no record.

    `torn` is what follows the last full line: a record being written, or cut off when its process died.
    """

    name: str
    records: tuple[PredictionRecord, ...]
    end: int
    damaged: tuple[bytes, ...]
    torn: bytes


class PredictionSpool:
    """The spool of this process; the file appears with the first record. Threads may share it.

    A record that `append` returned from is in the operating system's hands: it survives the death of the process at
    once, whatever killed it, and a power loss after the next `sync`.
    """

    def __init__(self, folder: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self.folder = folder
        self._most_bytes = most_bytes
        self._guard = threading.Lock()
        self._descriptor: int | None = None
        self._size = 0

    def append(self, record: PredictionRecord) -> None:
        """Append a prediction.

        Raises:
            InvalidInput: It has no scores.
            StorageUnavailable: The disk is full or read-only; nothing of the record was kept.
        """
        if not record.scores:
            raise InvalidInput(f"Prediction {record.prediction_id} has no scores.", remedy="Record what was scored.")
        line = record.model_dump_json().encode() + b"\n"
        with self._guard, _refusals():
            if self._size + len(line) > self._most_bytes:
                self._let_go()
            if self._descriptor is None:
                self._descriptor = _open_new(self.folder)
            written = os.write(self._descriptor, line)
            if written != len(line):
                os.ftruncate(self._descriptor, self._size)
                raise OSError(f"only {written} of {len(line)} bytes were taken")
            self._size += written

    def sync(self) -> None:
        """Flush every record appended so far to the disk.

        Raises:
            StorageUnavailable: The disk reports an error.
        """
        with self._guard, _refusals():
            if self._descriptor is not None:
                os.fsync(self._descriptor)

    def close(self) -> None:
        """Flush and let go of the file; the next record begins a new one."""
        with self._guard, _refusals():
            self._let_go()

    def _let_go(self) -> None:
        if self._descriptor is None:
            return
        descriptor, self._descriptor, self._size = self._descriptor, None, 0
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def spools(folder: Path) -> list[Path]:
    """List the spools of a folder, ordered by name."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def read_spool(path: Path, offset: int = 0) -> SpoolPart:
    """Read a spool from an offset at which a line begins; lines that are no record are told apart, never fatal.

    Raises:
        FileNotFoundError: The spool was removed meanwhile.
    """
    with path.open("rb") as stream:
        stream.seek(offset)
        content = stream.read()
    whole, _, torn = content.rpartition(b"\n")
    records, damaged = [], []
    for line in whole.split(b"\n") if whole else ():
        try:
            records.append(PredictionRecord.model_validate_json(line))
        except ValidationError:
            damaged.append(line)
    return SpoolPart(path.name, tuple(records), offset + len(content) - len(torn), tuple(damaged), torn)


@contextmanager
def closed_spool(path: Path) -> Iterator[bool]:
    """Hold a spool if its process is gone and say whether it is; nobody can write it while the block runs."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield _locked(descriptor)
    finally:
        os.close(descriptor)


def remove_unopened(folder: Path) -> None:
    """Remove what a process left that died while it opened its spool."""
    for path in folder.glob(f"*{_OPENING}"):
        with closed_spool(path) as is_closed:
            if is_closed:
                path.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_new(folder: Path) -> int:
    """Return a locked new file under its final name; it bears that name only once it is locked.

    Without that order a compaction could take it for closed, and remove it before its first record.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for _ in range(_ATTEMPTS):
        opening = folder / f"{os.getpid()}-{time.time_ns()}{_OPENING}"
        try:
            descriptor = os.open(opening, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            continue
        try:
            if _locked(descriptor):
                opening.rename(opening.with_suffix(SUFFIX))
                flush_folder(folder)
                return descriptor
        except FileNotFoundError:  # a compaction took it for abandoned
            os.close(descriptor)
            continue
        os.close(descriptor)
    raise OSError(f"no new file could be opened in {folder}")


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(
            f"A prediction could not be recorded: {error.strerror or error}.",
            remedy="Free space or make the home folder writable, then ask again.",
        ) from error
