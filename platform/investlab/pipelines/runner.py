"""Runs a pipeline: its notebooks in order, each skipped when an equal step has already completed."""

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from investlab.core.clock import Clock
from investlab.core.config import Settings
from investlab.core.errors import InvestlabError, StorageUnavailable
from investlab.core.hashing import hash_file
from investlab.pipelines.environment import kernel_environment, passed_environment
from investlab.pipelines.execution import NotebookJob, Progress, execute
from investlab.pipelines.plan import PipelineRequest, PlannedStep, plan_steps, step_key
from investlab.pipelines.recording import RunRecorder
from investlab.pipelines.reports import StepLine, write_notebook_html, write_run_page
from investlab.schemas.pipelines import (
    PipelineRunInfo,
    PipelineStart,
    PipelineStatus,
    PipelineStepInfo,
    StepDraft,
    StepOutcome,
    StepStatus,
)


class Head(Protocol):
    """A running Ray head; `env` lets a kernel attach to it."""

    @property
    def env(self) -> Mapping[str, str]:
        """The variables that hold its address and token."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


def _no_runs(_step_id: str) -> tuple[str, ...]:
    return ()


def _silent(_line: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class RunnerPorts:
    """What the runner needs from outside.

    `dataset_state` gives the content hash of a dataset's latest version, or None when there is none; `start_head`
    starts a Ray head with a given environment; `runs_of_step` lists the backtest runs of a step.
    """

    recorder: RunRecorder
    dataset_state: Callable[[str], str | None]
    clock: Clock
    settings: Settings
    start_head: Callable[[Settings, Mapping[str, str]], Head]
    progress: Progress = _silent
    runs_of_step: Callable[[str], tuple[str, ...]] = _no_runs
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


def run_pipeline(request: PipelineRequest, ports: RunnerPorts) -> PipelineRunInfo:
    """Run a pipeline and return its record; a run that was interrupted is resumed by running it again.

    Every notebook, parameter name and parameter value is checked before anything runs or is recorded.

    Raises:
        ExecutionFailed: A notebook failed; the steps before it stay completed.
        UnknownParameter: A parameter was given that no notebook declares.
        InvalidInput: A notebook or a parameter's value cannot be used.
        StorageUnavailable: The home folder cannot be written.
    """
    return _Run(request, ports).run()


class _Run:
    """One run in progress."""

    def __init__(self, request: PipelineRequest, ports: RunnerPorts) -> None:
        self.request = request
        self.ports = ports
        self.spec = request.pipeline.spec
        self.home = ports.settings.home_path
        self.folder = self.home / "runs" / request.run_id
        self.passed = passed_environment(ports.settings, ports.environment)
        self.planned = plan_steps(request, ports.settings)
        self.keys: dict[str, str] = {}
        self.notes: dict[str, str] = {}
        self.states: dict[str, dict[str, str | None]] = {}
        self.head: Head | None = None
        self.stack = ExitStack()

    def run(self) -> PipelineRunInfo:
        """Run every step and return the record."""
        self._start()
        status, problem = PipelineStatus.COMPLETED, None
        try:
            with self.stack:
                for planned in self.planned:
                    self._step(planned)
        except InvestlabError as error:
            status, problem = PipelineStatus.FAILED, error.sentence
            raise
        except BaseException as error:
            interrupted = isinstance(error, (KeyboardInterrupt, SystemExit))
            status = PipelineStatus.INTERRUPTED if interrupted else PipelineStatus.FAILED
            problem = "Interrupted." if interrupted else f"{type(error).__name__}: {error}"
            raise
        finally:
            record = self.ports.recorder.finish_run(self.request.run_id, status, problem, self.ports.clock.now())
            self._write_page(record)
        return record

    def _start(self) -> None:
        try:
            self.folder.mkdir(parents=True)
        except OSError as error:
            raise StorageUnavailable(
                f"The run's folder cannot be made: {error.strerror}.", remedy="Make the home folder writable."
            ) from error
        start = PipelineStart(
            run_id=self.request.run_id,
            pipeline=self.spec.name,
            spec_hash=self.spec.spec_hash,
            spec=self.spec.model_dump(mode="json"),
            parameters=dict(self.request.parameters),
            as_of=self.request.moment,
            code_identity=self.request.code_identity,
            lock_hash=self.request.lock_hash,
            ray_address=self.ports.settings.ray_address,
            started_at=self.ports.clock.now(),
        )
        self.ports.recorder.start_run(start)
        for planned in self.planned:
            self.ports.recorder.plan_step(self._draft(planned, key=""))

    def _draft(self, planned: PlannedStep, key: str) -> StepDraft:
        return StepDraft(
            step_id=planned.step_id,
            run_id=self.request.run_id,
            name=planned.step.name,
            position=planned.position,
            notebook=planned.step.notebook,
            notebook_sha256=planned.notebook_sha256,
            key=key,
            parameters=planned.parameters,
        )

    def _step(self, planned: PlannedStep) -> None:
        reads = {name: self.ports.dataset_state(name) for name in planned.step.reads}
        key = step_key(self.request, planned, {name: self.keys[name] for name in planned.step.after}, reads)
        self.keys[planned.step.name] = key
        self.states[planned.step.name] = dict(reads)
        earlier, why = self._reusable(planned, key)
        self.ports.recorder.start_step(self._draft(planned, key), self.ports.clock.now())
        if earlier is not None:
            self.notes[planned.step.name] = why
            self.ports.progress(f"{planned.stem}: skipped, {why}")
            self.ports.recorder.skip_step(planned.step_id, earlier.step_id, self.ports.clock.now())
            return
        self.ports.progress(f"{planned.stem}: started{f', {why}' if why else ''}")
        try:
            self._execute(planned)
        except InvestlabError as error:
            left = StepOutcome(notebook_path=self._left(planned, "ipynb"))
            self.ports.recorder.fail_step(planned.step_id, error.sentence, left, self.ports.clock.now())
            raise
        self.ports.recorder.complete_step(planned.step_id, self._outcome(planned), self.ports.clock.now())

    def _reusable(self, planned: PlannedStep, key: str) -> tuple[PipelineStepInfo | None, str]:
        """Return the step that can stand in and why, or None and why the one that was found cannot."""
        if self.request.force:
            return None, "forced"
        found = self.ports.recorder.reusable_step(self.spec.name, planned.step.name, key)
        if found is None:
            return None, ""
        for name, recorded in found.outputs.get("files", {}).items():
            path = self.home / name
            if not path.is_file() or hash_file(path) != recorded:
                return None, f"because {name} of run {found.run_id} is gone or changed"
        for name, recorded in found.outputs.get("datasets", {}).items():
            if self.ports.dataset_state(name) != recorded:
                return None, f"because dataset {name} is no longer as run {found.run_id} left it"
        return found, f"same notebook, parameters, code and data as in run {found.run_id}"

    def _execute(self, planned: PlannedStep) -> None:
        settings = self.ports.settings
        target = self.folder / f"{planned.stem}.ipynb"
        execute(
            NotebookJob(
                name=planned.step.notebook,
                notebook=planned.notebook,
                parameters=planned.parameters,
                target=target,
                folder=self.request.pipeline.folder,
                runtime=self.home / "jupyter" / "runtime",
                environment=kernel_environment(
                    self.passed,
                    self.home,
                    step_id=planned.step_id,
                    executor=planned.executor,
                    ray=self._ray(planned),
                ),
                cell_timeout_seconds=settings.cell_timeout_seconds,
                notebook_timeout_seconds=settings.notebook_timeout_seconds,
                progress=lambda line: self.ports.progress(f"{planned.stem}: {line}"),
            )
        )
        write_notebook_html(target, target.with_suffix(".html"), planned.step.name)

    def _ray(self, planned: PlannedStep) -> Mapping[str, str]:
        """Return how the step's kernel reaches a Ray head; a head of the run's own starts with the first that asks."""
        if planned.executor != "ray":
            return {}
        if self.ports.settings.ray_address is not None:
            token = self.ports.environment.get("RAY_AUTH_TOKEN", "")
            return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
        if self.head is None:
            self.ports.progress(f"{planned.stem}: starting Ray")
            self.head = self.stack.enter_context(self.ports.start_head(self.ports.settings, self.passed))
        return self.head.env

    def _outcome(self, planned: PlannedStep) -> StepOutcome:
        paths = [self._left(planned, suffix) for suffix in ("ipynb", "html")]
        written = {name: self.ports.dataset_state(name) for name in planned.step.writes}
        self.states[planned.step.name] |= written
        return StepOutcome(
            notebook_path=paths[0],
            html_path=paths[1],
            outputs={
                "files": {path: hash_file(self.home / path) for path in paths if path},
                "datasets": written,
            },
        )

    def _left(self, planned: PlannedStep, suffix: str) -> str | None:
        path = self.folder / f"{planned.stem}.{suffix}"
        return path.relative_to(self.home).as_posix() if path.exists() else None

    def _write_page(self, record: PipelineRunInfo) -> None:
        lines = [self._line(step) for step in record.steps]
        write_run_page(self.folder / "index.html", record, self.spec.title or self.spec.name, lines)

    def _line(self, step: PipelineStepInfo) -> StepLine:
        ran = step.status in (StepStatus.COMPLETED, StepStatus.FAILED)
        took = step.ended_at - step.started_at if ran and step.started_at and step.ended_at else None
        return StepLine(
            name=step.name,
            notebook=step.notebook,
            status=step.status,
            note=step.error or self.notes.get(step.name, ""),
            seconds=None if took is None else took.total_seconds(),
            parameters=step.parameters,
            datasets=self.states.get(step.name, {}),
            run_ids=self.ports.runs_of_step(step.reused_from or step.step_id),
            html_link=self._link(step.html_path),
            notebook_link=self._link(step.notebook_path),
        )

    def _link(self, path: str | None) -> str | None:
        return None if path is None else Path(os.path.relpath(self.home / path, self.folder)).as_posix()
