"""What delta-rs leaves open: making a commit durable, checking a table's log, setting torn tails aside."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from investlab.core.errors import Corrupt


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit of a Delta log: its number, the files it added with their sizes, and its own metadata."""

    number: int
    added: tuple[tuple[str, int], ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)


def commit_path(table: Path, number: int) -> Path:
    """Return where commit `number` of a table lies."""
    return table / "_delta_log" / f"{number:020d}.json"


def remedy(dataset: str) -> str:
    """Return what to do about damage."""
    return (
        "Nothing was changed. Restore the dataset's folder from a backup, or build it anew from its provider: "
        f"`investlab data rebuild {dataset}`."
    )


def read_commit(table: Path, number: int, dataset: str) -> Commit:
    """Return a commit.

    Raises:
        Corrupt: The commit file is missing, empty or not whole.
    """
    path = commit_path(table, number)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        actions = [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError) as error:
        raise Corrupt(
            f"Commit {number} of dataset {dataset!r} ({table.name}) is damaged: {path.name} "
            f"{'is missing' if isinstance(error, FileNotFoundError) else 'cannot be read'}.",
            remedy=remedy(dataset),
        ) from error
    if not actions:
        raise Corrupt(
            f"Commit {number} of dataset {dataset!r} ({table.name}) is damaged: {path.name} is empty.",
            remedy=remedy(dataset),
        )
    added = tuple((unquote(a["add"]["path"]), int(a["add"]["size"])) for a in actions if "add" in a)
    info: dict[str, Any] = next((a["commitInfo"] for a in actions if "commitInfo" in a), {})
    return Commit(number, added, info)


def check_files(table: Path, commit: Commit, dataset: str) -> None:
    """Check that every file a commit added is there with its size.

    Raises:
        Corrupt: A data file is missing or has another size.
    """
    for name, size in commit.added:
        path = table / name
        found = path.stat().st_size if path.exists() else None
        if found != size:
            state = "is missing" if found is None else f"has {found} bytes instead of {size}"
            raise Corrupt(f"A data file of dataset {dataset!r} {state}: {name}.", remedy=remedy(dataset))


def make_durable(table: Path, number: int) -> None:
    """Flush a commit, its data files and the folders that name them to the disk; delta-rs itself never does."""
    commit = read_commit(table, number, table.parent.name)
    paths = [table / name for name, _ in commit.added]
    folders = {path.parent for path in paths} | {table / "_delta_log", table, table.parent, table.parent.parent}
    for path in (*paths, commit_path(table, number), *sorted(folders)):
        _flush(path)


def set_aside_commits_after(table: Path, last: int, target: Path) -> list[Path]:
    """Move commits with a number above `last` into `target` and return where they went; nothing is deleted."""
    log = table / "_delta_log"
    if not log.exists():
        return []
    moved = []
    for path in sorted(log.glob("*.json")):
        if path.stem.isdigit() and int(path.stem) > last:
            target.mkdir(parents=True, exist_ok=True)
            place = target / f"{table.name}-{path.name}"
            serial = 0
            while place.exists():
                serial += 1
                place = target / f"{table.name}-{path.stem}.{serial}.json"
            path.rename(place)
            moved.append(place)
    if moved:
        _flush(log)
    return moved


def files_under(folder: Path) -> frozenset[Path]:
    """Return every file under a folder."""
    return frozenset(path for path in folder.rglob("*") if path.is_file())


def remove_files_since(folder: Path, before: frozenset[Path]) -> None:
    """Remove files that were not there before, newest commit first, and folders left empty."""
    for path in sorted(files_under(folder) - before, key=lambda p: ("_delta_log" not in p.parts, str(p))):
        path.unlink(missing_ok=True)
    for path in sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True):
        if not any(path.iterdir()):
            path.rmdir()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
