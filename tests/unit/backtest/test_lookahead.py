"""Changing the future changes nothing past, and the checker catches a strategy that peeks."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from investlab.backtest.costs import Costs
from investlab.backtest.engine import run_strategy, simulate_signals, simulate_weights
from investlab.backtest.strategies import BuyAndHold, MonthlyMomentum, SmaCross, Strategy
from investlab.market.panel import PricePanel
from tests.support.lookahead import assert_decisions_without_look_ahead, assert_no_look_ahead
from tests.support.panels import examples, panels, random_panel, signals_for, weights_for

EXECUTIONS = ("next_open", "next_close", "same_close")
COSTS = Costs(5, 3, 0.5, 1.0)


@dataclass(frozen=True)
class Peeking:
    """Long whenever the next close is higher."""

    name: ClassVar[str] = "peeking"
    family: ClassVar[str] = "peeking"

    def signals(self, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
        close = panel.values("close")
        rises = np.vstack([close[1:] > close[:-1], np.zeros((1, close.shape[1]), dtype=bool)])
        return rises, ~rises


@dataclass(frozen=True)
class Normalising:
    """Weights that look innocent but use the mean of all closes, later ones too."""

    name: ClassVar[str] = "normalising"
    family: ClassVar[str] = "normalising"

    def weights(self, panel: PricePanel) -> np.ndarray:
        close = panel.values("close")
        return (close < close.mean(axis=0)) / close.shape[1]


@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize(
    "strategy",
    [SmaCross(3, 10), MonthlyMomentum(k=2, lookback_sessions=40, skip_sessions=5), BuyAndHold()],
    ids=lambda strategy: strategy.name,
)
@pytest.mark.parametrize("seed", range(2))
def test_a_strategy_knows_nothing_of_the_future(strategy: Strategy, execution: str, seed: int) -> None:
    panel = random_panel(seed, sessions=150, instruments=4, missing=0.02, actions=15)
    for cut in (0, 44, 85, 149):
        assert_decisions_without_look_ahead(strategy, panel, cut)
        assert_no_look_ahead(
            lambda given_panel: run_strategy(strategy, given_panel, costs=COSTS, execution=execution), panel, cut
        )


@pytest.mark.parametrize("strategy", [Peeking(), Normalising()], ids=lambda strategy: strategy.name)
def test_the_checkers_catch_a_strategy_that_peeks(strategy: Strategy) -> None:
    panel = random_panel(1, sessions=60)
    with pytest.raises(AssertionError, match="depends? on what came later"):
        assert_decisions_without_look_ahead(strategy, panel, 30)
    with pytest.raises(AssertionError, match="depends? on what came later"):
        assert_no_look_ahead(lambda given_panel: run_strategy(strategy, given_panel, execution="same_close"), panel, 30)


@given(st.data())
@examples(30)
def test_the_simulation_of_signals_knows_nothing_of_the_future(data: st.DataObject) -> None:
    panel = data.draw(panels())
    entries, exits = data.draw(signals_for(panel))
    cut = data.draw(st.integers(0, panel.shape[0] - 1))
    execution = data.draw(st.sampled_from(EXECUTIONS))
    assert_no_look_ahead(
        lambda other: simulate_signals(
            other, entries[: other.shape[0]], exits[: other.shape[0]], costs=COSTS, execution=execution
        ),
        panel,
        cut,
    )


@given(st.data())
@examples(30)
def test_the_simulation_of_weights_knows_nothing_of_the_future(data: st.DataObject) -> None:
    panel = data.draw(panels())
    weights = data.draw(weights_for(panel))
    cut = data.draw(st.integers(0, panel.shape[0] - 1))
    execution = data.draw(st.sampled_from(EXECUTIONS))
    assert_no_look_ahead(
        lambda other: simulate_weights(other, weights[: other.shape[0]], costs=COSTS, execution=execution), panel, cut
    )


@given(st.data())
@examples(30)
def test_later_signals_change_nothing_before_them(data: st.DataObject) -> None:
    panel = data.draw(panels())
    entries, exits = data.draw(signals_for(panel))
    cut = data.draw(st.integers(0, panel.shape[0] - 1))
    other = np.where(np.arange(panel.shape[0])[:, None] > cut, ~entries, entries)
    one, two = (simulate_signals(panel, given_entries, exits) for given_entries in (entries, other))
    assert np.array_equal(one.nav[: cut + 1], two.nav[: cut + 1])


@pytest.mark.parametrize("execution", ["next_open", "next_close"])
def test_no_fill_happens_before_the_close_after_its_decision(execution: str) -> None:
    panel = random_panel(3, sessions=100, missing=0.1)
    rng = np.random.default_rng(0)
    fills = simulate_signals(
        panel, rng.random(panel.shape) < 0.3, rng.random(panel.shape) < 0.3, execution=execution
    ).fills
    assert len(fills) > 50
    assert (fills["decided"] < fills["session"]).all()
