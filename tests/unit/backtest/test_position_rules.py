"""Rules of positions as values, strategies that give signals for both sides, and what is refused."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from investlab.backtest.engine import run_strategy, simulate_signals
from investlab.backtest.lookahead import audit_lookahead
from investlab.backtest.position_rules import PLAIN, PositionRules
from investlab.backtest.sizing import Sizing
from investlab.backtest.stops import Stops
from investlab.backtest.strategies import BuyAndHold, MonthlyMomentum, SmaCross
from investlab.backtest.sweep import sweep
from investlab.core.errors import InvalidInput
from investlab.market.panel import PricePanel
from investlab.schemas.backtest import BacktestSpec, PanelRequest
from investlab.schemas.positions import Direction
from tests.support.panels import random_panel

PANEL = random_panel(5, sessions=80)


class Swing:
    """Long above yesterday's close for a session, short below it."""

    name: ClassVar[str] = "swing"
    family: ClassVar[str] = "swing"

    def signals(self, panel: PricePanel) -> tuple[np.ndarray, ...]:
        close = panel.values("close")
        up, down = np.zeros(panel.shape, dtype=bool), np.zeros(panel.shape, dtype=bool)
        up[1:], down[1:] = close[1:] > 1.01 * close[:-1], close[1:] < 0.99 * close[:-1]
        return up, ~up, down, ~down


@dataclass(frozen=True)
class Stopped:
    """A moving-average cross with a stop-loss."""

    name: ClassVar[str] = "stopped"
    family: ClassVar[str] = "stopped"

    stop_loss: float = 0.05

    @property
    def rules(self) -> PositionRules:
        return PositionRules(stops=Stops(self.stop_loss))

    def signals(self, panel: PricePanel) -> tuple[np.ndarray, ...]:
        return SmaCross(3, 10).signals(panel)


class Peeking(Swing):
    """Knows the next session's fall."""

    def signals(self, panel: PricePanel) -> tuple[np.ndarray, ...]:
        up, out, down, cover = super().signals(panel)
        return up, out, np.roll(down, -1, axis=0), cover


def test_a_strategy_with_four_arrays_trades_both_sides() -> None:
    result = run_strategy(Swing(), PANEL)
    expected = simulate_signals(PANEL, *Swing().signals(PANEL))
    assert result.hash == expected.hash
    assert (result.positions > 0).any(axis=None)
    assert (result.positions < 0).any(axis=None)


def test_the_audit_looks_at_the_signals_of_shorts_too() -> None:
    assert audit_lookahead(Swing(), PANEL).is_clean
    assert not audit_lookahead(Peeking(), PANEL).is_clean


def test_a_strategy_takes_the_rules_and_its_benchmark_does_not() -> None:
    rules = {"direction": "both", "sizing": Sizing.fraction(0.5), "stops": Stops(time=5)}
    result = run_strategy(SmaCross(3, 10), PANEL, **rules)
    assert result.hash == simulate_signals(PANEL, *SmaCross(3, 10).signals(PANEL), **rules).hash
    assert set(result.fills["reason"]) == {"signal", "time"}
    assert result.benchmark is not None
    np.testing.assert_array_equal(result.benchmark, run_strategy(BuyAndHold(), PANEL).nav)


def test_weights_take_no_rules() -> None:
    with pytest.raises(InvalidInput, match="gives weights"):
        run_strategy(MonthlyMomentum(1, 10, 1), PANEL, direction="short")


def test_fills_of_weights_are_for_their_target() -> None:
    assert set(run_strategy(MonthlyMomentum(1, 10, 1), PANEL).fills["reason"]) == {"target"}


def test_three_arrays_are_refused() -> None:
    class Three(Swing):
        def signals(self, panel: PricePanel) -> tuple[np.ndarray, ...]:
            return super().signals(panel)[:3]

    with pytest.raises(InvalidInput, match="3 arrays"):
        run_strategy(Three(), PANEL)


def test_a_strategy_may_carry_rules_that_a_sweep_tries() -> None:
    swept = sweep(Stopped, {"stop_loss": [0.01, 0.05]}, PANEL)
    assert swept.table["total_return"].nunique() == 2
    for row in swept.table.to_dict("records"):
        asked = run_strategy(SmaCross(3, 10), PANEL, stops=Stops(row["stop_loss"]))
        assert row["total_return"] == asked.metrics["total_return"]


def test_rules_are_not_asked_for_twice() -> None:
    with pytest.raises(InvalidInput, match="rules of its own"):
        run_strategy(Stopped(), PANEL, stops=Stops(0.2))


def test_something_else_is_no_rules() -> None:
    class Wrong(Swing):
        rules = 0.05

    with pytest.raises(InvalidInput, match="PositionRules"):
        run_strategy(Wrong(), PANEL)


def test_rules_survive_the_record_of_a_run() -> None:
    rules = PositionRules("both", Sizing.volatility(0.15), Stops(0.05, 0.1, 0.08, 20))
    spec = BacktestSpec(
        panel=PanelRequest(dataset="us", symbols=("A",)), strategy="sma_cross", positions=rules.to_spec()
    )
    read = BacktestSpec.model_validate_json(spec.model_dump_json())
    assert PositionRules.from_spec(read.positions) == rules


def test_a_direction_given_as_text_is_that_direction() -> None:
    assert PositionRules("short") == PositionRules(Direction.SHORT)
    assert isinstance(PositionRules("short").direction, Direction)


def test_an_unknown_kind_of_size_is_refused() -> None:
    with pytest.raises(InvalidInput, match="Unknown sizing"):
        Sizing("half", 0.5)  # type: ignore[arg-type]


def test_a_record_from_before_rules_is_plain() -> None:
    old = {"panel": {"dataset": "us", "symbols": ["A"]}, "strategy": "sma_cross"}
    assert PositionRules.from_spec(BacktestSpec.model_validate(old).positions) == PLAIN
