"""Every strategy of the platform passes the conformance suite, and the suite catches strategies that misbehave."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from investlab.backtest.reversion_strategies import BollingerReversion, RsiReversion
from investlab.backtest.strategies import BuyAndHold, MonthlyMomentum, SmaCross
from investlab.backtest.trend_strategies import DonchianBreakout, EmaCross, Macd, TimeSeriesMomentum
from investlab.backtest.weight_strategies import ConstantWeights, EqualWeight, InverseVolatility, LowVolatility
from investlab.market.panel import PricePanel
from tests.support.strategy_conformance import StrategyConformance


class TestSmaCross(StrategyConformance):
    kind = SmaCross
    parameters: Mapping[str, Any] = {"fast": 3, "slow": 10}
    refused = (({"fast": 0}, "fast"), ({"slow": 0}, "slow"), ({"fast": 10, "slow": 10}, "fast"))
    each_by_itself = True


class TestEmaCross(StrategyConformance):
    kind = EmaCross
    parameters: Mapping[str, Any] = {"fast": 3, "slow": 10}
    refused = (({"fast": 0}, "fast"), ({"slow": 0}, "slow"), ({"fast": 10, "slow": 10}, "fast"))
    each_by_itself = True


class TestMacd(StrategyConformance):
    kind = Macd
    parameters: Mapping[str, Any] = {"fast": 3, "slow": 10, "signal": 4}
    refused = (({"fast": 0}, "fast"), ({"signal": 0}, "signal"), ({"fast": 11, "slow": 10}, "slow"))
    each_by_itself = True


class TestDonchianBreakout(StrategyConformance):
    kind = DonchianBreakout
    parameters: Mapping[str, Any] = {"entry_window": 10, "exit_window": 5}
    refused = (({"entry_window": 0}, "entry_window"), ({"exit_window": 0}, "exit_window"))
    each_by_itself = True


class TestTimeSeriesMomentum(StrategyConformance):
    kind = TimeSeriesMomentum
    parameters: Mapping[str, Any] = {"lookback_sessions": 20}
    refused = (({"lookback_sessions": 0}, "lookback_sessions"),)
    each_by_itself = True


class TestRsiReversion(StrategyConformance):
    kind = RsiReversion
    parameters: Mapping[str, Any] = {"window": 5, "lower": 35.0, "upper": 60.0}
    refused = (
        ({"window": 0}, "window"),
        ({"lower": 0.0}, "lower"),
        ({"upper": 100.0}, "upper"),
        ({"lower": 60.0}, "lower"),
    )
    each_by_itself = True


class TestBollingerReversion(StrategyConformance):
    kind = BollingerReversion
    parameters: Mapping[str, Any] = {"window": 10, "deviations": 1.5}
    refused = (({"window": 1}, "window"), ({"deviations": 0.0}, "deviations"))
    each_by_itself = True


class TestBuyAndHold(StrategyConformance):
    kind = BuyAndHold
    each_by_itself = True


class TestMonthlyMomentum(StrategyConformance):
    kind = MonthlyMomentum
    parameters: Mapping[str, Any] = {"k": 2, "lookback_sessions": 20, "skip_sessions": 3}
    refused = (({"k": 0}, "k"), ({"lookback_sessions": 0}, "lookback_sessions"), ({"skip_sessions": 20}, "skip"))


class TestEqualWeight(StrategyConformance):
    kind = EqualWeight
    refused = (({"rebalance": "fortnight"}, "rebalance"), ({"rebalance": 5}, "rebalance"))


class TestConstantWeights(StrategyConformance):
    kind = ConstantWeights
    parameters: Mapping[str, Any] = {"mix": {"S0": 0.5, "S2": 0.3}, "rebalance": "week"}
    refused = (
        ({"mix": {}}, "mix"),
        ({"mix": [0.5, 0.5]}, "mix"),
        ({"mix": {"S0": -0.1}}, "S0"),
        ({"mix": {"S0": True}}, "S0"),
        ({"mix": {"S0": float("nan")}}, "S0"),
        ({"mix": {"S0": 0.6, "S1": 0.6}}, "mix"),
        ({"rebalance": "day"}, "rebalance"),
    )

    def panel_parameters(self, symbols: tuple[str, ...]) -> Mapping[str, Any]:
        mix = self.parameters["mix"]
        return {**self.parameters, "mix": {symbol: mix.get(symbol, 0.0) for symbol in symbols}}


class TestLowVolatility(StrategyConformance):
    kind = LowVolatility
    parameters: Mapping[str, Any] = {"k": 2, "lookback_sessions": 20}
    refused = (({"k": 0}, "k"), ({"lookback_sessions": 1}, "lookback_sessions"))


class TestInverseVolatility(StrategyConformance):
    kind = InverseVolatility
    parameters: Mapping[str, Any] = {"lookback_sessions": 20}
    refused = (({"lookback_sessions": 1}, "lookback_sessions"),)


@dataclass(frozen=True)
class Wayward:
    """Trades where the raw close falls by a third, or closes under the mean of all closes of all instruments."""

    name: ClassVar[str] = "wayward"
    family: ClassVar[str] = "wayward"

    window: int = 5

    def signals(self, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
        close = panel.values("close")
        falls = np.zeros(close.shape, dtype=bool)
        falls[1:] = close[1:] < close[:-1] / 1.5
        under = close < np.nanmean(close)
        return falls | under, ~under


class Caught(StrategyConformance):
    kind = Wayward
    refused = (({"window": 0}, "window"),)
    each_by_itself = True


@pytest.mark.parametrize(
    "check",
    [
        lambda suite: suite.test_another_future_or_none_changes_nothing_past(0),
        lambda suite: suite.test_a_panel_shorter_than_the_warm_up_decides_as_the_longer_one_begins(),
        lambda suite: suite.test_an_instruments_decisions_do_not_depend_on_its_neighbours_where_it_says_so(),
        lambda suite: suite.test_a_split_changes_no_decision(),
        lambda suite: suite.test_it_cannot_be_changed(),
        lambda suite: suite.test_everything_public_has_a_docstring(),
    ],
    ids=["future", "prefix", "neighbours", "split", "slots", "documentation"],
)
def test_the_suite_catches_a_strategy_that_misbehaves(check: Any) -> None:
    with pytest.raises(AssertionError):
        check(Caught())


@pytest.mark.parametrize(
    "check", ["test_numbers_of_the_wrong_type_are_refused_by_name", "test_parameters_out_of_range_are_refused_by_name"]
)
def test_the_suite_catches_a_strategy_that_takes_any_parameter(check: str) -> None:
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        getattr(Caught(), check)()
