"""Pipeline runs and their steps at the edges."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from investlab.schemas.market import Frozen


class PipelineStatus(StrEnum):
    """States of a pipeline run; every state but `running` is final."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class StepStatus(StrEnum):
    """States of a pipeline step; `skipped` means that an earlier run's equal step stands in for it."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    SKIPPED = "skipped"
    FAILED = "failed"


class PipelineStart(Frozen):
    """A pipeline run to be started; the caller chooses its id."""

    run_id: str = Field(min_length=1)
    pipeline: str
    spec_hash: str
    spec: dict[str, Any]
    parameters: dict[str, Any] = Field(default_factory=dict)
    as_of: datetime | None = None
    code_identity: str
    lock_hash: str
    ray_address: str | None = None
    started_at: datetime


class StepDraft(Frozen):
    """A step of a pipeline run; `key` identifies notebook, parameters, code and inputs."""

    step_id: str = Field(min_length=1)
    run_id: str
    name: str
    position: int = Field(ge=0)
    notebook: str
    notebook_sha256: str
    key: str
    parameters: dict[str, Any] = Field(default_factory=dict)


class StepOutcome(Frozen):
    """What a step left behind; paths are relative to the home folder."""

    notebook_path: str | None = None
    html_path: str | None = None
    outputs: dict[str, Any] = Field(default_factory=dict)


class PipelineStepInfo(StepDraft, StepOutcome):
    """A recorded step; `reused_from` names the step whose outputs stand in for this one's."""

    pipeline: str
    status: StepStatus
    reused_from: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None


class PipelineRunInfo(PipelineStart):
    """A recorded pipeline run with its steps ordered by position."""

    status: PipelineStatus
    ended_at: datetime | None = None
    error: str | None = None
    steps: tuple[PipelineStepInfo, ...] = ()
