"""The books of longs, shorts, sizes and stops balance, and the future changes nothing past."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from investlab.backtest.costs import Costs
from investlab.backtest.engine import simulate_signals
from investlab.backtest.result import BacktestResult
from investlab.backtest.sizing import Sizing
from investlab.backtest.stops import Stops
from investlab.market.panel import PricePanel
from tests.support.lookahead import assert_no_look_ahead
from tests.support.ohlc_panels import ohlc_panels
from tests.support.panels import costs, examples, make_panel

EXECUTIONS = st.sampled_from(["next_open", "next_close", "same_close"])
SIZINGS = st.sampled_from([Sizing.all_in(), Sizing.fraction(0.4), Sizing.cash(300.0), Sizing.volatility(0.4, 3)])
STOPS = st.sampled_from([Stops(), Stops(0.1), Stops(take_profit=0.1, time=3), Stops(0.05, 0.1, 0.08, 4)])


@st.composite
def signals(draw: st.DrawFn, panel: PricePanel, arrays: int = 4) -> tuple[np.ndarray, ...]:
    """Draw that many arrays of signals."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return tuple(rng.random(panel.shape) < 0.3 for _ in range(arrays))


@st.composite
def terms(draw: st.DrawFn, panel: PricePanel) -> dict[str, Any]:
    """Draw every term of a simulation."""
    return {
        "costs": draw(costs()),
        "execution": draw(EXECUTIONS),
        "whole_shares": panel.basis == "raw" and draw(st.booleans()),
        "sizing": draw(SIZINGS),
        "stops": draw(STOPS),
        "initial_cash": 1_000.0,
    }


@st.composite
def results(draw: st.DrawFn) -> BacktestResult:
    """Draw a backtest of signals for both sides."""
    panel = draw(ohlc_panels())
    return simulate_signals(panel, *draw(signals(panel)), **draw(terms(panel)))


@given(results())
@examples(25)
def test_cash_and_positions_are_the_nav(result: BacktestResult) -> None:
    np.testing.assert_allclose(result.cash + result.values.sum(axis=1), result.nav, rtol=1e-9, atol=1e-9)


@given(results())
@examples(25)
def test_the_nav_is_what_the_same_fills_give_free_less_exactly_their_costs(result: BacktestResult) -> None:
    fills = result.fills
    signed = np.where(fills["side"] == "buy", 1.0, -1.0) * fills["quantity"]
    free = result.initial_cash - (signed * fills["reference_price"]).sum() + result.income.sum()
    worth = free + result.values.iloc[-1].sum()
    paid = (fills["commission"] + fills["slippage_cost"]).sum()
    np.testing.assert_allclose(result.nav.iloc[-1], worth - paid, rtol=1e-9, atol=1e-7)
    np.testing.assert_allclose(result.metrics["costs"], paid, rtol=1e-9, atol=1e-9)


@given(results())
@examples(25)
def test_metrics_are_finite_and_follow_from_the_frames(result: BacktestResult) -> None:
    assert np.isfinite(list(result.metrics.values())).all()
    np.testing.assert_allclose(result.metrics["total_return"], result.nav.iloc[-1] / 1_000.0 - 1.0, atol=1e-12)


@given(st.data())
@examples(20)
def test_another_future_changes_nothing_past(data: st.DataObject) -> None:
    panel = data.draw(ohlc_panels())
    arrays, drawn = data.draw(signals(panel)), data.draw(terms(panel))
    cut = data.draw(st.integers(0, panel.shape[0] - 1))

    def run(given_panel: PricePanel) -> BacktestResult:
        rows = given_panel.shape[0]
        return simulate_signals(given_panel, *(array[:rows] for array in arrays), **drawn)

    assert_no_look_ahead(run, panel, cut)


@given(st.data())
@examples(25)
def test_a_short_of_a_fixed_amount_loses_what_the_long_gains(data: st.DataObject) -> None:
    """Without costs and stops, on the same fills; the amount is far below the equity, so that neither is cut."""
    panel = data.draw(ohlc_panels())
    entries, exits = data.draw(signals(panel, 2))
    drawn = {"sizing": Sizing.cash(10.0), "initial_cash": 1e6, "execution": data.draw(EXECUTIONS)}
    long, short = (simulate_signals(panel, entries, exits, direction=side, **drawn) for side in ("long", "short"))
    np.testing.assert_allclose(short.positions, -long.positions, rtol=1e-9)
    np.testing.assert_allclose(short.nav - 1e6, 1e6 - long.nav, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(short.income, -long.income, rtol=1e-12)


def test_all_in_a_long_and_a_short_of_one_entry_hold_twice_the_cash() -> None:
    panel = make_panel({"A": [100, 100, 110, 90, 130, 70]}, actions=[(3, "A", "dividend", 5.0)])
    entry, none = np.eye(6, 1, dtype=bool), np.zeros((6, 1), dtype=bool)
    long, short = (simulate_signals(panel, entry, none, direction=side) for side in ("long", "short"))
    np.testing.assert_allclose(long.nav + short.nav, 200_000.0, rtol=1e-14)


@given(st.data())
@examples(20)
def test_proportional_results_scale_with_the_cash(data: st.DataObject) -> None:
    panel = data.draw(ohlc_panels())
    arrays = data.draw(signals(panel))
    drawn = {"costs": Costs.bps(10, 5), "stops": data.draw(STOPS), "execution": data.draw(EXECUTIONS)}
    small, large = (simulate_signals(panel, *arrays, initial_cash=cash, **drawn) for cash in (1_000.0, 64_000.0))
    np.testing.assert_allclose(large.nav, 64.0 * small.nav, rtol=1e-9, atol=1e-6)


def test_trades_and_attribution_take_shorts_and_stops() -> None:
    """Long 10 at 100, stopped at 90: −100; short the 900 left at 90 and covered at 80: 10 shares gain 100."""
    panel = make_panel({"A": [100, 100, 90, 90, 80, 80]})
    marks = [np.array([[mark == "x"] for mark in own]) for own in ("x.....", "......", "...x..", "....x.")]
    result = simulate_signals(panel, *marks, stops=Stops(0.1), execution="same_close", initial_cash=1_000.0)
    assert result.fills["reason"].tolist() == ["signal", "stop_loss", "signal", "signal"]
    trades = result.trades().closed
    assert trades["side"].tolist() == ["long", "short"]
    assert trades["pnl"].tolist() == pytest.approx([-100.0, 100.0])
    assert result.attribution().by_instrument["pnl"].loc["A"] == pytest.approx(0.0, abs=1e-9)
    assert result.nav.tolist() == [1_000.0, 1_000.0, 900.0, 900.0, 1_000.0, 1_000.0]
