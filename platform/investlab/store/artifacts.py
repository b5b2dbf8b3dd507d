"""Artifacts: files named by their SHA-256, written once, checked on every read."""

import hashlib
import os
import re
from pathlib import Path

from investlab.core.errors import Corrupt, InvalidInput, NotFound, StorageUnavailable

SHA256 = re.compile(r"[0-9a-f]{64}")


class ArtifactStore:
    """A folder of immutable files."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, content: bytes) -> str:
        """Store bytes durably and return their SHA-256; storing them again does nothing.

        Raises:
            StorageUnavailable: The disk is full or read-only; nothing partial is left.
        """
        name = hashlib.sha256(content).hexdigest()
        target = self._path(name)
        if target.exists():
            return name
        building = target.with_name(f"{name}.{os.getpid()}.building")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with building.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            building.replace(target)
        except OSError as error:
            building.unlink(missing_ok=True)
            raise StorageUnavailable(
                f"An artifact could not be written: {error.strerror or error}.",
                remedy="Nothing was changed. Free space or make the home folder writable, then run it again.",
            ) from error
        return name

    def get(self, name: str) -> bytes:
        """Return the bytes with that SHA-256.

        Raises:
            NotFound: There is no such artifact.
            Corrupt: The file's bytes have another hash.
        """
        path = self._path(name)
        if not path.exists():
            raise NotFound(f"There is no artifact {name[:12]}.", remedy="Restore it from a backup or run it again.")
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != name:
            raise Corrupt(f"Artifact {name[:12]} is damaged: {path.name} has another hash.", remedy="Restore it.")
        return content

    def _path(self, name: str) -> Path:
        if not SHA256.fullmatch(name):
            raise InvalidInput(f"{name!r} is no SHA-256.")
        return self.root / name[:2] / name
