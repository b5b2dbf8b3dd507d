"""Pipeline runs and their steps: each started once, ended once."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from investlab.core.errors import Conflict, InvalidInput
from investlab.models import core as rows
from investlab.schemas.pipelines import (
    PipelineRunInfo,
    PipelineStart,
    PipelineStatus,
    PipelineStepInfo,
    StepDraft,
    StepOutcome,
    StepStatus,
)
from investlab.store.repositories.lookup import row_by_uid, save

_OPEN = (StepStatus.PENDING, StepStatus.RUNNING)


def start_run(session: Session, start: PipelineStart) -> PipelineRunInfo:
    """Record that a pipeline run began."""
    row = rows.PipelineRun(**start.model_dump(exclude={"run_id"}), uid=start.run_id, status=PipelineStatus.RUNNING)
    save(session, row)
    return _run(row, ())


def plan_step(session: Session, draft: StepDraft) -> PipelineStepInfo:
    """Record a step that will run later.

    Raises:
        NotFound: There is no such pipeline run.
        Conflict: The run has already ended, or already has a step of that name.
    """
    return _add_step(session, draft, StepStatus.PENDING, None)


def start_step(session: Session, draft: StepDraft, *, at: datetime) -> PipelineStepInfo:
    """Record that a step began; a planned step with the same id begins now, with what the draft says.

    Raises:
        NotFound: There is no such pipeline run.
        Conflict: The run or the step has already ended, or the step already runs.
    """
    planned = session.scalar(select(rows.PipelineStep).where(rows.PipelineStep.uid == draft.step_id))
    if planned is None:
        return _add_step(session, draft, StepStatus.RUNNING, at)
    _require(planned, (StepStatus.PENDING,))
    for name in ("notebook", "notebook_sha256", "key", "parameters"):
        setattr(planned, name, getattr(draft, name))
    planned.status, planned.started_at = StepStatus.RUNNING, at
    save(session, planned)
    return step(session, planned.uid)


def complete_step(session: Session, step_id: str, outcome: StepOutcome, *, at: datetime) -> PipelineStepInfo:
    """Record that a step completed and what it left behind.

    Raises:
        NotFound: There is no such step.
        Conflict: It does not run.
    """
    row = _require(_step_row(session, step_id), (StepStatus.RUNNING,))
    return _end_step(session, row, StepStatus.COMPLETED, outcome, at)


def skip_step(session: Session, step_id: str, *, reused_from: str, at: datetime) -> PipelineStepInfo:
    """Record that an earlier step stands in for this one, whose outputs and paths it takes over.

    Raises:
        NotFound: One of the steps does not exist.
        Conflict: This step has already ended, or the earlier one has not completed.
    """
    row = _require(_step_row(session, step_id), _OPEN)
    source = _require(_step_row(session, reused_from), (StepStatus.COMPLETED,))
    row.reused_from = source.uid
    outcome = StepOutcome(notebook_path=source.notebook_path, html_path=source.html_path, outputs=source.outputs)
    return _end_step(session, row, StepStatus.SKIPPED, outcome, at)


def fail_step(
    session: Session, step_id: str, *, error: str, at: datetime, outcome: StepOutcome | None = None
) -> PipelineStepInfo:
    """Record that a step failed, with the notebook it left behind if there is one.

    Raises:
        NotFound: There is no such step.
        Conflict: It has already ended.
    """
    row = _require(_step_row(session, step_id), _OPEN)
    row.error = error
    return _end_step(session, row, StepStatus.FAILED, outcome or StepOutcome(), at)


def finish_run(
    session: Session, run_id: str, status: PipelineStatus, *, at: datetime, error: str | None = None
) -> PipelineRunInfo:
    """Record that a pipeline run ended; steps still running then have failed.

    Raises:
        NotFound: There is no such run.
        Conflict: It has already ended.
        InvalidInput: `running` is no end.
    """
    if status is PipelineStatus.RUNNING:
        raise InvalidInput("A pipeline run cannot end as running.", remedy="Give completed, failed or interrupted.")
    row = _open_run(session, run_id)
    row.status, row.ended_at, row.error = status, at, error
    for left in session.scalars(
        select(rows.PipelineStep).where(
            rows.PipelineStep.run_id == row.id, rows.PipelineStep.status == StepStatus.RUNNING
        )
    ):
        left.status, left.ended_at, left.error = StepStatus.FAILED, at, error or f"The pipeline run was {status}."
    session.flush()
    return run(session, row.uid)


def find_reusable_step(session: Session, pipeline: str, name: str, key: str) -> PipelineStepInfo | None:
    """Return the latest completed step of that pipeline, name and key, if there is one."""
    found = session.execute(
        select(rows.PipelineStep, rows.PipelineRun)
        .join(rows.PipelineRun, rows.PipelineRun.id == rows.PipelineStep.run_id)
        .where(
            rows.PipelineRun.pipeline == pipeline,
            rows.PipelineStep.name == name,
            rows.PipelineStep.key == key,
            rows.PipelineStep.status == StepStatus.COMPLETED,
        )
        .order_by(rows.PipelineStep.id.desc())
        .limit(1)
    ).first()
    return None if found is None else _step(*found)


def run(session: Session, run_id: str) -> PipelineRunInfo:
    """Return a pipeline run with its steps, by its id or a unique beginning of it.

    Raises:
        NotFound: No run matches.
        Conflict: Several do.
    """
    row = row_by_uid(session, rows.PipelineRun, run_id, "pipeline run")
    return _with_steps(session, [row])[0]


def step(session: Session, step_id: str) -> PipelineStepInfo:
    """Return a step by its id or a unique beginning of it.

    Raises:
        NotFound: No step matches.
        Conflict: Several do.
    """
    row = _step_row(session, step_id)
    return _step(row, session.get_one(rows.PipelineRun, row.run_id))


def list_runs(session: Session, pipeline: str | None = None, *, limit: int = 50) -> list[PipelineRunInfo]:
    """List pipeline runs with their steps, newest first."""
    query = select(rows.PipelineRun).order_by(rows.PipelineRun.started_at.desc(), rows.PipelineRun.id.desc())
    if pipeline is not None:
        query = query.where(rows.PipelineRun.pipeline == pipeline)
    return _with_steps(session, session.scalars(query.limit(limit)).all())


def running_runs(session: Session) -> dict[str, str]:
    """Return the pipeline of every run that is recorded as running, by run id."""
    query = select(rows.PipelineRun.uid, rows.PipelineRun.pipeline).where(
        rows.PipelineRun.status == PipelineStatus.RUNNING
    )
    return {row.uid: row.pipeline for row in session.execute(query)}


def _add_step(session: Session, draft: StepDraft, status: StepStatus, at: datetime | None) -> PipelineStepInfo:
    owner = _open_run(session, draft.run_id)
    taken = select(rows.PipelineStep.id).where(
        rows.PipelineStep.run_id == owner.id, rows.PipelineStep.name == draft.name
    )
    if session.scalar(taken) is not None:
        raise Conflict(f"Pipeline run {owner.uid!r} already has a step {draft.name!r}.", remedy="Name steps apart.")
    row = rows.PipelineStep(
        **draft.model_dump(exclude={"run_id", "step_id"}),
        uid=draft.step_id,
        run_id=owner.id,
        status=status,
        outputs={},
        started_at=at,
    )
    save(session, row)
    return _step(row, owner)


def _open_run(session: Session, run_id: str) -> rows.PipelineRun:
    row = row_by_uid(session, rows.PipelineRun, run_id, "pipeline run")
    if row.status is not PipelineStatus.RUNNING:
        raise Conflict(f"Pipeline run {row.uid!r} has already ended as {row.status}.", remedy="Start a new one.")
    return row


def _step_row(session: Session, step_id: str) -> rows.PipelineStep:
    return row_by_uid(session, rows.PipelineStep, step_id, "pipeline step")


def _require(row: rows.PipelineStep, allowed: tuple[StepStatus, ...]) -> rows.PipelineStep:
    if row.status not in allowed:
        raise Conflict(
            f"Pipeline step {row.uid!r} is {row.status}, not {' or '.join(allowed)}.", remedy="Read the step again."
        )
    return row


def _end_step(
    session: Session, row: rows.PipelineStep, status: StepStatus, outcome: StepOutcome, at: datetime
) -> PipelineStepInfo:
    row.status, row.ended_at = status, at
    row.notebook_path, row.html_path, row.outputs = outcome.notebook_path, outcome.html_path, outcome.outputs
    save(session, row)
    return step(session, row.uid)


def _with_steps(session: Session, found: Iterable[rows.PipelineRun]) -> list[PipelineRunInfo]:
    runs = {row.id: row for row in found}
    steps: dict[int, list[PipelineStepInfo]] = {}
    query = select(rows.PipelineStep).where(rows.PipelineStep.run_id.in_(sorted(runs)))
    for row in session.scalars(query.order_by(rows.PipelineStep.position, rows.PipelineStep.id)):
        steps.setdefault(row.run_id, []).append(_step(row, runs[row.run_id]))
    return [_run(row, tuple(steps.get(row.id, ()))) for row in runs.values()]


def _run(row: rows.PipelineRun, steps: tuple[PipelineStepInfo, ...]) -> PipelineRunInfo:
    return PipelineRunInfo(
        run_id=row.uid,
        pipeline=row.pipeline,
        spec_hash=row.spec_hash,
        spec=row.spec,
        parameters=row.parameters,
        as_of=row.as_of,
        code_identity=row.code_identity,
        lock_hash=row.lock_hash,
        ray_address=row.ray_address,
        started_at=row.started_at,
        status=row.status,
        ended_at=row.ended_at,
        error=row.error,
        steps=steps,
    )


def _step(row: rows.PipelineStep, owner: rows.PipelineRun) -> PipelineStepInfo:
    return PipelineStepInfo(
        step_id=row.uid,
        run_id=owner.uid,
        pipeline=owner.pipeline,
        name=row.name,
        position=row.position,
        notebook=row.notebook,
        notebook_sha256=row.notebook_sha256,
        key=row.key,
        parameters=row.parameters,
        status=row.status,
        reused_from=row.reused_from,
        notebook_path=row.notebook_path,
        html_path=row.html_path,
        outputs=row.outputs,
        started_at=row.started_at,
        ended_at=row.ended_at,
        error=row.error,
    )
