"""The usual ratios of a series of simple returns.

`risk_free` is the simple return per session, a number or a series of the same sessions. Ratios whose denominator is 0
are NaN, but for the Sharpe ratio, which is 0 where returns do not vary. Drawdowns start from the value before the
first return.

Sources: Sortino and van der Meer, "Downside Risk", Journal of Portfolio Management 17(4), 1991; Young, "Calmar Ratio: A
Smoother Tool", Futures 20(1), 1991; Keating and Shadwick, "A Universal Performance Measure", Journal of Performance
Measurement 6(3), 2002; Martin and McCann, "The Investor's Guide to Fidelity Funds", Wiley 1989 (ulcer index and
ulcer performance index); Becker, "The Zephyr K-Ratio and the Pain Index", Zephyr Associates 2006 (pain index).
"""

from dataclasses import dataclass
from math import nan

import numpy as np

from investlab.analytics.drawdowns import drawdowns
from investlab.analytics.ratios import UNVARYING, cagr, volatility, volatility_and_sharpe
from investlab.analytics.series import Returns, aligned, checked_returns, excess_returns, growth_of_one
from investlab.core.errors import InvalidInput

TAIL = 0.05


@dataclass(frozen=True, slots=True)
class Performance:
    """The usual numbers of a series of returns; fractions, annualised where a docstring below says so.

    `hit_rate` is the share of gains among the sessions whose return is not 0; `best` and `worst` are of one session.
    """

    sessions: int
    total_return: float
    cagr: float
    volatility: float
    sharpe: float
    sortino: float
    calmar: float
    omega: float
    max_drawdown: float
    ulcer_index: float
    ulcer_performance_index: float
    pain_index: float
    pain_ratio: float
    skewness: float
    excess_kurtosis: float
    tail_ratio: float
    hit_rate: float
    best: float
    worst: float


def performance(returns: Returns, sessions_per_year: float, risk_free: Returns | float = 0.0) -> Performance:
    """Return the usual numbers of a series of returns.

    Raises:
        InvalidInput: There is no return, a series is none of returns, or their sessions differ.
    """
    values = checked_returns(returns)
    if not len(values):
        raise InvalidInput("There is no return to measure.", remedy="Give at least two sessions.")
    rates = aligned(returns, risk_free, "risk-free returns")
    below = drawdowns(growth_of_one(values), 1.0)
    grown = annual_return(values, sessions_per_year)
    excess = grown - annual_return(rates, sessions_per_year)
    ulcer, pain, deepest = float(np.sqrt(np.mean(below**2))), float(-np.mean(below)), float(below.min())
    return Performance(
        sessions=len(values),
        total_return=total_return(values),
        cagr=grown,
        volatility=volatility(values, sessions_per_year),
        sharpe=excess_sharpe(values, sessions_per_year, rates),
        sortino=sortino(values, sessions_per_year, rates),
        calmar=quotient(grown, -deepest),
        omega=omega(values, rates),
        max_drawdown=deepest,
        ulcer_index=ulcer,
        ulcer_performance_index=quotient(excess, ulcer),
        pain_index=pain,
        pain_ratio=quotient(excess, pain),
        skewness=skewness(values),
        excess_kurtosis=excess_kurtosis(values),
        tail_ratio=tail_ratio(values),
        hit_rate=hit_rate(values),
        best=float(values.max()),
        worst=float(values.min()),
    )


def total_return(returns: Returns) -> float:
    """Return what the returns compound to, as a fraction."""
    values = checked_returns(returns)
    return float(growth_of_one(values)[-1] - 1.0) if len(values) else 0.0


def annual_return(returns: Returns, sessions_per_year: float) -> float:
    """Return the compound annual growth rate: (1 + total return)^(sessions per year ÷ number of returns) − 1."""
    return float(cagr(1.0 + total_return(returns), len(returns) / sessions_per_year))


def excess_sharpe(returns: Returns, sessions_per_year: float, risk_free: Returns | float = 0.0) -> float:
    """Return the annualised Sharpe ratio of the excess returns (ddof 1 of the excess); 0 where they do not vary."""
    return float(volatility_and_sharpe(excess_returns(returns, risk_free), sessions_per_year)[1])


def sortino(returns: Returns, sessions_per_year: float, risk_free: Returns | float = 0.0) -> float:
    """Return mean excess return over its downside deviation, annualised by √sessions.

    The downside deviation is √(mean of min(excess, 0)²) over all sessions, not over the losing ones alone.
    """
    excess = excess_returns(returns, risk_free)
    if len(excess) < 2:
        return nan
    downside = float(np.sqrt(np.mean(np.minimum(excess, 0.0) ** 2)))
    return quotient(float(np.mean(excess)) * float(np.sqrt(sessions_per_year)), downside)


def omega(returns: Returns, threshold: Returns | float = 0.0) -> float:
    """Return the sum of what lies above the threshold (per session) over the sum of what lies below it."""
    excess = excess_returns(returns, threshold)
    return quotient(float(np.sum(np.maximum(excess, 0.0))), float(-np.sum(np.minimum(excess, 0.0))))


def skewness(returns: Returns) -> float:
    """Return the sample skewness corrected for bias (G1); NaN under three returns, 0 where they do not vary."""
    values = checked_returns(returns)
    count = len(values)
    if count < 3:
        return nan
    scaled = standardised(values)
    return float(np.sqrt(count * (count - 1.0)) / (count - 2.0) * np.mean(scaled**3))


def excess_kurtosis(returns: Returns) -> float:
    """Return the sample kurtosis in excess of the normal's, corrected for bias (G2).

    NaN under four returns, 0 where they do not vary.
    """
    values = checked_returns(returns)
    count = len(values)
    if count < 4:
        return nan
    scaled = standardised(values)
    if not scaled.any():
        return 0.0
    excess = np.mean(scaled**4) - 3.0
    return float((count - 1.0) / ((count - 2.0) * (count - 3.0)) * ((count + 1.0) * excess + 6.0))


def tail_ratio(returns: Returns) -> float:
    """Return |95 % quantile| ÷ |5 % quantile|, both interpolated linearly."""
    values = checked_returns(returns)
    if not len(values):
        return nan
    low, high = np.quantile(values, [TAIL, 1.0 - TAIL])
    return quotient(abs(float(high)), abs(float(low)))


def hit_rate(returns: Returns) -> float:
    """Return the share of gains among the sessions whose return is not 0; NaN where there is none."""
    values = checked_returns(returns)
    return quotient(float(np.count_nonzero(values > 0.0)), float(np.count_nonzero(values)))


def standardised(values: np.ndarray) -> np.ndarray:
    """Return values less their mean in units of their deviation (ddof 0); 0 where they do not vary but for rounding."""
    mean, spread = np.mean(values), np.std(values)
    if spread <= UNVARYING * abs(mean):
        return np.zeros(len(values))
    return np.asarray((values - mean) / spread)


def quotient(value: float, by: float) -> float:
    """Return value ÷ by; NaN where `by` is 0."""
    return value / by if by != 0.0 else nan
