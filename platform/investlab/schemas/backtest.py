"""Backtest specs and run summaries at the edges."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from investlab.schemas.market import Adjust, Frozen, PriceBasis
from investlab.schemas.positions import PositionSpec


class Execution(StrEnum):
    """When an order decided at a session's close is filled.

    `same_close` assumes trading on the very price that produced the signal; it exists to match peers.
    """

    NEXT_OPEN = "next_open"
    NEXT_CLOSE = "next_close"
    SAME_CLOSE = "same_close"


class CostSpec(Frozen):
    """Costs of trading: proportional parts in basis points, fixed and minimum commission in currency per fill."""

    commission_bps: float = Field(0.0, ge=0, lt=10_000)
    slippage_bps: float = Field(0.0, ge=0, lt=10_000)
    fixed: float = Field(0.0, ge=0)
    minimum: float = Field(0.0, ge=0)


class PanelRequest(Frozen):
    """Which price panel to build; with the dataset version it fixes the panel's content."""

    dataset: str
    symbols: tuple[str, ...]
    fields: tuple[str, ...] = ("close",)
    start: date | None = None
    end: date | None = None
    adjust: Adjust = Adjust.NONE
    as_of: datetime | None = None
    dataset_version: int | None = None


class BacktestSpec(Frozen):
    """Everything that determines a backtest besides code: panel, strategy, parameters, execution, costs, cash, seed.

    `grid` is set for a sweep and maps parameter names to the values tried. `strategy_identity` is a hash of the
    strategy's code and state; None where they could not be determined. `positions` says what signals may open.
    """

    panel: PanelRequest
    strategy: str
    strategy_identity: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    grid: dict[str, list[Any]] | None = None
    execution: Execution = Execution.NEXT_OPEN
    costs: CostSpec = CostSpec()
    initial_cash: float = Field(100_000.0, gt=0)
    whole_shares: bool = False
    positions: PositionSpec = PositionSpec()
    seed: int = 0


class RunSummary(Frozen):
    """A recorded backtest run as lists and traces show it."""

    run_id: str
    key: str
    kind: str
    owner: str
    strategy: str
    family: str
    status: str
    dataset: str
    dataset_version: int
    basis: PriceBasis
    panel_id: str
    as_of: datetime | None
    executor: str
    worker_pids: tuple[int, ...]
    trials: int
    cumulative_trials: int
    metrics: dict[str, float]
    best_parameters: dict[str, Any]
    result_hash: str | None
    code_identity: str
    lock_hash: str
    pipeline_step: str | None
    started_at: datetime
    ended_at: datetime | None
    error: str | None
