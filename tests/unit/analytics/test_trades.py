"""Round trips matched first in, first out, worked by hand."""

from collections.abc import Sequence
from math import inf, isnan

import numpy as np
import pandas as pd
import pytest

from investlab.analytics.trades import Trades, round_trips, share_ratios

DAYS = pd.date_range("2023-01-02", periods=6)

type Fill = tuple[int, str, str, float, float, float]
"""Session number, symbol, side, quantity, fill price, commission; slippage is 0.1 per share."""


def _fills(rows: Sequence[Fill]) -> pd.DataFrame:
    names = ["session", "symbol", "side", "quantity", "fill_price", "commission"]
    table = pd.DataFrame(rows, columns=names).astype({"quantity": float, "fill_price": float, "commission": float})
    table["session"] = DAYS[table["session"].to_numpy(dtype=np.int64)]
    table["instrument_id"] = table["symbol"].map({"A": 1, "B": 2}).astype(np.int64)
    table["slippage_cost"] = 0.1 * table["quantity"]
    return table


def _trades(*rows: Fill, ratios: list[tuple[int, str, float]] | None = None) -> Trades:
    table = pd.DataFrame(ratios or [], columns=["session", "symbol", "ratio"])
    table["session"] = DAYS[table["session"].to_numpy(dtype=np.int64)]
    return round_trips(_fills(rows), DAYS, share_ratios=table, last_prices=pd.Series({"A": 20.0, "B": 5.0}))


def test_the_first_bought_is_the_first_sold() -> None:
    """Of 10 at 10 and 10 at 12, 15 sold at 14: all of the first, half of the second."""
    trades = _trades((0, "A", "buy", 10, 10, 1), (1, "A", "buy", 10, 12, 2), (3, "A", "sell", 15, 14, 3))
    closed = trades.closed
    assert closed["quantity"].tolist() == [10.0, 5.0]
    assert closed["entry_price"].tolist() == [10.0, 12.0]
    assert closed["pnl"].tolist() == pytest.approx([40 - 1 - 2, 10 - 1 - 1])
    assert closed["cost"].tolist() == pytest.approx([1 + 2 + 2.0, 1 + 1 + 1.0])
    assert closed["return"].tolist() == pytest.approx([0.37, 8 / 60])
    assert closed["sessions"].tolist() == [3, 2]
    assert closed["closed"].tolist() == [DAYS[3]] * 2
    assert trades.open[["quantity", "entry_price", "exit_price", "sessions"]].iloc[0].tolist() == [5.0, 12.0, 20.0, 4]
    assert trades.open["pnl"].tolist() == pytest.approx([5 * 8 - 1])
    assert trades.open["closed"].isna().all()


def test_selling_more_than_is_held_opens_a_short() -> None:
    trades = _trades((0, "B", "buy", 4, 10, 0), (1, "B", "sell", 10, 8, 1), (4, "B", "buy", 6, 7, 0.6))
    assert trades.closed["side"].tolist() == ["long", "short"]
    assert trades.closed["quantity"].tolist() == [4.0, 6.0]
    assert trades.closed["pnl"].tolist() == pytest.approx([-8 - 0.4, 6 - 0.6 - 0.6])
    assert trades.open.empty


def test_an_open_short_gains_as_the_price_falls() -> None:
    trades = _trades((0, "B", "sell", 2, 8, 0))
    assert trades.open["side"].tolist() == ["short"]
    assert trades.open["pnl"].tolist() == pytest.approx([6.0])


def test_a_split_restates_what_is_held_before_the_fills_of_its_session() -> None:
    trades = _trades((0, "A", "buy", 10, 12, 0), (2, "A", "sell", 20, 7, 0), ratios=[(2, "A", 2.0)])
    assert trades.closed[["quantity", "entry_price", "pnl"]].iloc[0].tolist() == pytest.approx([20.0, 6.0, 20.0])
    assert trades.open.empty


def test_a_split_after_the_last_fill_counts_for_what_is_open() -> None:
    trades = _trades((0, "A", "buy", 10, 12, 0), ratios=[(4, "A", 2.0)])
    assert trades.open[["quantity", "entry_price", "pnl"]].iloc[0].tolist() == pytest.approx([20.0, 6.0, 280.0])


def test_rounding_leaves_no_lot_behind() -> None:
    trades = _trades(
        (0, "A", "buy", 0.1, 1, 0), (1, "A", "buy", 0.2, 1, 0), (2, "A", "sell", 0.30000000000000004, 1, 0)
    )
    assert len(trades.closed) == 2
    assert trades.open.empty


def test_statistics_by_hand() -> None:
    """Round trips of +30, −10 and +10 in 1, 2 and 3 sessions, and one open lot."""
    statistics = _trades(
        (0, "A", "buy", 10, 10, 0),
        (1, "A", "sell", 10, 13, 0),
        (1, "A", "buy", 10, 10, 0),
        (3, "A", "sell", 10, 9, 0),
        (0, "B", "buy", 10, 10, 0),
        (3, "B", "sell", 10, 11, 0),
        (4, "B", "buy", 1, 4, 0),
    ).statistics
    assert (statistics.count, statistics.open_count) == (3, 1)
    assert statistics.win_rate == pytest.approx(2 / 3)
    assert statistics.profit_factor == pytest.approx(4.0)
    assert (statistics.average_win, statistics.average_loss) == pytest.approx((20.0, -10.0))
    assert statistics.payoff_ratio == pytest.approx(2.0)
    assert statistics.expectancy == pytest.approx(10.0)
    assert statistics.average_return == pytest.approx(0.1)
    assert (statistics.best, statistics.worst) == pytest.approx((30.0, -10.0))
    assert statistics.average_sessions == pytest.approx(2.0)
    assert (statistics.total_pnl, statistics.open_pnl) == pytest.approx((30.0, 1.0))
    assert statistics.total_cost == pytest.approx(6.0)


def test_gains_alone_have_an_infinite_profit_factor() -> None:
    statistics = _trades((0, "A", "buy", 1, 10, 0), (1, "A", "sell", 1, 13, 0)).statistics
    assert statistics.profit_factor == inf
    assert isnan(statistics.payoff_ratio)


def test_no_fills_are_no_trades_with_the_same_columns() -> None:
    trades = _trades()
    some = _trades((0, "A", "buy", 1, 10, 0))
    assert trades.closed.empty
    assert trades.open.dtypes.equals(some.open.dtypes)
    assert trades.statistics.count == 0
    assert isnan(trades.statistics.win_rate)


def test_a_change_of_quantity_without_a_fill_is_a_split() -> None:
    positions = pd.DataFrame({"A": [10.0, 20.0, 15.0], "B": [0.0, 3.0, 3.0]}, DAYS[:3])
    fills = _fills([(0, "A", "buy", 10, 1, 0), (1, "B", "buy", 3, 1, 0), (2, "A", "sell", 5, 1, 0)])
    found = share_ratios(positions, fills)
    assert found.to_numpy().tolist() == [[DAYS[1], "A", 2.0]]
