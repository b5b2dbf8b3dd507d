"""Drawdowns: how far a value lies below its running peak."""

import numpy as np

from investlab.analytics.compiled import compiled


@compiled
def drawdowns(nav: np.ndarray) -> np.ndarray:
    """Return nav / running peak - 1 at every session, each ≤ 0."""
    below = np.zeros(len(nav))
    peak = -np.inf
    for t in range(len(nav)):
        peak = max(peak, nav[t])
        if peak > 0.0:
            below[t] = nav[t] / peak - 1.0
    return below


@compiled
def max_drawdown(nav: np.ndarray) -> float:
    """Return the deepest drawdown (≤ 0)."""
    deepest = 0.0
    peak = -np.inf
    for value in nav:
        if value >= peak:
            peak = value
        elif peak > 0.0:
            deepest = min(deepest, value / peak - 1.0)
    return deepest
