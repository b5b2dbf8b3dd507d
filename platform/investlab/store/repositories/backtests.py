"""Backtest runs and the trial ledger."""

import math
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, aliased

from investlab.core.errors import Conflict
from investlab.models import core as rows
from investlab.schemas.backtest import BacktestSpec, RunSummary
from investlab.schemas.ledger import RunOutcome, RunQuery, RunRecord, RunStart, RunStatus, TrialLedger
from investlab.store.repositories.lookup import dataset_row, require_step, row_by_uid, save, version_row


def find_by_key(session: Session, key: str) -> RunSummary | None:
    """Return the completed run with this key, if there is one."""
    query = _summaries().where(rows.BacktestRun.key == key, rows.BacktestRun.status == RunStatus.COMPLETED)
    found = session.execute(query).first()
    return None if found is None else _summary(*found)


def start_run(session: Session, start: RunStart) -> RunSummary:
    """Record that a run began; failed and unfinished runs with the same key may exist beside it.

    Raises:
        NotFound: The dataset version or the pipeline step does not exist.
        Conflict: A run with the same key has completed.
    """
    version = version_row(session, start.dataset, start.dataset_version)
    require_step(session, start.pipeline_step)
    _refuse_completed(session, start.key)
    row = rows.BacktestRun(
        **start.model_dump(exclude={"run_id", "dataset", "dataset_version", "spec", "pipeline_step"}),
        uid=start.run_id,
        dataset_version_id=version.id,
        spec=start.spec.model_dump(mode="json"),
        pipeline_step_uid=start.pipeline_step,
        executor="",
        worker_pids=[],
        status=RunStatus.RUNNING,
        trials=0,
        metrics={},
        best_parameters={},
    )
    save(session, row)
    return run(session, row.uid)


def complete_run(session: Session, run_id: str, outcome: RunOutcome) -> RunSummary:
    """Record a run's outcome and count its trials in the ledger, in the same unit.

    Raises:
        NotFound: There is no such run.
        Conflict: It has already ended, or another run with the same key completed first (`details["run_id"]`).
    """
    row = _running(session, run_id)
    _refuse_completed(session, row.key)
    for name in ("executor", "trials", "metrics", "best_parameters", "result_hash", "artifact_sha256", "ended_at"):
        setattr(row, name, getattr(outcome, name))
    row.worker_pids = list(outcome.worker_pids)
    row.status = RunStatus.COMPLETED
    save(session, row)
    session.add(
        rows.BacktestTrials(
            run_id=row.id,
            owner=row.owner,
            family=row.family,
            dataset_id=session.get_one(rows.DatasetVersion, row.dataset_version_id).dataset_id,
            trials=outcome.trials,
            sharpe_mean=_finite(outcome.sharpe_mean),
            sharpe_variance=_finite(outcome.sharpe_variance),
            recorded_at=outcome.ended_at,
        )
    )
    session.flush()
    return run(session, row.uid)


def fail_run(session: Session, run_id: str, *, error: str, at: datetime) -> RunSummary:
    """Record that a run failed.

    Raises:
        NotFound: There is no such run.
        Conflict: It has already ended.
    """
    row = _running(session, run_id)
    row.status, row.error, row.ended_at = RunStatus.FAILED, error, at
    session.flush()
    return run(session, row.uid)


def run(session: Session, run_id: str) -> RunSummary:
    """Return a run by its id or a unique beginning of it.

    Raises:
        NotFound: No run matches.
        Conflict: Several do.
    """
    row = row_by_uid(session, rows.BacktestRun, run_id, "backtest run")
    return _summary(*session.execute(_summaries().where(rows.BacktestRun.id == row.id)).one())


def run_record(session: Session, run_id: str) -> RunRecord:
    """Return what rebuilding a run needs; the id may be a unique beginning.

    Raises:
        NotFound: No run matches.
        Conflict: Several do.
    """
    row = row_by_uid(session, rows.BacktestRun, run_id, "backtest run")
    return RunRecord(
        run_id=row.uid,
        spec=BacktestSpec.model_validate(row.spec),
        seed=row.seed,
        platform_version=row.platform_version,
        artifact_sha256=row.artifact_sha256,
    )


def list_runs(session: Session, query: RunQuery | None = None) -> list[RunSummary]:
    """List runs, newest first.

    Raises:
        NotFound: The query names a dataset that does not exist.
    """
    wanted = query or RunQuery()
    selected = _summaries().order_by(rows.BacktestRun.started_at.desc(), rows.BacktestRun.id.desc())
    for column, value in (
        (rows.BacktestRun.strategy, wanted.strategy),
        (rows.BacktestRun.family, wanted.family),
        (rows.BacktestRun.owner, wanted.owner),
        (rows.BacktestRun.status, wanted.status),
        (rows.BacktestRun.pipeline_step_uid, wanted.pipeline_step),
    ):
        if value is not None:
            selected = selected.where(column == value)
    if wanted.dataset is not None:
        selected = selected.where(rows.Dataset.id == dataset_row(session, wanted.dataset).id)
    return [_summary(*found) for found in session.execute(selected.limit(wanted.limit))]


def cumulative_trials(session: Session, owner: str, family: str, dataset: str) -> TrialLedger:
    """Return every trial counted so far for an owner, strategy family and dataset.

    Raises:
        NotFound: There is no dataset of that name.
    """
    counted = session.scalars(
        select(rows.BacktestTrials)
        .where(
            rows.BacktestTrials.owner == owner,
            rows.BacktestTrials.family == family,
            rows.BacktestTrials.dataset_id == dataset_row(session, dataset).id,
        )
        .order_by(rows.BacktestTrials.id)
    ).all()
    mean, variance = _pooled(
        [
            (row.trials, row.sharpe_mean, row.sharpe_variance)
            for row in counted
            if row.sharpe_mean is not None and row.sharpe_variance is not None
        ]
    )
    return TrialLedger(
        owner=owner,
        family=family,
        dataset=dataset,
        trials=sum(row.trials for row in counted),
        sharpe_mean=mean,
        sharpe_variance=variance,
    )


def _pooled(groups: list[tuple[int, float, float]]) -> tuple[float | None, float | None]:
    """Return mean and variance (ddof 0) of all trials: the mean of the variances plus the variance of the means."""
    count = sum(trials for trials, _, _ in groups)
    if count == 0:
        return None, None
    mean = sum(trials * center for trials, center, _ in groups) / count
    variance = sum(trials * (spread + (center - mean) ** 2) for trials, center, spread in groups) / count
    return mean, variance


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _refuse_completed(session: Session, key: str) -> None:
    done = find_by_key(session, key)
    if done is not None:
        raise Conflict(
            f"Run {done.run_id!r} with the same key has completed.",
            remedy="Use its result.",
            details={"run_id": done.run_id},
        )


def _running(session: Session, run_id: str) -> rows.BacktestRun:
    row = row_by_uid(session, rows.BacktestRun, run_id, "backtest run")
    if row.status is not RunStatus.RUNNING:
        raise Conflict(f"Run {row.uid!r} has already ended as {row.status}.", remedy="Start a new one.")
    return row


def _summaries() -> Select[Any]:
    """Select runs with dataset, version number, and the trials counted up to and including each run.

    A run that has added none yet shows what was counted when it is read.
    """
    added, counted = aliased(rows.BacktestTrials), aliased(rows.BacktestTrials)
    own = select(added.id).where(added.run_id == rows.BacktestRun.id).correlate(rows.BacktestRun).scalar_subquery()
    cumulative = (
        select(func.coalesce(func.sum(counted.trials), 0))
        .where(
            counted.owner == rows.BacktestRun.owner,
            counted.family == rows.BacktestRun.family,
            counted.dataset_id == rows.Dataset.id,
            counted.id <= func.coalesce(own, counted.id),
        )
        .correlate(rows.BacktestRun, rows.Dataset)
        .scalar_subquery()
    )
    return (
        select(rows.BacktestRun, rows.Dataset.name, rows.DatasetVersion.number, cumulative)
        .join(rows.DatasetVersion, rows.DatasetVersion.id == rows.BacktestRun.dataset_version_id)
        .join(rows.Dataset, rows.Dataset.id == rows.DatasetVersion.dataset_id)
    )


def _summary(row: rows.BacktestRun, dataset: str, number: int, cumulative: int) -> RunSummary:
    return RunSummary(
        run_id=row.uid,
        key=row.key,
        kind=row.kind,
        owner=row.owner,
        strategy=row.strategy,
        family=row.family,
        status=row.status,
        dataset=dataset,
        dataset_version=number,
        basis=row.basis,
        panel_id=row.panel_id,
        as_of=row.as_of,
        executor=row.executor,
        worker_pids=tuple(row.worker_pids),
        trials=row.trials,
        cumulative_trials=int(cumulative),
        metrics=row.metrics,
        best_parameters=row.best_parameters,
        result_hash=row.result_hash,
        code_identity=row.code_identity,
        lock_hash=row.lock_hash,
        pipeline_step=row.pipeline_step_uid,
        started_at=row.started_at,
        ended_at=row.ended_at,
        error=row.error,
    )
