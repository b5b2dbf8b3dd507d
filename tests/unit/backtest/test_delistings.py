"""A position whose listing ends is settled at its last price × (1 + the recorded return), by both doors."""

from dataclasses import replace

import numpy as np
import pandas as pd

from investlab.backtest.engine import run_strategy, simulate_signals, simulate_weights
from investlab.backtest.limits import Limits
from investlab.backtest.result import BacktestResult
from investlab.backtest.sizing import Sizing
from investlab.backtest.stops import Stops
from investlab.backtest.strategies import BuyAndHold, SmaCross
from investlab.backtest.sweep import sweep
from investlab.market.delistings import DelistingTable
from investlab.market.panel import PricePanel
from tests.support.panels import Action, make_panel

NAN = float("nan")


def ending(returns: float, actions: list[Action] | None = None, after: float = NAN) -> PricePanel:
    """Return a panel where A's listing ends at session 3 with a return from its last close of 20; B goes on at 10."""
    panel = make_panel({"A": [10, 10, 20, after, after], "B": [10] * 5}, actions=actions or [])
    table = DelistingTable(np.array([3]), np.array([0]), np.array([returns]))
    return replace(panel, delistings=table, id="")


def weigh(panel: PricePanel, rows: dict[int, list[float]], **terms: object) -> BacktestResult:
    """Trade weights given by session number at the next close, with 1,000 of cash."""
    frame = pd.DataFrame(list(rows.values()), index=panel.index[list(rows)], columns=panel.symbols)
    return simulate_weights(panel, frame, **{"execution": "next_close", "initial_cash": 1_000.0, **terms})  # type: ignore[arg-type]


def test_weights_settle_on_the_delistings_session() -> None:
    result = weigh(ending(-0.25), {0: [0.5, 0.5]})
    assert result.nav.tolist() == [1_000.0, 1_000.0, 1_500.0, 1_250.0, 1_250.0]
    assert result.positions["A"].tolist() == [0.0, 50.0, 50.0, 0.0, 0.0]
    fill = result.fills.iloc[-1]
    assert (fill["side"], fill["reason"], fill["quantity"], fill["fill_price"]) == ("sell", "delisting", 50.0, 15.0)
    assert (fill["commission"], fill["slippage_cost"]) == (0.0, 0.0)
    assert "1 position was settled by a delisting." in result.notes


def test_signals_settle_on_the_delistings_session() -> None:
    panel = ending(-0.25)
    entries, exits = np.zeros(panel.shape, bool), np.zeros(panel.shape, bool)
    entries[0] = True
    entries[4, 0] = exits[4, 1] = True
    result = simulate_signals(panel, entries, exits, execution="next_close", initial_cash=1_000.0)
    assert result.nav.tolist() == [1_000.0, 1_000.0, 1_500.0, 1_250.0, 1_250.0]
    assert result.fills["reason"].tolist() == ["signal", "signal", "delisting"]
    assert result.cash.iloc[-1] == 750.0


def test_positions_under_rules_are_settled_like_plain_ones() -> None:
    panel = ending(-0.25)
    entries, exits = np.zeros(panel.shape, bool), np.zeros(panel.shape, bool)
    entries[0] = entries[4, 0] = True
    plain = simulate_signals(panel, entries, exits, execution="next_close", initial_cash=1_000.0)
    ruled = simulate_signals(panel, entries, exits, stops=Stops(time=50), execution="next_close", initial_cash=1_000.0)
    assert ruled.nav.tolist() == plain.nav.tolist()
    assert ruled.cash.tolist() == plain.cash.tolist()
    assert ruled.positions.equals(plain.positions)
    assert ruled.fills.equals(plain.fills)


def test_a_short_of_signals_is_settled_by_buying_at_that_price() -> None:
    panel = ending(-1.0)
    entries, exits = np.zeros(panel.shape, bool), np.zeros(panel.shape, bool)
    entries[0, 0] = True
    result = simulate_signals(
        panel,
        entries,
        exits,
        direction="short",
        sizing=Sizing.fraction(0.5),
        execution="next_close",
        initial_cash=1_000.0,
    )
    assert result.nav.tolist() == [1_000.0, 1_000.0, 750.0, 1_250.0, 1_250.0]
    assert result.fills[["side", "quantity", "fill_price", "reason"]].to_numpy().tolist() == [
        ["sell", 25.0, 10.0, "signal"],
        ["buy", 25.0, 0.0, "delisting"],
    ]


def test_the_lot_is_closed_with_its_loss() -> None:
    closed = weigh(ending(-1.0), {0: [0.5, 0.5]}).trades().closed
    assert closed[["symbol", "exit_price", "pnl"]].to_numpy().tolist() == [["A", 0.0, -500.0]]


def test_a_short_position_is_settled_by_buying_at_that_price() -> None:
    result = weigh(ending(-1.0), {0: [-0.5, 0.0]}, limits=Limits(short=True))
    assert result.fills.iloc[-1][["side", "fill_price"]].tolist() == ["buy", 0.0]
    assert result.nav.tolist() == [1_000.0, 1_000.0, 500.0, 1_500.0, 1_500.0]


def test_an_order_for_a_delisted_instrument_lapses_even_where_prices_go_on() -> None:
    result = weigh(ending(0.0, after=20.0), {0: [0.5, 0.5], 2: [0.8, 0.2], 3: [0.5, 0.5]})
    assert result.positions["A"].iloc[-1] == 0.0
    assert any(note.startswith("2 orders lapsed") and "listing had ended" in note for note in result.notes)


def test_the_proceeds_can_be_spent_by_the_next_decision() -> None:
    result = weigh(ending(0.0), {0: [1.0, 0.0], 3: [0.0, 1.0]})
    assert result.positions["B"].iloc[-1] == 200.0


def test_a_return_that_cannot_be_told_settles_at_the_last_price() -> None:
    result = weigh(ending(NAN), {0: [0.5, 0.5]})
    assert result.nav.iloc[-1] == 1_500.0
    assert any("1 of them at the last price because the return is not known" in note for note in result.notes)


def test_it_comes_before_what_else_befalls_the_instrument_that_session() -> None:
    result = weigh(ending(-0.5, [(3, "A", "dividend", 5.0)]), {0: [0.5, 0.5]})
    assert result.nav.iloc[-1] == 1_000.0
    assert result.income.sum() == 0.0


def test_buying_and_holding_and_fused_sweeps_settle_alike() -> None:
    rng = np.random.default_rng(5)
    prices = 20 * np.exp(np.cumsum(rng.normal(0, 0.03, (80, 2)), axis=0))
    prices[60:, 0] = NAN
    panel = make_panel({"A": prices[:, 0].tolist(), "B": prices[:, 1].tolist()})
    panel = replace(panel, delistings=DelistingTable(np.array([60]), np.array([0]), np.array([-0.7])), id="")
    swept = sweep(SmaCross, {"fast": [2, 3], "slow": [5, 9]}, panel)
    for trial in swept.table.itertuples():
        single = run_strategy(SmaCross(trial.fast, trial.slow), panel)
        assert single.metrics["total_return"] == trial.total_return
    held = run_strategy(BuyAndHold(), panel)
    assert held.fills["reason"].tolist() == ["signal", "signal", "delisting"]


def test_without_a_recorded_delisting_the_note_about_old_prices_stays() -> None:
    panel = make_panel({"A": [10.0, 10.0] + [NAN] * 30, "B": [10.0] * 32})
    assert any("more than 21 sessions old (A)" in note for note in weigh(panel, {0: [0.5, 0.5]}).notes)
