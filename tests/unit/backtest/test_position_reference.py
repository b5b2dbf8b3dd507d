"""The compiled simulation of positions agrees with the slow, obvious one on whatever hypothesis draws."""

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
from tests.support.ohlc_panels import ohlc_panels
from tests.support.panels import costs, examples, panels, random_panel
from tests.support.reference_backtest import Reference
from tests.support.reference_positions import reference_positions

pytestmark = pytest.mark.slow

EXECUTIONS = ["next_open", "next_close", "same_close"]
SIZINGS = [Sizing.all_in(), Sizing.fraction(0.5), Sizing.cash(300.0), Sizing.volatility(0.4, 3)]


def maybe(*values: float) -> st.SearchStrategy[float | None]:
    return st.sampled_from([None, *values])


def stops() -> st.SearchStrategy[Stops]:
    """Draw stops; nearer than most moves, and some that meet their level exactly on round prices."""
    return st.builds(Stops, maybe(0.05, 0.1, 0.5), maybe(0.05, 0.1, 1.0), maybe(0.05, 0.2), maybe(1, 2, 3))


def assert_same(result: BacktestResult, expected: Reference, reasons: list[str]) -> None:
    np.testing.assert_allclose(result.nav, expected.nav, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(result.cash, expected.cash, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(result.positions, expected.quantities, rtol=1e-12, atol=1e-12)
    fills, index = result.fills, result.nav.index
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
    np.testing.assert_allclose(found, np.array(expected.fills).reshape(-1, 7), rtol=1e-12, atol=1e-12)
    assert fills["reason"].tolist() == reasons


def draw_terms(data: st.DataObject, panel: PricePanel) -> dict[str, Any]:
    return {
        "costs": data.draw(costs()),
        "execution": data.draw(st.sampled_from(EXECUTIONS)),
        "initial_cash": data.draw(st.sampled_from([100.0, 1_000.0])),
        "whole_shares": panel.basis == "raw" and data.draw(st.booleans()),
        "sizing": data.draw(st.sampled_from(SIZINGS)),
        "stops": data.draw(stops()),
    }


def draw_arrays(data: st.DataObject, panel: PricePanel) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    often = data.draw(st.sampled_from([0.15, 0.4]))
    return tuple(rng.random(panel.shape) < often for _ in range(4))


@given(st.data())
@examples(80)
def test_positions_agree_with_the_obvious_simulation(data: st.DataObject) -> None:
    panel = data.draw(st.one_of(ohlc_panels(), ohlc_panels(), panels()))
    arrays, terms = draw_arrays(data, panel), draw_terms(data, panel)
    assert_same(simulate_signals(panel, *arrays, **terms), *reference_positions(panel, arrays, **terms))


@given(st.data(), st.sampled_from(["long", "short", "both"]))
@examples(20)
def test_directions_are_their_signals_laid_out_by_side(data: st.DataObject, direction: str) -> None:
    panel = data.draw(ohlc_panels())
    entries, exits, *_ = draw_arrays(data, panel)
    terms, none = draw_terms(data, panel), np.zeros(panel.shape, dtype=bool)
    sides = {
        "long": (entries, exits, none, none),
        "short": (none, none, entries, exits),
        "both": (entries, none, exits, none),
    }
    result = simulate_signals(panel, entries, exits, direction=direction, **terms)
    assert_same(result, *reference_positions(panel, sides[direction], **terms))


@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize("whole_shares", [False, True])
def test_plain_rules_give_the_same_bits_by_both_kernels(execution: str, whole_shares: bool) -> None:
    panel = random_panel(3, sessions=250, instruments=4, missing=0.05, actions=12)
    rng = np.random.default_rng(4)
    entries, exits = rng.random(panel.shape) < 0.15, rng.random(panel.shape) < 0.15
    terms = {"costs": Costs(5, 3, 1.0, 2.0), "execution": execution, "whole_shares": whole_shares}
    plain = simulate_signals(panel, entries, exits, **terms)
    general = simulate_signals(panel, entries, exits, stops=Stops(time=10_000), **terms)
    assert general.hash == plain.hash
    assert dict(general.metrics) == dict(plain.metrics)
