"""Growth, volatility and the Sharpe ratio; sums run in one fixed order, so every caller gets the same bits."""

import numpy as np

from investlab.analytics.compiled import compiled

UNVARYING = 1e-9
"""Returns whose deviation is a smaller part of their mean are equal but for rounding."""


@compiled
def fourfold_sum(values: np.ndarray) -> float:
    """Return the sum of values, every fourth of them in a sum of its own.

    One chain of additions would take four times as long; the order is fixed, so every caller gets the same bits.
    """
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    full = len(values) - len(values) % 4
    for place in range(0, full, 4):
        a, b = a + values[place], b + values[place + 1]
        c, d = c + values[place + 2], d + values[place + 3]
    for place in range(full, len(values)):
        a += values[place]
    total: float = (a + b) + (c + d)
    return total


@compiled
def fourfold_squares(values: np.ndarray, centre: float) -> float:
    """Return the sum of squared distances from a centre, in the order of `fourfold_sum`."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    full = len(values) - len(values) % 4
    for place in range(0, full, 4):
        v, w = values[place] - centre, values[place + 1] - centre
        x, y = values[place + 2] - centre, values[place + 3] - centre
        a, b, c, d = a + v * v, b + w * w, c + x * x, d + y * y
    for place in range(full, len(values)):
        v = values[place] - centre
        a += v * v
    total: float = (a + b) + (c + d)
    return total


@compiled
def volatility_and_sharpe(returns: np.ndarray, sessions_per_year: float) -> tuple[float, float]:
    """Return both annualised ratios of simple returns per session: ddof 1, risk-free rate 0.

    The Sharpe ratio is 0 where returns do not vary by more than rounding, both are 0 for fewer than two returns.
    """
    count = len(returns)
    if count < 2:
        return 0.0, 0.0
    mean = fourfold_sum(returns) / count
    deviation = np.sqrt(fourfold_squares(returns, mean) / (count - 1))
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
