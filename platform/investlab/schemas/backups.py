"""Backups and the state of the database, as they are kept in files and shown to people."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from investlab.core.hashing import hash_json
from investlab.schemas.market import Frozen

FORMAT = 1
"""The layout of a backup; a newer one is refused."""


class TableDigest(Frozen):
    """The content of a database table: its rows, and the hash of their values in the order of their keys."""

    rows: int = Field(ge=0)
    sha256: str


class BackedUpFile(Frozen):
    """A file of a backup by its path under the backup's folder."""

    path: str
    bytes: int = Field(ge=0)
    sha256: str


class BackupManifest(Frozen):
    """What a backup holds. `left_out` names what could not be read when it was made, a sentence each."""

    format: int = FORMAT
    made_at: datetime
    platform_version: str
    database: Literal["sqlite", "postgresql"]
    revision: str
    tables: dict[str, TableDigest]
    versions: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    files: tuple[BackedUpFile, ...]
    sha256: str = ""

    def sealed(self) -> "BackupManifest":
        """Return the manifest with the hash of all it says."""
        return self.model_copy(update={"sha256": self.expected_sha256()})

    def expected_sha256(self) -> str:
        """Return the hash that an unchanged manifest has."""
        return hash_json(self.model_dump(mode="json", exclude={"sha256"}))


class BackupReceipt(Frozen):
    """A finished backup: where it lies and what it holds."""

    path: str
    revision: str
    tables: int
    rows: int
    versions: int
    files: int
    bytes: int
    seconds: float
    left_out: tuple[str, ...] = ()


class RestoreReceipt(Frozen):
    """A finished restore: what was checked, and where what was there before lies now."""

    source: str
    made_at: datetime
    revision: str
    rows: int
    files: int
    bytes: int
    seconds: float
    set_aside: str | None = None


class CopyReceipt(Frozen):
    """A finished copy between databases; counts and hashes of every table were equal."""

    source: str
    target: str
    revision: str
    tables: int
    rows: int


class DatabaseState(Frozen):
    """Where the database stands."""

    place: str
    kind: Literal["sqlite", "postgresql"]
    revision: str | None
    head: str
    pending: tuple[str, ...]


class TableStats(Frozen):
    """How large a table is; bytes are None where the database cannot tell."""

    table: str
    rows: int
    bytes: int | None
    indexes: int
    index_bytes: int | None


class DatabaseStats(Frozen):
    """How large the database is; the write-ahead log is one of SQLite's files."""

    bytes: int
    wal_bytes: int | None
    tables: tuple[TableStats, ...]
