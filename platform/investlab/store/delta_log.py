"""A Delta log as it lies on the disk: its commits, the files they add and remove, and torn tails set aside."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pyarrow.fs import FileSystem, LocalFileSystem, SubTreeFileSystem

from investlab.core.errors import Corrupt, NotFound

LOG = "_delta_log"
VACUUMED = "vacuumed.txt"


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit of a Delta log: its number, the files it added with their sizes, and its own metadata.

    `stats` holds the statistics of the added files by name, as JSON text; `removed` names the files it removed.
    """

    number: int
    added: tuple[tuple[str, int], ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    stats: dict[str, str] = field(default_factory=dict)


def commit_path(table: Path, number: int) -> Path:
    """Return where commit `number` of a table lies."""
    return table / LOG / f"{number:020d}.json"


def commit_paths(table: Path) -> list[Path]:
    """Return the commits that lie in a table's log, in order, whole or not."""
    return sorted(path for path in (table / LOG).glob("*.json") if path.stem.isdigit())


def own_files(table: Path) -> FileSystem:
    """Return pyarrow's own way to a table's files.

    delta-rs's way is called back in Python: arrow's threads that still read ahead when the interpreter ends then abort
    the process, about one time in ten on a busy machine.
    """
    return SubTreeFileSystem(str(table), LocalFileSystem())


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
        return parse_commit(path.read_bytes(), number)
    except (OSError, ValueError) as error:
        raise Corrupt(
            f"Commit {number} of dataset {dataset!r} ({table.name}) is damaged: {path.name} {_state(path)}.",
            remedy=remedy(dataset),
        ) from error


def _state(path: Path) -> str:
    if not path.exists():
        return "is missing"
    return "cannot be read" if path.stat().st_size else "is empty"


def parse_commit(content: bytes, number: int) -> Commit:
    """Return the commit that a commit file holds.

    Raises:
        ValueError: The content is empty or not whole.
    """
    actions = [json.loads(line) for line in content.decode().splitlines() if line.strip()]
    if not actions:
        raise ValueError("the commit is empty")
    adds = [action["add"] for action in actions if "add" in action]
    return Commit(
        number=number,
        added=tuple((unquote(add["path"]), int(add["size"])) for add in adds),
        metadata=next((action["commitInfo"] for action in actions if "commitInfo" in action), {}),
        removed=tuple(unquote(action["remove"]["path"]) for action in actions if "remove" in action),
        stats={unquote(add["path"]): add["stats"] for add in adds if add.get("stats")},
    )


def read_commits(table: Path, last: int, dataset: str) -> Iterator[Commit]:
    """Yield every commit of a table up to `last`.

    Raises:
        Corrupt: A commit file is missing, empty or not whole.
    """
    for number in range(last + 1):
        yield read_commit(table, number, dataset)


def active_files(commits: Iterable[Commit]) -> dict[str, tuple[int, Commit]]:
    """Return the files that commits leave in the table, by name: the size, and the commit that added it last."""
    active: dict[str, tuple[int, Commit]] = {}
    for commit in commits:
        for name in commit.removed:
            active.pop(name, None)
        active.update({name: (size, commit) for name, size in commit.added})
    return active


def check_files(table: Path, commit: Commit, dataset: str) -> None:
    """Check that every file a commit added is there with its size.

    Raises:
        Corrupt: A data file is missing or has another size.
    """
    for name, size in commit.added:
        check_file(table, name, size, dataset)


def check_file(table: Path, name: str, size: int, dataset: str) -> None:
    """Check that a data file is there with its size.

    Raises:
        Corrupt: It is missing or has another size.
        NotFound: It was removed by a vacuum.
    """
    path = table / name
    found = path.stat().st_size if path.exists() else None
    if found is None and f"{table.name}/{name}" in _vacuumed(table.parent):
        raise NotFound(
            f"A vacuum removed this version of dataset {dataset!r}, which was not pinned.",
            remedy="Use a newer version, and pin those that must stay: `investlab data pin`.",
        )
    if found != size:
        state = "is missing" if found is None else f"has {found} bytes instead of {size}"
        raise Corrupt(f"A data file of dataset {dataset!r} {state}: {name}.", remedy=remedy(dataset))


def note_vacuumed(folder: Path, paths: Iterable[Path]) -> None:
    """Note which files of a dataset are about to be removed, so that their absence is not taken for damage."""
    names = "".join(f"{path.relative_to(folder).as_posix()}\n" for path in paths)
    if names:
        with (folder / VACUUMED).open("a", encoding="utf-8") as stream:
            stream.write(names)


def _vacuumed(folder: Path) -> set[str]:
    path = folder / VACUUMED
    return set(path.read_text(encoding="utf-8").splitlines()) if path.exists() else set()


def make_durable(table: Path, number: int) -> None:
    """Flush a commit, its data files and the folders that name them to the disk; delta-rs itself never does."""
    commit = read_commit(table, number, table.parent.name)
    paths = [table / name for name, _ in commit.added]
    folders = {path.parent for path in paths} | {table / LOG, table, table.parent, table.parent.parent}
    for path in (*paths, commit_path(table, number), *sorted(folders)):
        flush(path)


def set_aside_commits_after(table: Path, last: int, target: Path) -> list[Path]:
    """Move commits with a number above `last` into `target` and return where they went; nothing is deleted."""
    moved = [set_aside(path, table.name, target) for path in commit_paths(table) if int(path.stem) > last]
    if moved:
        flush(table / LOG)
    return moved


def set_aside(path: Path, prefix: str, target: Path) -> Path:
    """Move a commit file into `target` under a name that is not taken there, and return it."""
    target.mkdir(parents=True, exist_ok=True)
    place = target / f"{prefix}-{path.name}"
    serial = 0
    while place.exists():
        serial += 1
        place = target / f"{prefix}-{path.stem}.{serial}.json"
    path.rename(place)
    return place


def flush(path: Path) -> None:
    """Flush a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
