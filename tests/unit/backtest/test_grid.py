"""The grid of a sweep: rules that see each value once accept what making every strategy accepts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np
import pytest

from investlab.backtest.grid import expand_grid
from investlab.backtest.parameters import Whole, checked, rules_checked
from investlab.backtest.reversion_strategies import BollingerReversion, RsiReversion
from investlab.backtest.strategies import MonthlyMomentum, SmaCross, Strategy
from investlab.backtest.trend_strategies import Macd
from investlab.core.errors import InvalidInput
from investlab.market.panel import PricePanel

JUNK = [0, -1, 3, 7, np.int64(5), True, 4.0, "6", None, float("nan")]


@pytest.mark.parametrize(
    ("strategy", "grid"),
    [
        (SmaCross, {"fast": JUNK, "slow": JUNK}),
        (SmaCross, {"slow": [*JUNK, 30], "fast": JUNK}),
        (SmaCross, {"fast": [5, 100, 101, 2]}),
        (Macd, {"signal": JUNK, "slow": [5, 40, 26], "fast": [4, 26, 50]}),
        (RsiReversion, {"lower": [*JUNK, 30.0, 100.0], "window": JUNK, "upper": [20, 70.5, float("inf"), "a"]}),
        (BollingerReversion, {"deviations": [*JUNK, np.float32(2.5)], "window": [1, 2, 20]}),
        (MonthlyMomentum, {"lookback_sessions": [10, 21, 252], "skip_sessions": [0, 10, 21], "k": [0, 2]}),
    ],
)
def test_the_rules_accept_what_can_be_made(strategy: type[Strategy], grid: Mapping[str, Sequence[Any]]) -> None:
    assert rules_checked(strategy)
    found = expand_grid(strategy, grid)
    combinations = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    expected = [one for one in combinations if _can_be_made(strategy, one)]
    assert [repr(one) for one in found.valid] == [repr(one) for one in expected]
    assert found.invalid == len(combinations) - len(expected)
    assert 0 < len(expected) < len(combinations)


def _can_be_made(strategy: type[Strategy], parameters: Mapping[str, Any]) -> bool:
    try:
        strategy(**parameters)
    except InvalidInput:
        return False
    return True


@dataclass(frozen=True)
@checked(Whole("days", 2))
class Timed:
    """A strategy with a rule."""

    name: ClassVar[str] = "timed"
    family: ClassVar[str] = "timed"
    days: int = 2

    def signals(self, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
        """Return no signals."""
        return np.zeros(panel.shape, np.bool_), np.zeros(panel.shape, np.bool_)


class Even(Timed):
    """A strategy that also checks by itself."""

    def __post_init__(self) -> None:
        if self.days % 2:
            raise InvalidInput("Odd.", remedy="Give an even number.")


def test_a_class_that_checks_by_itself_is_asked_for_every_combination() -> None:
    assert rules_checked(Timed) is not None
    assert rules_checked(Even) is None
    assert [one["days"] for one in expand_grid(Even, {"days": [1, 2, 3, 4]}).valid] == [2, 4]
    assert [one["days"] for one in expand_grid(Timed, {"days": [1, 2, 3, 4]}).valid] == [2, 3, 4]


def test_a_grid_that_is_refused_whole_says_why() -> None:
    with pytest.raises(InvalidInput, match=r"refuses every combination of the grid: fast 9 is not less than slow 3"):
        expand_grid(SmaCross, {"fast": [9, 8], "slow": [3]})
