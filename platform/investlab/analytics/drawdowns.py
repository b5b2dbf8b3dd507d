"""Drawdowns: how far a value lies below its running peak."""

import numpy as np

from investlab.analytics.compiled import compiled


@compiled
def drawdowns(nav: np.ndarray, peak: float = -np.inf) -> np.ndarray:
    """Return nav / running peak - 1 at every session, each ≤ 0; `peak` is one from before the first."""
    below = np.zeros(len(nav))
    for t in range(len(nav)):
        peak = max(peak, nav[t])
        if peak > 0.0:
            below[t] = nav[t] / peak - 1.0
    return below


@compiled
def max_drawdown(nav: np.ndarray, peak: float = -np.inf) -> float:
    """Return the deepest drawdown (≤ 0); `peak` is one from before the first session.

    Division keeps order, so the lowest value after each peak gives the deepest drawdown from it, to the bit.
    """
    deepest = 0.0
    low = peak
    for value in nav:
        if value >= peak:
            if low < peak and peak > 0.0:
                deepest = min(deepest, low / peak - 1.0)
            peak = value
            low = value
        elif value < low:
            low = value
    return min(deepest, low / peak - 1.0) if low < peak and peak > 0.0 else deepest
