"""Bringing a home's database to the revision that this version works with, never without a backup of it."""

import logging
from datetime import datetime
from pathlib import Path

from investlab.core.clock import Clock, SystemClock
from investlab.core.config import Settings
from investlab.core.errors import Conflict, StorageUnavailable
from investlab.migrations import runner
from investlab.store.database_copies import export_database
from investlab.store.delta_log import flush

BACKUPS = "backups"
UNFINISHED = "restore-unfinished"
KEPT = 5
"""Backups made before migrations that are kept; older ones are removed after a migration that went well."""

logger = logging.getLogger(__name__)


def upgrade_home(settings: Settings, clock: Clock | None = None, *, revision: str = "head") -> str | None:
    """Bring the home's database up to a revision, creating it when needed, and return the revision.

    A database that is changed is backed up first, and one line of the log says both.

    Raises:
        Conflict: The database is newer than this version of investlab, or a restore was broken off.
        StorageUnavailable: The home or its database cannot be written.
    """
    require_finished_restore(settings)
    url = settings.sqlalchemy_url
    if revision == "head" and runner.current(url) == runner.head():
        return runner.head()
    saving = _Saving(settings, clock or SystemClock(), runner.head() if revision == "head" else revision)
    at = runner.upgrade(url, revision, before=saving)
    saving.tell("upgraded", at)
    return at


def downgrade_home(settings: Settings, revision: str, *, lose_rows: bool, clock: Clock | None = None) -> str | None:
    """Take the home's database down to a revision (`base` = empty) after a backup, and return the revision.

    Raises:
        Conflict: The database is newer than this version of investlab, or rows would be lost and `lose_rows` is not
            given.
    """
    saving = _Saving(settings, clock or SystemClock(), revision)
    at = runner.downgrade(settings.sqlalchemy_url, revision, lose_rows=lose_rows, before=saving)
    saving.tell("taken down", at)
    return at


def require_finished_restore(settings: Settings) -> None:
    """Check that no restore was broken off in this home.

    Raises:
        Conflict: One was; what the home holds now is partly old and partly new.
    """
    mark = settings.home_path / UNFINISHED
    if mark.exists():
        raise Conflict(
            f"A restore of the home {settings.home_path} was broken off.",
            remedy=f"Run it again: `investlab db restore {mark.read_text(encoding='utf-8').strip()} --replace`.",
        )


def stamp(at: datetime) -> str:
    """Return a moment as it is written in file names."""
    return f"{at:%Y%m%dT%H%M%SZ}"


def free_name(wanted: Path) -> Path:
    """Return a path that does not exist: the wanted one, or one with a number added to its stem."""
    found, number = wanted, 1
    while found.exists():
        number += 1
        found = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
    return found


class _Saving:
    """Backs the database up when it is about to be changed, and tells of it once that is done."""

    def __init__(self, settings: Settings, clock: Clock, to: str) -> None:
        self._settings = settings
        self._clock = clock
        self._to = to
        self._saved: tuple[str, Path] | None = None

    def __call__(self, revision: str) -> None:
        folder = self._settings.home_path / BACKUPS
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for leftover in folder.glob(".before-*"):  # of a process that was killed; no other one migrates now
                leftover.unlink()
        except OSError as error:
            raise StorageUnavailable(
                f"The folder {folder} cannot be written: {error.strerror or error}.",
                remedy="A database is only changed after a backup: make the home folder writable.",
            ) from error
        target = free_name(folder / f"before-{self._to}-{stamp(self._clock.now())}.sqlite")
        building = folder / f".{target.name}"
        try:
            export_database(self._settings.sqlalchemy_url, building)
            building.rename(target)
            flush(folder)
        finally:
            building.unlink(missing_ok=True)
        self._saved = revision, target

    def tell(self, done: str, revision: str | None) -> None:
        """Say what was done, where the backup is, and let go of the oldest backups."""
        if self._saved is None:
            return
        earlier, path = self._saved
        logger.warning(
            "The database was %s from revision %s to %s; a backup of it as it was is %s.",
            done,
            earlier,
            revision or "base",
            path,
        )
        _prune(path.parent)


def _prune(folder: Path) -> None:
    made = sorted(folder.glob("before-*.sqlite"), key=lambda path: (path.stat().st_mtime, path.name))
    for path in made[:-KEPT]:
        path.unlink(missing_ok=True)
