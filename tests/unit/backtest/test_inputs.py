"""What cannot be traded is refused with a sentence that names the thing and the remedy."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from investlab.backtest.engine import run_strategy, simulate_signals, simulate_weights
from investlab.backtest.strategies import BuyAndHold, MonthlyMomentum, SmaCross
from investlab.core.errors import InvalidInput, NotFound
from investlab.market.panel import PricePanel
from tests.support.panels import make_panel, without_opens

PANEL = make_panel({"AAPL": [10, 11, 12], "MSFT": [20, 21, 22]})
NONE = pd.DataFrame(False, index=PANEL.index, columns=PANEL.symbols)
HALF = pd.DataFrame(0.5, index=PANEL.index[:1], columns=PANEL.symbols)


def test_next_open_on_a_close_only_panel_names_next_close() -> None:
    with pytest.raises(InvalidInput, match="next_close"):
        simulate_signals(without_opens(PANEL), NONE, NONE)
    assert simulate_signals(without_opens(PANEL), NONE, NONE, execution="next_close").fills.empty


@pytest.mark.parametrize("cash", [0, -1, float("nan"), float("inf")])
def test_cash_must_be_positive(cash: float) -> None:
    with pytest.raises(InvalidInput, match="initial_cash"):
        simulate_weights(PANEL, HALF, initial_cash=cash)


def test_an_unknown_execution_lists_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="next_open, next_close, same_close"):
        simulate_weights(PANEL, HALF, execution="yesterday")


def test_costs_must_be_costs() -> None:
    with pytest.raises(InvalidInput, match="are no costs"):
        simulate_weights(PANEL, HALF, costs=5)  # type: ignore[arg-type]


@pytest.mark.parametrize("basis", ["split_adjusted", "total_return"])
def test_whole_shares_need_raw_prices(basis: str) -> None:
    panel = make_panel({"A": [10, 11]}, basis=basis)
    with pytest.raises(InvalidInput, match="Whole shares"):
        simulate_weights(panel, np.array([[1.0], [np.nan]]), whole_shares=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda f: f.iloc[:2], "other sessions", id="short"),
        pytest.param(lambda f: f.set_axis(f.index + pd.Timedelta(days=1)), "other sessions", id="shifted"),
        pytest.param(lambda f: f[["AAPL"]], "lack MSFT", id="missing-symbol"),
        pytest.param(lambda f: f.astype(float), "neither true nor false", id="floats"),
        pytest.param(lambda f: f.shift(1), "neither true nor false", id="nan"),
        pytest.param(lambda f: f.reset_index(drop=True), "holds no sessions", id="no-dates"),
        pytest.param(lambda f: f.tz_localize("UTC"), "holds no sessions", id="time-zone"),
        pytest.param(lambda f: pd.concat([f, f[["AAPL"]]], axis=1), "two columns", id="twice"),
        pytest.param(lambda f: f.to_numpy()[:, :1], "shape", id="array-shape"),
        pytest.param(lambda f: f.to_numpy().astype(int), "neither true nor false", id="array-of-numbers"),
    ],
)
def test_signals_that_do_not_fit(change: Callable[[pd.DataFrame], object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        simulate_signals(PANEL, change(NONE), NONE)  # type: ignore[arg-type]


def test_signals_of_true_and_false_objects_are_taken() -> None:
    assert simulate_signals(PANEL, NONE.astype(object), NONE).fills.empty


def test_an_unknown_symbol_names_near_matches() -> None:
    with pytest.raises(NotFound, match="Did you mean AAPL"):
        simulate_signals(PANEL, NONE.rename(columns={"AAPL": "APPL"}), NONE)
    with pytest.raises(NotFound, match="Did you mean MSFT"):
        simulate_weights(PANEL, HALF.rename(columns={"MSFT": "MSTF"}))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        pytest.param(HALF - 0.6, "2020-01-01 are negative", id="negative"),
        pytest.param(HALF + 0.1, "2020-01-01 sum to more than 1", id="more-than-all"),
        pytest.param(HALF.assign(AAPL=np.nan), "2020-01-01 are missing in part", id="partly-missing"),
        pytest.param(HALF.assign(AAPL=np.inf), "2020-01-01 are infinite", id="infinite"),
        pytest.param(HALF.set_axis([pd.Timestamp("2020-01-04")]), "2020-01-04, which is no session", id="weekend"),
        pytest.param(pd.concat([HALF, HALF]), "two rows for one session", id="twice"),
        pytest.param(HALF.astype(object).assign(AAPL="much"), "no numbers", id="text"),
        pytest.param(HALF.reset_index(drop=True), "holds no sessions", id="no-dates"),
        pytest.param(HALF.to_numpy(), "shape", id="array-shape"),
    ],
)
def test_weights_that_do_not_fit(weights: pd.DataFrame, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        simulate_weights(PANEL, weights)


def test_weights_that_sum_to_one_with_rounding_are_taken() -> None:
    assert len(simulate_weights(PANEL, HALF + 4e-10).fills) == 2


def test_a_weight_on_an_instrument_without_a_price_names_both() -> None:
    panel = make_panel({"A": [10, 10, 10], "B": [np.nan, np.nan, 10]}, open={"A": [1, 1, 1], "B": [np.nan, np.nan, 1]})
    weights = pd.DataFrame({"A": [0.5], "B": [0.5]}, index=panel.index[1:2])
    with pytest.raises(InvalidInput, match="2020-01-02 include B, which has no price yet"):
        simulate_weights(panel, weights)


@pytest.mark.parametrize(
    "build",
    [
        lambda: SmaCross(50, 20),
        lambda: SmaCross(20, 20),
        lambda: SmaCross(0, 20),
        lambda: SmaCross(2.5, 20),  # type: ignore[arg-type]
        lambda: SmaCross(True, 20),
        lambda: MonthlyMomentum(k=0),
        lambda: MonthlyMomentum(k=2, lookback_sessions=21, skip_sessions=21),
        lambda: MonthlyMomentum(k=2, skip_sessions=-1),
    ],
)
def test_strategies_refuse_illegal_parameters(build: Callable[[], object]) -> None:
    with pytest.raises(InvalidInput):
        build()


def test_something_that_is_no_strategy_is_refused() -> None:
    with pytest.raises(InvalidInput, match="is no strategy"):
        run_strategy(object(), PANEL)  # type: ignore[arg-type]


def test_a_strategy_with_misshapen_signals_is_refused() -> None:
    class Narrow(BuyAndHold):
        def signals(self, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
            return np.zeros((1, 1), dtype=bool), np.zeros((1, 1), dtype=bool)

    with pytest.raises(InvalidInput, match="shape"):
        run_strategy(Narrow(), PANEL)
