"""Files copied with their hash taken on the way and flushed to the disk, and checked against it later."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from investlab.core.errors import Corrupt, InvalidInput
from investlab.core.hashing import hash_file
from investlab.schemas.backups import BackedUpFile
from investlab.store.delta_log import flush

BLOCK = 2**20
PASSING = (".lock", ".pid", ".building", ".opening", ".tmp", ".migrating")
"""Endings of files that only matter while a process runs."""


def copy_file(source: Path, root: Path, name: str, *, most_bytes: int | None = None) -> BackedUpFile:
    """Copy a file to `root / name`, which must not exist, flush it, and return what was written.

    Raises:
        FileNotFoundError: The source is gone.
        FileExistsError: The target is there.
    """
    with source.open("rb") as reading:
        return _write(root, name, _blocks(reading, most_bytes))


def write_file(content: bytes, root: Path, name: str) -> BackedUpFile:
    """Write a new file at `root / name`, flush it, and return what was written."""
    return _write(root, name, iter([content]))


def described(root: Path, name: str) -> BackedUpFile:
    """Return what a file under `root` holds now."""
    path = root / name
    return BackedUpFile(path=name, bytes=path.stat().st_size, sha256=hash_file(path))


def check_file(root: Path, expected: BackedUpFile) -> None:
    """Check that a file is there and holds what it held.

    Raises:
        Corrupt: It is missing, no plain file, or its bytes differ.
    """
    path = root / safe_name(expected.path)
    state = ""
    if any(part.is_symlink() for part in (path, *path.parents) if part.is_relative_to(root) and part != root):
        state = "is reached through a link"
    elif not path.is_file():
        state = "is missing"
    elif path.stat().st_size != expected.bytes or hash_file(path) != expected.sha256:
        state = "has other bytes than were written"
    if state:
        raise Corrupt(f"The file {expected.path} of {root} {state}.", remedy="Use another backup.")


def safe_name(name: str) -> str:
    """Return a file's path under a folder if it leads nowhere else.

    Raises:
        InvalidInput: It is absolute, or leads out of the folder.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or str(path) != name or not path.parts:
        raise InvalidInput(f"{name!r} names no file inside a backup.", remedy="Use another backup.")
    return name


def lasting_files(folder: Path) -> list[Path]:
    """List the plain files under a folder, ordered, without locks and what is being written."""
    return sorted(
        path for path in folder.rglob("*") if path.suffix not in PASSING and not path.is_symlink() and path.is_file()
    )


def flush_folders(root: Path, names: Iterable[str]) -> None:
    """Flush the folders that name files under `root`, and `root` itself."""
    folders = {root}
    for name in names:
        folders |= {root / parent for parent in PurePosixPath(name).parents}
    for folder in sorted(folders):
        flush(folder)


def _blocks(reading: BinaryIO, most_bytes: int | None) -> Iterator[bytes]:
    left = most_bytes
    while block := reading.read(BLOCK if left is None else min(BLOCK, left)):
        yield block
        left = None if left is None else left - len(block)


def _write(root: Path, name: str, blocks: Iterator[bytes]) -> BackedUpFile:
    target, digest, size = root / safe_name(name), hashlib.sha256(), 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as writing:
        for block in blocks:
            writing.write(block)
            digest.update(block)
            size += len(block)
        writing.flush()
        os.fsync(writing.fileno())
    return BackedUpFile(path=name, bytes=size, sha256=digest.hexdigest())
