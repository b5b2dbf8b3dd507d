"""Measures over a window that moves along: one value at each session, NaN until the window is full.

Each value is computed from its window alone, so it equals the measure of that window and carries nothing over.
"""

import numpy as np
import pandas as pd

from investlab.analytics.compiled import compiled
from investlab.analytics.ratios import UNVARYING, volatility_and_sharpe
from investlab.analytics.series import Returns, aligned, checked_returns, excess_returns
from investlab.core.errors import InvalidInput


def rolling_volatility(returns: pd.Series, window_sessions: int, sessions_per_year: float) -> pd.Series:
    """Return the annualised volatility (ddof 1) of the last `window_sessions` returns; NaN while there are fewer.

    Raises:
        InvalidInput: The window is shorter than two sessions or the series is none of returns.
    """
    values = checked_returns(returns)
    measured = rolling_volatility_and_sharpe(values, _window(window_sessions), sessions_per_year)
    return pd.Series(measured[0], index=returns.index, name="volatility")


def rolling_sharpe(
    returns: pd.Series, window_sessions: int, sessions_per_year: float, risk_free: Returns | float = 0.0
) -> pd.Series:
    """Return the annualised Sharpe ratio of the last `window_sessions` returns; NaN while there are fewer.

    Raises:
        InvalidInput: The window is shorter than two sessions, a series is none of returns or their sessions differ.
    """
    excess = excess_returns(returns, risk_free)
    measured = rolling_volatility_and_sharpe(excess, _window(window_sessions), sessions_per_year)
    return pd.Series(measured[1], index=returns.index, name="sharpe")


def rolling_beta(returns: pd.Series, benchmark: pd.Series, window_sessions: int) -> pd.Series:
    """Return the beta of the last `window_sessions` returns; NaN while there are fewer or the benchmark stands still.

    Raises:
        InvalidInput: The window is shorter than two sessions, a series is none of returns or their sessions differ.
    """
    values, other = checked_returns(returns), aligned(returns, benchmark, "benchmark returns")
    measured = rolling_betas(values, other, _window(window_sessions))
    return pd.Series(measured, index=returns.index, name="beta")


@compiled
def rolling_volatility_and_sharpe(
    returns: np.ndarray, window: int, sessions_per_year: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return both ratios of each full window, at its last session; NaN before the first."""
    deviations, ratios = np.full(len(returns), np.nan), np.full(len(returns), np.nan)
    for t in range(window - 1, len(returns)):
        deviations[t], ratios[t] = volatility_and_sharpe(returns[t - window + 1 : t + 1], sessions_per_year)
    return deviations, ratios


@compiled
def rolling_betas(returns: np.ndarray, benchmark: np.ndarray, window: int) -> np.ndarray:
    """Return the beta of each full window, at its last session; NaN before the first or where the benchmark is flat."""
    betas = np.full(len(returns), np.nan)
    for t in range(window - 1, len(returns)):
        mean, other = 0.0, 0.0
        for s in range(t - window + 1, t + 1):
            mean += returns[s]
            other += benchmark[s]
        mean /= window
        other /= window
        together, alone = 0.0, 0.0
        for s in range(t - window + 1, t + 1):
            together += (returns[s] - mean) * (benchmark[s] - other)
            alone += (benchmark[s] - other) * (benchmark[s] - other)
        if np.sqrt(alone / window) > UNVARYING * abs(other):
            betas[t] = together / alone
    return betas


def _window(sessions: int) -> int:
    if sessions < 2:
        raise InvalidInput(f"A window of {sessions} sessions has no deviation.", remedy="Give at least 2 sessions.")
    return int(sessions)
