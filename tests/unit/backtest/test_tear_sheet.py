"""A tear sheet holds the figures of `analytics` and nothing of its own; odd records leave parts out and say so."""

from dataclasses import fields, replace
from math import inf

import numpy as np
import pandas as pd
import pytest

from investlab.analytics.distributions import histogram
from investlab.analytics.overfitting import ReturnMoments, minimum_track_record, probabilistic_sharpe
from investlab.analytics.rolling import rolling_beta, rolling_sharpe, rolling_volatility
from investlab.analytics.tail_risk import conditional_value_at_risk, value_at_risk
from investlab.backtest.costs import Costs
from investlab.backtest.engine import run_strategy, simulate_signals, simulate_weights
from investlab.backtest.result import BacktestResult
from investlab.backtest.strategies import SmaCross
from investlab.backtest.tear_sheet import NO_BENCHMARK, NO_SUMMARY, NOT_LINKED, TearSheet, tear_sheet, window_for
from tests.support.panels import make_panel, random_panel

YEAR = 252.0


def make_result() -> BacktestResult:
    panel = random_panel(1, sessions=300, actions=3)
    result = run_strategy(SmaCross(3, 10), panel, costs=Costs.bps(5, 2))
    benchmark = run_strategy(SmaCross(5, 20), panel, costs=Costs.bps(5, 2)).nav
    return replace(result, benchmark=benchmark.rename("benchmark"))


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    return make_result()


@pytest.fixture(scope="module")
def sheet(result: BacktestResult) -> TearSheet:
    return tear_sheet(result)


def test_the_numbers_are_those_of_the_summary(result: BacktestResult, sheet: TearSheet) -> None:
    pd.testing.assert_frame_equal(sheet.summary, result.summary())
    assert sheet.summary["strategy"]["sharpe"] == pytest.approx(result.metrics["sharpe"], rel=1e-12)
    assert sheet.remarks == ()


def test_tables_are_those_of_the_result(result: BacktestResult, sheet: TearSheet) -> None:
    pd.testing.assert_frame_equal(sheet.monthly, result.monthly_returns())
    pd.testing.assert_frame_equal(sheet.drawdowns, result.drawdowns_table(10))
    pd.testing.assert_frame_equal(sheet.trades.closed, result.trades().closed)
    assert sheet.attribution is not None
    pd.testing.assert_frame_equal(sheet.attribution.by_instrument, result.attribution().by_instrument)


def test_rolling_measures_are_those_of_analytics(result: BacktestResult, sheet: TearSheet) -> None:
    window = sheet.window_sessions
    returns, other = result.returns, replace(result, nav=result.benchmark).returns
    pd.testing.assert_series_equal(sheet.rolling["sharpe"], rolling_sharpe(returns, window, YEAR))
    pd.testing.assert_series_equal(sheet.rolling["volatility"], rolling_volatility(returns, window, YEAR))
    pd.testing.assert_series_equal(sheet.rolling["beta"], rolling_beta(returns, other, window))


def test_the_tail_is_that_of_analytics(result: BacktestResult, sheet: TearSheet) -> None:
    assert sheet.tail is not None
    assert sheet.tail.value_at_risk == value_at_risk(result.returns)
    assert sheet.tail.conditional_value_at_risk == conditional_value_at_risk(result.returns)
    np.testing.assert_array_equal(sheet.tail.bins.counts, histogram(result.returns).counts)


def test_luck_is_that_of_the_papers(result: BacktestResult, sheet: TearSheet) -> None:
    moments = ReturnMoments.of(result.returns.to_numpy())
    assert sheet.luck is not None
    assert sheet.luck.probabilistic_sharpe == probabilistic_sharpe(moments)
    assert sheet.luck.minimum_years == minimum_track_record(moments) / YEAR
    assert sheet.luck.sharpe == pytest.approx(result.metrics["sharpe"], rel=1e-12)


def test_trading_adds_up_to_the_metrics(result: BacktestResult, sheet: TearSheet) -> None:
    years = (len(result.nav) - 1) / YEAR
    assert sheet.monthly_turnover.sum() / years == pytest.approx(result.metrics["turnover"], rel=1e-12)
    assert sheet.costs.iloc[-1] == pytest.approx(result.metrics["costs"], rel=1e-12)
    assert sheet.cost_table["cost"]["total"] == pytest.approx(result.metrics["costs"], rel=1e-12)
    assert sheet.exposure["gross"].mean() == pytest.approx(result.metrics["exposure"], rel=1e-12)


def test_turnover_is_dated_to_each_months_last_session(result: BacktestResult, sheet: TearSheet) -> None:
    sessions = result.nav.index.to_series()
    expected = sessions.groupby([sessions.dt.year, sessions.dt.month]).max()
    assert sheet.monthly_turnover.index.tolist() == expected.tolist()


def test_equal_results_give_equal_bits(sheet: TearSheet) -> None:
    again = tear_sheet(make_result())
    for name in ("summary", "monthly", "rolling", "exposure", "cost_table", "drawdowns"):
        pd.testing.assert_frame_equal(getattr(sheet, name), getattr(again, name), check_exact=True)
    for name in ("nav", "drawdown", "monthly_turnover", "costs"):
        pd.testing.assert_series_equal(getattr(sheet, name), getattr(again, name), check_exact=True)
    assert sheet.luck == again.luck


def test_without_a_trade_everything_is_flat() -> None:
    panel = make_panel({"A": [10.0, 11.0, 12.0, 13.0]})
    nothing = np.zeros(panel.shape, dtype=bool)
    sheet = tear_sheet(simulate_signals(panel, nothing, nothing))
    assert sheet.trades.statistics.count == 0
    assert sheet.drawdowns.empty
    assert sheet.costs.tolist() == [0.0] * 4
    assert sheet.summary["strategy"]["sharpe"] == 0.0
    assert sheet.luck is not None
    assert sheet.luck.minimum_years == inf


def test_one_session_leaves_out_what_needs_returns_and_says_so() -> None:
    panel = make_panel({"A": [10.0]})
    sheet = tear_sheet(simulate_weights(panel, np.ones((1, 1)), execution="next_close"))
    assert sheet.summary.empty
    assert (sheet.tail, sheet.luck) == (None, None)
    assert NO_SUMMARY in sheet.remarks
    assert sheet.monthly.empty


def test_a_benchmark_with_gaps_is_left_out_and_said(result: BacktestResult) -> None:
    sheet = tear_sheet(replace(result, benchmark=result.benchmark * np.nan))
    assert sheet.benchmark is None
    assert sheet.benchmark_years is None
    assert list(sheet.summary.columns) == ["strategy"]
    assert "beta" not in sheet.rolling
    assert NO_BENCHMARK in sheet.remarks


@pytest.mark.parametrize("last", [0.0, -50.0])
def test_ruin_counts_as_a_loss_of_everything_and_ends_the_record(result: BacktestResult, last: float) -> None:
    nav = result.nav.copy()
    nav.iloc[100:] = last
    sheet = tear_sheet(replace(result, nav=nav, benchmark=None))
    assert sheet.summary["strategy"]["total_return"] == -1.0
    assert sheet.summary["strategy"]["sessions"] == 100
    assert any("used up on" in remark for remark in sheet.remarks)
    assert NOT_LINKED in sheet.remarks


def test_the_window_is_a_year_or_a_quarter_of_the_record() -> None:
    assert [window_for(count) for count in (10, 100, 400, 2000)] == [21, 25, 100, 252]


def test_every_part_has_a_name_in_the_docstring() -> None:
    told = TearSheet.__doc__ or ""
    unnamed = {"nav", "drawdown", "exposure", "trades", "drawdowns"}
    assert all(f"`{field.name}`" in told for field in fields(TearSheet) if field.name not in unnamed)
