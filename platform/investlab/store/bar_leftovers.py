"""What a writer that was killed or failed leaves behind: commits nobody acknowledged, and files no commit names."""

import re
from collections.abc import Sequence
from pathlib import Path

from investlab.store import delta_log
from investlab.store.bar_commits import COPIES, remove_copies_after
from investlab.store.bar_versions import BASE, CORRECTIONS, VersionPin, versions_of

UNACKNOWLEDGED = "unacknowledged"
DAMAGED = "damaged"
_WRITING = "writing"
_FILE_NAME = re.compile(rb"year=-?\d+/[^\"\\/]+\.parquet")


def raise_flag(folder: Path) -> None:
    """Mark a dataset as being written, so that the next writer looks for leftovers should this one be killed."""
    (folder / _WRITING).touch()


def lower_flag(folder: Path) -> None:
    """Take the mark away."""
    (folder / _WRITING).unlink(missing_ok=True)


def is_flagged(folder: Path) -> bool:
    """Say whether a dataset is being written, or was when its writer was killed."""
    return (folder / _WRITING).exists()


def tail(table: Path, last: int) -> list[Path]:
    """Return the commits of a table beyond `last`."""
    return [path for path in delta_log.commit_paths(table) if int(path.stem) > last]


def set_aside_tail(folder: Path, acknowledged: VersionPin | None) -> list[Path]:
    """Move commits nobody acknowledged out of the logs and return where they went; nothing of them is deleted."""
    moved = []
    for table, last in versions_of(acknowledged).items():
        moved += delta_log.set_aside_commits_after(folder / table, last, folder / UNACKNOWLEDGED)
        _remove_checkpoints_after(folder / table, last)
        remove_copies_after(folder / table, last)
    return moved


def remove_leftovers(folder: Path) -> list[Path]:
    """Remove what a killed writer left, where there is such a mark, and return the files removed."""
    if not (folder / _WRITING).exists():
        return []
    removed = remove_files(folder, unnamed_files(folder))
    lower_flag(folder)
    return removed


def unnamed_files(folder: Path) -> list[Path]:
    """Return data files that no commit names, set aside or not, and drafts of commits; none where a log is damaged."""
    tables = [folder / table for table in (BASE, CORRECTIONS)]
    if not all(_is_whole(path) for table in tables for path in delta_log.commit_paths(table)):
        return []
    drafts = [path for table in tables for path in (table / delta_log.LOG).glob("_commit_*.tmp")]
    return [*drafts, *(path for table in tables for path in unnamed_data_files(table))]


def unnamed_data_files(table: Path, places: Sequence[str] = (UNACKNOWLEDGED, DAMAGED, COPIES)) -> list[Path]:
    """Return data files of a table that no commit names, be it in the log or in one of the places beside it."""
    beside = [path for place in places for path in (table.parent / place).glob(f"{table.name}-*.json")]
    commits = [*delta_log.commit_paths(table), *beside]
    named = {name.decode() for path in commits for name in _FILE_NAME.findall(path.read_bytes())}
    return [path for path in data_files(table) if path.relative_to(table).as_posix() not in named]


def set_aside_commits(folder: Path) -> list[Path]:
    """Return the commits that were set aside because nobody acknowledged them."""
    return sorted((folder / UNACKNOWLEDGED).glob("*.json"))


def remove_empty_tables(folder: Path) -> None:
    """Remove the folders of tables that have no commit."""
    for table in (BASE, CORRECTIONS):
        _remove_empty(folder / table / delta_log.LOG, folder)
    _remove_empty(folder / COPIES, folder)


def data_files(table: Path) -> list[Path]:
    """Return the data files that lie in a table's folder, named by a commit or not."""
    return [path for path in table.rglob("*.parquet") if path.relative_to(table).parts[0] != delta_log.LOG]


def remove_files(folder: Path, paths: list[Path]) -> list[Path]:
    """Remove files, and the folders of a dataset left empty by that, and return the files."""
    for path in paths:
        path.unlink(missing_ok=True)
    for parent in sorted({path.parent for path in paths}, reverse=True):
        _remove_empty(parent, folder)
    return paths


def _remove_empty(place: Path, folder: Path) -> None:
    while place != folder and place.exists() and not any(place.iterdir()):
        place.rmdir()
        place = place.parent


def _remove_checkpoints_after(table: Path, last: int) -> None:
    log = table / delta_log.LOG
    later = [path for path in log.glob("*.checkpoint*.parquet") if int(path.name.split(".")[0]) > last]
    if later:
        (log / "_last_checkpoint").unlink(missing_ok=True)  # a hint only: without it the log is listed
    for path in later:
        path.unlink()


def _is_whole(path: Path) -> bool:
    try:
        delta_log.parse_commit(path.read_bytes(), int(path.stem))
    except (OSError, ValueError):
        return False
    return True
