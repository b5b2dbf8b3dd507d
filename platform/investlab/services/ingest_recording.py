"""What an ingest writes into the database, in one unit: actions, dataset version, run, audit event, message."""

from dataclasses import dataclass
from datetime import datetime

from investlab.schemas.catalog import DatasetDescription, DatasetVersionInfo, RowCounts, VersionDraft
from investlab.schemas.market import CorporateAction
from investlab.schemas.quality import QualityReport
from investlab.schemas.receipts import IngestReceipt
from investlab.store.database import Session
from investlab.store.market import AppendReceipt, Extent
from investlab.store.repositories import actions, audit, datasets, ingests, outbox


@dataclass(frozen=True, slots=True)
class Checked:
    """A delivery that passed its checks, with its corporate actions."""

    description: DatasetDescription
    quality: QualityReport
    actions: tuple[CorporateAction, ...]
    run_id: str


@dataclass(frozen=True, slots=True)
class Stored:
    """What the market store did, the version recorded before, and the moment that counts as `ingested_at`."""

    appended: AppendReceipt
    extent: Extent
    last: DatasetVersionInfo | None
    rebuild: bool
    at: datetime

    @property
    def is_restored(self) -> bool:
        """Say whether a rebuild gave back just what the last version held."""
        return self.rebuild and self.last is not None and self.appended.content_hash == self.last.content_hash


def record_ingest(session: Session, owner: str, checked: Checked, stored: Stored) -> IngestReceipt:
    """Record a completed ingest and return its receipt.

    Raises:
        Conflict: Another version was recorded meanwhile, or an action contradicts a recorded one.
    """
    name, appended = checked.description.name, stored.appended
    counts = RowCounts(new=appended.new_rows, changed=appended.changed_rows, same=appended.same_rows)
    told = actions.add_actions(session, name, checked.actions, ingest_run_id=checked.run_id, at=stored.at)
    version = _recorded_version(session, checked, stored, has_news=told.new > 0)
    quality = checked.quality.model_dump(mode="json")
    ingests.complete_ingest(session, checked.run_id, counts, quality=quality, at=stored.at)
    details = {"version": version.number, "content_hash": version.content_hash, **counts.model_dump()}
    audit.append_event(session, owner, "dataset.ingested", version.label, details, at=stored.at)
    outbox.enqueue(session, "dataset.version", {"dataset": name, **details}, at=stored.at)
    return IngestReceipt(
        dataset=name,
        provider=checked.description.provider,
        basis=checked.description.price_basis,
        version=version.number,
        content_hash=version.content_hash,
        counts=counts,
        actions=told,
        instruments=version.instruments,
        rows=version.rows,
        quality=checked.quality,
        quarantined=checked.quality.quarantined,
        ingest_run_id=checked.run_id,
        is_restored=stored.is_restored,
    )


def _recorded_version(session: Session, checked: Checked, stored: Stored, *, has_news: bool) -> DatasetVersionInfo:
    """Return the version that holds the bars: the last one where nothing changed, else a new one."""
    name, appended, last = checked.description.name, stored.appended, stored.last
    if last is not None and stored.is_restored:
        return datasets.repin_version(
            session, name, last.number, appended.pin.base_version, appended.pin.corrections_version
        )
    if last is not None and not stored.rebuild and appended.is_unchanged and not has_news:
        return last
    draft = VersionDraft(
        dataset=name,
        base_version=appended.pin.base_version,
        corrections_version=appended.pin.corrections_version,
        content_hash=appended.content_hash,
        rows=stored.extent.rows,
        instruments=stored.extent.instruments,
        first_session=stored.extent.first_session,
        last_session=stored.extent.last_session,
        ingested_at=stored.at,
        ingest_run_id=checked.run_id,
    )
    return datasets.record_version(session, draft, expected_last=last.number if last else None)
