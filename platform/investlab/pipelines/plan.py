"""What a pipeline run will do: every notebook found, every parameter checked, every step with a key of its content."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from nbformat import NotebookNode
from pydantic import JsonValue

from investlab.core.clock import parse_as_of
from investlab.core.config import ExecutorChoice, Settings
from investlab.core.errors import UnknownParameter
from investlab.core.hashing import hash_file, hash_json
from investlab.pipelines.notebooks import find_notebook, modules_hash, notebook_hash, read_notebook
from investlab.pipelines.parameters import Declared, check_parameters, declared_parameters
from investlab.pipelines.spec import Pipeline, StepSpec

_KEY_FORMAT = 1


@dataclass(frozen=True, slots=True)
class PipelineRequest:
    """Which pipeline to run and how; `parameters`, `as_of` and `executor` override its file.

    The caller chooses `run_id`; `code_identity` and `lock_hash` are those of `core.identity`. With `force` no step is
    skipped.
    """

    pipeline: Pipeline
    run_id: str
    code_identity: str
    lock_hash: str
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    as_of: datetime | None = None
    executor: ExecutorChoice | None = None
    force: bool = False

    @property
    def moment(self) -> datetime | None:
        """The time as of which the pipeline runs; None for the latest."""
        return self.as_of or parse_as_of(self.pipeline.spec.as_of)


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step whose notebook was found and whose parameters fit; `content` and `modules` hash what its key holds."""

    step: StepSpec
    position: int
    step_id: str
    notebook: NotebookNode
    notebook_sha256: str
    content: str
    modules: str
    parameters: dict[str, JsonValue]
    executor: ExecutorChoice

    @property
    def stem(self) -> str:
        """How the files of this step's outputs are named."""
        return f"{self.position + 1:02d}_{self.step.name}"


def plan_steps(request: PipelineRequest, settings: Settings) -> list[PlannedStep]:
    """Return the steps in running order, ready to run.

    Raises:
        NotFound: There is no such notebook.
        UnknownParameter: A parameter was given that no notebook declares.
        InvalidInput: A notebook or a parameter's value cannot be used.
    """
    pipeline = request.pipeline
    modules = modules_hash(pipeline.folder)
    planned = []
    declared_anywhere: set[str] = set()
    for position, step in enumerate(pipeline.steps):
        path = find_notebook(pipeline.folder, step.notebook)
        notebook = read_notebook(path)
        declared = declared_parameters(notebook, step.notebook)
        declared_anywhere |= set(declared or ())
        planned.append(
            PlannedStep(
                step,
                position,
                hash_json([request.run_id, step.name])[:32],
                notebook,
                hash_file(path),
                notebook_hash(notebook),
                modules,
                check_parameters(declared, _given(request, step, declared or {}), step.notebook),
                settings.executor or request.executor or step.executor or pipeline.spec.executor,
            )
        )
    for name in (*pipeline.spec.parameters, *request.parameters):
        if name not in declared_anywhere:
            raise UnknownParameter(
                f"No notebook of pipeline {pipeline.spec.name!r} declares the parameter {name!r}.",
                remedy=f"They declare {', '.join(sorted(declared_anywhere)) or 'none'}.",
            )
    return planned


def step_key(
    request: PipelineRequest, planned: PlannedStep, upstream: Mapping[str, str], reads: Mapping[str, str | None]
) -> str:
    """Return the hash of everything that a step's outputs depend on.

    `upstream` holds the keys of the steps before it, `reads` the content hashes of the datasets it reads.
    """
    return hash_json(
        {
            "format": _KEY_FORMAT,
            "notebook": planned.content,
            "modules": planned.modules,
            "parameters": planned.parameters,
            "as_of": request.moment,
            "code": request.code_identity,
            "lock": request.lock_hash,
            "upstream": upstream,
            "reads": reads,
        }
    )


def _given(request: PipelineRequest, step: StepSpec, declared: Mapping[str, Declared]) -> dict[str, JsonValue]:
    """Return a step's parameters: the pipeline's where declared, then the step's own, then the request's."""
    moment = request.moment
    shared = {**request.pipeline.spec.parameters, **({} if moment is None else {"as_of": moment.isoformat()})}
    given = {name: value for name, value in shared.items() if name in declared} | step.parameters
    return given | {name: value for name, value in request.parameters.items() if name in declared}
