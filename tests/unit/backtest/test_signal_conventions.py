"""Signals, one convention a test, with numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from investlab.backtest.costs import Costs
from investlab.backtest.engine import simulate_signals
from investlab.backtest.result import BacktestResult
from tests.support.panels import make_panel, session_index

NAN = float("nan")


def trade(panel, entries: str, exits: str, **terms) -> BacktestResult:
    """Simulate signals written as one character a session: x is a signal, . is none (same for every instrument)."""
    rows = [np.repeat([[mark == "x"] for mark in marks], panel.shape[1], axis=1) for marks in (entries, exits)]
    return simulate_signals(panel, *rows, initial_cash=terms.pop("initial_cash", 1_000.0), **terms)


def test_next_open_fills_at_the_open_after_the_signal() -> None:
    panel = make_panel({"A": [10, 11, 12, 13]}, open={"A": [9, 8, 20, 25]})
    result = trade(panel, "x...", ".x..")
    bought, sold = result.fills.to_dict("records")
    assert (bought["decided"], bought["session"]) == (panel.index[0], panel.index[1])
    assert (bought["side"], bought["quantity"], bought["fill_price"]) == ("buy", 125.0, 8.0)
    assert (sold["decided"], sold["session"]) == (panel.index[1], panel.index[2])
    assert (sold["side"], sold["quantity"], sold["fill_price"]) == ("sell", 125.0, 20.0)
    assert result.nav.tolist() == [1_000.0, 1_375.0, 2_500.0, 2_500.0]


def test_next_close_fills_at_the_close_after_the_signal() -> None:
    panel = make_panel({"A": [10, 20, 40, 80]})
    result = trade(panel, "x...", "..x.", execution="next_close")
    assert result.fills["fill_price"].tolist() == [20.0, 80.0]
    assert result.nav.tolist() == [1_000.0, 1_000.0, 2_000.0, 4_000.0]


def test_same_close_fills_at_the_close_of_the_signal_and_says_so() -> None:
    panel = make_panel({"A": [10, 20, 40]})
    result = trade(panel, "x..", "..x", execution="same_close", costs=Costs.bps(100))
    quantity = 1_000 / 1.01 / 10
    assert result.fills["session"].tolist() == result.fills["decided"].tolist() == [panel.index[0], panel.index[2]]
    assert result.nav.iloc[0] == pytest.approx(quantity * 10, rel=1e-14)
    assert result.nav.iloc[-1] == pytest.approx(quantity * 40 * 0.99, rel=1e-14)
    assert any("assumes trading on the very close" in note for note in result.notes)


def test_slippage_moves_the_price_and_commission_comes_on_top() -> None:
    panel = make_panel({"A": [10, 10, 20, 20]})
    result = trade(panel, "x...", ".x..", costs=Costs.bps(commission=50, slippage=100))
    buy, sell = result.fills.to_dict("records")
    quantity = 1_000 / 1.005 / 10.1
    assert buy["fill_price"] == pytest.approx(10.1)
    assert buy["quantity"] == pytest.approx(quantity, rel=1e-14)
    assert buy["commission"] == pytest.approx(0.005 * quantity * 10.1)
    assert buy["slippage_cost"] == pytest.approx(0.1 * quantity)
    assert buy["value"] == pytest.approx(quantity * 10.1)
    assert sell["fill_price"] == pytest.approx(19.8)
    assert sell["commission"] == pytest.approx(0.005 * quantity * 19.8)
    assert result.nav.iloc[-1] == pytest.approx(quantity * 19.8 * 0.995, rel=1e-14)
    assert result.metrics["costs"] == pytest.approx(
        result.fills["commission"].sum() + result.fills["slippage_cost"].sum(), rel=1e-14
    )


@pytest.mark.parametrize(
    ("costs", "quantity"),
    [
        pytest.param(Costs(fixed=10), 99.0, id="fixed"),
        pytest.param(Costs(minimum=50), 95.0, id="minimum-binds"),
        pytest.param(Costs(commission_bps=100, minimum=5), 1_000 / 1.01 / 10, id="rate-binds"),
        pytest.param(Costs(commission_bps=100, fixed=10, minimum=5), 990 / 1.01 / 10, id="fixed-and-rate"),
    ],
)
def test_an_all_in_buy_is_the_largest_that_cash_pays(costs: Costs, quantity: float) -> None:
    result = trade(make_panel({"A": [10, 10]}), "x.", "..", costs=costs)
    assert result.fills["quantity"].tolist() == pytest.approx([quantity], rel=1e-14)
    assert result.cash.iloc[-1] == pytest.approx(0.0, abs=1e-9)


def test_a_commission_larger_than_the_cash_drops_the_order() -> None:
    result = trade(make_panel({"A": [10, 10, 10]}), "x..", "...", costs=Costs(minimum=1_000))
    assert result.fills.empty
    assert result.nav.tolist() == [1_000.0] * 3
    assert "1 order was dropped because cash could not pay." in result.notes


def test_a_sale_that_could_not_pay_its_commission_is_dropped_and_cash_stays_positive() -> None:
    panel = make_panel({"A": [100, 100, 0.5, 0.5, 0.5]})
    result = trade(panel, "x....", "..x..", costs=Costs(minimum=10))
    assert result.fills["side"].tolist() == ["buy"]
    assert (result.cash >= 0).all()


def test_each_instrument_trades_its_own_equal_part() -> None:
    panel = make_panel({"A": [10, 10, 20], "B": [10, 10, 5]})
    entries = np.array([[True, True], [False, False], [False, False]])
    result = simulate_signals(panel, entries, ~entries & False, initial_cash=1_000)
    assert result.fills["quantity"].tolist() == [50.0, 50.0]
    assert result.nav.tolist() == [1_000.0, 1_000.0, 1_250.0]


def test_the_exit_wins_in_position_and_the_entry_out_of_it() -> None:
    result = trade(make_panel({"A": [10] * 5}), "x.x..", "x.x..")
    assert result.fills["side"].tolist() == ["buy", "sell"]
    assert result.fills["decided"].tolist() == [session_index(5)[0], session_index(5)[2]]


def test_a_repeated_entry_changes_nothing() -> None:
    panel = make_panel({"A": [10, 11, 12, 13, 14]})
    assert trade(panel, "xxxx.", ".....").hash == trade(panel, "x....", ".....").hash


def test_an_exit_out_of_position_does_nothing() -> None:
    assert trade(make_panel({"A": [10, 10, 10]}), "...", "xxx").fills.empty


def test_an_order_waits_until_its_price_exists() -> None:
    panel = make_panel({"A": [10, 10, 10, 10]}, open={"A": [10, NAN, NAN, 8]})
    result = trade(panel, "x...", "....")
    assert result.fills["session"].tolist() == [panel.index[3]]
    assert result.fills["decided"].tolist() == [panel.index[0]]


def test_the_opposite_signal_replaces_a_waiting_order() -> None:
    panel = make_panel({"A": [10] * 5}, open={"A": [10, NAN, NAN, 8, 8]})
    assert trade(panel, "x....", ".x...").fills.empty


def test_an_entry_cancels_a_waiting_sale() -> None:
    panel = make_panel({"A": [10] * 6}, open={"A": [10, 10, NAN, NAN, 8, 8]})
    result = trade(panel, "x.x...", ".x....")
    assert result.fills["side"].tolist() == ["buy"]
    assert result.positions["A"].iloc[-1] == 100.0


def test_a_waiting_same_close_order_fills_at_the_first_close() -> None:
    panel = make_panel({"A": [10, NAN, NAN, 20]}, open={"A": [10, 10, 10, 10]})
    result = trade(panel, ".x..", "....", execution="same_close")
    assert result.fills["session"].tolist() == [panel.index[3]]
    assert result.fills["decided"].tolist() == [panel.index[1]]
    assert result.fills["fill_price"].tolist() == [20.0]


def test_a_signal_at_the_last_session_is_never_filled() -> None:
    assert trade(make_panel({"A": [10, 10, 10]}), "..x", "...").fills.empty


def test_a_missing_close_is_marked_at_the_last_known_price() -> None:
    panel = make_panel({"A": [10, 10, NAN, 14]}, open={"A": [10, 10, NAN, 14]})
    result = trade(panel, "x...", "....")
    assert result.nav.tolist() == [1_000.0, 1_000.0, 1_000.0, 1_400.0]


def test_a_missing_close_after_a_split_is_marked_at_the_divided_price() -> None:
    panel = make_panel({"A": [10, 10, NAN, 6]}, open={"A": [10, 10, NAN, 6]}, actions=[(2, "A", "split", 2.0)])
    result = trade(panel, "x...", "....")
    assert result.prices["A"].tolist() == [10.0, 10.0, 5.0, 6.0]
    assert result.nav.tolist() == [1_000.0, 1_000.0, 1_000.0, 1_200.0]


def test_a_split_doubles_the_quantity_and_moves_no_value() -> None:
    panel = make_panel(
        {"AAPL": [100, 100, 111.25, 55.63, 56]},
        open={"AAPL": [100, 100, 110, 55.5, 56]},
        actions=[(3, "AAPL", "split", 2.0)],
    )
    result = trade(panel, "x....", ".....")
    assert result.positions["AAPL"].tolist() == [0.0, 10.0, 10.0, 20.0, 20.0]
    assert result.nav.iloc[3] / result.nav.iloc[2] - 1 == pytest.approx(55.63 * 2 / 111.25 - 1, rel=1e-12)
    assert result.income.sum() == 0.0


def test_a_dividend_credits_cash_on_the_ex_date() -> None:
    panel = make_panel({"A": [10, 10, 10, 9.5, 9.5]}, actions=[(3, "A", "dividend", 0.5)])
    result = trade(panel, "x....", ".....")
    assert result.cash.tolist() == [1_000.0, 0.0, 0.0, 50.0, 50.0]
    assert result.income.tolist() == [0.0, 0.0, 0.0, 50.0, 0.0]
    assert result.nav.tolist() == [1_000.0] * 5


def test_a_dividend_is_paid_on_shares_after_a_split_of_the_same_day() -> None:
    panel = make_panel({"A": [10, 10, 5]}, actions=[(2, "A", "split", 2.0), (2, "A", "dividend", 0.1)])
    assert trade(panel, "x..", "...").cash.iloc[-1] == pytest.approx(200 * 0.1)


def test_shares_bought_on_the_ex_date_earn_no_dividend() -> None:
    panel = make_panel({"A": [10, 10, 10]}, actions=[(1, "A", "dividend", 0.5)])
    assert trade(panel, "x..", "...").cash.iloc[-1] == 0.0


def test_shares_sold_at_the_open_of_the_ex_date_earn_the_dividend() -> None:
    panel = make_panel({"A": [10, 10, 10, 10]}, actions=[(2, "A", "dividend", 0.5)])
    assert trade(panel, "x...", ".x..").cash.iloc[-1] == pytest.approx(1_050.0)


def test_whole_shares_are_floored_and_fractions_from_splits_paid_in_cash() -> None:
    panel = make_panel({"A": [30, 30, 20, 20]}, actions=[(2, "A", "split", 1.5)])
    result = trade(panel, "x...", "....", whole_shares=True)
    assert result.positions["A"].tolist() == [0.0, 33.0, 49.0, 49.0]
    assert result.cash.tolist() == pytest.approx([1_000.0, 10.0, 10.0 + 0.5 * 20, 20.0])
    assert result.nav.tolist() == pytest.approx([1_000.0] * 4)


def test_an_instrument_listed_later_is_bought_at_its_first_price() -> None:
    panel = make_panel({"A": [NAN, NAN, 10, 20]}, open={"A": [NAN, NAN, 10, 20]})
    result = trade(panel, "x...", "....")
    assert result.fills["session"].tolist() == [panel.index[2]]
    assert result.nav.tolist() == [1_000.0, 1_000.0, 1_000.0, 2_000.0]


def test_frames_are_matched_by_symbol_not_by_place() -> None:
    panel = make_panel({"A": [10, 10, 10], "B": [10, 10, 20]})
    entries = pd.DataFrame({"B": [True, False, False], "A": [False] * 3}, index=panel.index)
    result = simulate_signals(panel, entries, entries & False, initial_cash=1_000)
    assert result.fills["symbol"].tolist() == ["B"]
    assert result.fills["instrument_id"].tolist() == [2]
