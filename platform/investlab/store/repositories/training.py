"""Training runs: each started once, ended once, found again by its key."""

from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from investlab.core.errors import Conflict
from investlab.models import core as rows
from investlab.schemas.backtest import PanelRequest
from investlab.schemas.ledger import RunStatus
from investlab.schemas.registry import InputSignature, ModelLineage, Scorecard, TrainingRunInfo, TrainingSpec
from investlab.schemas.training import TrainingEnd, TrainingRecord, TrainingStart
from investlab.store.repositories.lookup import begins_with, require_step, row_by_uid, save, version_row


def find_by_key(session: Session, key: str) -> TrainingRunInfo | None:
    """Return the completed training run with this key, if there is one."""
    query = training_rows().where(rows.TrainingRun.key == key, rows.TrainingRun.status == RunStatus.COMPLETED)
    found = session.execute(query).first()
    return None if found is None else _info(*found)


def start_training(session: Session, start: TrainingStart) -> TrainingRunInfo:
    """Record that a training run began; failed and unfinished runs with the same key may exist beside it.

    Raises:
        NotFound: The dataset version or the pipeline step does not exist.
        Conflict: A run with the same key has completed.
    """
    version = version_row(session, start.panel.dataset, start.dataset_version)
    require_step(session, start.pipeline_step)
    _refuse_completed(session, start.key)
    row = rows.TrainingRun(
        **start.model_dump(exclude={"run_id", "spec", "panel", "dataset_version", "pipeline_step"}),
        uid=start.run_id,
        learner=start.spec.learner,
        spec=start.spec.model_dump(mode="json"),
        dataset_version_id=version.id,
        as_of=start.panel.as_of,
        panel=start.panel.model_dump(mode="json"),
        pipeline_step_uid=start.pipeline_step,
        status=RunStatus.RUNNING,
    )
    save(session, row)
    return training_run(session, row.uid)


def complete_training(session: Session, run_id: str, end: TrainingEnd) -> TrainingRunInfo:
    """Record what a training run gave.

    Raises:
        NotFound: There is no such run.
        Conflict: It has already ended, or another run with the same key completed first (`details["run_id"]`).
    """
    row = _running(session, run_id)
    _refuse_completed(session, row.key)
    row.signature = end.signature.model_dump(mode="json")
    row.scorecard = end.scorecard.model_dump(mode="json")
    for name in ("artifact_format", "artifact_sha256", "evaluation_sha256", "ended_at"):
        setattr(row, name, getattr(end, name))
    row.status = RunStatus.COMPLETED
    save(session, row)
    return training_run(session, row.uid)


def fail_training(session: Session, run_id: str, *, error: str, at: datetime) -> TrainingRunInfo:
    """Record that a training run failed.

    Raises:
        NotFound: There is no such run.
        Conflict: It has already ended.
    """
    row = _running(session, run_id)
    row.status, row.error, row.ended_at = RunStatus.FAILED, error, at
    session.flush()
    return training_run(session, row.uid)


def training_run(session: Session, run_id: str) -> TrainingRunInfo:
    """Return a training run by its id or a unique beginning of it.

    Raises:
        NotFound: No run matches.
        Conflict: Several do.
    """
    return training_record(session, run_id).info


def training_record(session: Session, run_id: str) -> TrainingRecord:
    """Return a training run with what building it again needs; the id may be a unique beginning.

    Raises:
        NotFound: No run matches.
        Conflict: Several do.
    """
    found = row_by_uid(session, rows.TrainingRun, run_id, "training run")
    row, dataset, number = session.execute(training_rows().where(rows.TrainingRun.id == found.id)).one()
    panel = PanelRequest.model_validate(row.panel)
    return TrainingRecord(info=_info(row, dataset, number), panel=panel, learner_identity=row.learner_identity)


def list_training(session: Session, *, learner: str | None = None, limit: int = 50) -> list[TrainingRunInfo]:
    """List training runs, newest first."""
    query = training_rows().order_by(rows.TrainingRun.started_at.desc(), rows.TrainingRun.id.desc()).limit(limit)
    if learner is not None:
        query = query.where(rows.TrainingRun.learner == learner)
    return [_info(*found) for found in session.execute(query)]


def find_by_panel(session: Session, panel_id: str) -> TrainingRunInfo | None:
    """Return the latest training run whose panel's id begins like this, if there is one."""
    query = training_rows().where(begins_with(rows.TrainingRun.panel_id, panel_id))
    found = session.execute(query.order_by(rows.TrainingRun.id.desc()).limit(1)).first()
    return None if found is None else _info(*found)


def training_rows() -> Select[rows.TrainingRun, str, int]:
    """Select training runs with the name of their dataset and the number of its version; for repositories."""
    return (
        select(rows.TrainingRun, rows.Dataset.name, rows.DatasetVersion.number)
        .join(rows.DatasetVersion, rows.DatasetVersion.id == rows.TrainingRun.dataset_version_id)
        .join(rows.Dataset, rows.Dataset.id == rows.DatasetVersion.dataset_id)
    )


def lineage(row: rows.TrainingRun, dataset: str, number: int) -> ModelLineage:
    """Return what a training run, and every version made from it, stands on; for repositories."""
    return ModelLineage(
        training_run=row.uid,
        dataset=dataset,
        dataset_version=number,
        as_of=row.as_of,
        panel_id=row.panel_id,
        symbols=tuple(row.panel["symbols"]),
        pipeline_step=row.pipeline_step_uid,
        code_identity=row.code_identity,
        lock_hash=row.lock_hash,
        platform_version=row.platform_version,
        trained_through=PanelRequest.model_validate(row.panel).end,
    )


def _refuse_completed(session: Session, key: str) -> None:
    done = find_by_key(session, key)
    if done is not None:
        raise Conflict(
            f"Training run {done.run_id!r} with the same key has completed.",
            remedy="Use its model.",
            details={"run_id": done.run_id},
        )


def _running(session: Session, run_id: str) -> rows.TrainingRun:
    row = row_by_uid(session, rows.TrainingRun, run_id, "training run")
    if row.status is not RunStatus.RUNNING:
        raise Conflict(f"Training run {row.uid!r} has already ended as {row.status}.", remedy="Start a new one.")
    return row


def _info(row: rows.TrainingRun, dataset: str, number: int) -> TrainingRunInfo:
    return TrainingRunInfo(
        run_id=row.uid,
        key=row.key,
        owner=row.owner,
        status=row.status,
        spec=TrainingSpec.model_validate(row.spec),
        lineage=lineage(row, dataset, number),
        signature=None if row.signature is None else InputSignature.model_validate(row.signature),
        artifact_format=row.artifact_format,
        artifact_sha256=row.artifact_sha256,
        evaluation_sha256=row.evaluation_sha256,
        scorecard=None if row.scorecard is None else Scorecard.model_validate(row.scorecard),
        started_at=row.started_at,
        ended_at=row.ended_at,
        error=row.error,
    )
