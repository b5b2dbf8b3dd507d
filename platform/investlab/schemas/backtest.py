"""Backtest specs and run summaries at the edges."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from investlab.schemas.market import Adjust, Frozen, PriceBasis
from investlab.schemas.positions import PartStateSpec, PositionSpec


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


class LimitSpec(Frozen):
    """Limits on target weights: caps as multiples of the NAV, None for none; see `Limits`."""

    gross: float | None = Field(None, gt=0)
    net: float | None = Field(None, ge=0)
    weight: float | None = Field(None, gt=0)
    short: bool = False
    participation: float | None = Field(None, gt=0, le=1)
    band: float = Field(0.0, ge=0, lt=1)


class RateSpec(Frozen):
    """Annual rates as fractions; `cash` is one number or (day, rate) pairs, ascending."""

    cash: float | tuple[tuple[date, float], ...] = 0.0
    financing: float = Field(0.0, ge=0, lt=1)
    borrow: float = Field(0.0, ge=0, lt=1)


class PortfolioStateSpec(Frozen):
    """Cash, quantities by symbol and pending orders (target quantities) at the close of the session `as_of`.

    `parts` are those of signals by symbol; None for target weights, and in records from before signals had states.
    """

    cash: float
    quantities: dict[str, float]
    as_of: date
    orders: dict[str, float] | None = None
    decided: date | None = None
    delisted: tuple[str, ...] = ()
    parts: dict[str, PartStateSpec] | None = None


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


class WalkForwardSpec(Frozen):
    """A sweep whose parameters are chosen window after window and tested on what follows; lengths in sessions."""

    method: Literal["walk_forward"] = "walk_forward"
    train: int
    test: int
    anchored: bool = False
    purge: int = 0
    embargo: int = 0
    criterion: str = "sharpe"


class CrossValidationSpec(Frozen):
    """A sweep whose parameters are chosen on some groups of sessions and tested on the others, in every split."""

    method: Literal["purged_cross_validation"] = "purged_cross_validation"
    groups: int = 6
    test_groups: int = 2
    purge: int = 0
    embargo: int = 0
    criterion: str = "sharpe"


OutOfSampleSpec = WalkForwardSpec | CrossValidationSpec


class BacktestSpec(Frozen):
    """Everything that determines a backtest besides code: panel, strategy, parameters, execution, costs, cash, seed.

    `grid` is set for a sweep and maps parameter names to the values tried; `out_of_sample` says how its choice is
    tested. `strategy_identity` is a hash of the strategy's code and state; None where they could not be determined.
    `positions` says what signals may open; limits and rates are for target weights.
    """

    panel: PanelRequest
    strategy: str
    strategy_identity: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    grid: dict[str, list[Any]] | None = None
    out_of_sample: OutOfSampleSpec | None = None
    execution: Execution = Execution.NEXT_OPEN
    costs: CostSpec = CostSpec()
    initial_cash: float = Field(100_000.0, gt=0)
    whole_shares: bool = False
    limits: LimitSpec = LimitSpec()
    rates: RateSpec = RateSpec()
    initial_state: PortfolioStateSpec | None = None
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
    first_session: date | None = None
    last_session: date | None = None
    name: str | None = None
    tags: tuple[str, ...] = ()
    note: str | None = None
    archived_at: datetime | None = None
