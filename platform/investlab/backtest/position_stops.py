"""Compiled stops: whether a session reaches a position's levels, at what price that fills, and for which reason."""

import numpy as np

from investlab.analytics.compiled import compiled
from investlab.backtest.kernels import ORDER, STOP_LOSS, TAKE_PROFIT, TIME, TOLERANCE, TRAILING
from investlab.backtest.position_state import (
    Account,
    Levels,
    Quotes,
    side_of,
)


@compiled
def reached(side: int, price: float, level: float) -> bool:
    """Say whether a price is at or below a level (side 1) or at or above it (side −1); near equals count as at it."""
    return side * (price - level) <= TOLERANCE * price


@compiled
def loss_level(account: Account, side: int, levels: Levels) -> tuple[float, int]:
    """Return the nearer of stop-loss and trailing level, with its reason; the stop-loss of equals."""
    fixed = account.entry * (1.0 - side * levels.stop_loss)
    trailing = account.best * (1.0 - side * levels.trailing)
    if side * trailing > side * fixed:
        return trailing, TRAILING
    return fixed, STOP_LOSS


@compiled
def profit_level(account: Account, side: int, levels: Levels) -> float:
    """Return the price at which a profit is taken."""
    return account.entry * (1.0 + side * levels.take_profit)


@compiled
def stop_within(account: Account, quotes: Quotes, t: int, levels: Levels) -> tuple[float, int]:
    """Return (reference price, reason) of the stop that a session's open, high and low reach; NaN if they reach none.

    The open comes first, and then the loss before the profit: which of the two came first inside a session is unknown.
    """
    side = side_of(account)
    start, high, low = quotes.open[t], quotes.high[t], quotes.low[t]
    if side == 0 or np.isnan(start) or np.isnan(high) or np.isnan(low):
        return np.nan, ORDER
    loss, reason = loss_level(account, side, levels)
    profit = profit_level(account, side, levels)
    worst, best = (low, high) if side > 0 else (high, low)
    if reached(side, start, loss):
        return start, reason
    if reached(-side, start, profit):
        return start, TAKE_PROFIT
    if reached(side, worst, loss):
        return loss, reason
    if reached(-side, best, profit):
        return profit, TAKE_PROFIT
    return np.nan, ORDER


@compiled
def is_watched(account: Account, t: int, levels: Levels) -> bool:
    """Say whether a position was held through a session, and not opened at its close."""
    return account.quantity != 0.0 and (account.opened < t or levels.at_open)


@compiled
def stop_at_close(account: Account, close: float, t: int, levels: Levels) -> int:
    """Return the reason to close a position that a session's close gives, `ORDER` if it gives none."""
    side = side_of(account)
    if side == 0:
        return ORDER
    if not levels.intraday and is_watched(account, t, levels):
        loss, reason = loss_level(account, side, levels)
        if reached(side, close, loss):
            return reason
        if reached(-side, close, profit_level(account, side, levels)):
            return TAKE_PROFIT
    return TIME if t - account.opened >= levels.time else ORDER


@compiled
def best_price(account: Account, quotes: Quotes, t: int, levels: Levels) -> float:
    """Return the best price since entry after a session: of highs (short: lows) where they are watched, else closes."""
    side = side_of(account)
    price: float = quotes.close[t]
    if levels.intraday:
        price = quotes.high[t] if side > 0 else quotes.low[t]
    if is_watched(account, t, levels) and side * price > side * account.best:
        return price
    return account.best
