"""Shorts, one convention a test, with numbers worked out by hand."""

import numpy as np
import pytest

from investlab.backtest.costs import Costs
from investlab.backtest.engine import simulate_signals
from investlab.backtest.result import BacktestResult
from investlab.core.errors import InvalidInput
from tests.support.panels import make_panel


def trade(panel, *marks: str, **terms) -> BacktestResult:
    """Simulate signals written as one character a session: x is a signal, . is none (same for every instrument)."""
    rows = [np.repeat([[mark == "x"] for mark in own], panel.shape[1], axis=1) for own in marks]
    return simulate_signals(panel, *rows, initial_cash=1_000.0, execution="next_close", **terms)


def test_a_short_sale_credits_cash_and_loses_when_prices_rise() -> None:
    result = trade(make_panel({"A": [100, 100, 110, 80, 80]}), "x....", "...x.", direction="short")
    assert result.positions["A"].tolist() == [0.0, -10.0, -10.0, -10.0, 0.0]
    assert result.cash.tolist() == [1_000.0, 2_000.0, 2_000.0, 2_000.0, 1_200.0]
    assert result.nav.tolist() == [1_000.0, 1_000.0, 900.0, 1_200.0, 1_200.0]
    assert result.fills["side"].tolist() == ["sell", "buy"]
    assert result.fills["reason"].tolist() == ["signal", "signal"]


def test_an_all_in_short_is_worth_the_equity_after_its_costs() -> None:
    result = trade(make_panel({"A": [100, 100, 100]}), "x..", "...", direction="short", costs=Costs.bps(100, 200))
    sold = result.fills.iloc[0]
    assert sold["fill_price"] == 98.0
    assert sold["value"] == pytest.approx(1_000 / 1.01, rel=1e-14)
    assert result.cash.iloc[1] - sold["value"] == pytest.approx(sold["value"], rel=1e-14)


def test_a_cover_pays_slippage_and_commission() -> None:
    panel = make_panel({"A": [100, 100, 80, 80]})
    result = trade(panel, "x...", "..x.", direction="short", costs=Costs.bps(100, 200))
    quantity = 1_000 / 1.01 / 98
    cover = result.fills.iloc[1]
    assert cover["fill_price"] == pytest.approx(81.6, rel=1e-14)
    assert cover["commission"] == pytest.approx(0.01 * quantity * 81.6, rel=1e-13)
    expected = 1_000 + quantity * 98 * 0.99 - quantity * 81.6 * 1.01
    assert result.nav.iloc[-1] == pytest.approx(expected, rel=1e-13)


def test_a_short_pays_dividends() -> None:
    panel = make_panel({"A": [100, 100, 98, 98]}, actions=[(2, "A", "dividend", 2.0)])
    result = trade(panel, "x...", "....", direction="short")
    assert result.income.tolist() == [0.0, 0.0, -20.0, 0.0]
    assert result.nav.tolist() == [1_000.0, 1_000.0, 1_000.0, 1_000.0]


def test_a_split_multiplies_a_short() -> None:
    panel = make_panel({"A": [100, 100, 50, 40]}, actions=[(2, "A", "split", 2.0)])
    result = trade(panel, "x...", "....", direction="short")
    assert result.positions["A"].tolist() == [0.0, -10.0, -20.0, -20.0]
    assert result.nav.tolist() == [1_000.0, 1_000.0, 1_000.0, 1_200.0]


def test_a_short_of_whole_shares_pays_its_fraction_after_a_split() -> None:
    panel = make_panel({"A": [300, 300, 200, 200]}, actions=[(2, "A", "split", 1.5)])
    result = trade(panel, "x...", "....", direction="short", whole_shares=True)
    assert result.positions["A"].tolist() == [0.0, -3.0, -4.0, -4.0]
    assert result.income.tolist() == [0.0, 0.0, -100.0, 0.0]
    assert result.nav.tolist() == [1_000.0] * 4


def test_both_turns_a_long_into_a_short_at_one_price_in_two_fills() -> None:
    result = trade(make_panel({"A": [100, 100, 120, 120, 90]}), "x....", "..x..", direction="both")
    assert result.fills["side"].tolist() == ["buy", "sell", "sell"]
    assert result.fills["quantity"].tolist() == [10.0, 10.0, 10.0]
    assert result.positions["A"].tolist() == [0.0, 10.0, 10.0, -10.0, -10.0]
    assert result.nav.tolist() == [1_000.0, 1_000.0, 1_200.0, 1_200.0, 1_500.0]


def test_short_signals_of_their_own_leave_a_time_without_a_position() -> None:
    panel = make_panel({"A": [100, 100, 125, 125, 100, 100]})
    result = trade(panel, "x.....", ".x....", "..x...", "....x.")
    assert result.positions["A"].tolist() == [0.0, 10.0, 0.0, -10.0, -10.0, 0.0]
    assert result.nav.tolist() == [1_000.0, 1_000.0, 1_250.0, 1_250.0, 1_500.0, 1_500.0]


def test_entries_for_both_sides_at_once_count_as_none() -> None:
    panel = make_panel({"A": [100, 100, 100]})
    assert trade(panel, "x..", "...", "x..", "...").fills.empty
    assert trade(panel, "x..", "x..", direction="both").fills.empty


def test_a_short_exit_cancels_the_order_to_turn_and_still_leaves_the_long() -> None:
    panel = make_panel({"A": [100, 100, 100, float("nan"), 110, 110]})
    result = trade(panel, "x.....", "......", "..x...", "...x..")
    assert result.fills["side"].tolist() == ["buy", "sell"]
    assert result.positions["A"].tolist() == [0.0, 10.0, 10.0, 10.0, 0.0, 0.0]


def test_ruin_is_covered_at_the_close_and_the_part_trades_no_more() -> None:
    panel = make_panel({"A": [100, 100, 250, 50, 50], "B": [100, 100, 100, 50, 50]})
    result = trade(panel, "x..x.", ".....", direction="short")
    own = result.fills[result.fills["symbol"] == "A"]
    assert own["reason"].tolist() == ["signal", "ruin"]
    assert own["fill_price"].tolist() == [100.0, 250.0]
    assert own["session"].tolist() == [panel.index[1], panel.index[2]]
    assert result.positions["A"].tolist() == [0.0, -5.0, 0.0, 0.0, 0.0]
    assert result.nav.tolist() == [1_000.0, 1_000.0, 250.0, 500.0, 500.0]
    assert any(note.startswith("Ruin: ") and "1 part (A)" in note for note in result.notes)
    assert not any("dropped" in note for note in result.notes)


def test_an_exit_at_the_close_of_ruin_finds_nothing_left_to_cover() -> None:
    result = trade(make_panel({"A": [100, 100, 250, 50, 50]}), "x....", "..x..", direction="short")
    assert result.fills["reason"].tolist() == ["signal", "ruin"]
    assert not any("dropped" in note for note in result.notes)


def test_a_cover_that_leaves_no_cash_is_ruin_too() -> None:
    panel = make_panel({"A": [100, 100, 150, 200, 100, 50]}, open={"A": [100, 100, 150, 210, 100, 50]})
    rows = [np.array([[mark == "x"] for mark in own]) for own in ("x..x..", "..x...")]
    result = simulate_signals(panel, *rows, direction="short", initial_cash=1_000.0)
    assert result.fills["fill_price"].tolist() == [100.0, 210.0]
    assert result.nav.tolist() == [1_000.0, 1_000.0, 500.0, -100.0, -100.0, -100.0]
    assert any("Ruin" in note for note in result.notes)


def test_a_missing_close_ruins_nothing() -> None:
    panel = make_panel({"A": [100, 100, float("nan"), 90]}, open={"A": [100, 100, 250, 90]})
    rows = [np.array([[mark == "x"] for mark in own]) for own in ("x...", "....")]
    result = simulate_signals(panel, *rows, direction="short", initial_cash=1_000.0)
    assert result.nav.tolist() == [1_000.0, 1_000.0, -500.0, 1_100.0]


def test_round_trips_of_shorts_are_told_apart() -> None:
    result = trade(make_panel({"A": [100, 100, 120, 120, 90, 90]}), "x...x.", "..x...", direction="both")
    trades = result.trades().closed
    assert trades["side"].tolist() == ["long", "short"]
    assert trades["pnl"].tolist() == [200.0, 300.0]


def test_the_notes_say_which_side_is_traded() -> None:
    panel = make_panel({"A": [100, 100]})
    assert "Short only: an entry sells short, an exit covers." in trade(panel, "..", "..", direction="short").notes
    assert "Long and short, each with its own entries and exits." in trade(panel, "..", "..", "..", "..").notes


@pytest.mark.parametrize("direction", ["up", None, 1])
def test_an_unknown_direction_is_refused(direction: object) -> None:
    with pytest.raises(InvalidInput, match="long, short, both"):
        trade(make_panel({"A": [100, 100]}), "..", "..", direction=direction)


def test_short_signals_with_the_direction_short_are_refused() -> None:
    with pytest.raises(InvalidInput, match="short_entries"):
        trade(make_panel({"A": [100, 100]}), "..", "..", "..", "..", direction="short")
