"""Growth, volatility and the Sharpe ratio; sums run in session order, so every caller gets the same bits."""

import numpy as np

from investlab.analytics.compiled import compiled

UNVARYING = 1e-9
"""Returns whose deviation is a smaller part of their mean are equal but for rounding."""


@compiled
def volatility_and_sharpe(returns: np.ndarray, sessions_per_year: float) -> tuple[float, float]:
    """Return both annualised ratios of simple returns per session: ddof 1, risk-free rate 0.

    The Sharpe ratio is 0 where returns do not vary by more than rounding, both are 0 for fewer than two returns.
    """
    count = len(returns)
    if count < 2:
        return 0.0, 0.0
    total = 0.0
    for value in returns:
        total += value
    mean = total / count
    squares = 0.0
    for value in returns:
        squares += (value - mean) * (value - mean)
    deviation = np.sqrt(squares / (count - 1))
    year = np.sqrt(sessions_per_year)
    return deviation * year, mean / deviation * year if deviation > UNVARYING * abs(mean) else 0.0


def volatility(returns: np.ndarray, sessions_per_year: float) -> float:
    """Return the annualised sample standard deviation (ddof 1) of simple returns per session."""
    return volatility_and_sharpe(returns, sessions_per_year)[0]


def sharpe(returns: np.ndarray, sessions_per_year: float) -> float:
    """Return the annualised Sharpe ratio (ddof 1, risk-free rate 0); 0 where returns do not vary."""
    return volatility_and_sharpe(returns, sessions_per_year)[1]


@compiled
def cagr(growth: float, years: float) -> float:
    """Return the compound annual growth rate of a value that multiplied by `growth` in `years`; 0 for no time."""
    if years <= 0.0:
        return 0.0
    if growth <= 0.0:
        return -1.0
    rate: float = growth ** (1.0 / years) - 1.0
    return rate
