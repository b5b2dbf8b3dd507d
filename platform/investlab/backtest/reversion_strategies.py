"""Mean reversion: strategies that buy what has fallen far and leave it when it has come back, each by itself."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from investlab.backtest.indicators import mark_switches, mean_and_deviation, relative_strength
from investlab.backtest.kernels import TOLERANCE
from investlab.backtest.parameters import Ascending, Between, Whole, checked
from investlab.backtest.terms import by_instrument
from investlab.market.adjustment import point_in_time_prices
from investlab.market.panel import PricePanel


@dataclass(frozen=True, slots=True)
@checked(Whole("window", 1), Between("lower", 0.0, 100.0), Between("upper", 0.0, 100.0), Ascending("lower", "upper"))
class RsiReversion:
    """Long from a relative strength index under `lower` until one over `upper`.

    Each instrument is entered when Wilder's index of its adjusted closes lies under `lower` (oversold) and left when it
    lies over `upper` (overbought). An index within a relative 1e-9 of a level has not passed it; a missing close is
    passed over. Source: Wilder, New Concepts in Technical Trading Systems, 1978, section VI.

    Raises:
        InvalidInput: `window` is no positive whole number, a level is not between 0 and 100, or `lower` is not below
            `upper`.
    """

    name: ClassVar[str] = "rsi_reversion"
    family: ClassVar[str] = "rsi_reversion"

    window: int = 14
    lower: float = 30.0
    upper: float = 70.0

    def signals(self, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
        """Return (entries, exits) where the index passes its levels (sessions × instruments)."""
        prices = by_instrument(point_in_time_prices(panel))
        strength = np.empty_like(prices)
        for column, closes in enumerate(prices):
            strength[column] = relative_strength(closes, self.window)
        enter, leave = self.lower - strength > TOLERANCE * self.lower, strength - self.upper > TOLERANCE * self.upper
        entries, exits = mark_switches(enter, leave, from_start=True)
        return entries.T, exits.T


@dataclass(frozen=True, slots=True)
@checked(Whole("window", 2), Between("deviations", 0.0))
class BollingerReversion:
    """Long from a close under the lower Bollinger band until one over the moving average.

    The lower band lies `deviations` population standard deviations (ddof 0) of the last `window` adjusted closes, the
    session's own among them, under their mean. Each instrument is entered under the band and left over the mean. A
    close nearer than 1e-9 of the mean to either has not passed it, and a window with a missing close is none. Source:
    Bollinger, Bollinger on Bollinger Bands, 2001.

    Raises:
        InvalidInput: `window` is no whole number of at least 2 or `deviations` no positive number.
    """

    name: ClassVar[str] = "bollinger_reversion"
    family: ClassVar[str] = "bollinger_reversion"

    window: int = 20
    deviations: float = 2.0

    def signals(self, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
        """Return (entries, exits) where closes pass the band and the mean (sessions × instruments)."""
        prices = by_instrument(point_in_time_prices(panel))
        means, spreads = np.empty_like(prices), np.empty_like(prices)
        for column, closes in enumerate(prices):
            means[column], spreads[column] = mean_and_deviation(closes, self.window)
        tie = TOLERANCE * means
        enter, leave = means - self.deviations * spreads - prices > tie, prices - means > tie
        entries, exits = mark_switches(enter, leave, from_start=True)
        return entries.T, exits.T
