"""A run that goes on from another's final state is one run, to the bit."""

from datetime import date

import numpy as np
import pytest

from investlab.backtest.costs import Costs
from investlab.backtest.engine import run_strategy, simulate_weights
from investlab.backtest.limits import Limits
from investlab.backtest.portfolio_state import PortfolioState
from investlab.backtest.rates import Rates
from investlab.backtest.strategies import MonthlyMomentum
from investlab.core.errors import InvalidInput, NotFound
from investlab.market.panel_changes import first_sessions, from_session
from tests.support.panels import make_panel, random_panel
from tests.unit.backtest.test_reference_limits import with_delistings, with_volume


@pytest.mark.parametrize("execution", ["next_open", "next_close", "same_close"])
@pytest.mark.parametrize("cut", [20, 33, 47])
def test_two_runs_joined_by_their_state_are_one_run_to_the_bit(execution: str, cut: int) -> None:
    panel = with_volume(random_panel(4, sessions=80, instruments=4, missing=0.03, actions=8), 4)
    panel = with_delistings(panel, [(30, 1, -0.5)])
    rng = np.random.default_rng(0)
    weights = rng.normal(0, 0.4, panel.shape) * (np.cumsum(~np.isnan(panel.values("close")), axis=0) > 0)
    weights[rng.random(len(weights)) < 0.7] = np.nan
    terms = {
        "costs": Costs(5, 3, 0.1, 0.2),
        "execution": execution,
        "limits": Limits(gross=1.5, short=True, participation=0.3, band=0.01),
        "rates": Rates(0.03, 0.06, 0.1),
    }
    whole = simulate_weights(panel, weights, initial_cash=5_000.0, **terms)
    first = simulate_weights(first_sessions(panel, cut + 1), weights[: cut + 1], initial_cash=5_000.0, **terms)
    known = np.flatnonzero(~np.isnan(panel.values("close")[: cut + 1]).any(axis=1))[-1]
    for begin in (0, max(0, int(known) - 12)):
        later = simulate_weights(from_session(panel, begin), weights[begin:], initial_state=first.final_state, **terms)
        assert first.nav.tolist() + later.nav.tolist() == whole.nav.tolist()
        assert first.cash.tolist() + later.cash.tolist() == whole.cash.tolist()
        assert later.positions.to_numpy().tolist() == whole.positions.to_numpy()[cut + 1 :].tolist()
        assert len(first.fills) + len(later.fills) == len(whole.fills)
        assert later.final_state == whole.final_state


def test_a_strategy_sees_the_whole_panel_and_trades_after_the_state() -> None:
    panel = random_panel(9, sessions=160, instruments=5)
    strategy = MonthlyMomentum(2, 40, 5)
    whole = run_strategy(strategy, panel)
    first = run_strategy(strategy, first_sessions(panel, 100))
    later = run_strategy(strategy, panel, initial_state=first.final_state)
    assert first.nav.tolist() + later.nav.tolist() == whole.nav.tolist()
    assert later.nav.index[0] == panel.index[100]
    assert later.initial_cash == first.nav.iloc[-1]
    assert later.benchmark is not None
    assert later.benchmark.index.equals(later.nav.index)


def test_a_state_is_cash_quantities_and_a_session() -> None:
    panel = make_panel({"A": [10, 12, 12], "B": [10, 10, 10]})
    state = PortfolioState(cash=100.0, quantities={"A": 5.0}, as_of=panel.sessions[0].item())
    result = simulate_weights(panel, np.full((3, 2), np.nan), initial_state=state)
    assert result.nav.tolist() == [160.0, 160.0]
    assert (result.initial_cash, result.metrics["total_return"]) == (150.0, pytest.approx(160 / 150 - 1))


def test_positions_taken_over_count_as_bought_at_the_states_close() -> None:
    """5 of A at 10 split 2 for 1 and are sold at 6: 10 × (6 − 5); B gains 20 × 1 and is still held."""
    panel = make_panel({"A": [10, 6, 6], "B": [1, 2, 2], "C": [1, 1, 1]}, actions=[(1, "A", "split", 2.0)])
    state = PortfolioState(100.0, {"A": 5.0, "B": 20.0}, panel.sessions[0].item())
    rows = np.array([[np.nan] * 3, [0.0, 0.2, 0.0], [np.nan] * 3])
    result = simulate_weights(panel, rows, initial_state=state, execution="same_close", limits=Limits(band=0.05))
    trades, table = result.trades(), result.attribution("frongello").by_instrument
    assert trades.closed[["symbol", "entry_price", "exit_price", "pnl"]].to_numpy().tolist() == [["A", 5.0, 6.0, 10.0]]
    assert trades.open[["symbol", "pnl"]].to_numpy().tolist() == [["B", 20.0]]
    assert table["pnl"].to_dict() == {"A": 10.0, "B": 20.0, "costs": 0.0, "income": 0.0, "other": 0.0}


@pytest.mark.parametrize(
    ("state", "error", "match"),
    [
        pytest.param(PortfolioState(1.0, {}, date(2019, 1, 1)), InvalidInput, "panel runs from", id="before the panel"),
        pytest.param(PortfolioState(1.0, {}, date(2020, 1, 3)), InvalidInput, "panel runs from", id="nothing after it"),
        pytest.param(PortfolioState(1.0, {"C": 1.0}, date(2020, 1, 1)), NotFound, "C", id="unknown symbol"),
        pytest.param(PortfolioState(-5.0, {}, date(2020, 1, 1)), InvalidInput, "nothing is left", id="ruined"),
        pytest.param(PortfolioState(1.0, {"B": 1.0}, date(2020, 1, 1)), InvalidInput, "no price", id="no price yet"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(state: PortfolioState, error: type[Exception], match: str) -> None:
    panel = make_panel({"A": [10, 12, 12], "B": [float("nan"), 10, 10]})
    with pytest.raises(error, match=match):
        simulate_weights(panel, np.full((3, 2), np.nan), initial_state=state)


def test_pending_orders_come_with_their_session() -> None:
    with pytest.raises(InvalidInput, match="belong together"):
        PortfolioState(1.0, {}, date(2020, 1, 1), orders={"A": 1.0})
