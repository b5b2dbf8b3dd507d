"""Numbers over the sessions up to each session, the same to the bit wherever the prices start.

Every function takes values as sessions × instruments and returns that shape, with NaN where the window is not full or
holds a NaN. Terms are added from the oldest to the newest and nothing is carried from one session to the next, so no
error accumulates. Only operations that IEEE 754 rounds exactly are used: every machine gives the same bits.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
"""Sessions × instruments."""


def past(values: Values, sessions: int) -> Values:
    """Return the value that many sessions ago."""
    shifted = np.full(values.shape, np.nan)
    if sessions < len(values):
        shifted[sessions:] = values[: len(values) - sessions]
    return shifted


def returns(prices: Values) -> Values:
    """Return the simple return of each session since the one before."""
    return prices / past(prices, 1) - 1.0


def mean(values: Values, sessions: int) -> Values:
    """Return the mean of the last sessions."""
    total = np.zeros(_full(values, sessions))
    for terms in _windows(values, sessions):
        total += terms
    return _aligned(total / sessions, values.shape)


def deviation(values: Values, sessions: int) -> Values:
    """Return the sample standard deviation (ddof 1) of the last sessions, from their own mean."""
    centre = mean(values, sessions)[sessions - 1 :]
    squares = np.zeros(_full(values, sessions))
    for terms in _windows(values, sessions):
        squares += (terms - centre) * (terms - centre)
    return _aligned(np.sqrt(squares / (sessions - 1)), values.shape)


def highest(values: Values, sessions: int) -> Values:
    """Return the highest value of the last sessions."""
    peak = np.full(_full(values, sessions), -np.inf)
    for terms in _windows(values, sessions):
        peak = np.maximum(peak, terms)
    return _aligned(peak, values.shape)


def deepest_drawdown(prices: Values, sessions: int) -> Values:
    """Return the deepest fall (≤ 0) below a running peak, both within the last sessions."""
    peak = np.full(_full(prices, sessions), -np.inf)
    deepest = np.zeros(peak.shape)
    for terms in _windows(prices, sessions):
        peak = np.maximum(peak, terms)
        deepest = np.minimum(deepest, terms / peak - 1.0)
    return _aligned(deepest, prices.shape)


def _full(values: Values, sessions: int) -> tuple[int, int]:
    """Return the shape of what is known: one row for each session with a full window."""
    return max(len(values) - sessions + 1, 0), values.shape[1]


def _windows(values: Values, sessions: int) -> Iterator[Values]:
    """Yield the oldest value of every full window, then the next, up to the newest."""
    count = max(len(values) - sessions + 1, 0)
    for offset in range(sessions):
        yield values[offset : offset + count]


def _aligned(known: Values, shape: tuple[int, ...]) -> Values:
    """Put each window's number at its last session."""
    aligned = np.full(shape, np.nan)
    if len(known):
        aligned[shape[0] - len(known) :] = known
    return aligned
