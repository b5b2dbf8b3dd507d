"""Simple returns from net asset values."""

import numpy as np

from investlab.analytics.compiled import compiled


@compiled
def simple_returns(nav: np.ndarray) -> np.ndarray:
    """Return nav[t] / nav[t-1] - 1 for every session but the first; 0 where the earlier value is 0."""
    returns = np.zeros(max(len(nav) - 1, 0))
    for t in range(1, len(nav)):
        if nav[t - 1] != 0.0:
            returns[t - 1] = nav[t] / nav[t - 1] - 1.0
    return returns
