"""Round trips: fills matched first in, first out, and what their outcomes add up to.

A round trip is a quantity that one fill opened and a later one closed; a fill that closes parts of several earlier ones
ends several round trips. Its profit and loss is net of slippage (fill prices hold it) and of both fills' commissions in
proportion to quantity, and leaves out dividends. Splits restate quantity and entry price of what is held.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, nan
from typing import NamedTuple

import numpy as np
import pandas as pd

from investlab.analytics.performance import quotient

ROUNDING = 1e-9
"""A remainder that is a smaller part of its fill comes of rounding."""


@dataclass(frozen=True, slots=True)
class TradeStatistics:
    """What closed round trips add up to; money in currency, `return` fractions of the entry value.

    `profit_factor` is the sum of gains over the sum of losses, `payoff_ratio` the average win over the average loss,
    `expectancy` the average profit and loss of a round trip. `average_loss` is ≤ 0. What has no case is NaN; the profit
    factor is infinite with gains and no loss. `open_count` and `open_pnl` are of positions not closed yet.
    """

    count: int
    win_rate: float
    profit_factor: float
    payoff_ratio: float
    expectancy: float
    average_win: float
    average_loss: float
    average_return: float
    best: float
    worst: float
    average_sessions: float
    total_pnl: float
    total_cost: float
    open_count: int
    open_pnl: float


@dataclass(frozen=True, slots=True, eq=False)
class Trades:
    """Round trips that are closed, and lots still open, each in the order in which they were closed or opened.

    Columns: symbol, instrument_id, side (`long` or `short`), opened, closed, quantity, entry_price, exit_price, cost
    (commissions and slippage), pnl, return (pnl ÷ entry value), sessions (from opening to closing). An open lot has no
    closed, its exit price is the last price, and its pnl what it would be at that price.
    """

    closed: pd.DataFrame
    open: pd.DataFrame

    @property
    def statistics(self) -> TradeStatistics:
        """Return what the closed round trips add up to, with the open ones apart."""
        pnl = self.closed["pnl"].to_numpy(dtype=np.float64)
        wins, losses = pnl[pnl > 0.0], pnl[pnl < 0.0]
        won, lost = float(wins.sum()), float(-losses.sum())
        average_win, average_loss = _mean(wins), _mean(losses)
        return TradeStatistics(
            count=len(pnl),
            win_rate=quotient(float(len(wins)), float(len(pnl))),
            profit_factor=inf if won > 0.0 and lost == 0.0 else quotient(won, lost),
            payoff_ratio=quotient(average_win, -average_loss),
            expectancy=_mean(pnl),
            average_win=average_win,
            average_loss=average_loss,
            average_return=_mean(self.closed["return"].to_numpy(dtype=np.float64)),
            best=float(pnl.max()) if len(pnl) else nan,
            worst=float(pnl.min()) if len(pnl) else nan,
            average_sessions=_mean(self.closed["sessions"].to_numpy(dtype=np.float64)),
            total_pnl=float(pnl.sum()),
            total_cost=float(self.closed["cost"].sum()),
            open_count=len(self.open),
            open_pnl=float(self.open["pnl"].sum()),
        )


class _Lot(NamedTuple):
    """A quantity (negative if short) opened at a session; price and costs per share."""

    session: int
    quantity: float
    price: float
    commission: float
    slippage: float


class _Trip(NamedTuple):
    """A quantity (negative if short) between two lots; `close` is None while it is open."""

    quantity: float
    entry: _Lot
    close: _Lot | None


def round_trips(
    fills: pd.DataFrame,
    sessions: pd.DatetimeIndex,
    *,
    share_ratios: pd.DataFrame | None = None,
    last_prices: pd.Series | None = None,
) -> Trades:
    """Return fills matched first in, first out within each instrument.

    `fills` is in order of execution: session, symbol, instrument_id, side (`buy`, `sell`), quantity, fill_price,
    commission, slippage_cost. Selling more than is held opens a short lot. `share_ratios` (session, symbol, ratio: new
    shares per old share, before that session's fills) restates what is held; `last_prices` by symbol value open lots.
    """
    ratios = (
        {} if share_ratios is None else {str(key): part for key, part in share_ratios.groupby("symbol", sort=False)}
    )
    trips: list[tuple[str, int, _Trip]] = []
    for symbol, own in fills.groupby("symbol", sort=False):
        identifier = int(own["instrument_id"].iloc[0])
        trips += [
            (str(symbol), identifier, trip)
            for trip in _match(_orders(own, sessions), _splits(ratios, str(symbol), sessions))
        ]
    prices = {} if last_prices is None else last_prices.to_dict()
    closed = [row for row in trips if row[2].close is not None]
    still = [row for row in trips if row[2].close is None]
    closed.sort(key=lambda row: row[2].close.session if row[2].close else 0)
    still.sort(key=lambda row: row[2].entry.session)
    return Trades(_table(closed, sessions, {}), _table(still, sessions, prices))


def share_ratios(positions: pd.DataFrame, fills: pd.DataFrame) -> pd.DataFrame:
    """Return where quantities changed without a fill, as splits do: session, symbol, ratio (new shares per old share).

    `positions` are quantities after each session's fills (sessions × symbols).
    """
    held = positions.to_numpy(dtype=np.float64)
    traded = signed_by_session(fills, positions, fills["quantity"])
    before = np.vstack([np.zeros((1, held.shape[1])), held[:-1]])
    unfilled = held - traded
    size = np.abs(held) + np.abs(traded) + np.abs(before)
    rows, columns = np.nonzero((before != 0.0) & (np.abs(unfilled - before) > ROUNDING * size))
    ratios = unfilled[rows, columns] / before[rows, columns]
    kept = ratios > 0.0
    return pd.DataFrame(
        {
            "session": positions.index[rows[kept]],
            "symbol": positions.columns[columns[kept]],
            "ratio": ratios[kept],
        }
    )


def signed_by_session(fills: pd.DataFrame, like: pd.DataFrame, amount: pd.Series) -> np.ndarray:
    """Return amounts of fills summed by session and symbol in the shape of `like`; sales count as negative."""
    total = np.zeros(like.shape)
    rows, columns = (
        like.index.get_indexer(pd.Index(fills["session"])),
        like.columns.get_indexer(pd.Index(fills["symbol"])),
    )
    signs = np.where(fills["side"].to_numpy() == "buy", 1.0, -1.0)
    np.add.at(total, (rows, columns), signs * amount.to_numpy(dtype=np.float64))
    return total


def _orders(fills: pd.DataFrame, sessions: pd.DatetimeIndex) -> Iterator[_Lot]:
    """Yield one instrument's fills as lots, in order of execution."""
    rows = sessions.get_indexer(pd.Index(fills["session"]))
    signs = np.where(fills["side"].to_numpy() == "buy", 1.0, -1.0)
    money = fills[["quantity", "fill_price", "commission", "slippage_cost"]].to_numpy(dtype=np.float64)
    for row, sign, (quantity, price, commission, slippage) in zip(rows, signs, money, strict=True):
        if quantity > 0.0:
            yield _Lot(int(row), sign * quantity, price, commission / quantity, slippage / quantity)


def _splits(ratios: dict[str, pd.DataFrame], symbol: str, sessions: pd.DatetimeIndex) -> deque[tuple[int, float]]:
    """Return one instrument's splits as (session number, ratio)."""
    if symbol not in ratios:
        return deque()
    own = ratios[symbol].sort_values("session")
    rows = sessions.get_indexer(pd.Index(own["session"]))
    return deque(zip(rows.tolist(), own["ratio"].tolist(), strict=True))


def _match(orders: Iterator[_Lot], splits: deque[tuple[int, float]]) -> list[_Trip]:
    """Match one instrument's fills with the lots before them; what is left is open. Uses up the splits."""
    lots: deque[_Lot] = deque()
    trips: list[_Trip] = []
    for order in orders:
        _restate(lots, splits, order.session)
        left = order.quantity
        while lots and lots[0].quantity * left < 0.0 and abs(left) > ROUNDING * abs(order.quantity):
            lot = lots.popleft()
            size = min(abs(lot.quantity), abs(left))
            part = size if lot.quantity > 0.0 else -size
            trips.append(_Trip(part, lot, order))
            left += part
            if abs(lot.quantity) - size > ROUNDING * abs(lot.quantity):
                lots.appendleft(lot._replace(quantity=lot.quantity - part))
        if abs(left) > ROUNDING * abs(order.quantity):
            lots.append(order._replace(quantity=left))
    _restate(lots, splits, splits[-1][0] if splits else 0)
    return trips + [_Trip(lot.quantity, lot, None) for lot in lots]


def _restate(lots: deque[_Lot], splits: deque[tuple[int, float]], session: int) -> None:
    """Apply the splits up to a session to all lots held."""
    while splits and splits[0][0] <= session:
        _, ratio = splits.popleft()
        for place, lot in enumerate(lots):
            lots[place] = _Lot(
                lot.session, lot.quantity * ratio, lot.price / ratio, lot.commission / ratio, lot.slippage / ratio
            )


def _table(
    trips: list[tuple[str, int, _Trip]], sessions: pd.DatetimeIndex, last_prices: dict[object, float]
) -> pd.DataFrame:
    trades = [trip for _, _, trip in trips]
    signed = np.array([trip.quantity for trip in trades], dtype=np.float64)
    quantity = np.abs(signed)
    entry = np.array([trip.entry.price for trip in trades], dtype=np.float64)
    last = [last_prices.get(symbol, nan) for symbol, _, _ in trips]
    leave = np.array(
        [trip.close.price if trip.close else price for trip, price in zip(trades, last, strict=True)], dtype=np.float64
    )
    commission = quantity * np.array([_both(trip, "commission") for trip in trades], dtype=np.float64)
    slippage = quantity * np.array([_both(trip, "slippage") for trip in trades], dtype=np.float64)
    opened = np.array([trip.entry.session for trip in trades], dtype=np.int64)
    ended = np.array([trip.close.session if trip.close else -1 for trip in trades], dtype=np.int64)
    pnl = signed * (leave - entry) - commission
    until = np.where(ended < 0, len(sessions) - 1, ended)
    return pd.DataFrame(
        {
            "symbol": pd.Series([symbol for symbol, _, _ in trips], dtype=str),
            "instrument_id": np.array([identifier for _, identifier, _ in trips], dtype=np.int64),
            "side": pd.Series(np.where(signed > 0.0, "long", "short"), dtype=str),
            "opened": sessions.take(opened),
            "closed": sessions.take(ended, allow_fill=True, fill_value=None),
            "quantity": quantity,
            "entry_price": entry,
            "exit_price": leave,
            "cost": commission + slippage,
            "pnl": pnl,
            "return": pnl / (quantity * entry),
            "sessions": until - opened,
        }
    )


def _both(trip: _Trip, name: str) -> float:
    """Return a cost per share of opening and, where it is closed, of closing."""
    closing = float(getattr(trip.close, name)) if trip.close else 0.0
    return float(getattr(trip.entry, name)) + closing


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else nan
