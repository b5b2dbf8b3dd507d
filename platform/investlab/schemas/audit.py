"""Audit events, their chain, and messages of the outbox."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from investlab.schemas.market import Frozen


class AuditEvent(Frozen):
    """One link of the audit chain; `hash` covers every other field but the number."""

    number: int
    at: datetime
    actor: str
    action: str
    subject: str
    details: dict[str, Any]
    previous_hash: str
    hash: str


class ChainReport(Frozen):
    """Whether the audit chain holds; `broken_at` is the number of the first event that does not follow."""

    events: int
    head: str
    intact: bool
    broken_at: int | None = None
    reason: str = ""


class RegistryAudit(Frozen):
    """Whether chain, model versions, aliases and artifacts agree; `fault` names the first thing that does not."""

    intact: bool
    events: int
    head: str
    versions: int
    artifacts: int
    fault: str = ""


class OutboxMessage(Frozen):
    """A message that waits in the outbox for the hub."""

    message_id: int
    topic: str
    payload: dict[str, Any]
    created_at: datetime


class RecordKind(StrEnum):
    """What an id can name."""

    DATASET = "dataset"
    INGEST_RUN = "ingest_run"
    BACKTEST_RUN = "backtest_run"
    PIPELINE_RUN = "pipeline_run"
    PIPELINE_STEP = "pipeline_step"
    TRAINING_RUN = "training_run"
    MODEL_VERSION = "model_version"


class Located(Frozen):
    """The record that an id or a unique beginning of one names."""

    kind: RecordKind
    record_id: str
