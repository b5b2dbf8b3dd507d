"""Ingest runs: started once, ended once."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from investlab.core.errors import Conflict
from investlab.models import core as rows
from investlab.schemas.catalog import IngestInfo, IngestStart, IngestStatus, RowCounts
from investlab.store.repositories.lookup import dataset_row, require_step, row_by_uid, save


def start_ingest(session: Session, start: IngestStart) -> IngestInfo:
    """Record that an ingest run began.

    Raises:
        NotFound: The dataset or the pipeline step does not exist.
    """
    dataset = dataset_row(session, start.dataset)
    require_step(session, start.pipeline_step)
    row = rows.IngestRun(
        uid=start.ingest_run_id,
        dataset_id=dataset.id,
        provider=start.provider,
        status=IngestStatus.RUNNING,
        rows_new=0,
        rows_changed=0,
        rows_same=0,
        quality={},
        started_at=start.started_at,
        pipeline_step_uid=start.pipeline_step,
    )
    save(session, row)
    return _info(row, dataset.name)


def complete_ingest(
    session: Session, ingest_run_id: str, counts: RowCounts, *, quality: dict[str, Any], at: datetime
) -> IngestInfo:
    """Record that an ingest run completed, with its counts and quality report.

    Raises:
        NotFound: There is no such run.
        Conflict: It has already ended.
    """
    row = _running(session, ingest_run_id)
    row.rows_new, row.rows_changed, row.rows_same = counts.new, counts.changed, counts.same
    row.quality = quality
    return _end(session, row, IngestStatus.COMPLETED, at, None)


def reject_ingest(
    session: Session, ingest_run_id: str, *, quality: dict[str, Any], error: str, at: datetime
) -> IngestInfo:
    """Record that an ingest run's bars failed their quality checks.

    Raises:
        NotFound: There is no such run.
        Conflict: It has already ended.
    """
    row = _running(session, ingest_run_id)
    row.quality = quality
    return _end(session, row, IngestStatus.REJECTED, at, error)


def fail_ingest(session: Session, ingest_run_id: str, *, error: str, at: datetime) -> IngestInfo:
    """Record that an ingest run failed.

    Raises:
        NotFound: There is no such run.
        Conflict: It has already ended.
    """
    return _end(session, _running(session, ingest_run_id), IngestStatus.FAILED, at, error)


def ingest(session: Session, ingest_run_id: str) -> IngestInfo:
    """Return an ingest run by its id or a unique beginning of it.

    Raises:
        NotFound: No run matches.
        Conflict: Several do.
    """
    row = row_by_uid(session, rows.IngestRun, ingest_run_id, "ingest run")
    return _info(row, session.get_one(rows.Dataset, row.dataset_id).name)


def list_ingests(session: Session, dataset: str | None = None, *, limit: int = 50) -> list[IngestInfo]:
    """List ingest runs, newest first.

    Raises:
        NotFound: There is no dataset of that name.
    """
    query = (
        select(rows.IngestRun, rows.Dataset.name)
        .join(rows.Dataset, rows.Dataset.id == rows.IngestRun.dataset_id)
        .order_by(rows.IngestRun.started_at.desc(), rows.IngestRun.id.desc())
        .limit(limit)
    )
    if dataset is not None:
        query = query.where(rows.IngestRun.dataset_id == dataset_row(session, dataset).id)
    return [_info(row, name) for row, name in session.execute(query)]


def _running(session: Session, ingest_run_id: str) -> rows.IngestRun:
    row = row_by_uid(session, rows.IngestRun, ingest_run_id, "ingest run")
    if row.status is not IngestStatus.RUNNING:
        raise Conflict(f"Ingest run {row.uid!r} has already ended as {row.status}.", remedy="Start a new one.")
    return row


def _end(session: Session, row: rows.IngestRun, status: IngestStatus, at: datetime, error: str | None) -> IngestInfo:
    row.status, row.ended_at, row.error = status, at, error
    save(session, row)
    return _info(row, session.get_one(rows.Dataset, row.dataset_id).name)


def _info(row: rows.IngestRun, dataset: str) -> IngestInfo:
    return IngestInfo(
        ingest_run_id=row.uid,
        dataset=dataset,
        provider=row.provider,
        started_at=row.started_at,
        pipeline_step=row.pipeline_step_uid,
        status=row.status,
        rows_new=row.rows_new,
        rows_changed=row.rows_changed,
        rows_same=row.rows_same,
        quality=row.quality,
        ended_at=row.ended_at,
        error=row.error,
    )
