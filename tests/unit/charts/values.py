"""Results and panels for tests of how they show themselves, built without running a backtest."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from investlab.analytics.overfitting import ReturnMoments
from investlab.backtest.costs import Costs
from investlab.backtest.result import BacktestResult
from investlab.backtest.strategies import StrategyDescription
from investlab.backtest.sweep_result import SweepResult
from investlab.market.panel import PanelSource, PricePanel
from investlab.schemas.backtest import Execution
from investlab.schemas.market import PriceBasis

HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\"'&"
FILL_COLUMNS = (
    "session",
    "symbol",
    "instrument_id",
    "side",
    "quantity",
    "reference_price",
    "fill_price",
    "commission",
    "slippage_cost",
    "value",
    "decided",
)
SOURCE = PanelSource(
    dataset="us-close",
    dataset_version=3,
    dataset_hash="9f" * 32,
    as_of=datetime(2021, 12, 31, 21, tzinfo=UTC),
    origin="a test",
    licence="BSD-3-Clause",
    biases=("Survivors only.",),
)
METRICS = {
    "total_return": 0.5,
    "cagr": 0.1234,
    "volatility": 0.2,
    "sharpe": -0.61,
    "max_drawdown": -0.25,
    "turnover": 3.2,
    "costs": 12_345.6,
    "exposure": 0.98,
}


def make_sessions(count: int) -> pd.DatetimeIndex:
    return pd.bdate_range("2015-01-02", periods=count, name="session")


def make_nav(count: int, seed: int = 1) -> pd.Series:
    growth = 1 + np.random.default_rng(seed).normal(4e-4, 0.01, count)
    growth[0] = 1.0
    return pd.Series(100_000.0 * np.cumprod(growth), index=make_sessions(count), name="nav")


def make_fills(sessions: pd.DatetimeIndex, symbol: str = "AAPL") -> pd.DataFrame:
    rows = [(day, symbol, 1, "buy", 10.0, 100.0, 100.05, 0.5, 0.5, 1000.5, day) for day in sessions]
    return pd.DataFrame(rows, columns=list(FILL_COLUMNS))


def make_result(count: int = 300, **changes: Any) -> BacktestResult:
    nav = make_nav(count)
    empty = pd.DataFrame(0.0, index=nav.index, columns=["AAPL"])
    result = BacktestResult(
        nav=nav,
        cash=nav * 0,
        income=nav * 0,
        positions=empty,
        prices=empty + 1,
        fills=make_fills(nav.index[:3]),
        metrics=METRICS,
        strategy=StrategyDescription("monthly_momentum", "monthly_momentum", {"k": 5, "skip": 21}, "Buys `k` winners."),
        costs=Costs(commission_bps=5, slippage_bps=2),
        execution=Execution.NEXT_OPEN,
        initial_cash=100_000.0,
        whole_shares=False,
        basis=PriceBasis.TOTAL_RETURN,
        panel_id="pn-0123456789abcdef01234567",
        source=SOURCE,
        instruments=pd.DataFrame({"instrument_id": [1]}, index=pd.Index(["AAPL"], name="symbol")),
        notes=("Costs: 5 bps commission, 2 bps slippage.", "Sharpe ratio: ddof 1."),
        benchmark=make_nav(count, seed=2).rename("benchmark"),
        run_id="bt-0123456789abcdef",
        code_identity="ab12" * 16,
    )
    return replace(result, **changes)


def make_sweep(grid: dict[str, list[Any]] | None = None, **changes: Any) -> SweepResult:
    grid = grid or {"fast": [5, 10, 20], "slow": [50, 100, 200]}
    table = pd.MultiIndex.from_product(list(grid.values()), names=list(grid)).to_frame(index=False)
    for name, value in METRICS.items():
        table[name] = value * (1 + 0.01 * np.arange(len(table)))
    best = make_result()
    sweep = SweepResult(
        table=table,
        parameters=tuple(grid),
        invalid=2,
        best_result=best,
        best_moments=ReturnMoments.of(best.returns.to_numpy()),
        strategy=StrategyDescription("sma_cross", "sma_cross", {}, ""),
        costs=best.costs,
        execution=best.execution,
        initial_cash=best.initial_cash,
        basis=best.basis,
        panel_id=best.panel_id,
        source=best.source,
        instruments=best.instruments,
        notes=best.notes,
        executor="ray",
        worker_pids=(11, 12),
        reason="",
        elapsed_seconds=0.5,
    )
    return replace(sweep, **changes)


def make_panel(instruments: int = 3, sessions: int = 300, *, synthetic: bool = False, symbol: str = "S") -> PricePanel:
    steps = np.random.default_rng(3).normal(4e-4, 0.01, (sessions, instruments))
    close = pd.DataFrame(
        100 * np.cumprod(1 + steps, axis=0),
        index=make_sessions(sessions),
        columns=[f"{symbol}{number:02d}" for number in range(instruments)],
    )
    return PricePanel.from_frames(close=close, basis="total_return", synthetic=synthetic)
