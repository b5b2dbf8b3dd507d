"""Target weights, one convention a test, with numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from investlab.backtest.costs import Costs
from investlab.backtest.engine import simulate_weights
from investlab.market.panel import PricePanel
from tests.support.panels import make_panel

NAN = float("nan")


def targets(panel: PricePanel, rows: dict[int, list[float]]) -> pd.DataFrame:
    """Return weights of the rebalances by session number."""
    index = panel.index[list(rows)]
    return pd.DataFrame(list(rows.values()), index=index, columns=panel.symbols)


def test_quantities_are_fixed_at_the_close_that_decides_them() -> None:
    panel = make_panel({"A": [10, 20], "B": [10, 10]}, open={"A": [10, 16], "B": [10, 4]})
    result = simulate_weights(panel, targets(panel, {0: [0.5, 0.3]}), initial_cash=1_000)
    assert result.fills["symbol"].tolist() == ["B", "A"]
    assert result.positions.iloc[-1].tolist() == [50.0, 30.0]
    assert result.cash.iloc[-1] == pytest.approx(1_000 - 50 * 16 - 30 * 4)


def test_sells_come_first_then_buys_ascending_by_value() -> None:
    panel = make_panel({name: [10.0] * 4 for name in "ABCD"})
    rows = {0: [0.0, 0.5, 0.5, 0.0], 2: [0.6, 0.1, 0.1, 0.2]}
    result = simulate_weights(panel, targets(panel, rows), initial_cash=1_000)
    later = result.fills[result.fills["session"] == panel.index[3]]
    assert later["symbol"].tolist() == ["B", "C", "D", "A"]
    assert later["side"].tolist() == ["sell", "sell", "buy", "buy"]


def test_exact_ties_are_bought_by_column_and_the_last_is_cut_to_the_cash_left() -> None:
    panel = make_panel({"A": [10, 12], "B": [10, 12], "C": [10, 12]}, open={name: [10, 12] for name in "ABC"})
    result = simulate_weights(panel, targets(panel, {0: [1 / 3, 1 / 3, 1 / 3]}), initial_cash=900)
    assert result.fills["symbol"].tolist() == ["A", "B", "C"]
    assert result.fills["quantity"].tolist() == pytest.approx([30.0, 30.0, (900 - 720) / 12])
    assert result.cash.iloc[-1] == 0.0


def test_values_equal_but_for_rounding_are_ties() -> None:
    panel = make_panel({"A": [0.7, 0.7], "B": [2.5, 2.5], "C": [10.0, 10.0]})
    assert 1 / 3 * 1_000 / 0.7 * 0.7 > 1 / 3 * 1_000 / 2.5 * 2.5  # by rounding alone, B would come before A
    result = simulate_weights(panel, targets(panel, {0: [1 / 3, 1 / 3, 1 / 3]}), initial_cash=1_000)
    assert result.fills["symbol"].tolist() == ["A", "B", "C"]


def test_a_cut_buy_leaves_room_for_its_costs() -> None:
    panel = make_panel({"A": [10, 10]})
    result = simulate_weights(panel, targets(panel, {0: [1.0]}), costs=Costs.bps(100, 50), initial_cash=1_000)
    assert result.fills["quantity"].iloc[0] == pytest.approx(1_000 / 1.01 / 10.05, rel=1e-14)
    assert result.cash.iloc[-1] == pytest.approx(0.0, abs=1e-9)


def test_held_weights_drift_between_rebalances() -> None:
    panel = make_panel({"A": [10, 10, 20, 20], "B": [10, 10, 10, 10]})
    result = simulate_weights(panel, targets(panel, {0: [0.5, 0.5]}), initial_cash=1_000)
    assert len(result.fills) == 2
    assert result.weights.iloc[-1].tolist() == pytest.approx([2 / 3, 1 / 3])


def test_a_row_of_nan_holds_and_a_row_of_zero_sells() -> None:
    panel = make_panel({"A": [10, 10, 10, 10, 10]})
    holding = simulate_weights(panel, targets(panel, {0: [1.0], 2: [NAN]}), initial_cash=1_000)
    selling = simulate_weights(panel, targets(panel, {0: [1.0], 2: [0.0]}), initial_cash=1_000)
    assert holding.fills["side"].tolist() == ["buy"]
    assert selling.fills["side"].tolist() == ["buy", "sell"]
    assert selling.positions["A"].iloc[-1] == 0.0


def test_weights_already_held_give_no_fill() -> None:
    panel = make_panel({"A": [10, 11, 13, 17, 19]})
    rows = targets(panel, {number: [1.0] for number in range(5)})
    result = simulate_weights(panel, rows, costs=Costs(fixed=1.0), initial_cash=1_000)
    assert len(result.fills) == 1


def test_an_omitted_symbol_has_weight_zero() -> None:
    panel = make_panel({"A": [10] * 4, "B": [10] * 4})
    rows = pd.concat([targets(panel, {0: [0.5, 0.5]})])
    first = simulate_weights(panel, rows, initial_cash=1_000)
    only_b = simulate_weights(panel, rows[["B"]], initial_cash=1_000)
    assert first.fills["symbol"].tolist() == ["A", "B"]
    assert only_b.fills["symbol"].tolist() == ["B"]


def test_an_order_without_a_fill_price_lapses_and_is_counted() -> None:
    panel = make_panel({"A": [10, 10, 10], "B": [10, 10, 10]}, open={"A": [10, NAN, 10], "B": [10, 10, 10]})
    result = simulate_weights(panel, targets(panel, {0: [0.5, 0.5]}), initial_cash=1_000)
    assert result.fills["symbol"].tolist() == ["B"]
    assert "1 order lapsed because the fill price was missing." in result.notes


def test_a_pending_target_follows_a_split() -> None:
    panel = make_panel({"A": [10, 5, 5]}, actions=[(1, "A", "split", 2.0)])
    result = simulate_weights(panel, targets(panel, {0: [0.5]}), initial_cash=1_000)
    assert result.fills["quantity"].tolist() == [100.0]
    assert result.nav.tolist() == [1_000.0] * 3


def test_a_dividend_is_paid_before_the_rebalance_of_the_same_session() -> None:
    panel = make_panel({"A": [10, 10, 10, 10]}, actions=[(3, "A", "dividend", 0.5)])
    result = simulate_weights(panel, targets(panel, {0: [1.0], 2: [0.0]}), initial_cash=1_000)
    assert result.cash.iloc[-1] == pytest.approx(1_050.0)


def test_same_close_trades_at_the_deciding_close() -> None:
    panel = make_panel({"A": [10, 20]})
    result = simulate_weights(panel, targets(panel, {0: [1.0]}), execution="same_close", initial_cash=1_000)
    assert result.nav.tolist() == [1_000.0, 2_000.0]
    assert result.fills["session"].tolist() == result.fills["decided"].tolist()


def test_next_close_trades_at_the_close_after() -> None:
    panel = make_panel({"A": [10, 20, 40]})
    result = simulate_weights(panel, targets(panel, {0: [0.5]}), execution="next_close", initial_cash=1_000)
    assert result.fills["fill_price"].tolist() == [20.0]
    assert result.fills["quantity"].tolist() == [50.0]


def test_whole_shares_floor_targets() -> None:
    panel = make_panel({"A": [30, 30]})
    result = simulate_weights(panel, targets(panel, {0: [0.5]}), whole_shares=True, initial_cash=1_000)
    assert result.fills["quantity"].tolist() == [16.0]


def test_a_missing_close_decides_at_the_last_known_price() -> None:
    panel = make_panel({"A": [10, NAN, 10]}, open={"A": [10, NAN, 10]})
    result = simulate_weights(panel, targets(panel, {1: [1.0]}), initial_cash=1_000)
    assert result.fills["quantity"].tolist() == [100.0]


def test_arrays_and_frames_give_the_same() -> None:
    panel = make_panel({"A": [10, 11, 12, 13], "B": [10, 9, 8, 7]})
    array = np.full(panel.shape, NAN)
    array[[0, 2]] = [[0.5, 0.5], [0.2, 0.8]]
    frame = targets(panel, {2: [0.2, 0.8], 0: [0.5, 0.5]})
    assert simulate_weights(panel, array).hash == simulate_weights(panel, frame).hash
