"""The compiled kernels agree with the slow, obvious backtest on whatever hypothesis draws."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from investlab.backtest.costs import Costs
from investlab.backtest.engine import simulate_signals, simulate_weights
from investlab.backtest.result import BacktestResult
from investlab.market.panel import PricePanel
from tests.support.panels import costs, examples, panels, random_panel, signals_for, weights_for
from tests.support.reference_backtest import Reference, reference_signals, reference_weights

pytestmark = pytest.mark.slow

DRAWS = 15 * int(os.environ.get("INVESTLAB_FAULT_ROUNDS", "20"))
EXECUTIONS = st.sampled_from(["next_open", "next_close", "same_close"])
CASH = st.sampled_from([10.0, 1_000.0, 100_000.0])


def assert_same(result: BacktestResult, expected: Reference) -> None:
    np.testing.assert_allclose(result.nav, expected.nav, rtol=1e-10)
    np.testing.assert_allclose(result.cash, expected.cash, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(result.positions, expected.quantities, rtol=1e-10, atol=1e-12)
    fills = result.fills
    index = result.nav.index
    found = np.column_stack(
        [
            index.get_indexer(fills["session"]),
            result.positions.columns.get_indexer(fills["symbol"]),
            index.get_indexer(fills["decided"]),
            np.where(fills["side"] == "buy", 1, -1) * fills["quantity"],
            fills["reference_price"],
            fills["fill_price"],
            fills["commission"],
        ]
    )
    np.testing.assert_allclose(found, np.array(expected.fills).reshape(-1, 7), rtol=1e-10, atol=1e-12)


def draw_terms(data: st.DataObject, panel: PricePanel) -> dict[str, Any]:
    return {
        "costs": data.draw(costs()),
        "execution": data.draw(EXECUTIONS),
        "initial_cash": data.draw(CASH),
        "whole_shares": panel.basis == "raw" and data.draw(st.booleans()),
    }


def check_signals(data: st.DataObject) -> None:
    panel = data.draw(panels())
    signals, terms = data.draw(signals_for(panel)), draw_terms(data, panel)
    assert_same(simulate_signals(panel, *signals, **terms), reference_signals(panel, *signals, **terms))


def check_weights(data: st.DataObject) -> None:
    panel = data.draw(panels())
    weights, terms = data.draw(weights_for(panel)), draw_terms(data, panel)
    assert_same(simulate_weights(panel, weights, **terms), reference_weights(panel, weights, **terms))


@given(st.data())
@examples(80)
def test_signals_agree_with_the_obvious_backtest(data: st.DataObject) -> None:
    check_signals(data)


@given(st.data())
@examples(80)
def test_weights_agree_with_the_obvious_backtest(data: st.DataObject) -> None:
    check_weights(data)


@pytest.mark.slow
@pytest.mark.drill
@pytest.mark.parametrize("check", [check_signals, check_weights])
def test_many_draws_agree_with_the_obvious_backtest(check: Callable[[st.DataObject], None]) -> None:
    given(st.data())(examples(DRAWS)(check))()


@pytest.mark.parametrize("whole_shares", [False, True])
def test_a_long_history_agrees_with_the_obvious_backtest(whole_shares: bool) -> None:
    panel = random_panel(7, sessions=120, instruments=4, missing=0.05, actions=12)
    rng = np.random.default_rng(1)
    entries, exits = rng.random(panel.shape) < 0.2, rng.random(panel.shape) < 0.2
    terms = {
        "costs": Costs(5, 3, 1.0, 2.0),
        "execution": "next_open",
        "initial_cash": 100_000.0,
        "whole_shares": whole_shares,
    }
    assert_same(simulate_signals(panel, entries, exits, **terms), reference_signals(panel, entries, exits, **terms))
