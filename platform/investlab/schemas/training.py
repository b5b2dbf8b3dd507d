"""Training runs on their way into the database, and what building one again needs."""

from datetime import datetime

from pydantic import Field

from investlab.schemas.backtest import PanelRequest
from investlab.schemas.market import Frozen
from investlab.schemas.registry import ArtifactFormat, InputSignature, Scorecard, TrainingRunInfo, TrainingSpec


class TrainingStart(Frozen):
    """A training run to be started; `key` identifies code, spec, panel and lock, the caller chooses `run_id`.

    `panel` builds the panel again; `learner_identity` is a hash of the learner's code, None where it could not be
    determined.
    """

    run_id: str = Field(min_length=1)
    key: str = Field(min_length=1)
    owner: str = "system"
    spec: TrainingSpec
    learner_identity: str | None = None
    panel: PanelRequest
    panel_id: str
    dataset_version: int
    code_identity: str
    lock_hash: str
    platform_version: str
    started_at: datetime
    pipeline_step: str | None = None


class TrainingEnd(Frozen):
    """How a training run completed: the model's file and its evaluation by SHA-256, and what they say in short."""

    signature: InputSignature
    artifact_format: ArtifactFormat
    artifact_sha256: str
    evaluation_sha256: str
    scorecard: Scorecard
    ended_at: datetime


class TrainingRecord(Frozen):
    """A recorded training run with what building it again needs."""

    info: TrainingRunInfo
    panel: PanelRequest
    learner_identity: str | None
