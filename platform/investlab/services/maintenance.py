"""The upkeep of stored bars: pin, compact, vacuum, restore and export dataset versions."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from investlab.core.errors import Conflict, InvalidInput, StorageUnavailable
from investlab.schemas.catalog import DatasetVersionInfo, IngestStart, RowCounts, VersionDraft
from investlab.schemas.maintenance import CompactReceipt, ExportReceipt, VacuumReceipt, VersionLine
from investlab.services.context import Context
from investlab.services.prices import dataset_version, version_pin
from investlab.store.bar_tables import BarQuery
from investlab.store.database import Session
from investlab.store.market import VersionPin
from investlab.store.repositories import audit, datasets, ingests, outbox

RESTORED = "restore"
FORMATS = (".parquet", ".csv")


def list_versions(context: Context, name: str) -> list[VersionLine]:
    """Return a dataset's versions ordered by number, each with what holds it.

    Raises:
        NotFound: There is no dataset of that name.
    """
    with context.database.read() as session:
        found = datasets.versions(session, name)
        held = _holders(session, name)
    return [_line(version, held.get(version.number, ())) for version in found]


def pin(context: Context, name: str, number: int | None, *, label: str) -> DatasetVersionInfo:
    """Hold a dataset version, the latest unless numbered, so that no vacuum takes its bars away.

    Raises:
        NotFound: There is no such dataset or version.
    """
    _, version = dataset_version(context, name, number)

    def unit(session: Session) -> None:
        now = context.clock.now()
        datasets.pin_version(session, name, version.number, label=label, owner=context.owner, at=now)
        audit.append_event(session, context.owner, "dataset.pinned", version.label, {"label": label}, at=now)

    context.database.write(unit)
    return version


def unpin(context: Context, name: str, number: int, *, label: str) -> None:
    """Let a dataset version go that was held under a label.

    Raises:
        NotFound: It is not held under that label.
    """

    def unit(session: Session) -> None:
        datasets.unpin_version(session, name, number, label=label)
        audit.append_event(
            session, context.owner, "dataset.unpinned", f"{name}@{number}", {"label": label}, at=context.clock.now()
        )

    context.database.write(unit)


def compact(context: Context, name: str) -> CompactReceipt:
    """Write the bars of the latest version into fewer, ordered files; no value, time or earlier version changes.

    Raises:
        NotFound: The dataset is unknown or has no bars yet.
        Busy: Another process is writing the dataset.
        Corrupt: The stored bars are damaged.
    """
    with context.market.writing(name):
        _, version = dataset_version(context, name)
        before = version_pin(version)
        after = context.market.compact(name, before)
        files = context.market.file_count(name, before), context.market.file_count(name, after)

        def unit(session: Session) -> None:
            datasets.repin_version(session, name, version.number, after.base_version, after.corrections_version)
            details = {"files_before": files[0], "files_after": files[1]}
            audit.append_event(
                session, context.owner, "dataset.compacted", version.label, details, at=context.clock.now()
            )

        context.database.write(unit)
    return CompactReceipt(version=version.label, files_before=files[0], files_after=files[1])


def vacuum(context: Context, name: str, *, dry_run: bool = False) -> VacuumReceipt:
    """Remove data files that no version held by a run, a model, a pin or as the latest needs.

    Versions that nothing holds stay listed but can no longer be read.

    Raises:
        NotFound: The dataset is unknown or has no bars yet.
        Busy: Another process is writing the dataset.
    """
    with context.market.writing(name):
        with context.database.read() as session:
            held = _holders(session, name)
            kept = [version for version in datasets.versions(session, name) if version.number in held]
        freed = context.market.vacuum(name, [version_pin(version) for version in kept], dry_run=dry_run)
    if not dry_run and freed.files:
        details = {"files": freed.files, "bytes": freed.bytes, "kept": [version.label for version in kept]}
        context.database.write(
            lambda session: audit.append_event(
                session, context.owner, "dataset.vacuumed", name, details, at=context.clock.now()
            )
        )
    labels = tuple(version.label for version in kept)
    return VacuumReceipt(dataset=name, kept=labels, files=freed.files, bytes=freed.bytes, dry_run=dry_run)


def restore(context: Context, name: str, number: int) -> DatasetVersionInfo:
    """Make the bars of an earlier version the latest again, as a new version; nothing is deleted.

    Raises:
        NotFound: There is no such dataset or version.
        Conflict: That version is the latest already.
        Corrupt: Its bars are damaged, or a vacuum took them.
    """
    with context.market.writing(name):
        info, wanted = dataset_version(context, name, number)
        _, latest = dataset_version(context, name)
        if latest.content_hash == wanted.content_hash:
            raise Conflict(
                f"{latest.label} already has the content of {wanted.label}.", remedy="Nothing is to be done."
            )
        restored = context.market.restore(name, version_pin(wanted), acknowledged=version_pin(latest))
        return context.database.write(
            lambda session: _record_restore(session, context, _Restore(info.provider, wanted, latest, restored))
        )


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Which bars to write to a file, whose ending (.parquet or .csv) says the format."""

    dataset: str
    path: Path
    version: int | None = None
    as_of: datetime | None = None


def export(context: Context, request: ExportRequest) -> ExportReceipt:
    """Write a dataset's bars, corrected by what was known at `as_of`, to a file that did not exist.

    Raises:
        NotFound: There is no such dataset or version.
        InvalidInput: The ending names no format.
        Conflict: The file exists.
        StorageUnavailable: It cannot be written.
    """
    if request.path.suffix not in FORMATS:
        raise InvalidInput(
            f"{request.path.name} has no ending that names a format.", remedy=f"Use one of {', '.join(FORMATS)}."
        )
    if request.path.exists():
        raise Conflict(f"{request.path} exists already.", remedy="Choose another name, or remove it first.")
    _, version = dataset_version(context, request.dataset, request.version)
    as_of = request.as_of or context.as_of
    bars = context.market.read(request.dataset, version_pin(version), BarQuery(as_of=as_of))
    building = request.path.with_name(f".{request.path.name}.building")
    try:
        if request.path.suffix == ".csv":
            bars.to_csv(building, index=False)
        else:
            bars.to_parquet(building, index=False)
        digest = _sha256(building)
        building.rename(request.path)
    except OSError as error:
        raise StorageUnavailable(
            f"{request.path} cannot be written: {error.strerror or error}.", remedy="Choose a folder with space."
        ) from error
    finally:
        building.unlink(missing_ok=True)
    return ExportReceipt(path=str(request.path), version=version.label, as_of=as_of, rows=len(bars), sha256=digest)


@dataclass(frozen=True, slots=True)
class _Restore:
    provider: str
    wanted: DatasetVersionInfo
    latest: DatasetVersionInfo
    pin: VersionPin


def _record_restore(session: Session, context: Context, restored: _Restore) -> DatasetVersionInfo:
    now, wanted = context.clock.now(), restored.wanted
    run_id = context.new_id("in", RESTORED, wanted.label)
    ingests.start_ingest(
        session,
        IngestStart(ingest_run_id=run_id, dataset=wanted.dataset, provider=restored.provider, started_at=now),
    )
    draft = VersionDraft(
        **wanted.model_dump(include=set(VersionDraft.model_fields) - {"ingested_at", "ingest_run_id"})
        | {
            "base_version": restored.pin.base_version,
            "corrections_version": restored.pin.corrections_version,
            "content_hash": restored.pin.content_hash,
            "ingested_at": wanted.ingested_at,
            "ingest_run_id": run_id,
        }
    )
    version = datasets.record_version(session, draft, expected_last=restored.latest.number)
    ingests.complete_ingest(
        session, run_id, RowCounts(same=wanted.rows), quality={"restored_from": wanted.label}, at=now
    )
    details = {"from": wanted.label}
    audit.append_event(session, context.owner, "dataset.restored", version.label, details, at=now)
    outbox.enqueue(session, "dataset.version", {"dataset": wanted.dataset, "version": version.number}, at=now)
    return version


def _holders(session: Session, name: str) -> dict[int, tuple[str, ...]]:
    """Return what holds each held version, by number: runs and models, pins by their label, being the latest."""
    found: dict[int, list[str]] = {}
    for version in datasets.pinned_versions(session, name):
        found.setdefault(version.number, []).append("runs or pins")
    for held in datasets.pins(session, name):
        found.setdefault(held.number, []).append(f"pin {held.label!r}")
    latest = datasets.latest_version(session, name)
    if latest is not None:
        found.setdefault(latest.number, []).append("latest")
    return {number: tuple(sorted(set(reasons))) for number, reasons in found.items()}


def _line(version: DatasetVersionInfo, holders: tuple[str, ...]) -> VersionLine:
    return VersionLine(
        version=version.label,
        rows=version.rows,
        instruments=version.instruments,
        first_session=version.first_session,
        last_session=version.last_session,
        ingested_at=version.ingested_at,
        ingest_run=version.ingest_run_id,
        content_hash=version.content_hash[:12],
        held_by=", ".join(holders),
    )


def _sha256(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
