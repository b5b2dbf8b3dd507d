"""Backtest runs on their way into the database, and the trial ledger."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from investlab.schemas.backtest import BacktestSpec
from investlab.schemas.market import Frozen, PriceBasis
from investlab.schemas.run_labels import MetricCondition


class RunKind(StrEnum):
    """Kinds of backtest run."""

    BACKTEST = "backtest"
    SWEEP = "sweep"


class RunStatus(StrEnum):
    """States of a backtest run; every state but `running` is final."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class RunStart(Frozen):
    """A backtest run to be started; `key` identifies code, spec, panel, seed and lock, the caller chooses `run_id`."""

    run_id: str = Field(min_length=1)
    key: str = Field(min_length=1)
    kind: RunKind
    owner: str = "system"
    strategy: str
    family: str
    dataset: str
    dataset_version: int
    as_of: datetime | None = None
    panel_id: str
    basis: PriceBasis
    spec: BacktestSpec
    seed: int = 0
    code_identity: str
    lock_hash: str
    platform_version: str
    started_at: datetime
    pipeline_step: str | None = None
    name: str | None = None
    tags: tuple[str, ...] | None = None
    note: str | None = None


class RunOutcome(Frozen):
    """How a backtest run completed, and what it adds to the trial ledger.

    `sharpe_mean` and `sharpe_variance` (ddof 0) describe the Sharpe ratios of this run's trials; None where they are
    undefined.
    """

    executor: str
    worker_pids: tuple[int, ...] = ()
    trials: int = Field(default=1, ge=1)
    metrics: dict[str, float]
    best_parameters: dict[str, Any] = Field(default_factory=dict)
    result_hash: str
    artifact_sha256: str | None = None
    sharpe_mean: float | None = None
    sharpe_variance: float | None = None
    ended_at: datetime


class RunQuery(Frozen):
    """Which backtest runs to list, newest first; None means any.

    Every word of `text` must be part of a run's id, name, note, strategy or tags, whatever its case; a run must bear
    all `tags` and meet all `conditions`. Archived runs are left out, listed alone (True), or listed too (None).
    """

    strategy: str | None = None
    family: str | None = None
    owner: str | None = None
    dataset: str | None = None
    status: RunStatus | None = None
    kind: RunKind | None = None
    since: datetime | None = None
    pipeline_step: str | None = None
    text: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    conditions: tuple[MetricCondition, ...] = ()
    archived: bool | None = False
    limit: int = Field(default=50, ge=1, le=10_000)


class RunRecord(Frozen):
    """What rebuilding a run needs beside its summary."""

    run_id: str
    spec: BacktestSpec
    seed: int
    platform_version: str
    artifact_sha256: str | None


class TrialLedger(Frozen):
    """Every trial counted for one owner, strategy family and dataset, across runs and days.

    Mean and variance (ddof 0) pool the trials of all runs that state them; None when none does.
    """

    owner: str
    family: str
    dataset: str
    trials: int
    sharpe_mean: float | None
    sharpe_variance: float | None
