"""Returns measured against those of a benchmark.

Sources: Jensen, "The Performance of Mutual Funds in the Period 1945–1964", Journal of Finance 23(2), 1968 (alpha);
Grinold and Kahn, "Active Portfolio Management", McGraw-Hill 2000 (tracking error, information ratio); Morningstar,
"Upside and Downside Capture Ratios", methodology paper 2011.
"""

from dataclasses import dataclass
from math import nan

import numpy as np

from investlab.analytics.performance import annual_return, quotient
from investlab.analytics.ratios import UNVARYING, volatility_and_sharpe
from investlab.analytics.series import Returns, aligned, checked_returns, excess_returns
from investlab.core.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class RelativePerformance:
    """How returns compare with a benchmark's.

    `alpha` (Jensen's, mean × sessions per year), `tracking_error`, `information_ratio` and `active_return` (difference
    of compound annual growth) are annualised. A capture is the compound annual growth over the sessions in which the
    benchmark rose (fell), divided by the benchmark's over the same sessions; NaN where there is no such session.
    """

    beta: float
    alpha: float
    correlation: float
    tracking_error: float
    information_ratio: float
    active_return: float
    up_capture: float
    down_capture: float


def relative_performance(
    returns: Returns, benchmark: Returns, sessions_per_year: float, risk_free: Returns | float = 0.0
) -> RelativePerformance:
    """Return how returns compare with a benchmark's of the same sessions.

    Raises:
        InvalidInput: There are fewer than two returns, a series is none of returns, or their sessions differ.
    """
    values, other = checked_returns(returns), aligned(returns, benchmark, "benchmark returns")
    if len(values) < 2:
        raise InvalidInput("A comparison needs at least two returns.", remedy="Give a longer series.")
    excess = excess_returns(returns, risk_free)
    other_excess = np.asarray(other - aligned(returns, risk_free, "risk-free returns"))
    slope = beta(excess, other_excess)
    error, information = volatility_and_sharpe(values - other, sessions_per_year)
    return RelativePerformance(
        beta=slope,
        alpha=float(np.mean(excess) - slope * np.mean(other_excess)) * sessions_per_year,
        correlation=correlation(excess, other_excess),
        tracking_error=float(error),
        information_ratio=float(information),
        active_return=annual_return(values, sessions_per_year) - annual_return(other, sessions_per_year),
        up_capture=_capture(values, other, other > 0.0, sessions_per_year),
        down_capture=_capture(values, other, other < 0.0, sessions_per_year),
    )


def beta(returns: np.ndarray, benchmark: np.ndarray) -> float:
    """Return covariance with the benchmark ÷ its variance; NaN where the benchmark does not vary."""
    centred, other = returns - np.mean(returns), benchmark - np.mean(benchmark)
    if _unvarying(benchmark):
        return nan
    return float(np.sum(centred * other) / np.sum(other * other))


def correlation(returns: np.ndarray, benchmark: np.ndarray) -> float:
    """Return Pearson's correlation; NaN where one of the series does not vary."""
    if _unvarying(returns) or _unvarying(benchmark):
        return nan
    centred, other = returns - np.mean(returns), benchmark - np.mean(benchmark)
    together = np.sum(centred * other) / np.sqrt(np.sum(centred * centred) * np.sum(other * other))
    return float(np.clip(together, -1.0, 1.0))


def _unvarying(values: np.ndarray) -> bool:
    return bool(np.std(values) <= UNVARYING * abs(np.mean(values)))


def _capture(returns: np.ndarray, benchmark: np.ndarray, chosen: np.ndarray, sessions_per_year: float) -> float:
    if not chosen.any():
        return nan
    grown = annual_return(returns[chosen], sessions_per_year)
    return quotient(grown, annual_return(benchmark[chosen], sessions_per_year))
