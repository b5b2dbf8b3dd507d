"""Artifacts: files named by their SHA-256, written once, checked on every read."""

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

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
        return name if self._path(name).exists() else self.put_pieces((content,))

    def put_pieces(self, pieces: Iterable[bytes]) -> str:
        """Store the bytes of all pieces, as `put` does, while each is made."""
        building = self.root / f"{uuid4().hex}.{os.getpid()}.building"
        digest = hashlib.sha256()
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with building.open("wb") as stream:
                for piece in pieces:
                    digest.update(piece)
                    stream.write(piece)
                stream.flush()
                os.fsync(stream.fileno())
            target = self._path(digest.hexdigest())
            target.parent.mkdir(exist_ok=True)
            building.replace(target)
        except OSError as error:
            raise StorageUnavailable(
                f"An artifact could not be written: {error.strerror or error}.",
                remedy="Nothing was changed. Free space or make the home folder writable, then run it again.",
            ) from error
        finally:
            building.unlink(missing_ok=True)
        return target.name

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
