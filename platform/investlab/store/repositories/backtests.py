"""Backtest runs and the trial ledger."""

import math
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from investlab.core.errors import Conflict
from investlab.models import core as rows
from investlab.schemas.backtest import BacktestSpec, RunSummary
from investlab.schemas.ledger import RunOutcome, RunQuery, RunRecord, RunStart, RunStatus, TrialLedger
from investlab.store.repositories import run_labels
from investlab.store.repositories.lookup import begins_with, dataset_row, require_step, row_by_uid, save, version_row


def find_by_key(session: Session, key: str) -> RunSummary | None:
    """Return the completed run with this key, if there is one."""
    query = _runs().where(rows.BacktestRun.key == key, rows.BacktestRun.status == RunStatus.COMPLETED)
    found = _summaries(session, query.limit(1))
    return found[0] if found else None


def find_by_panel(session: Session, panel_id: str) -> str | None:
    """Return the id of the latest run whose panel's id begins like this, if there is one."""
    run = rows.BacktestRun
    query = select(run.uid).where(begins_with(run.panel_id, panel_id))
    return session.scalar(query.order_by(run.started_at.desc(), run.id.desc()).limit(1))


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
    return _summaries(session, _runs().where(rows.BacktestRun.id == row.id))[0]


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
        NotFound: The query names a dataset or a metric that does not exist.
    """
    wanted = query or RunQuery()
    run = rows.BacktestRun
    newest = (run.started_at.desc(), run.id.desc())
    chosen = select(run.id).order_by(*newest)
    for column, value in (
        (run.strategy, wanted.strategy),
        (run.family, wanted.family),
        (run.owner, wanted.owner),
        (run.status, wanted.status),
        (run.kind, wanted.kind),
        (run.pipeline_step_uid, wanted.pipeline_step),
    ):
        if value is not None:
            chosen = chosen.where(column == value)
    if wanted.dataset is not None:
        owner = dataset_row(session, wanted.dataset)
        versions = select(rows.DatasetVersion.id).where(rows.DatasetVersion.dataset_id == owner.id)
        chosen = chosen.where(run.dataset_version_id.in_(versions))
    # Chosen by their keys first: sorting whole rows would read every run's documents.
    keys = run_labels.matching_keys(session, chosen, wanted)
    return _summaries(session, _runs().where(run.id.in_(keys)).order_by(*newest))


def cumulative_trials(session: Session, owner: str, family: str, dataset: str) -> TrialLedger:
    """Return every trial counted so far for an owner, strategy family and dataset.

    Raises:
        NotFound: There is no dataset of that name.
    """
    entry = rows.BacktestTrials
    counted = session.execute(
        select(entry.trials, entry.sharpe_mean, entry.sharpe_variance)
        .where(
            entry.owner == owner,
            entry.family == family,
            entry.dataset_id == dataset_row(session, dataset).id,
        )
        .order_by(entry.id)
    ).all()
    mean, variance = _pooled(
        [(trials, center, spread) for trials, center, spread in counted if center is not None and spread is not None]
    )
    return TrialLedger(
        owner=owner,
        family=family,
        dataset=dataset,
        trials=sum(trials for trials, _, _ in counted),
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


_Ledger = tuple[str, str, int]


def _runs() -> Select[rows.BacktestRun, int, str, int, int | None]:
    """Select runs with the key and name of their dataset, its version's number and the key of their ledger entry."""
    added = rows.BacktestTrials
    return (
        select(rows.BacktestRun, rows.Dataset.id, rows.Dataset.name, rows.DatasetVersion.number, added.id)
        .join(rows.DatasetVersion, rows.DatasetVersion.id == rows.BacktestRun.dataset_version_id)
        .join(rows.Dataset, rows.Dataset.id == rows.DatasetVersion.dataset_id)
        .join(added, added.run_id == rows.BacktestRun.id, isouter=True)
    )


def _summaries(session: Session, selected: Select[rows.BacktestRun, int, str, int, int | None]) -> list[RunSummary]:
    """Return runs with the trials counted up to and including each.

    A run that has added none yet shows what was counted when it is read.
    """
    found = session.execute(selected).all()
    entries: dict[_Ledger, set[int | None]] = {}
    for row, dataset_id, _, _, entry in found:
        entries.setdefault((row.owner, row.family, dataset_id), set()).add(entry)
    counted = {ledger: _counted(session, ledger, wanted) for ledger, wanted in entries.items()}
    return [
        _summary(row, dataset, number, counted[row.owner, row.family, dataset_id][entry])
        for row, dataset_id, dataset, number, entry in found
    ]


def _counted(session: Session, ledger: _Ledger, entries: set[int | None]) -> dict[int | None, int]:
    """Return how many trials a ledger counts up to and including each entry; None stands for its end.

    The sum up to the first entry is the database's; what follows, few rows in a list of the latest, is added up here.
    """
    table = rows.BacktestTrials
    own = (table.owner == ledger[0], table.family == ledger[1], table.dataset_id == ledger[2])
    total = select(func.coalesce(func.sum(table.trials), 0)).where(*own)
    counted: dict[int | None, int] = {}
    if None in entries:
        counted[None] = int(session.scalars(total).one())
    keys = sorted(entry for entry in entries if entry is not None)
    if not keys:
        return counted
    count = counted[keys[0]] = int(session.scalars(total.where(table.id <= keys[0])).one())
    if len(keys) > 1:
        between = select(table.id, table.trials).where(*own, table.id > keys[0], table.id <= keys[-1])
        for key, trials in session.execute(between.order_by(table.id)):
            count += trials
            counted[key] = count
    return counted


def _kind(row: rows.BacktestRun) -> str:
    """Return the run's kind; a sweep whose choice is tested out of sample goes by the name of its method."""
    tested = row.spec.get("out_of_sample")
    return str(tested["method"]) if tested else str(row.kind)


def _summary(row: rows.BacktestRun, dataset: str, number: int, cumulative: int) -> RunSummary:
    return RunSummary(
        run_id=row.uid,
        key=row.key,
        kind=_kind(row),
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
        cumulative_trials=cumulative,
        metrics=row.metrics,
        best_parameters=row.best_parameters,
        result_hash=row.result_hash,
        code_identity=row.code_identity,
        lock_hash=row.lock_hash,
        pipeline_step=row.pipeline_step_uid,
        started_at=row.started_at,
        ended_at=row.ended_at,
        error=row.error,
        first_session=row.spec["panel"]["start"],
        last_session=row.spec["panel"]["end"],
        name=row.name or None,
        tags=tuple(row.tags or ()),
        note=row.note or None,
        archived_at=row.archived_at,
    )
