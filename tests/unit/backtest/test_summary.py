"""A result's tables agree with its NAV, whatever was traded."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from investlab.analytics.attribution import Linking
from investlab.backtest.costs import Costs
from investlab.backtest.engine import run_strategy, simulate_weights
from investlab.backtest.result import BacktestResult
from investlab.backtest.strategies import BuyAndHold, MonthlyMomentum, SmaCross
from investlab.core.errors import InvalidInput
from tests.support.panels import examples, random_panel

SAME_CLOSE = "same_close"


def _drawn(seed: int, whole_shares: bool, execution: str) -> BacktestResult:
    panel = random_panel(seed, sessions=60, missing=0.03, actions=6)
    weights = np.random.default_rng(seed).dirichlet(np.ones(4), 60)[:, :3]
    weights[np.isnan(panel.values("close")).any(axis=1) | (np.arange(60) % 3 > 0)] = np.nan
    weights[:2] = np.nan
    terms = {"costs": Costs.bps(10, 5), "execution": execution, "whole_shares": whole_shares}
    return simulate_weights(panel, weights, **terms)


DRAWN = st.builds(_drawn, st.integers(0, 10_000), st.booleans(), st.sampled_from(["next_open", SAME_CLOSE]))


@pytest.fixture
def result() -> BacktestResult:
    return run_strategy(SmaCross(3, 10), random_panel(1, sessions=300, actions=3), costs=Costs.bps(5, 2))


@given(DRAWN, st.sampled_from(list(Linking)))
@examples(25)
def test_attribution_sums_to_the_total_return_and_explains_all_cash(result: BacktestResult, method: Linking) -> None:
    told = result.attribution(method)
    total = result.metrics["total_return"]
    for table in (told.by_instrument, told.by_sector):
        np.testing.assert_allclose(table["contribution"].sum(), total, rtol=1e-12, atol=1e-12)
        assert abs(table.loc["other", "contribution"]) < 1e-12
    np.testing.assert_allclose(told.by_instrument.loc["costs", "pnl"], -result.metrics["costs"], rtol=1e-12)


@given(DRAWN)
@examples(25)
def test_round_trips_open_lots_and_income_are_what_was_earned(result: BacktestResult) -> None:
    """With splits on the way, and fractions of shares paid in cash."""
    statistics = result.trades().statistics
    earned = statistics.total_pnl + statistics.open_pnl + result.income.sum()
    np.testing.assert_allclose(earned, result.nav.iloc[-1] - result.initial_cash, rtol=1e-9, atol=1e-6)


@given(DRAWN)
@examples(15)
def test_tables_agree_with_the_metrics(result: BacktestResult) -> None:
    deepest = result.drawdowns_table(1)["depth"]
    assert (deepest.iloc[0] if len(deepest) else 0.0) == result.metrics["max_drawdown"]
    growth = (1.0 + result.monthly_returns()["year"]).prod()
    np.testing.assert_allclose(growth, 1.0 + result.metrics["total_return"], rtol=1e-12)


def test_the_summary_repeats_the_metrics(result: BacktestResult) -> None:
    numbers = result.summary()["strategy"]
    for name in ("total_return", "cagr", "volatility", "sharpe", "max_drawdown"):
        assert numbers[name] == pytest.approx(result.metrics[name], rel=1e-12)


def test_the_benchmark_stands_beside_the_strategy(result: BacktestResult) -> None:
    table = result.summary()
    held = run_strategy(BuyAndHold(), random_panel(1, sessions=300, actions=3), costs=Costs.bps(5, 2))
    assert table.loc["sharpe", "benchmark"] == pytest.approx(held.metrics["sharpe"])
    assert np.isfinite(table.loc[["beta", "alpha", "up_capture"], "strategy"]).all()
    assert held.summary().columns.tolist() == ["strategy"]


def test_a_first_session_that_only_one_of_both_has_counts_as_nothing_for_the_other() -> None:
    panel = random_panel(4, sessions=80)
    result = run_strategy(MonthlyMomentum(1, 10, 1), panel, costs=Costs.bps(50), execution=SAME_CLOSE)
    assert result.summary().loc["sessions"].tolist() == [79, 80]
    assert np.isfinite(result.summary().loc["beta", "strategy"])


def test_the_risk_free_series_must_cover_every_session(result: BacktestResult) -> None:
    rates = pd.Series(0.0001, index=result.nav.index)
    assert result.summary(rates).loc["sharpe", "strategy"] == pytest.approx(
        result.summary(0.0001).loc["sharpe", "strategy"]
    )
    with pytest.raises(InvalidInput, match="risk-free"):
        result.summary(rates[:-1])


def test_results_without_a_fill_have_empty_tables() -> None:
    panel = random_panel(2, sessions=20)
    idle = simulate_weights(panel, pd.DataFrame(columns=panel.symbols, index=panel.index[:0], dtype=float))
    assert idle.trades().statistics.count == 0
    assert idle.drawdowns_table().empty
    assert idle.attribution().by_instrument["contribution"].tolist() == [0.0, 0.0, 0.0]
    assert idle.summary().loc["sharpe", "strategy"] == 0.0
