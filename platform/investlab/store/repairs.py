"""Damaged commits found at the start: put back from their copies, set aside, or named as lost."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from investlab.store import bar_leftovers, delta_log
from investlab.store.bar_checks import NEWEST
from investlab.store.bar_commits import put_back, whole_copy
from investlab.store.bar_versions import Repair, VersionPin, versions_of


def needs_repair(folder: Path, acknowledged: VersionPin | None) -> bool:
    """Say whether a commit or checkpoint is damaged, or something lies there that nobody acknowledged.

    Of commits before the newest only the size is looked at.
    """
    return bar_leftovers.is_flagged(folder) or any(
        _damaged(folder / table, last, newest=NEWEST)
        or bar_leftovers.tail(folder / table, last)
        or _torn_checkpoints(folder / table)
        for table, last in versions_of(acknowledged).items()
    )


def repair(folder: Path, acknowledged: VersionPin | None) -> tuple[Repair, ...]:
    """Look at every commit, repair what is damaged, and say what was done and what was lost.

    An acknowledged commit is put back from its copy; where no whole copy is left, it is set aside and its bars are
    lost. Commits nobody acknowledged are set aside, and what a killed writer left is removed.
    """
    done = []
    for table, last in versions_of(acknowledged).items():
        done += [_drop_checkpoint(path) for path in _torn_checkpoints(folder / table)]
        damaged = _damaged(folder / table, last, newest=last + 1)
        done += [_mend(folder / table, number, damage) for number, damage in damaged.items()]
        done += [_describe_tail(path) for path in bar_leftovers.tail(folder / table, last)]
    bar_leftovers.set_aside_tail(folder, acknowledged)
    bar_leftovers.remove_leftovers(folder)
    return tuple(done)


def _damaged(table: Path, last: int, *, newest: int) -> dict[int, str]:
    """Return the damaged commits up to `last` by number, each with what is wrong with it."""
    found = {number: _damage(table, number, is_read=number > last - newest) for number in range(last + 1)}
    return {number: damage for number, damage in found.items() if damage}


def _damage(table: Path, number: int, *, is_read: bool) -> str:
    path = delta_log.commit_path(table, number)
    if not path.exists():
        return "missing"
    if not path.stat().st_size:
        return "empty"
    if not is_read:
        return ""
    content = path.read_bytes()
    try:
        delta_log.parse_commit(content, number)
    except ValueError:
        return "torn"
    return "" if whole_copy(table, number) in (None, content) else "altered"


def _mend(table: Path, number: int, damage: str) -> Repair:
    path, copy = delta_log.commit_path(table, number), whole_copy(table, number)
    kept_at = delta_log.set_aside(path, table.name, table.parent / bar_leftovers.DAMAGED) if path.exists() else None
    if copy is None:
        return Repair(table.name, number, damage, "lost", _loss(table), kept_at)
    put_back(table, number, copy)
    return Repair(table.name, number, damage, "restored", "nothing", kept_at)


def _loss(table: Path) -> str:
    """Say how many bars lie in files that only the lost commit named."""
    files = bar_leftovers.unnamed_data_files(table, [bar_leftovers.UNACKNOWLEDGED])
    rows = 0
    for path in files:
        try:
            rows += pq.read_metadata(path).num_rows
        except (OSError, pa.ArrowException):
            continue
    kept = f"{rows:,} bars, whose {len(files)} data files still lie in the folder" if files else "its bars"
    return f"{kept}; versions from this commit on cannot be read"


def _describe_tail(path: Path) -> Repair:
    number, table = int(path.stem), path.parent.parent.name
    try:
        commit = delta_log.parse_commit(path.read_bytes(), number)
    except ValueError:
        damage = "torn" if path.stat().st_size else "empty"
        return Repair(table, number, damage, "set aside", "nothing that was acknowledged")
    lost = f"nothing that was acknowledged ({len(commit.added)} data files were written without a receipt)"
    return Repair(table, number, "not acknowledged", "set aside", lost)


def _torn_checkpoints(table: Path) -> list[Path]:
    found = []
    for path in (table / delta_log.LOG).glob("*.checkpoint*.parquet"):
        try:
            pq.read_metadata(path)
        except (OSError, pa.ArrowException):
            found.append(path)
    return found


def _drop_checkpoint(path: Path) -> Repair:
    """Remove a torn checkpoint, which only shortens the reading of the log."""
    (path.parent / "_last_checkpoint").unlink(missing_ok=True)
    path.unlink()
    delta_log.flush(path.parent)
    return Repair(path.parent.parent.name, int(path.name.split(".")[0]), "torn checkpoint", "removed", "nothing")
