"""A run of signals that goes on from another's final state is one run, to the bit."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from investlab.backtest.costs import Costs
from investlab.backtest.engine import run_strategy, simulate_signals, simulate_weights
from investlab.backtest.limits import Limits
from investlab.backtest.part_state import PartState
from investlab.backtest.portfolio_state import PortfolioState
from investlab.backtest.result import BacktestResult
from investlab.backtest.sizing import Sizing
from investlab.backtest.stops import Stops
from investlab.backtest.strategies import SmaCross
from investlab.core.errors import InvalidInput, NotFound
from investlab.market.panel import PricePanel
from investlab.market.panel_changes import first_sessions, from_session
from investlab.schemas.backtest import PortfolioStateSpec
from tests.support.panels import make_panel, random_panel
from tests.unit.backtest.test_reference_limits import with_delistings

EXECUTIONS = ["next_open", "next_close", "same_close"]
RULES: dict[str, dict[str, Any]] = {
    "plain": {},
    "short": {"direction": "short", "sizing": Sizing.fraction(0.7)},
    "both": {"direction": "both", "stops": Stops(time=6)},
    "stops": {"direction": "both", "stops": Stops(stop_loss=0.03, take_profit=0.05, trailing=0.04)},
    "volatility": {"direction": "both", "sizing": Sizing.volatility(0.1, 5), "stops": Stops(trailing=0.05, time=9)},
    "cash": {"sizing": Sizing.cash(700.0), "stops": Stops(take_profit=0.06)},
    "four": {"stops": Stops(stop_loss=0.05)},
}


def eventful_panel(seed: int) -> PricePanel:
    """Return a panel with gaps, splits, dividends and two delistings, with highs and lows where the seed is even."""
    panel = random_panel(seed, sessions=70, instruments=4, missing=0.05, actions=8)
    if seed % 2 == 0:
        opens, close = panel.values("open"), panel.values("close")
        spread = 1 + np.random.default_rng(seed).uniform(0, 0.03, panel.shape)
        high, low = np.maximum(opens, close) * spread, np.minimum(opens, close) / spread
        panel = replace(panel, fields={**panel.fields, "high": high, "low": low}, id="")
    return with_delistings(panel, [(30, 1, -0.5), (52, 3, 0.1)])


def signals(seed: int, panel: PricePanel, arrays: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.random(panel.shape) < 0.12 for _ in range(arrays)]


def assert_joined(first: BacktestResult, later: BacktestResult, whole: BacktestResult) -> None:
    assert first.nav.tolist() + later.nav.tolist() == whole.nav.tolist()
    assert first.cash.tolist() + later.cash.tolist() == whole.cash.tolist()
    assert first.income.tolist() + later.income.tolist() == whole.income.tolist()
    assert later.positions.to_numpy().tolist() == whole.positions.to_numpy()[len(first.nav) :].tolist()
    fills = [*first.fills.to_dict("records"), *later.fills.to_dict("records")]
    assert fills == whole.fills.to_dict("records")
    assert later.final_state == whole.final_state
    assert later.initial_cash == first.nav.iloc[-1]


@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize("whole_shares", [False, True])
@pytest.mark.parametrize("rules", RULES)
def test_two_runs_joined_by_their_state_are_one_run_to_the_bit(rules: str, execution: str, whole_shares: bool) -> None:
    for seed in range(3):
        panel = eventful_panel(seed)
        given = signals(seed, panel, 4 if rules == "four" else 2)
        terms = {"costs": Costs(5, 3, 0.1, 0.2), "execution": execution, "whole_shares": whole_shares, **RULES[rules]}
        whole = simulate_signals(panel, *given, initial_cash=8_000.0, **terms)
        for cut in (1, 13, 29, 30, 41, 60, 68):
            known = [array[: cut + 1] for array in given]
            first = simulate_signals(first_sessions(panel, cut + 1), *known, initial_cash=8_000.0, **terms)
            assert_joined(first, simulate_signals(panel, *given, initial_state=first.final_state, **terms), whole)


@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize("rules", ["plain", "both", "stops"])
def test_the_second_panel_may_begin_at_the_states_session(rules: str, execution: str) -> None:
    panel = random_panel(5, sessions=60, instruments=3, missing=0.0, actions=8)
    given, terms = signals(5, panel, 2), {"execution": execution, **RULES[rules]}
    whole = simulate_signals(panel, *given, **terms)
    for cut in (7, 22, 40):
        first = simulate_signals(first_sessions(panel, cut + 1), *(array[: cut + 1] for array in given), **terms)
        rest = [array[cut:] for array in given]
        assert_joined(
            first, simulate_signals(from_session(panel, cut), *rest, initial_state=first.final_state, **terms), whole
        )


def test_many_runs_join_one_after_the_other() -> None:
    panel, terms = eventful_panel(2), {"execution": "next_open", **RULES["stops"]}
    given = signals(2, panel, 2)
    whole = simulate_signals(panel, *given, **terms)
    state, nav = None, []
    for stop in range(5, 71, 5):
        known = [array[:stop] for array in given]
        step = simulate_signals(first_sessions(panel, stop), *known, initial_state=state, **terms)
        state = step.final_state
        nav += step.nav.tolist()
    assert nav == whole.nav.tolist()
    assert state == whole.final_state


def test_a_strategy_of_signals_goes_on_and_its_benchmark_with_it() -> None:
    panel = random_panel(9, sessions=160, instruments=5)
    whole = run_strategy(SmaCross(3, 12), panel)
    first = run_strategy(SmaCross(3, 12), first_sessions(panel, 100))
    later = run_strategy(SmaCross(3, 12), panel, initial_state=first.final_state)
    assert_joined(first, later, whole)
    assert later.benchmark is not None
    assert later.benchmark.index.equals(later.nav.index)


def test_a_state_by_hand() -> None:
    """Cash 1000 in two parts: A buys 50 at 10 and its exit is pending at 12; B has not traded.

    The exit fills at the next open, 13: A's part is 650. A state is worth 50 × 12 + 500 at its close.
    """
    panel = make_panel({"A": [10, 10, 12, 14], "B": [5, 5, 5, 5]}, open={"A": [10, 10, 12, 13], "B": [5, 5, 5, 5]})
    entries, exits = np.zeros((4, 2), dtype=bool), np.zeros((4, 2), dtype=bool)
    entries[0, 0] = exits[2, 0] = True
    first = simulate_signals(first_sessions(panel, 3), entries[:3], exits[:3], initial_cash=1_000.0)
    assert first.final_state == PortfolioState.of_parts(
        {"A": PartState(0.0, 50.0, order=0, decided=panel.sessions[2].item()), "B": PartState(500.0)},
        panel.sessions[2].item(),
    )
    later = simulate_signals(panel, entries, exits, initial_state=first.final_state)
    assert (later.initial_cash, later.nav.tolist()) == (1_100.0, [1_150.0])
    assert later.fills[["quantity", "fill_price"]].to_numpy().tolist() == [[50.0, 13.0]]
    assert later.opening is not None
    assert later.opening.tolist() == [600.0, 0.0]


@pytest.mark.parametrize("rules", ["plain", "both"])
def test_an_order_that_waits_keeps_the_session_that_decided_it(rules: str) -> None:
    """Decided at the first close, without an open on the second session: the third's fills it, one after the state."""
    nan = float("nan")
    panel = make_panel({"A": [10, 10, 10, 10]}, open={"A": [10, nan, 10, 10]})
    entries = np.array([[True], [False], [False], [False]])
    none = ~entries & False
    first = simulate_signals(first_sessions(panel, 2), entries[:2], none[:2], **RULES[rules])
    later = simulate_signals(panel, entries, none, initial_state=first.final_state, **RULES[rules])
    assert later.fills["session"].tolist() == [panel.index[2]]
    assert later.fills["decided"].tolist() == [panel.index[0]]


def test_a_state_keeps_what_stops_know_restated_for_a_split() -> None:
    """Bought at 10, best close 14, then 2 for 1: entry 5 and best 7, two sessions after the entry's."""
    panel = make_panel({"A": [10, 10, 14, 6]}, actions=[(3, "A", "split", 2.0)])
    entries = np.array([[True], [False], [False], [False]])
    done = simulate_signals(
        panel, entries, ~entries & False, execution="next_close", initial_cash=100.0, stops=Stops(stop_loss=0.5)
    )
    assert done.final_state is not None
    assert done.final_state.parts == {"A": PartState(0.0, 20.0, 5.0, 7.0, 2)}


def test_under_stops_a_position_of_unknown_entry_counts_as_entered_at_the_states_close() -> None:
    """10 % below 20, the close of the state, is 18: the close of 17 gives the stop, the next open fills it."""
    panel = make_panel({"A": [20, 19, 17, 16]}, open={"A": [20, 19, 17, 16]})
    state = PortfolioState.of_parts({"A": PartState(0.0, 5.0)}, panel.sessions[0].item())
    none = np.zeros((4, 1), dtype=bool)
    result = simulate_signals(panel, none, none, stops=Stops(stop_loss=0.1), initial_state=state)
    assert result.fills[["fill_price", "reason"]].to_numpy().tolist() == [[16.0, "stop_loss"]]


def test_a_state_survives_its_record() -> None:
    panel = eventful_panel(1)
    done = simulate_signals(panel, *signals(1, panel, 2), **RULES["volatility"])
    assert done.final_state is not None
    text = done.final_state.to_spec().model_dump_json()
    assert PortfolioState.from_spec(PortfolioStateSpec.model_validate_json(text)) == done.final_state


def test_a_record_from_before_signals_had_states_is_read() -> None:
    spec = PortfolioStateSpec.model_validate({"cash": 1.0, "quantities": {"A": 2.0}, "as_of": "2020-01-01"})
    assert PortfolioState.from_spec(spec) == PortfolioState(1.0, {"A": 2.0}, date(2020, 1, 1))


DAY = date(2020, 1, 2)
CASH = PartState(10.0)


@pytest.mark.parametrize(
    ("state", "error", "match"),
    [
        pytest.param(PortfolioState(9.0, {}, DAY), InvalidInput, "has no parts", id="of weights"),
        pytest.param(PortfolioState.of_parts({"A": CASH}, DAY), InvalidInput, "no part for B", id="lacks a symbol"),
        pytest.param(
            PortfolioState.of_parts({"A": CASH, "B": CASH, "C": CASH}, DAY), NotFound, "C", id="unknown symbol"
        ),
        pytest.param(
            PortfolioState.of_parts({"A": CASH, "B": PartState(1.0, order=1, decided=date(2019, 1, 1))}, DAY),
            InvalidInput,
            "no session of the panel",
            id="decided before the panel",
        ),
        pytest.param(
            PortfolioState.of_parts({"A": CASH, "B": PartState(-99.0)}, DAY), InvalidInput, "nothing is left", id="debt"
        ),
    ],
)
def test_a_state_that_does_not_fit_is_refused(state: PortfolioState, error: type[Exception], match: str) -> None:
    panel = make_panel({"A": [10, 12, 12], "B": [10, 10, 10]})
    none = np.zeros((3, 2), dtype=bool)
    with pytest.raises(error, match=match):
        simulate_signals(panel, none, none, initial_state=state)


def test_weights_refuse_a_state_of_signals() -> None:
    panel = make_panel({"A": [10, 12, 12]})
    state = PortfolioState.of_parts({"A": CASH}, DAY)
    with pytest.raises(InvalidInput, match="is of signals"):
        simulate_weights(panel, np.full((3, 1), np.nan), initial_state=state)


def test_limits_stay_with_weights() -> None:
    with pytest.raises(InvalidInput, match="limits and rates"):
        run_strategy(SmaCross(2, 3), random_panel(1), limits=Limits(gross=0.5))


@pytest.mark.parametrize(
    ("given", "match"),
    [
        pytest.param({"cash": float("nan")}, "not finite", id="nan"),
        pytest.param({"cash": 1.0, "entry_price": 2.0}, "belongs together", id="entry alone"),
        pytest.param({"cash": 1.0, "order": 1}, "belong together", id="order alone"),
        pytest.param({"cash": 1.0, "order": 2, "decided": DAY}, "is none", id="no such side"),
        pytest.param({"cash": 1.0, "reason": "mood"}, "is none", id="no such reason"),
    ],
)
def test_an_impossible_part_is_refused(given: dict[str, Any], match: str) -> None:
    with pytest.raises(InvalidInput, match=match):
        PartState(**given)


def test_cash_and_quantities_are_those_of_the_parts() -> None:
    with pytest.raises(InvalidInput, match="of_parts"):
        PortfolioState(11.0, {}, DAY, parts={"A": CASH})
