"""Pipeline files: which notebooks run, in which order, with which parameters."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, JsonValue, StringConstraints, ValidationError

from investlab.core.clock import parse_as_of
from investlab.core.config import ExecutorChoice
from investlab.core.errors import InvalidInput, NotFound
from investlab.core.hashing import hash_json
from investlab.pipelines.notebooks import require_plain
from investlab.schemas.market import Frozen

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class StepSpec(Frozen):
    """One notebook of a pipeline; `executor` overrides the pipeline's."""

    name: Name
    notebook: str
    after: tuple[Name, ...] = ()
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    executor: ExecutorChoice | None = None


class PipelineSpec(Frozen):
    """A pipeline; its `parameters` go to every notebook that declares them."""

    name: Name
    title: str = ""
    as_of: str | None = None
    executor: ExecutorChoice = "auto"
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    steps: tuple[StepSpec, ...] = Field(min_length=1)

    @property
    def spec_hash(self) -> str:
        """Return the hash of the pipeline's content, whatever its file looks like."""
        return hash_json(self.model_dump(mode="json"))


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline with its file and the folder that holds its notebooks; `steps` are in running order."""

    spec: PipelineSpec
    file: Path
    folder: Path
    steps: tuple[StepSpec, ...]


class _Loader(yaml.SafeLoader):
    """YAML's safe loader; it refuses a key that is given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a mapping, or name the repeated key."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        repeated = [key for index, key in enumerate(keys) if key in keys[:index]]
        if repeated:
            raise yaml.constructor.ConstructorError(None, None, f"key {repeated[0]!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


def load_pipeline(file: Path, folder: Path | None = None) -> Pipeline:
    """Read a pipeline file; its notebooks are in `folder`, by default the folder above the file's.

    Raises:
        NotFound: There is no such file.
        InvalidInput: The file cannot be used; the sentence names the file and the key.
    """
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), _Loader)  # noqa: S506 (a SafeLoader)
        spec = PipelineSpec.model_validate(_with_text_dates(content))
    except FileNotFoundError as error:
        raise NotFound(f"There is no pipeline file {file}.", remedy="`investlab pipeline list` shows them.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file.name} is no YAML: {' '.join(str(error).split())}.") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        problem = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
        raise InvalidInput(f"{file.name}: {key}: {problem}.", remedy="Correct the pipeline file.") from error
    parse_as_of(spec.as_of, f"{file.name}: as_of")
    for step in spec.steps:
        require_plain(step.notebook)
    return Pipeline(spec, file, folder or file.parent.parent, _ordered(spec, file.name))


def load_catalog(folder: Path) -> dict[str, Pipeline]:
    """Read every pipeline file of a folder, by pipeline name.

    Raises:
        InvalidInput: A file cannot be used, or two files name their pipeline alike.
    """
    found: dict[str, Pipeline] = {}
    for file in sorted(folder.glob("*.yaml")):
        pipeline = load_pipeline(file)
        if pipeline.spec.name in found:
            other = found[pipeline.spec.name].file.name
            raise InvalidInput(f"{other} and {file.name} both name their pipeline {pipeline.spec.name!r}.")
        found[pipeline.spec.name] = pipeline
    return found


def find_pipeline(folder: Path, name: str) -> Pipeline:
    """Return the pipeline of that name.

    Raises:
        NotFound: There is none; near matches are named.
        InvalidInput: A pipeline file cannot be used.
    """
    catalog = load_catalog(folder)
    if name not in catalog:
        raise NotFound.named("pipeline", name, catalog)
    return catalog[name]


def _ordered(spec: PipelineSpec, file: str) -> tuple[StepSpec, ...]:
    """Return the steps so that each comes after those it names, otherwise as they are written."""
    steps = {step.name: step for step in spec.steps}
    if len(steps) < len(spec.steps):
        names = [step.name for step in spec.steps]
        raise InvalidInput(f"{file}: two steps are named {next(n for n in names if names.count(n) > 1)!r}.")
    for step in spec.steps:
        for name in step.after:
            if name not in steps:
                raise NotFound.named("step", name, steps, remedy=f"{file}: step {step.name!r} comes after it.")
    sorter = TopologicalSorter({step.name: step.after for step in spec.steps})
    try:
        sorter.prepare()
    except CycleError as error:
        raise InvalidInput(f"{file}: steps wait for each other: {' → '.join(error.args[1])}.") from error
    order: list[StepSpec] = []
    waiting = list(spec.steps)
    while waiting:
        done = {step.name for step in order}
        following = next(step for step in waiting if done.issuperset(step.after))
        waiting.remove(following)
        order.append(following)
    return tuple(order)


def _with_text_dates(value: Any) -> Any:
    """Return YAML content with dates as the ISO text that parameters are given in."""
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: _with_text_dates(item) for key, item in value.items()}
    return [_with_text_dates(item) for item in value] if isinstance(value, list) else value
