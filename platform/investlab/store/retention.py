"""Vacuum: data files that no version to be kept needs are removed."""

from collections.abc import Sequence
from pathlib import Path

from investlab.core.errors import InvalidInput
from investlab.store import bar_leftovers, delta_log
from investlab.store.bar_checks import is_of_tables
from investlab.store.bar_versions import Vacuumed, VersionPin, versions_of


def vacuum(folder: Path, keep: Sequence[VersionPin], *, dry_run: bool) -> Vacuumed:
    """Remove every file that none of the pins needs, and return how much that was; commits stay.

    Pins of tables that were built anew since are passed over: their files lie elsewhere.

    Raises:
        InvalidInput: None of the pins is of these tables, so that nothing would be left.
        Corrupt: A commit is damaged; nothing was removed.
        StorageUnavailable: The disk is read-only.
    """
    kept = [pin for pin in keep if is_of_tables(folder, pin)]
    if not kept:
        raise InvalidInput(
            f"A vacuum of dataset {folder.name!r} would leave nothing.",
            remedy="Name the versions to be kept, the latest among them.",
        )
    unneeded = []
    for table in versions_of(kept[0]):
        needed = _needed(folder / table, {versions_of(pin)[table] for pin in kept})
        unneeded += [path for path in bar_leftovers.data_files(folder / table) if path not in needed]
    tails = bar_leftovers.set_aside_commits(folder)
    freed = Vacuumed(len(unneeded) + len(tails), sum(path.stat().st_size for path in (*unneeded, *tails)))
    if not dry_run:
        delta_log.note_vacuumed(folder, unneeded)
        bar_leftovers.remove_files(folder, [*unneeded, *tails])
    return freed


def _needed(table: Path, versions: set[int]) -> set[Path]:
    """Return the files that a table has at any of some versions."""
    active: set[str] = set()
    needed: set[Path] = set()
    for commit in delta_log.read_commits(table, max(versions), table.parent.name):
        active = (active - set(commit.removed)) | {name for name, _ in commit.added}
        if commit.number in versions:
            needed |= {table / name for name in active}
    return needed
