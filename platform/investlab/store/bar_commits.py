"""Commits of the bar tables: written whole beside the log, flushed, then made visible at once, with a copy kept."""

import errno
import hashlib
import json
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from investlab.store import delta_log
from investlab.store.bar_files import FILE_HASHES, DataFile, Step
from investlab.store.bar_heads import HEAD, TableHead, schema_json

BATCH_HASH = "investlab.batch_hash"
CONTENT_HASH = "investlab.content_hash"
PREVIOUS_HASH = "investlab.previous_hash"
PARTS = "investlab.parts"
COPIES = "commits"
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}


@dataclass(frozen=True, slots=True)
class FileChanges:
    """The files that a commit adds and removes, and the marks it carries.

    `has_news` is False when the rows stay the same and only lie in other files.
    """

    added: Sequence[DataFile] = ()
    removed: Sequence[DataFile] = ()
    has_news: bool = True
    marks: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CommitDraft:
    """A commit to be written; `earlier` is the table's head before it, None for a new table."""

    table: Path
    number: int
    operation: str
    head: TableHead
    earlier: TableHead | None
    changes: FileChanges

    def content(self) -> bytes:
        """Return the commit as a Delta log has it: one action a line."""
        now = int(time.time() * 1000)
        info = {
            "timestamp": now,
            "operation": self.operation,
            "operationParameters": {"mode": "Append", "partitionBy": '["year"]'},
            "engineInfo": "investlab",
            FILE_HASHES: {file.name: file.rows_hash for file in self.changes.added},
            HEAD: self.head.as_json(),
            **self.changes.marks,
        }
        actions: list[dict[str, Any]] = [{"commitInfo": info}]
        if self.earlier is None:
            actions.append({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}})
        if self.earlier is None or self.earlier.columns != self.head.columns:
            actions.append({"metaData": _metadata(self.head)})
        actions += [
            {"remove": _remove_action(file, now, has_news=self.changes.has_news)} for file in self.changes.removed
        ]
        actions += [{"add": file.add_action(has_news=self.changes.has_news)} for file in self.changes.added]
        return b"".join(json.dumps(action, separators=(",", ":")).encode() + b"\n" for action in actions)


def write_commit(table: Path, number: int, content: bytes, step: Step) -> None:
    """Make a commit visible and durable, in this order: its copy, the commit itself, the folders that name them.

    Raises:
        FileExistsError: Somebody else wrote a commit of that number.
    """
    log = table / delta_log.LOG
    log.mkdir(parents=True, exist_ok=True)
    copy = copy_path(table, number, content)
    copy.parent.mkdir(exist_ok=True)
    _write(copy, content)
    delta_log.flush(copy.parent)
    step("commit copied")
    pending = log / f"_commit_{uuid.uuid4().hex}.json.tmp"
    try:
        _write(pending, content)
        step("commit drafted")
        _show(pending, delta_log.commit_path(table, number))
        step("commit visible")
    finally:
        pending.unlink(missing_ok=True)
    delta_log.make_durable(table, number)
    step("commit durable")


def take_back(table: Path, number: int, content: bytes) -> None:
    """Remove a commit and its copy; a commit of that number that somebody else wrote stays."""
    path = delta_log.commit_path(table, number)
    if path.exists() and path.read_bytes() == content:
        path.unlink()
    copy_path(table, number, content).unlink(missing_ok=True)


def copy_path(table: Path, number: int, content: bytes) -> Path:
    """Return where the copy of a commit lies; its name holds a digest, which tells whether the copy is whole."""
    digest = hashlib.sha256(content).hexdigest()[:16]
    return table.parent / COPIES / f"{table.name}-{number:020d}-{digest}.json"


def whole_copy(table: Path, number: int) -> bytes | None:
    """Return the content of a commit from its copy, None when there is no whole one."""
    for path in sorted((table.parent / COPIES).glob(f"{table.name}-{number:020d}-*.json")):
        content = path.read_bytes()
        if copy_path(table, number, content) == path:
            return content
    return None


def put_back(table: Path, number: int, content: bytes) -> None:
    """Write a commit anew from its copy and flush it."""
    pending = table / delta_log.LOG / f"_commit_{uuid.uuid4().hex}.json.tmp"
    pending.parent.mkdir(parents=True, exist_ok=True)
    _write(pending, content)
    pending.replace(delta_log.commit_path(table, number))
    delta_log.flush(pending.parent)


def remove_copies_after(table: Path, last: int) -> None:
    """Remove the copies of commits with a number above `last`."""
    for path in (table.parent / COPIES).glob(f"{table.name}-*.json"):
        if int(path.stem.split("-")[-2]) > last:
            path.unlink()


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _show(pending: Path, path: Path) -> None:
    """Give a draft its final name, which must not be taken."""
    try:
        os.link(pending, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        pending.rename(path)


def _metadata(head: TableHead) -> dict[str, Any]:
    return {
        "id": head.table_id,
        "name": None,
        "description": None,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps(schema_json(head.columns), separators=(",", ":")),
        "partitionColumns": ["year"],
        "createdTime": head.created_at,
        "configuration": {},
    }


def _remove_action(file: DataFile, at: int, *, has_news: bool) -> dict[str, Any]:
    return {
        "path": file.name,
        "deletionTimestamp": at,
        "dataChange": has_news,
        "extendedFileMetadata": True,
        "partitionValues": {"year": str(file.year)},
        "size": file.size,
    }
