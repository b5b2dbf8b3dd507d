"""Bringing a home back from a backup: every hash checked before and after, nothing that was there deleted."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from investlab.core.clock import Clock, SystemClock
from investlab.core.config import Settings
from investlab.core.errors import Conflict, Corrupt, InvestlabError, NotFound, StorageUnavailable
from investlab.migrations.runner import current, require_known
from investlab.schemas.backups import FORMAT, BackupManifest, RestoreReceipt
from investlab.services.backup import DATABASE, FOLDERS, MANIFEST
from investlab.services.home_upgrade import UNFINISHED, free_name, stamp
from investlab.store.database import Database
from investlab.store.database_copies import content_of, copy_database, export_database, rows_of
from investlab.store.database_files import put_in_place, require_unused, set_aside_file
from investlab.store.delta_log import flush
from investlab.store.durable_files import check_file, copy_file, flush_folders, lasting_files

PARTS = ("market", "predictions", *FOLDERS)
"""Folders of a home that a backup holds beside the database."""

CACHE = "cache"
SET_ASIDE = "set-aside"
_EARLIER = "earlier.sqlite"


def _no_step(_name: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """Which backup to restore; with `replace` what the home holds is set aside first.

    `step` is called with the name of each step, for tests that end the process there.
    """

    source: Path
    replace: bool = False
    step: Callable[[str], None] = _no_step


def restore(settings: Settings, request: RestoreRequest, clock: Clock | None = None) -> RestoreReceipt:
    """Make the home what a backup holds, on SQLite or PostgreSQL whichever it was made from.

    The backup's files are checked, copied beside the home's and flushed before anything of the home is moved. A restore
    that is broken off after that leaves a mark, and the home is not opened before one has ended.

    Raises:
        NotFound: There is no backup.
        Corrupt: A file of the backup is damaged (nothing was changed), or of the restored home.
        Conflict: The home holds data and `replace` is not given, or the backup is of a newer version of investlab.
        Busy: Another process has the home's database open.
        StorageUnavailable: The home cannot be written.
    """
    started = time.monotonic()
    source = request.source.expanduser().absolute()
    manifest = read_manifest(source)
    verify_backup(source, manifest)
    home = _Home(settings, stamp((clock or SystemClock()).now()), request.step)
    held = home.holds()
    if held and not request.replace:
        raise Conflict(
            f"The home {settings.home_path} already holds {', '.join(held)}.",
            remedy="Give --replace to set that aside, or choose an empty INVESTLAB_HOME.",
        )
    try:
        set_aside = home.become(source, manifest, held=held)
    except OSError as error:
        raise StorageUnavailable(
            f"The home {settings.home_path} cannot be written: {error.strerror or error}.",
            remedy="Free space or make it writable, then run the restore again.",
        ) from error
    return RestoreReceipt(
        source=str(source),
        made_at=manifest.made_at,
        revision=manifest.revision,
        rows=sum(table.rows for table in manifest.tables.values()),
        files=len(manifest.files),
        bytes=sum(file.bytes for file in manifest.files),
        seconds=round(time.monotonic() - started, 2),
        set_aside=str(set_aside) if set_aside is not None else None,
    )


def read_manifest(source: Path) -> BackupManifest:
    """Return what a backup says of itself.

    Raises:
        NotFound: There is no backup.
        Corrupt: Its manifest is damaged.
        Conflict: It was made by a newer version of investlab.
    """
    path = source / MANIFEST
    if not path.is_file():
        raise NotFound(f"There is no backup in {source}.", remedy="Name the folder that holds manifest.json.")
    try:
        manifest = BackupManifest.model_validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        raise Corrupt(f"The manifest of the backup {source} cannot be read.", remedy="Use another backup.") from error
    if manifest.format > FORMAT:
        raise Conflict(
            f"The backup {source} has format {manifest.format}, newer than this version of investlab reads.",
            remedy="Install the newer version that made it.",
        )
    if manifest.sha256 != manifest.expected_sha256():
        raise Corrupt(f"The manifest of the backup {source} was changed.", remedy="Use another backup.")
    require_known(manifest.revision)
    return manifest


def verify_backup(source: Path, manifest: BackupManifest) -> None:
    """Check every file of a backup, and that its database holds the rows the manifest tells of.

    Raises:
        Corrupt: The first damage found.
    """
    for file in manifest.files:
        check_file(source, file)
    _check_content(f"sqlite:///{source / DATABASE}", manifest, "The database of the backup")


class _Home:
    """A home about to become another."""

    def __init__(self, settings: Settings, stamped: str, step: Callable[[str], None]) -> None:
        self._url = settings.sqlalchemy_url
        self._path = settings.home_path
        self._stamp = stamped
        self._step = step
        self._is_sqlite = Database(self._url).is_sqlite
        self._building = self._path / f".restoring-{stamped}"

    def holds(self) -> list[str]:
        """Return which parts of the home hold data, in words."""
        parts = [name for name in PARTS if lasting_files(self._path / name)]
        try:
            rows = sum(rows_of(self._url).values()) if current(self._url) is not None else 0
        except InvestlabError:
            return ["a database that cannot be read", *parts]
        return [f"a database with {rows:,} rows", *parts] if rows else parts

    def become(self, source: Path, manifest: BackupManifest, *, held: list[str]) -> Path | None:
        """Put the backup in place of what the home holds; return where that lies now."""
        self._path.mkdir(parents=True, exist_ok=True)
        if self._is_sqlite:
            require_unused(self._url)
        for leftover in self._path.glob(".restoring-*"):
            shutil.rmtree(leftover)
        try:
            self._copy(source, manifest)
            if held and not self._is_sqlite and current(self._url) is not None:
                export_database(self._url, self._building / _EARLIER)
            self._step("copied")
            mark = self._path / UNFINISHED
            mark.write_text(str(source), encoding="utf-8")
            flush(mark)
            flush(self._path)
            self._step("marked")
            aside = self._set_aside() if held else None
            self._step("set aside")
            self._put_in_place(source)
            self._step("put in place")
        finally:
            shutil.rmtree(self._building, ignore_errors=True)
        self._check(manifest)
        mark.unlink()
        flush(self._path)
        return aside

    def _copy(self, source: Path, manifest: BackupManifest) -> None:
        self._building.mkdir()
        for file in manifest.files:
            if copy_file(source / file.path, self._building, file.path) != file:
                raise Corrupt(f"The file {file.path} of {source} changed meanwhile.", remedy="Use another backup.")
        flush_folders(self._building, [file.path for file in manifest.files])

    def _set_aside(self) -> Path:
        folder = free_name(self._path / SET_ASIDE / self._stamp)
        folder.mkdir(parents=True)
        if self._is_sqlite:
            set_aside_file(self._url, folder)
        elif (self._building / _EARLIER).exists():
            (self._building / _EARLIER).rename(folder / DATABASE)
        for name in PARTS:
            if (self._path / name).exists():
                (self._path / name).rename(folder / name)
        flush(folder)
        return folder

    def _put_in_place(self, source: Path) -> None:
        shutil.rmtree(self._path / CACHE, ignore_errors=True)
        for name in PARTS:
            made, place = self._building / name, self._path / name
            if not made.exists():
                continue
            if place.exists():  # folders without data, or locks alone
                shutil.rmtree(place)
            made.rename(place)
        if self._is_sqlite:
            put_in_place(self._url, self._building / DATABASE)
        else:
            copy_database(f"sqlite:///{source / DATABASE}", self._url, replace=True)
        flush(self._path)

    def _check(self, manifest: BackupManifest) -> None:
        for file in manifest.files:
            if file.path != DATABASE:
                check_file(self._path, file)
        _check_content(self._url, manifest, "The restored database")


def _check_content(url: str, manifest: BackupManifest, what: str) -> None:
    content = content_of(url)
    differing = sorted(
        name
        for name in manifest.tables.keys() | content.tables.keys()
        if manifest.tables.get(name) != content.tables.get(name)
    )
    if content.revision != manifest.revision or differing:
        raise Corrupt(
            f"{what} is not what its manifest says: {', '.join(differing) or content.revision}.",
            remedy="Use another backup; what the home held before was kept.",
        )
