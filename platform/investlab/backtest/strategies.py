"""Strategies: what to want at each session's close, from prices up to that close."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from investlab.backtest.kernels import TOLERANCE
from investlab.backtest.parameters import Ascending, Whole, checked
from investlab.backtest.sma_kernel import find_crossings, moving_averages
from investlab.backtest.terms import by_instrument
from investlab.market.adjustment import point_in_time_prices
from investlab.market.panel import PricePanel


@runtime_checkable
class SignalStrategy(Protocol):
    """A strategy that is in or out of each instrument; an attribute `rules` (`PositionRules`) says how, if it has one.

    `name` is its extension name; trials of one `family` are counted together.
    """

    name: ClassVar[str]
    family: ClassVar[str]

    def signals(self, panel: PricePanel) -> tuple[np.ndarray, ...]:
        """Return (entries, exits) as bool arrays (sessions × instruments); row *t* uses only what *t*'s close knew.

        A strategy with signals of their own for shorts returns (entries, exits, short entries, short exits).
        """
        ...


@runtime_checkable
class WeightStrategy(Protocol):
    """A strategy that wants shares of the portfolio's value.

    `name` is its extension name; trials of one `family` are counted together.
    """

    name: ClassVar[str]
    family: ClassVar[str]

    def weights(self, panel: PricePanel) -> np.ndarray:
        """Return weights (sessions × instruments), a row of NaN to hold; row *t* uses only what *t*'s close knew."""
        ...


Strategy = SignalStrategy | WeightStrategy


@dataclass(frozen=True, slots=True)
class StrategyDescription:
    """Which strategy with which parameters made a result."""

    name: str
    family: str
    parameters: Mapping[str, Any]
    description: str = ""

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{key}={value}' for key, value in self.parameters.items())})"


def describe_strategy(strategy: Strategy | type[Strategy]) -> StrategyDescription:
    """Return the name, family, parameters and first docstring line of a strategy or of its class."""
    kind = strategy if isinstance(strategy, type) else type(strategy)
    name = str(getattr(strategy, "name", kind.__name__))
    parameters: dict[str, Any] = {}
    if is_dataclass(strategy) and not isinstance(strategy, type):
        parameters = {field.name: getattr(strategy, field.name) for field in fields(strategy)}
    documentation = "" if (kind.__doc__ or "").startswith(f"{kind.__name__}(") else (kind.__doc__ or "")
    first_line = documentation.strip().partition("\n")[0]
    return StrategyDescription(name, str(getattr(strategy, "family", name)), parameters, first_line)


@dataclass(frozen=True, slots=True)
@checked(Whole("fast", 1), Whole("slow", 1), Ascending("fast", "slow"))
class SmaCross:
    """Long while the fast moving average of adjusted closes lies above the slow one.

    Each instrument is entered when its fast average comes to lie above the slow one and left when it falls below.
    Prices are adjusted as of each session; averages within a relative 1e-9 are a tie, which is no cross.

    Raises:
        InvalidInput: A window is no positive whole number or `fast` is not shorter than `slow`.
    """

    name: ClassVar[str] = "sma_cross"
    family: ClassVar[str] = "sma_cross"

    fast: int = 20
    slow: int = 100

    def signals(self, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
        """Return (entries, exits) at the crossings of the two averages (sessions × instruments)."""
        prices = by_instrument(point_in_time_prices(panel))
        entries = np.zeros(prices.shape, dtype=np.bool_)
        exits = np.zeros(prices.shape, dtype=np.bool_)
        windows = np.array([self.fast, self.slow], dtype=np.int64)
        when = np.empty(prices.shape[1], dtype=np.int64)
        upward = np.empty(prices.shape[1], dtype=np.bool_)
        for column in range(len(prices)):
            fast, slow = moving_averages(prices[column], windows)
            count = find_crossings(fast, slow, when, upward)
            entries[column, when[:count]] = upward[:count]
            exits[column, when[:count]] = ~upward[:count]
        return entries.T, exits.T


@dataclass(frozen=True, slots=True)
@checked(
    Whole("k", 1),
    Whole("lookback_sessions", 1),
    Whole("skip_sessions", 0),
    Ascending("skip_sessions", "lookback_sessions"),
)
class MonthlyMomentum:
    """Equal parts of the `k` instruments with the strongest twelve-month growth, leaving out the last month.

    It decides at the close of each month's first session, which the sessions up to then show to be one (that a session
    is a month's last is known only afterwards). Growth is the adjusted close `skip_sessions` ago over the one
    `lookback_sessions` ago; an instrument lacking either, or a close at the decision, is left out. Each chosen
    instrument gets 1/k, what is left stays in cash, and growths within a relative 1e-9 rank by column. The ranking
    follows Jegadeesh and Titman, "Returns to Buying Winners and Selling Losers", Journal of Finance 48(1), 1993.

    Raises:
        InvalidInput: A parameter is no whole number or `skip_sessions` is not shorter than `lookback_sessions`.
    """

    name: ClassVar[str] = "monthly_momentum"
    family: ClassVar[str] = "monthly_momentum"

    k: int = 5
    lookback_sessions: int = 252
    skip_sessions: int = 21

    def weights(self, panel: PricePanel) -> np.ndarray:
        """Return the wanted weights at each month's first session with enough history (sessions × instruments)."""
        prices = point_in_time_prices(panel)
        weights = np.full(panel.shape, np.nan)
        months = panel.sessions.astype("datetime64[M]")
        for t in np.flatnonzero(months[1:] != months[:-1]) + 1:
            if t >= self.lookback_sessions:
                growth = prices[t - self.skip_sessions] / prices[t - self.lookback_sessions]
                growth = np.where(np.isnan(prices[t]), np.nan, growth)
                weights[t] = 0.0
                weights[t, strongest(growth, self.k)] = 1.0 / self.k
        return weights


@dataclass(frozen=True, slots=True)
class BuyAndHold:
    """Each instrument's equal part of the cash, bought at its first available fill and held."""

    name: ClassVar[str] = "buy_and_hold"
    family: ClassVar[str] = "buy_and_hold"

    def signals(self, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
        """Return an entry for every instrument at the first session and no exit."""
        entries = np.zeros(panel.shape, dtype=np.bool_)
        entries[0] = True
        return entries, np.zeros(panel.shape, dtype=np.bool_)


def strongest(growth: np.ndarray, k: int) -> list[int]:
    """Return up to `k` columns by descending growth; NaN is left out and near equals rank by column."""
    left = np.array(growth, dtype=np.float64)
    chosen: list[int] = []
    while len(chosen) < k and not np.isnan(left).all():
        floor = np.nanmax(left) * (1.0 - TOLERANCE)
        column = int(np.flatnonzero(left >= floor)[0])
        chosen.append(column)
        left[column] = np.nan
    return chosen
