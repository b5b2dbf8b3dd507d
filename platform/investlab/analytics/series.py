"""Return series as the measures take them: checked, and aligned with what they are compared with."""

import numpy as np
import pandas as pd

from investlab.core.errors import InvalidInput

type Returns = pd.Series | np.ndarray
"""Simple returns per session, in session order."""


def checked_returns(returns: Returns, name: str = "returns") -> np.ndarray:
    """Return a series of returns as a contiguous float64 array.

    Raises:
        InvalidInput: It is not one-dimensional, has a missing or infinite value, or one below −1.
    """
    values = np.ascontiguousarray(returns, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all() or (values < -1.0).any():
        raise InvalidInput(
            f"The {name} are no series of simple returns.",
            remedy="Give one dimension of finite numbers of at least -1; leave out sessions without a return.",
        )
    return values


def aligned(returns: Returns, other: Returns | float, name: str) -> np.ndarray:
    """Return what `returns` are compared with at each of their sessions; a number counts for every session.

    Raises:
        InvalidInput: The sessions or the lengths differ.
    """
    if isinstance(other, int | float):
        return checked_returns(np.full(len(returns), float(other)), name)
    elsewhere = (
        isinstance(returns, pd.Series) and isinstance(other, pd.Series) and not returns.index.equals(other.index)
    )
    if elsewhere or len(returns) != len(other):
        raise InvalidInput(
            f"The {name} do not have the sessions of the returns.",
            remedy="Give one value for each session of the returns, in the same order.",
        )
    return checked_returns(other, name)


def excess_returns(returns: Returns, risk_free: Returns | float = 0.0) -> np.ndarray:
    """Return the returns less the risk-free returns of the same sessions (a series, or one number for every session).

    Raises:
        InvalidInput: A series is none of returns, or their sessions differ.
    """
    values = checked_returns(returns)
    return np.asarray(values - aligned(returns, risk_free, "risk-free returns"))


def return_per_session(annual_rate: float, sessions_per_year: float) -> float:
    """Return the simple return per session that compounds to an annual rate: (1 + rate)^(1/sessions) − 1."""
    return float((1.0 + annual_rate) ** (1.0 / sessions_per_year) - 1.0)


def growth_of_one(returns: np.ndarray) -> np.ndarray:
    """Return what 1 has grown to after each session's return."""
    return np.cumprod(1.0 + returns)
