"""Simple returns from net asset values, with what the first session cost where it cost something."""

import numpy as np

from investlab.analytics.compiled import compiled

ROUNDING = 1e-12
"""A first return smaller than this comes of adding up the parts of the cash."""


@compiled
def simple_returns(nav: np.ndarray) -> np.ndarray:
    """Return nav[t] / nav[t-1] - 1 for every session but the first; 0 where the earlier value is 0."""
    returns = np.empty(max(len(nav) - 1, 0))
    for t in range(1, len(nav)):
        before = nav[t - 1]
        returns[t - 1] = nav[t] / before - 1.0 if before != 0.0 else 0.0
    return returns


@compiled
def opening_return(nav: np.ndarray, initial_cash: float) -> float:
    """Return nav[0] / initial_cash - 1: what fills on the first session cost; 0 where rounding alone made it."""
    if len(nav) == 0 or initial_cash == 0.0:
        return 0.0
    cost: float = nav[0] / initial_cash - 1.0
    return cost if abs(cost) > ROUNDING else 0.0


@compiled
def returns_since(nav: np.ndarray, initial_cash: float) -> np.ndarray:
    """Return the simple returns of every session but the first, and of that too where it cost something."""
    later = simple_returns(nav)
    first = opening_return(nav, initial_cash)
    if first == 0.0:
        return later
    returns = np.empty(len(nav))
    returns[0] = first
    returns[1:] = later
    return returns


@compiled
def peak_before(nav: np.ndarray, initial_cash: float) -> float:
    """Return the peak that drawdowns start from: the initial cash where the first session cost something, else none."""
    return initial_cash if opening_return(nav, initial_cash) != 0.0 else -np.inf
