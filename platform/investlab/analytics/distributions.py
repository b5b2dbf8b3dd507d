"""How returns are spread: a histogram whose bins follow from the returns.

Source of the width: Freedman and Diaconis, "On the Histogram as a Density Estimator", Zeitschrift für
Wahrscheinlichkeitstheorie 57, 1981.
"""

from dataclasses import dataclass

import numpy as np

from investlab.analytics.series import Returns, checked_returns
from investlab.core.errors import InvalidInput

MOST_BINS = 80
LEAST_BINS = 5
CORE = (0.005, 0.995)
"""The quantiles between which bins are laid; a few extreme sessions must not squeeze all others into three bars."""


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Counts of returns between neighbouring `edges` (one more than counts); each bin holds its lower edge.

    The first and the last bin also hold what lies beyond them: `below` and `above` of their counts.
    """

    edges: np.ndarray
    counts: np.ndarray
    below: int
    above: int


def histogram(returns: Returns, most_bins: int = MOST_BINS) -> Histogram:
    """Return how many returns fall into each of at most `most_bins` bins of one width.

    The width is Freedman and Diaconis' 2 × (interquartile range) ÷ n^⅓; bins cover the returns between the 0.5 % and
    the 99.5 % quantile, and zero is always an edge, so that no bar mixes gains with losses.

    Raises:
        InvalidInput: There is no return, or the series is none of returns.
    """
    values = checked_returns(returns)
    if not len(values):
        raise InvalidInput("There is no return to count.", remedy="Give at least two sessions.")
    edges = _edges(values, most_bins)
    inside = np.clip(values, edges[0], np.nextafter(edges[-1], edges[0]))
    counts = np.bincount(np.searchsorted(edges, inside, side="right") - 1, minlength=len(edges) - 1)
    below, above = int(np.count_nonzero(values < edges[0])), int(np.count_nonzero(values >= edges[-1]))
    return Histogram(edges, counts.astype(np.int64), below, above)


def _edges(values: np.ndarray, most_bins: int) -> np.ndarray:
    low, high = np.quantile(values, CORE)
    lower, upper = np.quantile(values, (0.25, 0.75))
    span = float(high - low)
    if span <= 0.0:
        span = max(2.0 * float(np.abs(values).max()), 1e-6)
    width = 2.0 * float(upper - lower) / np.cbrt(len(values))
    width = min(max(width, span / (most_bins - 2)), span / LEAST_BINS)
    first, last = np.floor(low / width), np.floor(high / width) + 1.0
    return np.asarray(np.arange(first, last + 1.0) * width)
