"""Trend following: strategies that buy what rises and leave what falls, each instrument for itself."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from investlab.backtest.indicators import convergence_divergence, exponential_average, highest_before, mark_switches
from investlab.backtest.kernels import TOLERANCE
from investlab.backtest.parameters import Ascending, Whole, checked
from investlab.backtest.rebalancing import opening_sessions
from investlab.backtest.terms import by_instrument
from investlab.market.adjustment import point_in_time_prices
from investlab.market.panel import PricePanel


@dataclass(frozen=True, slots=True)
@checked(Whole("fast", 1), Whole("slow", 1), Ascending("fast", "slow"))
class EmaCross:
    """Long while the fast exponential moving average of adjusted closes lies above the slow one.

    Each instrument is entered when its fast average comes to lie above the slow one and left when it falls below. The
    averages are seeded with the first close and known from their window's length on (`exponential_average`); the first
    state is no cross. Averages within a relative 1e-9 are a tie, which is no cross. A missing close is passed over.

    Raises:
        InvalidInput: A window is no positive whole number or `fast` is not shorter than `slow`.
    """

    name: ClassVar[str] = "ema_cross"
    family: ClassVar[str] = "ema_cross"

    fast: int = 12
    slow: int = 26

    def signals(self, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
        """Return (entries, exits) at the crossings of the two averages (sessions × instruments)."""
        prices = by_instrument(point_in_time_prices(panel))
        fast, slow = np.empty_like(prices), np.empty_like(prices)
        for column, closes in enumerate(prices):
            fast[column] = exponential_average(closes, self.fast)
            slow[column] = exponential_average(closes, self.slow)
        return crossings(fast - slow, slow)


@dataclass(frozen=True, slots=True)
@checked(Whole("fast", 1), Whole("slow", 1), Whole("signal", 1), Ascending("fast", "slow"))
class Macd:
    """Long while the MACD line of adjusted closes lies above its signal line.

    Each instrument is entered when the line (fast less slow exponential average) comes to lie above its own
    exponential average, the signal line, and left when it falls below; the first state is no cross. Lines closer than
    1e-9 of the slow average, the size of the prices they come from, are a tie, which is no cross. A missing close is
    passed over. Source: Appel, The Moving Average Convergence-Divergence Trading Method, 1985.

    Raises:
        InvalidInput: A window is no positive whole number or `fast` is not shorter than `slow`.
    """

    name: ClassVar[str] = "macd"
    family: ClassVar[str] = "macd"

    fast: int = 12
    slow: int = 26
    signal: int = 9

    def signals(self, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
        """Return (entries, exits) where the line crosses its signal line (sessions × instruments)."""
        prices = by_instrument(point_in_time_prices(panel))
        gaps, slow = np.empty_like(prices), np.empty_like(prices)
        for column, closes in enumerate(prices):
            line, signal = convergence_divergence(closes, self.fast, self.slow, self.signal)
            gaps[column] = line - signal
            slow[column] = exponential_average(closes, self.slow)
        return crossings(gaps, slow)


@dataclass(frozen=True, slots=True)
@checked(Whole("entry_window", 1), Whole("exit_window", 1))
class DonchianBreakout:
    """Long from a close above the highest price of the sessions before until one below the lowest.

    Each instrument is entered when its adjusted close exceeds the highest high of the `entry_window` sessions before
    and left when it falls under the lowest low of the `exit_window` sessions before. The session itself is no part of
    either channel; a panel without high and low has channels of closes. Prices within a relative 1e-9 of a channel do
    not break it, and a channel with a missing price is none. The rule is the trading-range break of Brock, Lakonishok
    and LeBaron, Journal of Finance 47(5), 1992, with Donchian's channels.

    Raises:
        InvalidInput: A window is no positive whole number.
    """

    name: ClassVar[str] = "donchian_breakout"
    family: ClassVar[str] = "donchian_breakout"

    entry_window: int = 20
    exit_window: int = 10

    def signals(self, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
        """Return (entries, exits) at breaks of the channels (sessions × instruments)."""
        high, low = ("high", "low") if {"high", "low"} <= set(panel.fields) else ("close", "close")
        closes, highs, lows = (by_instrument(point_in_time_prices(panel, name)) for name in ("close", high, low))
        above, below = np.empty_like(closes), np.empty_like(closes)
        for column in range(len(closes)):
            above[column] = highest_before(highs[column], self.entry_window)
            below[column] = -highest_before(-lows[column], self.exit_window)
        enter, leave = closes - above > TOLERANCE * above, below - closes > TOLERANCE * below
        entries, exits = mark_switches(enter, leave, from_start=True)
        return entries.T, exits.T


@dataclass(frozen=True, slots=True)
@checked(Whole("lookback_sessions", 1))
class TimeSeriesMomentum:
    """Long in each instrument while its own growth over the last twelve months is positive.

    It decides at the close of each month's first session: an instrument whose adjusted close is above the one
    `lookback_sessions` ago is entered, one below it is left. Closes within a relative 1e-9, or a missing one, leave
    things as they are. The sign of past growth is the signal of Moskowitz, Ooi and Pedersen, "Time Series Momentum",
    Journal of Financial Economics 104(2), 2012; here it is long only and not scaled by volatility.

    Raises:
        InvalidInput: `lookback_sessions` is no positive whole number.
    """

    name: ClassVar[str] = "time_series_momentum"
    family: ClassVar[str] = "time_series_momentum"

    lookback_sessions: int = 252

    def signals(self, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
        """Return (entries, exits) where a month's first session changes the sign of growth (sessions × instruments)."""
        prices = point_in_time_prices(panel)
        enter, leave = np.zeros(panel.shape, dtype=np.bool_), np.zeros(panel.shape, dtype=np.bool_)
        decided = opening_sessions(panel.sessions, "month")
        decided = decided[decided >= self.lookback_sessions]
        now, then = prices[decided], prices[decided - self.lookback_sessions]
        enter[decided] = now - then > TOLERANCE * then
        leave[decided] = then - now > TOLERANCE * then
        entries, exits = mark_switches(by_instrument(enter), by_instrument(leave), from_start=True)
        return entries.T, exits.T


def crossings(gaps: np.ndarray, scales: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (entries, exits) (sessions × instruments) where gaps (instruments × sessions) change their sign.

    A gap of at most 1e-9 of its scale, or an unknown one, leaves the last sign as it was; the first is no change.
    """
    above, below = gaps > TOLERANCE * scales, -gaps > TOLERANCE * scales
    entries, exits = mark_switches(above, below, from_start=False)
    return entries.T, exits.T
