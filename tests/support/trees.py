"""Checksums of folders, to show that nothing changed."""

import hashlib
from pathlib import Path


def checksums(folder: Path, *, ignore: tuple[str, ...] = (".lock", ".pid")) -> dict[str, str]:
    """Return the SHA-256 of every file under a folder by relative path, without lock files."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in ignore
    }
