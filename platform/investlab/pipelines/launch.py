"""Launching a pipeline by name in a workspace: one run at a time in a home, recorded, on Ray where it asks for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from investlab.core.clock import parse_as_of
from investlab.core.config import ExecutorChoice
from investlab.core.identity import code_identity, lock_hash
from investlab.pipelines.plan import PipelineRequest
from investlab.pipelines.recording import DatabaseRecorder
from investlab.pipelines.runner import RunnerPorts, run_pipeline
from investlab.pipelines.spec import Pipeline, find_pipeline, load_catalog
from investlab.schemas.ledger import RunQuery
from investlab.schemas.pipelines import PipelineRunInfo
from investlab.services.executors import start_ray_head
from investlab.services.workspace import Workspace
from investlab.store.locks import folder_lock
from investlab.store.repositories import datasets, pipelines


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
    lock = context.settings.home_path / "runs" / f"{launch.name}.lock"
    with folder_lock(lock, context.settings.lock_timeout_seconds):
        return run_pipeline(request, ports)


def pipeline_catalog(workspace: Workspace) -> dict[str, Pipeline]:
    """Return the pipelines that can be launched, by name."""
    return load_catalog(workspace.context.settings.pipelines_path)


def pipeline_runs(workspace: Workspace, name: str | None = None) -> list[PipelineRunInfo]:
    """Return recorded pipeline runs, newest first."""
    with workspace.context.database.read() as session:
        return pipelines.list_runs(session, name)


def _state(workspace: Workspace, name: str) -> str | None:
    """Return the content hash of a dataset's latest version, None when there is none yet."""
    with workspace.context.database.read() as session:
        known = {info.name for info in datasets.list_datasets(session)}
        version = datasets.latest_version(session, name) if name in known else None
    return None if version is None else version.content_hash


def _runs(workspace: Workspace, step_id: str) -> tuple[str, ...]:
    return tuple(run.run_id for run in workspace.list_runs(RunQuery(pipeline_step=step_id)))
