"""Launching a pipeline by name in a workspace: one run at a time in a home, recorded, on Ray where it asks for it."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from investlab.core.clock import parse_as_of
from investlab.core.config import ExecutorChoice
from investlab.core.errors import Busy, StorageUnavailable
from investlab.core.identity import code_identity, lock_hash
from investlab.pipelines.plan import PipelineRequest
from investlab.pipelines.recording import DatabaseRecorder
from investlab.pipelines.runner import RunnerPorts, run_pipeline
from investlab.pipelines.spec import Pipeline, find_pipeline, load_catalog
from investlab.schemas.ledger import RunQuery
from investlab.schemas.pipelines import PipelineRunInfo, PipelineStatus
from investlab.services.executors import start_ray_head
from investlab.services.workspace import Workspace
from investlab.store.database import Session
from investlab.store.locks import folder_lock
from investlab.store.repositories import datasets, pipelines

ABANDONED = "The runner ended without a word: it was killed, or its machine went down."


@dataclass(frozen=True, slots=True)
class Launch:
    """Which pipeline to run; what is given overrides its file. With `force` no step is skipped."""

    name: str
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    as_of: str | None = None
    executor: ExecutorChoice | None = None
    force: bool = False


def launch_pipeline(workspace: Workspace, launch: Launch, say: Callable[[str], None]) -> PipelineRunInfo:
    """Run a pipeline and return its record; unchanged steps are skipped, an interrupted run is resumed.

    Raises:
        NotFound: There is no such pipeline; near matches are named.
        Busy: The pipeline already runs in this home.
        UnknownParameter: A parameter is declared by no notebook.
        ExecutionFailed: A notebook failed; the sentence names notebook, cell and error.
    """
    context = workspace.context
    pipeline = find_pipeline(context.settings.pipelines_path, launch.name)
    request = PipelineRequest(
        pipeline=pipeline,
        run_id=context.new_id("pl", launch.name, dict(launch.parameters)),
        code_identity=code_identity(),
        lock_hash=lock_hash(),
        parameters=launch.parameters,
        as_of=parse_as_of(launch.as_of),
        executor=launch.executor,
        force=launch.force,
    )
    ports = RunnerPorts(
        recorder=DatabaseRecorder(context.database),
        dataset_state=lambda name: _state(workspace, name),
        clock=context.clock,
        settings=context.settings,
        start_head=start_ray_head,
        progress=say,
        runs_of_step=lambda step_id: _runs(workspace, step_id),
    )
    lock = _lock_of(workspace, launch.name)
    with folder_lock(lock, context.settings.lock_timeout_seconds):
        _end_abandoned(workspace, launch.name)
        return run_pipeline(request, ports)


def pipeline_catalog(workspace: Workspace) -> dict[str, Pipeline]:
    """Return the pipelines that can be launched, by name."""
    return load_catalog(workspace.context.settings.pipelines_path)


def pipeline_runs(workspace: Workspace, name: str | None = None) -> list[PipelineRunInfo]:
    """Return recorded pipeline runs, newest first; those whose runner was killed are recorded as failed first."""
    for pipeline in _running(workspace):
        with suppress(Busy, StorageUnavailable), folder_lock(_lock_of(workspace, pipeline), 0.0):
            _end_abandoned(workspace, pipeline)
    with workspace.context.database.read() as session:
        return pipelines.list_runs(session, name)


def _lock_of(workspace: Workspace, pipeline: str) -> Path:
    """Return the lock that the runner of a pipeline in this home holds from its first record to its last."""
    return workspace.context.settings.home_path / "runs" / f"{pipeline}.lock"


def _running(workspace: Workspace) -> dict[str, list[str]]:
    """Return the runs of this home that are recorded as running, by pipeline; other homes may share the database."""
    folder = workspace.context.settings.home_path / "runs"
    with workspace.context.database.read() as session:
        recorded = pipelines.running_runs(session)
    found: dict[str, list[str]] = {}
    for run_id, pipeline in recorded.items():
        if (folder / run_id).is_dir():
            found.setdefault(pipeline, []).append(run_id)
    return found


def _end_abandoned(workspace: Workspace, pipeline: str) -> None:
    """Record as failed what still counts as running of a pipeline whose lock is held here: its runner is gone."""
    context = workspace.context
    abandoned = _running(workspace).get(pipeline, [])

    def unit(session: Session) -> None:
        for run_id in abandoned:
            pipelines.finish_run(session, run_id, PipelineStatus.FAILED, at=context.clock.now(), error=ABANDONED)

    if abandoned:
        context.database.write(unit)


def _state(workspace: Workspace, name: str) -> str | None:
    """Return the content hash of a dataset's latest version, None when there is none yet."""
    with workspace.context.database.read() as session:
        known = {info.name for info in datasets.list_datasets(session)}
        version = datasets.latest_version(session, name) if name in known else None
    return None if version is None else version.content_hash


def _runs(workspace: Workspace, step_id: str) -> tuple[str, ...]:
    return tuple(run.run_id for run in workspace.list_runs(RunQuery(pipeline_step=step_id, archived=None)))
