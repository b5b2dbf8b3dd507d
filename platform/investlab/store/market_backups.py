"""Which files of the market store recorded versions need, copied while others append, compact and vacuum."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from investlab.core.errors import Corrupt, NotFound
from investlab.schemas.backups import BackedUpFile
from investlab.store import delta_log
from investlab.store.bar_checks import require_same_tables
from investlab.store.bar_commits import copy_path
from investlab.store.bar_versions import VersionPin, versions_of
from investlab.store.durable_files import copy_file, write_file


@dataclass(frozen=True, slots=True)
class CopiedBars:
    """What was copied of a dataset: the files, and why a version, by its number, is not among them."""

    files: tuple[BackedUpFile, ...]
    left_out: Mapping[int, str]


def copy_bars(market: Path, dataset: str, pins: Mapping[int, VersionPin], root: Path) -> CopiedBars:
    """Copy what the versions of a dataset, given by number, need to `root/market/<dataset>`; nothing beyond them.

    Data files and acknowledged commits never change once written, so no lock is needed. A version that cannot be read
    whole (a vacuum or a rebuild took its files, or they are damaged) is left out and said so.

    Raises:
        FileNotFoundError: A file was taken away meanwhile.
    """
    left_out = unreadable_versions(market / dataset, pins)
    kept = [versions_of(pin) for number, pin in pins.items() if number not in left_out]
    copied: list[BackedUpFile] = []
    for table in versions_of(None) if kept else ():
        place, wanted = market / dataset / table, {versions[table] for versions in kept}
        needed: set[str] = set()
        for version, active in _states(place, max(wanted)):
            if version in wanted:
                needed |= set(active)
            copied += _copy_commit(market, place, version, root)
        copied += [copy_file(place / name, root, f"market/{dataset}/{table}/{name}") for name in sorted(needed)]
    if kept:
        copied += _copy_note(market, dataset, root)
    return CopiedBars(tuple(copied), left_out)


def unreadable_versions(folder: Path, pins: Mapping[int, VersionPin]) -> dict[int, str]:
    """Return which versions of a dataset, given by number, cannot be read whole, and why."""
    faults = {number: fault for number, pin in pins.items() if (fault := _other_tables(folder, pin))}
    sound = {number: versions_of(pin) for number, pin in pins.items() if number not in faults}
    for table in versions_of(None) if sound else ():
        damage = _damage(folder / table, max(versions[table] for versions in sound.values()))
        for number, versions in sound.items():
            if versions[table] in damage:
                faults.setdefault(number, damage[versions[table]])
    return faults


def _other_tables(folder: Path, pin: VersionPin) -> str:
    try:
        require_same_tables(folder, pin)
    except (Corrupt, NotFound) as error:
        return error.detail
    return ""


def _damage(table: Path, last: int) -> dict[int, str]:
    """Return what is wrong with each version up to `last`, of those with which something is."""
    seen: dict[str, str] = {}
    damage: dict[int, str] = {}
    reached = -1
    try:
        for version, active in _states(table, last):
            reached = version
            for name in active.keys() - seen.keys():
                seen[name] = _file_fault(table, name, active[name])
            bad = next((seen[name] for name in active if seen[name]), "")
            if bad:
                damage[version] = bad
    except (Corrupt, NotFound) as error:
        damage |= dict.fromkeys(range(reached + 1, last + 1), error.detail)
    return damage


def _file_fault(table: Path, name: str, size: int) -> str:
    try:
        delta_log.check_file(table, name, size, table.parent.name)
    except (Corrupt, NotFound) as error:
        return error.detail
    return ""


def _states(table: Path, last: int) -> Iterator[tuple[int, dict[str, int]]]:
    """Yield each version of a table up to `last` with the data files it reads and their sizes."""
    active: dict[str, int] = {}
    for commit in delta_log.read_commits(table, last, table.parent.name):
        for name in commit.removed:
            active.pop(name, None)
        active.update(commit.added)
        yield commit.number, active


def _copy_commit(market: Path, table: Path, number: int, root: Path) -> list[BackedUpFile]:
    """Copy a commit and the copy of it that repairs it."""
    content = delta_log.commit_path(table, number).read_bytes()
    places = (delta_log.commit_path(table, number), copy_path(table, number, content))
    return [write_file(content, root, f"market/{path.relative_to(market).as_posix()}") for path in places]


def _copy_note(market: Path, dataset: str, root: Path) -> list[BackedUpFile]:
    """Copy the note of what vacuums removed, by which an unreadable version is told from a damaged one."""
    note = market / dataset / delta_log.VACUUMED
    if not note.exists():
        return []
    whole, _, _ = note.read_bytes().rpartition(b"\n")  # a line after it is being written
    return [write_file(whole + b"\n", root, f"market/{dataset}/{delta_log.VACUUMED}")]
