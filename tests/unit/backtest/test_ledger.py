"""The books balance: cash and positions are the NAV, and fills, income and costs explain every change."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from investlab.backtest.costs import Costs
from investlab.backtest.engine import simulate_signals, simulate_weights
from investlab.backtest.result import BacktestResult
from investlab.market.panel import PricePanel
from tests.support.panels import costs, examples, panels, proportional_costs, random_panel, signals_for, weights_for

EXECUTIONS = st.sampled_from(["next_open", "next_close", "same_close"])


@st.composite
def results(draw: st.DrawFn) -> BacktestResult:
    """Draw a backtest of signals or of weights on any terms."""
    panel = draw(panels())
    terms = {
        "costs": draw(costs()),
        "execution": draw(EXECUTIONS),
        "whole_shares": panel.basis == "raw" and draw(st.booleans()),
    }
    if draw(st.booleans()):
        return simulate_signals(panel, *draw(signals_for(panel)), **terms)
    return simulate_weights(panel, draw(weights_for(panel)), **terms)


@given(results())
@examples(50)
def test_cash_and_positions_are_the_nav(result: BacktestResult) -> None:
    worth = result.cash + (result.positions * result.prices.fillna(0.0)).sum(axis=1)
    np.testing.assert_allclose(worth, result.nav, rtol=1e-9)
    np.testing.assert_allclose(result.cash + result.values.sum(axis=1), result.nav, rtol=1e-9)


@given(results())
@examples(50)
def test_nothing_is_borrowed_or_sold_short(result: BacktestResult) -> None:
    assert (result.cash >= 0).all()
    assert (result.positions >= 0).all(axis=None)
    assert np.isfinite(result.nav).all()


@given(results())
@examples(50)
def test_fills_and_income_explain_the_cash(result: BacktestResult) -> None:
    fills = result.fills
    signed = np.where(fills["side"] == "buy", -1.0, 1.0)
    flow = (signed * fills["value"] - fills["commission"]).groupby(fills["session"]).sum()
    moved = flow.reindex(result.nav.index, fill_value=0.0) + result.income
    np.testing.assert_allclose(result.initial_cash + moved.cumsum(), result.cash, rtol=1e-9, atol=1e-6)


@given(results())
@examples(50)
def test_metrics_follow_from_the_frames(result: BacktestResult) -> None:
    metrics, fills, nav = result.metrics, result.fills, result.nav
    assert list(metrics) == [
        "total_return",
        "cagr",
        "volatility",
        "sharpe",
        "max_drawdown",
        "turnover",
        "costs",
        "exposure",
    ]
    assert np.isfinite(list(metrics.values())).all()
    np.testing.assert_allclose(metrics["total_return"], nav.iloc[-1] / result.initial_cash - 1, atol=1e-12)
    np.testing.assert_allclose(metrics["max_drawdown"], result.drawdown.min(), atol=1e-12)
    np.testing.assert_allclose(metrics["exposure"], result.exposure.mean(), atol=1e-9)
    np.testing.assert_allclose(metrics["costs"], (fills["commission"] + fills["slippage_cost"]).sum(), atol=1e-6)
    share = fills["quantity"] * fills["reference_price"] / nav.reindex(fills["session"]).to_numpy()
    years = (len(nav) - 1) / 252
    np.testing.assert_allclose(metrics["turnover"], share.sum() / 2 / years, rtol=1e-9, atol=1e-12)


@given(st.data())
@examples(50)
def test_a_fixed_list_of_fills_loses_exactly_its_costs(data: st.DataObject) -> None:
    """Weights of a third leave cash for every cost, so both runs fill the same quantities."""
    panel = data.draw(panels(complete=True))
    rows = np.full(panel.shape, np.nan)
    rows[0] = 1.0 / (3 * panel.shape[1])
    given_costs = data.draw(proportional_costs())
    free, paid = (
        simulate_weights(panel, rows, costs=terms, execution="same_close") for terms in (Costs.free(), given_costs)
    )
    np.testing.assert_allclose(free.fills["quantity"], paid.fills["quantity"], rtol=1e-12)
    lost = (paid.fills["commission"] + paid.fills["slippage_cost"]).sum()
    np.testing.assert_allclose(free.nav.iloc[-1] - paid.nav.iloc[-1], lost, rtol=1e-9, atol=1e-7)


@given(st.data())
@examples(30)
def test_proportional_results_scale_with_the_cash(data: st.DataObject) -> None:
    panel = data.draw(panels())
    weights, given_costs = data.draw(weights_for(panel)), data.draw(proportional_costs())
    one, ten = (simulate_weights(panel, weights, costs=given_costs, initial_cash=cash) for cash in (1e3, 1e4))
    np.testing.assert_allclose(ten.nav, 10 * one.nav, rtol=1e-9)


def replay(panel: PricePanel, fills: pd.DataFrame) -> pd.DataFrame:
    """Return quantities at each session from fills and splits alone."""
    held = pd.DataFrame(0.0, index=panel.index, columns=panel.symbols)
    current = dict.fromkeys(panel.symbols, 0.0)
    splits = dict(
        zip(zip(panel.actions.session, panel.actions.column, strict=True), panel.actions.split_ratio, strict=True)
    )
    for number, session in enumerate(panel.index):
        for column, symbol in enumerate(panel.symbols):
            current[symbol] *= splits.get((number, column), 1.0)
        for fill in fills[fills["session"] == session].itertuples():
            current[fill.symbol] += fill.quantity if fill.side == "buy" else -fill.quantity
        held.loc[session] = current
    return held


def test_fills_and_splits_explain_the_positions() -> None:
    panel = random_panel(11, sessions=120, instruments=4, missing=0.05, actions=15)
    rng = np.random.default_rng(2)
    result = simulate_signals(
        panel, rng.random(panel.shape) < 0.2, rng.random(panel.shape) < 0.2, costs=Costs.bps(5, 5)
    )
    np.testing.assert_allclose(replay(panel, result.fills), result.positions, rtol=1e-9, atol=1e-9)
