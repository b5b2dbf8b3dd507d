"""The compiled kernels agree with the slow, obvious backtest on whatever hypothesis draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from investlab.backtest.engine import simulate_signals, simulate_weights
from investlab.backtest.result import BacktestResult
from tests.support.panels import costs, examples, panels, signals_for, weights_for
from tests.support.reference_backtest import Reference, reference_signals, reference_weights

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


@given(st.data())
@examples(300)
def test_signals_agree_with_the_obvious_backtest(data: st.DataObject) -> None:
    panel = data.draw(panels())
    entries, exits = data.draw(signals_for(panel))
    terms = {
        "costs": data.draw(costs()),
        "execution": data.draw(EXECUTIONS),
        "initial_cash": data.draw(CASH),
        "whole_shares": panel.basis == "raw" and data.draw(st.booleans()),
    }
    assert_same(simulate_signals(panel, entries, exits, **terms), reference_signals(panel, entries, exits, **terms))


@given(st.data())
@examples(300)
def test_weights_agree_with_the_obvious_backtest(data: st.DataObject) -> None:
    panel = data.draw(panels())
    weights = data.draw(weights_for(panel))
    terms = {
        "costs": data.draw(costs()),
        "execution": data.draw(EXECUTIONS),
        "initial_cash": data.draw(CASH),
        "whole_shares": panel.basis == "raw" and data.draw(st.booleans()),
    }
    assert_same(simulate_weights(panel, weights, **terms), reference_weights(panel, weights, **terms))


@pytest.mark.parametrize("whole_shares", [False, True])
def test_a_long_history_agrees_with_the_obvious_backtest(whole_shares: bool) -> None:
    from investlab.backtest.costs import Costs
    from tests.support.panels import random_panel

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
