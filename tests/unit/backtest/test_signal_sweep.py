"""Trials of signals are measured without a whole simulation; the numbers are those of one, to the bit."""

from dataclasses import replace

import numpy as np
import pytest

from investlab.analytics.returns import returns_since
from investlab.analytics.symmetric_splits import BLOCKS, write_block_moments
from investlab.backtest.costs import Costs
from investlab.backtest.engine import simulate
from investlab.backtest.kernels import METRICS
from investlab.backtest.position_rules import PositionRules
from investlab.backtest.sizing import Sizing
from investlab.backtest.strategies import SmaCross
from investlab.backtest.sweep import SweepTask, generic_chunk
from investlab.backtest.terms import agree_terms
from investlab.market.delistings import DelistingTable
from investlab.market.panel import PricePanel
from tests.support.panels import random_panel

ENDS = DelistingTable(np.array([200]), np.array([1]), np.array([-0.4]))
PANELS = {
    "plain": random_panel(1),
    "gaps-and-actions": random_panel(2, missing=0.1, actions=6),
    "delisted": replace(random_panel(3, actions=3), delistings=ENDS, id=""),
}
COMBINATIONS = [{"fast": fast, "slow": slow} for fast, slow in ((1, 2), (2, 5), (5, 20), (10, 60))]


@pytest.mark.parametrize("execution", ["next_open", "next_close", "same_close"])
@pytest.mark.parametrize("panel", PANELS.values(), ids=PANELS)
def test_rows_are_those_of_whole_simulations_to_the_bit(panel: PricePanel, execution: str) -> None:
    terms = agree_terms(panel, Costs(commission_bps=5, slippage_bps=3, fixed=1), execution, 10_000.0)
    rows = generic_chunk(SweepTask(SmaCross, panel, terms), COMBINATIONS)
    for row, combination in zip(rows, COMBINATIONS, strict=True):
        whole = simulate(SmaCross(**combination), panel, terms)
        moments = np.empty(2 * BLOCKS)
        write_block_moments(returns_since(whole.book.nav, 10_000.0), len(whole.book.nav), moments)
        assert row[: len(METRICS)].tobytes() == whole.metrics.tobytes()
        assert row[len(METRICS) :].tobytes() == moments.tobytes()


def test_a_row_of_another_sizing_is_not_that_of_all_cash() -> None:
    """The short way knows plain rules alone, so terms with others must not take it."""
    panel = PANELS["plain"]
    terms = agree_terms(panel, Costs(), "next_open", 10_000.0)
    half = replace(terms, rules=PositionRules(sizing=Sizing.fraction(0.5)))
    row = generic_chunk(SweepTask(SmaCross, panel, half), COMBINATIONS[2:3])[0]
    whole = simulate(SmaCross(5, 20), panel, half)
    assert row[: len(METRICS)].tobytes() == whole.metrics.tobytes()
    assert row[0] != generic_chunk(SweepTask(SmaCross, panel, terms), COMBINATIONS[2:3])[0][0]
