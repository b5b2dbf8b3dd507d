"""Backups of a whole home: one folder with a manifest, consistent while others write, portable to another machine."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from investlab.core.clock import Clock
from investlab.core.errors import Busy, Corrupt, NotFound, StorageUnavailable
from investlab.core.version import platform_version
from investlab.schemas.backups import BackedUpFile, BackupManifest, BackupReceipt, CopyReceipt
from investlab.services.context import Context
from investlab.services.home_upgrade import BACKUPS, free_name, stamp
from investlab.services.prices import version_pin
from investlab.store.database import Database
from investlab.store.database_copies import content_of, copy_database, export_database
from investlab.store.delta_log import flush
from investlab.store.durable_files import copy_file, described, flush_folders, lasting_files, write_file
from investlab.store.market import MarketStore, VersionPin
from investlab.store.market_backups import copy_bars
from investlab.store.prediction_backups import copy_predictions
from investlab.store.repositories import datasets

MANIFEST = "manifest.json"
DATABASE = "database.sqlite"
FOLDERS = ("artifacts", "extensions", "quarantine", "runs")
"""Folders of a home whose files are taken as they are, after the database that refers to them."""

_ATTEMPTS = 3


def back_up(context: Context, to: Path | None = None) -> BackupReceipt:
    """Write a backup of the home into a new folder under `to` (the home's `backups` unless given).

    It holds the database as one file, the bars that recorded versions need, artifacts, predictions, quarantined bars,
    the home's own strategies and the reports of pipeline runs, all from one moment: what the database refers to is
    there. It appears under its name only when all of it has reached the disk. Others go on writing, unless bars were
    taken away under it twice: then writers of bars wait. What something holds and could not be read is named in the
    receipt; versions that a vacuum took are simply not in it.

    Raises:
        Corrupt: The database or the recorded predictions are damaged; no backup was made.
        Busy: Bars were taken away by vacuums or rebuilds all the time, and their writer did not pause.
        StorageUnavailable: The folder cannot be written.
    """
    started = context.clock.now()
    parent = to.expanduser().absolute() if to is not None else context.settings.home_path / BACKUPS
    building: Path | None = None
    try:
        parent.mkdir(parents=True, exist_ok=True)
        target = free_name(parent / f"home-{stamp(started)}")
        building = parent / f".{target.name}.building"
        building.mkdir()
        manifest = _fill(context, building)
        building.rename(target)
        flush(parent)
    except OSError as error:
        raise StorageUnavailable(
            f"The backup could not be written to {parent}: {error.strerror or error}.",
            remedy="Choose a folder with space that can be written.",
        ) from error
    finally:
        if building is not None:
            shutil.rmtree(building, ignore_errors=True)
    return _receipt(context.clock, started.timestamp(), target, manifest)


def copy_home_database(context: Context, url: str) -> CopyReceipt:
    """Copy every table to another, empty database; counts and hashes of each are equal, or nothing is copied.

    Raises:
        Conflict: The target has rows or another revision.
        Corrupt: A table of the copy is not equal to the original.
    """
    target = Database(url)
    content = copy_database(context.settings.sqlalchemy_url, url)
    return CopyReceipt(
        source=context.database.place,
        target=target.place,
        revision=content.revision,
        tables=len(content.tables),
        rows=content.rows,
    )


@dataclass(slots=True)
class _Taken:
    """What a backup holds so far."""

    files: list[BackedUpFile] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def _fill(context: Context, root: Path) -> BackupManifest:
    """Write all of a backup but its name."""
    for attempt in range(_ATTEMPTS):
        taken, is_last = _Taken(), attempt == _ATTEMPTS - 1
        try:
            with context.market.paused(_datasets(context) if is_last else ()):
                _take(context, root, taken, is_last=is_last)
        except FileNotFoundError:  # a vacuum or a rebuild was faster
            shutil.rmtree(root)
            root.mkdir()
            continue
        content = content_of(f"sqlite:///{root / DATABASE}")
        manifest = BackupManifest(
            made_at=context.clock.now(),
            platform_version=platform_version(),
            database="sqlite" if context.database.is_sqlite else "postgresql",
            revision=content.revision,
            tables=content.tables,
            versions=tuple(taken.versions),
            left_out=tuple(taken.left_out),
            files=tuple(sorted(taken.files, key=lambda file: file.path)),
        ).sealed()
        written = write_file(manifest.model_dump_json(indent=1).encode(), root, MANIFEST)
        flush_folders(root, [file.path for file in (*manifest.files, written)])
        return manifest
    raise Busy("Bars were being taken away all the time.", remedy="Try again when vacuums and rebuilds have ended.")


def _datasets(context: Context) -> list[str]:
    with context.database.read() as session:
        return [info.name for info in datasets.list_datasets(session)]


def _take(context: Context, root: Path, taken: _Taken, *, is_last: bool) -> None:
    """Copy the home: first what refers to the database, then the database, then what it refers to."""
    home = context.settings.home_path
    taken.files += copy_predictions(home / "predictions", root)
    export_database(context.settings.sqlalchemy_url, root / DATABASE)
    taken.files.append(described(root, DATABASE))
    _take_bars(context, root, taken, is_last=is_last)
    for name in FOLDERS:
        for path in lasting_files(home / name):
            _take_file(path, home, root, taken)


def _take_bars(context: Context, root: Path, taken: _Taken, *, is_last: bool) -> None:
    market = context.market.root
    for name, pins in _recorded_pins(root / DATABASE).items():
        copied = copy_bars(market, name, pins.all, root)
        if pins.held & copied.left_out.keys() and not is_last:
            raise FileNotFoundError(name)  # look again from a newer moment before calling it lost
        taken.files += copied.files
        taken.versions += [f"{name}@{number}" for number in pins.all if number not in copied.left_out]
        lost = {number: reason for number, reason in copied.left_out.items() if number in pins.held}
        taken.left_out += [f"{name}@{number}: {reason}" for number, reason in lost.items()]
        taken.left_out += _damaged_rows(root / "market", name, pins, copied.left_out)


def _damaged_rows(market: Path, name: str, pins: "_Pins", left_out: Mapping[int, str]) -> list[str]:
    """Read the rows that the newest copied version needs and return what is wrong with them."""
    whole = [number for number in pins.all if number not in left_out]
    if not whole:
        return []
    try:
        MarketStore(market).verify(name, pins.all[max(whole)], deep=True)
    except (Corrupt, NotFound) as error:
        return [f"{name}@{max(whole)}: {error.detail}"]
    return []


def _take_file(path: Path, home: Path, root: Path, taken: _Taken) -> None:
    name = path.relative_to(home).as_posix()
    try:
        copied = copy_file(path, root, name)
    except FileNotFoundError:
        return
    if path.parent.parent == home / "artifacts" and copied.sha256 != path.name:
        (root / name).unlink()
        taken.left_out.append(f"{name}: an artifact whose bytes have another hash")
        return
    taken.files.append(copied)


@dataclass(frozen=True, slots=True)
class _Pins:
    """The recorded versions of a dataset by number, and which of them something still holds."""

    all: dict[int, VersionPin]
    held: set[int]


def _recorded_pins(file: Path) -> dict[str, _Pins]:
    database = Database(f"sqlite:///{file}")
    found = {}
    try:
        with database.read() as session:
            for info in datasets.list_datasets(session):
                recorded = datasets.versions(session, info.name)
                held = {version.number for version in datasets.pinned_versions(session, info.name)}
                held |= {recorded[-1].number} if recorded else set()
                found[info.name] = _Pins({version.number: version_pin(version) for version in recorded}, held)
    finally:
        database.close()
    return found


def _receipt(clock: Clock, started: float, target: Path, manifest: BackupManifest) -> BackupReceipt:
    return BackupReceipt(
        path=str(target),
        revision=manifest.revision,
        tables=len(manifest.tables),
        rows=sum(table.rows for table in manifest.tables.values()),
        versions=len(manifest.versions),
        files=len(manifest.files),
        bytes=sum(file.bytes for file in manifest.files),
        seconds=round(clock.now().timestamp() - started, 2),
        left_out=manifest.left_out,
    )
