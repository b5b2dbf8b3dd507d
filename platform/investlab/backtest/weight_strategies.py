"""Weighting rules: strategies that share the portfolio among instruments by simple formulas."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import fsum
from typing import ClassVar

import numpy as np

from investlab.backtest.kernels import TOLERANCE
from investlab.backtest.parameters import Whole, checked, is_number
from investlab.backtest.rebalancing import PastReturns, opening_sessions, past_returns, require_period
from investlab.backtest.strategies import strongest
from investlab.core.errors import InvalidInput, NotFound
from investlab.market.adjustment import point_in_time_prices
from investlab.market.panel import PricePanel


@dataclass(frozen=True, slots=True)
class EqualWeight:
    """The same weight for every instrument that has a close, renewed at each period's first session.

    It decides at the panel's first session and at each session that opens a `rebalance` period (session, week, month,
    quarter, year): 1/N for each of the N instruments with a close then, 0 for the others; it holds where there is none.
    Source: DeMiguel, Garlappi and Uppal, "Optimal Versus Naive Diversification", Review of Financial Studies 22(5),
    2009.

    Raises:
        InvalidInput: `rebalance` is no such period.
    """

    name: ClassVar[str] = "equal_weight"
    family: ClassVar[str] = "equal_weight"

    rebalance: str = "month"

    def __post_init__(self) -> None:
        require_period(self.rebalance)

    def weights(self, panel: PricePanel) -> np.ndarray:
        """Return 1/N at the sessions that decide (sessions × instruments)."""
        wanted = np.full(panel.shape, np.nan)
        known = ~np.isnan(panel.values("close"))
        for t in [0, *opening_sessions(panel.sessions, self.rebalance).tolist()]:
            count = int(known[t].sum())
            if count:
                wanted[t] = np.where(known[t], 1.0 / count, 0.0)
        return wanted


@dataclass(frozen=True, slots=True)
class ConstantWeights:
    """The same given weights again and again: a constant-rebalanced portfolio.

    `mix` maps symbols to weights of at least 0 that sum to at most 1; symbols left out have none and the rest is
    cash. It decides at the panel's first session and at each session that opens a `rebalance` period (session, week,
    month, quarter, year). An instrument without a close so far has weight 0, its part waits in cash; one that lacks
    only the session's own close keeps its weight. Source: Cover, "Universal Portfolios", Mathematical Finance 1(1),
    1991.

    Raises:
        InvalidInput: `mix` is no such mapping or `rebalance` is no such period.
    """

    name: ClassVar[str] = "constant_weights"
    family: ClassVar[str] = "constant_weights"

    mix: Mapping[str, float]
    rebalance: str = "session"

    def __post_init__(self) -> None:
        object.__setattr__(self, "mix", _checked_mix(self.mix))
        require_period(self.rebalance)

    def weights(self, panel: PricePanel) -> np.ndarray:
        """Return the given weights at the sessions that decide (sessions × instruments).

        Raises:
            NotFound: A symbol is not in the panel; near matches are named.
        """
        for symbol in self.mix:
            if symbol not in panel.symbols:
                raise NotFound.named("symbol", symbol, panel.symbols, remedy="It is part of the mix.")
        given = np.array([self.mix.get(symbol, 0.0) for symbol in panel.symbols])
        listed = np.maximum.accumulate(~np.isnan(panel.values("close")), axis=0)
        wanted = np.full(panel.shape, np.nan)
        for t in [0, *opening_sessions(panel.sessions, self.rebalance).tolist()]:
            wanted[t] = np.where(listed[t], given, 0.0)
        return wanted


@dataclass(frozen=True, slots=True)
@checked(Whole("k", 1), Whole("lookback_sessions", 2))
class LowVolatility:
    """Equal parts of the `k` instruments whose returns varied least over the last year.

    It decides at the close of each month's first session with enough history. Volatility is the sample standard
    deviation of the last `lookback_sessions` returns of adjusted closes; instruments without that history, or that do
    not move, are left out (`past_returns`). Each chosen one gets 1/k, what is left stays in cash, and volatilities
    within a relative 1e-9 rank by column. The ranking follows Blitz and van Vliet, "The Volatility Effect", Journal of
    Portfolio Management 34(1), 2007.

    Raises:
        InvalidInput: `k` is no positive whole number or `lookback_sessions` no whole number of at least 2.
    """

    name: ClassVar[str] = "low_volatility"
    family: ClassVar[str] = "low_volatility"

    k: int = 5
    lookback_sessions: int = 252

    def weights(self, panel: PricePanel) -> np.ndarray:
        """Return the wanted weights at each month's first session with enough history (sessions × instruments)."""

        def choose(past: PastReturns) -> np.ndarray:
            parts = np.zeros(len(past.columns))
            parts[strongest(1.0 / past.deviations, self.k)] = 1.0 / self.k
            return parts

        return monthly_weights(panel, self.lookback_sessions, choose)


@dataclass(frozen=True, slots=True)
@checked(Whole("lookback_sessions", 2))
class InverseVolatility:
    """Weights in inverse proportion to volatility: each instrument alone risks the same.

    It decides at the close of each month's first session with enough history. Volatility is the sample standard
    deviation of the last `lookback_sessions` returns of adjusted closes; instruments without that history, or that do
    not move, are left out (`past_returns`); the weights sum to 1. It is the equal-risk portfolio of equally correlated
    instruments: Maillard, Roncalli and Teïletche, "The Properties of Equally Weighted Risk Contribution Portfolios",
    Journal of Portfolio Management 36(4), 2010.

    Raises:
        InvalidInput: `lookback_sessions` is no whole number of at least 2.
    """

    name: ClassVar[str] = "inverse_volatility"
    family: ClassVar[str] = "inverse_volatility"

    lookback_sessions: int = 63

    def weights(self, panel: PricePanel) -> np.ndarray:
        """Return the wanted weights at each month's first session with enough history (sessions × instruments)."""
        return monthly_weights(panel, self.lookback_sessions, lambda past: scaled_to_one(1.0 / past.deviations))


def monthly_weights(panel: PricePanel, lookback: int, share: Callable[[PastReturns], np.ndarray | None]) -> np.ndarray:
    """Return weights (sessions × instruments) renewed at each month's first session with `lookback` returns before it.

    `share` gives the weights of the instruments with a history, or None to hold; without any such instrument all is
    cash. The panel's first session opens no month.
    """
    prices = point_in_time_prices(panel)
    wanted = np.full(panel.shape, np.nan)
    for t in opening_sessions(panel.sessions, "month").tolist():
        if t < lookback:
            continue
        past = past_returns(prices, t, lookback)
        parts = share(past) if len(past.columns) else np.zeros(0)
        if parts is not None:
            wanted[t] = 0.0
            wanted[t, past.columns] = parts
    return wanted


def scaled_to_one(parts: np.ndarray) -> np.ndarray:
    """Return parts of at least 0 divided by their exact sum, which does not depend on their order."""
    scaled: np.ndarray = parts / fsum(parts.tolist())
    return scaled


def _checked_mix(mix: object) -> dict[str, float]:
    remedy = 'Give weights by symbol, such as {"AAPL": 0.6, "IBM": 0.4}.'
    if not isinstance(mix, Mapping) or not mix:
        raise InvalidInput(f"mix is {mix!r}.", remedy=remedy)
    for symbol, weight in mix.items():
        if not is_number(weight) or weight < 0:
            raise InvalidInput(f"The weight of {symbol!r} in mix is {weight!r}.", remedy=remedy)
    total = fsum(mix.values())
    if total > 1.0 + TOLERANCE:
        raise InvalidInput(f"The mix sums to {total:g}.", remedy="Scale them to 1: nothing can be borrowed.")
    return {str(symbol): float(weight) for symbol, weight in mix.items()}
