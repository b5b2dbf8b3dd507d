"""Whether the bar tables are whole: the newest commits before a write, all of them and every row when asked."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from investlab.core.errors import Corrupt
from investlab.core.hashing import hash_json
from investlab.store import delta_log
from investlab.store.bar_commits import BATCH_HASH, CONTENT_HASH, PARTS, PREVIOUS_HASH
from investlab.store.bar_files import FILE_HASHES, files_of, read_whole
from investlab.store.bar_tables import ordered_bars, rows_hash
from investlab.store.bar_versions import VersionPin, versions_of
from investlab.store.delta_log import Commit

NEWEST = 3
"""Commits of each table that are checked before a write."""


def is_of_tables(folder: Path, pin: VersionPin) -> bool:
    """Say whether the commits a pin names are those that made its content, and not of tables built anew since.

    Raises:
        Corrupt: One of the commits is damaged.
    """
    if pin.content_hash is None or not folder.exists() or max(versions_of(pin).values()) < 0:
        return True
    found = {
        delta_log.read_commit(folder / table, version, folder.name).metadata.get(CONTENT_HASH)
        for table, version in versions_of(pin).items()
        if version >= 0
    }
    return pin.content_hash in found


def require_same_tables(folder: Path, pin: VersionPin) -> None:
    """Check that the commits a pin names are those that made its content, and not of tables built anew since.

    Raises:
        Corrupt: They are not, or one of them is damaged.
    """
    if not is_of_tables(folder, pin):
        raise Corrupt(
            f"The tables of dataset {folder.name!r} were built anew and no longer hold the version asked for.",
            remedy="Use a newer version; the earlier tables lie beside them in a folder named set-aside.",
        )


def check_newest(folder: Path, pin: VersionPin) -> None:
    """Check that the newest commits of a pin are whole and hold its content, and that their files are there.

    Raises:
        Corrupt: The first damage found.
    """
    require_same_tables(folder, pin)
    for table, version in versions_of(pin).items():
        numbers = range(max(0, version + 1 - NEWEST), version + 1)
        commits = [delta_log.read_commit(folder / table, number, folder.name) for number in numbers]
        _check_active(folder / table, commits)


def check_tables(folder: Path, pin: VersionPin, *, deep: bool) -> int:
    """Check every commit up to a pin and every file the pin needs; return the commits checked.

    `deep` also reads every needed file and compares its rows with the hash kept for it.

    Raises:
        Corrupt: The first damage found, naming the dataset and the file.
    """
    checked = 0
    for table, version in versions_of(pin).items():
        commits = list(delta_log.read_commits(folder / table, version, folder.name))
        _check_active(folder / table, commits)
        if deep:
            _check_rows(folder / table, commits)
        checked += len(commits)
    return checked


def _check_active(table: Path, commits: Iterable[Commit]) -> None:
    for name, (size, _) in delta_log.active_files(commits).items():
        delta_log.check_file(table, name, size, table.parent.name)


def _check_rows(table: Path, commits: list[Commit]) -> None:
    active = delta_log.active_files(commits)
    for commit in commits:
        _check_chain(commit, table.parent.name)
        if FILE_HASHES not in commit.metadata:
            _check_older_commit(table, commit)
            continue
        for file in files_of(commit):
            if file.name in active and active[file.name][1] is commit:
                read_whole(table, file)


def _check_chain(commit: Commit, dataset: str) -> None:
    """Check that a commit's hashes follow from each other."""
    marks = commit.metadata
    parts, batch = marks.get(PARTS), marks.get(BATCH_HASH)
    if parts is None:
        return
    files = [marks[FILE_HASHES][name] for name, _ in commit.added]
    if hash_json([marks.get(PREVIOUS_HASH), parts]) != marks.get(CONTENT_HASH) or hash_json(files) != batch:
        raise _differs(commit, dataset)


def _check_older_commit(table: Path, commit: Commit) -> None:
    """Check a commit of an older version, which has one hash for the rows of all its files, while all are there."""
    expected = commit.metadata.get(BATCH_HASH)
    if expected is None or not commit.added or not all((table / name).exists() for name, _ in commit.added):
        return
    rows = pa.concat_tables([read_whole(table, file) for file in files_of(commit)], promote_options="default")
    if rows_hash(ordered_bars(rows.to_pandas(date_as_object=False))) != expected:
        raise _differs(commit, table.parent.name)


def _differs(commit: Commit, dataset: str) -> Corrupt:
    return Corrupt(
        f"The bars written by commit {commit.number} of dataset {dataset!r} differ from their recorded hash.",
        remedy=delta_log.remedy(dataset),
    )
