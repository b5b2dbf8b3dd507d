"""Datasets and their versions."""

from datetime import datetime

from sqlalchemy import ColumnElement, exists, func, or_, select, update
from sqlalchemy.orm import Session

from investlab.core.clock import require_aware
from investlab.core.errors import Conflict, MixedData, NotFound
from investlab.models import core as rows
from investlab.schemas.catalog import DatasetDescription, DatasetInfo, DatasetVersionInfo, VersionDraft, VersionHold
from investlab.store.repositories.lookup import dataset_row, row_by_uid, save, version_row

_MEANING = ("price_basis", "currency", "calendar", "synthetic")


def ensure_dataset(session: Session, description: DatasetDescription, *, at: datetime) -> DatasetInfo:
    """Record a dataset, or bring the recorded one's descriptive fields up to date, and return it.

    New bar fields are added to those already recorded.

    Raises:
        MixedData: The recorded dataset differs in price basis, currency, calendar, or in being synthetic.
    """
    row = session.scalar(select(rows.Dataset).where(rows.Dataset.name == description.name))
    if row is None:
        row = rows.Dataset(**description.model_dump(), created_at=require_aware(at))
        save(session, row)
        return _info(row, None)
    for name in _MEANING:
        recorded, given = getattr(row, name), getattr(description, name)
        if recorded != given:
            raise MixedData(
                f"Dataset {row.name!r} has {name} {recorded}, not {given}.",
                remedy="Ingest into a dataset of another name.",
            )
    for name in ("title", "provider", "source", "licence", "lag_seconds"):
        setattr(row, name, getattr(description, name))
    row.biases = list(description.biases)
    row.fields = list(dict.fromkeys((*row.fields, *description.fields)))
    save(session, row)
    return _info(row, _last_number(session, row.id))


def dataset(session: Session, name: str) -> DatasetInfo:
    """Return a dataset.

    Raises:
        NotFound: There is none of that name; near matches are named.
    """
    row = dataset_row(session, name)
    return _info(row, _last_number(session, row.id))


def list_datasets(session: Session) -> list[DatasetInfo]:
    """List every dataset ordered by name."""
    query = select(rows.DatasetVersion.dataset_id, func.max(rows.DatasetVersion.number))
    found_last = session.execute(query.group_by(rows.DatasetVersion.dataset_id))
    last = {row[0]: row[1] for row in found_last}
    found = [_info(row, last.get(row.id)) for row in session.scalars(select(rows.Dataset))]
    return sorted(found, key=lambda info: info.name)


def record_version(session: Session, draft: VersionDraft, *, expected_last: int | None) -> DatasetVersionInfo:
    """Append a version, numbered one after the last, which must still be the one the caller built upon.

    Raises:
        NotFound: The dataset or the ingest run does not exist.
        Conflict: Another version was recorded meanwhile, or the ingest run belongs to another dataset.
    """
    row = dataset_row(session, draft.dataset)
    last = _last_number(session, row.id)
    if last != expected_last:
        raise Conflict(
            f"The last version of dataset {draft.dataset!r} is {last}, not {expected_last}.",
            remedy="Read the dataset again and repeat the ingest.",
        )
    ingest = row_by_uid(session, rows.IngestRun, draft.ingest_run_id, "ingest run")
    if ingest.dataset_id != row.id:
        raise Conflict(f"Ingest run {ingest.uid!r} is not one of dataset {draft.dataset!r}.")
    version = rows.DatasetVersion(
        **draft.model_dump(exclude={"dataset", "ingest_run_id"}),
        dataset_id=row.id,
        number=(last or 0) + 1,
        ingest_run_id=ingest.id,
    )
    save(session, version)
    return _version(version, row.name, ingest.uid)


def repin_version(
    session: Session, name: str, number: int, base_version: int, corrections_version: int | None
) -> DatasetVersionInfo:
    """Point a version at the tables that hold its content now, after they were built anew with an equal hash.

    Raises:
        NotFound: There is no such dataset or version.
    """
    row = dataset_row(session, name)
    session.execute(
        update(rows.DatasetVersion)
        .where(rows.DatasetVersion.dataset_id == row.id, rows.DatasetVersion.number == number)
        .values(base_version=base_version, corrections_version=corrections_version)
    )
    return version(session, name, number)


def latest_version(session: Session, name: str) -> DatasetVersionInfo | None:
    """Return a dataset's latest version; None before its first.

    Raises:
        NotFound: There is no dataset of that name.
    """
    row = dataset_row(session, name)
    last = _last_number(session, row.id)
    return None if last is None else _versions(session, row, rows.DatasetVersion.number == last)[0]


def version(session: Session, name: str, number: int) -> DatasetVersionInfo:
    """Return one version of a dataset.

    Raises:
        NotFound: There is no such dataset or version.
    """
    row = dataset_row(session, name)
    for found in _versions(session, row, rows.DatasetVersion.number == number):
        return found
    last = _last_number(session, row.id)
    raise NotFound(
        f"Dataset {name!r} has no version {number}.",
        remedy=f"Its versions are 1 to {last}." if last else "Nothing was ingested into it yet.",
    )


def dataset_at(session: Session, name: str, number: int | None = None) -> tuple[DatasetInfo, DatasetVersionInfo | None]:
    """Return a dataset and one of its versions, the latest unless numbered; None before its first.

    Raises:
        NotFound: There is no such dataset or version.
    """
    row = dataset_row(session, name)
    last = _last_number(session, row.id)
    if last is None and number is None:
        return _info(row, None), None
    found = _versions(session, row, rows.DatasetVersion.number == (last if number is None else number))
    return _info(row, last), found[0] if found else version(session, name, number or 0)


def versions(session: Session, name: str) -> list[DatasetVersionInfo]:
    """List a dataset's versions ordered by number.

    Raises:
        NotFound: There is no dataset of that name.
    """
    return _versions(session, dataset_row(session, name))


def pinned_versions(session: Session, name: str) -> list[DatasetVersionInfo]:
    """List the versions that runs stand on or that pins hold, ordered by number; a vacuum must spare them.

    Raises:
        NotFound: There is no dataset of that name.
    """
    held = (rows.BacktestRun, rows.TrainingRun, rows.DatasetPin)
    used = or_(*(exists().where(table.dataset_version_id == rows.DatasetVersion.id) for table in held))
    return _versions(session, dataset_row(session, name), used)


def pin_version(session: Session, name: str, number: int, *, label: str, owner: str, at: datetime) -> VersionHold:
    """Hold a version under a label, so that a vacuum spares it; the same label again changes nothing.

    Raises:
        NotFound: There is no such dataset or version.
    """
    held = version_row(session, name, number)
    pin = session.scalar(
        select(rows.DatasetPin).where(rows.DatasetPin.dataset_version_id == held.id, rows.DatasetPin.label == label)
    )
    if pin is None:
        pin = rows.DatasetPin(dataset_version_id=held.id, label=label, owner=owner, created_at=require_aware(at))
        save(session, pin)
    return _hold(pin, name, number)


def unpin_version(session: Session, name: str, number: int, *, label: str) -> None:
    """Let a version go that was held under a label.

    Raises:
        NotFound: There is no such dataset or version, or it is not held under that label.
    """
    held = version_row(session, name, number)
    pin = session.scalar(
        select(rows.DatasetPin).where(rows.DatasetPin.dataset_version_id == held.id, rows.DatasetPin.label == label)
    )
    if pin is None:
        labels = [pin.label for pin in pins(session, name) if pin.number == number]
        raise NotFound.named("pin", label, labels, remedy=f"`investlab data versions {name}` shows every pin.")
    session.delete(pin)
    session.flush()


def pins(session: Session, name: str) -> list[VersionHold]:
    """List the pins of a dataset ordered by version number and label.

    Raises:
        NotFound: There is no dataset of that name.
    """
    query = (
        select(rows.DatasetPin, rows.DatasetVersion.number)
        .join(rows.DatasetVersion, rows.DatasetVersion.id == rows.DatasetPin.dataset_version_id)
        .where(rows.DatasetVersion.dataset_id == dataset_row(session, name).id)
    )
    found = [_hold(pin, name, number) for pin, number in session.execute(query)]
    return sorted(found, key=lambda pin: (pin.number, pin.label))


def _versions(session: Session, row: rows.Dataset, *conditions: ColumnElement[bool]) -> list[DatasetVersionInfo]:
    query = (
        select(rows.DatasetVersion, rows.IngestRun.uid)
        .join(rows.IngestRun, rows.IngestRun.id == rows.DatasetVersion.ingest_run_id)
        .where(rows.DatasetVersion.dataset_id == row.id, *conditions)
        .order_by(rows.DatasetVersion.number)
    )
    return [_version(found, row.name, uid) for found, uid in session.execute(query)]


def _last_number(session: Session, dataset_id: int) -> int | None:
    return session.scalar(
        select(func.max(rows.DatasetVersion.number)).where(rows.DatasetVersion.dataset_id == dataset_id)
    )


def _info(row: rows.Dataset, latest: int | None) -> DatasetInfo:
    described = {name: getattr(row, name) for name in DatasetDescription.model_fields}
    return DatasetInfo(**described, created_at=row.created_at, latest_version=latest)


def _hold(row: rows.DatasetPin, dataset: str, number: int) -> VersionHold:
    return VersionHold(dataset=dataset, number=number, label=row.label, owner=row.owner, created_at=row.created_at)


def _version(row: rows.DatasetVersion, dataset_name: str, ingest_uid: str) -> DatasetVersionInfo:
    return DatasetVersionInfo(
        dataset=dataset_name,
        number=row.number,
        base_version=row.base_version,
        corrections_version=row.corrections_version,
        content_hash=row.content_hash,
        rows=row.rows,
        instruments=row.instruments,
        first_session=row.first_session,
        last_session=row.last_session,
        ingested_at=row.ingested_at,
        ingest_run_id=ingest_uid,
    )
