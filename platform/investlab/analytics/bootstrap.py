"""Intervals of a mean and of a Sharpe ratio by the stationary bootstrap, whose blocks keep the order of returns.

Sources: Politis and Romano, "The Stationary Bootstrap", JASA 89(428), 1994; block length by Politis and White,
"Automatic Block-Length Selection for the Dependent Bootstrap", Econometric Reviews 23(1), 2004, as corrected by
Patton, Politis and White, Econometric Reviews 28(4), 2009.
"""

from dataclasses import dataclass
from math import ceil, log10, sqrt

import numpy as np

from investlab.analytics.compiled import compiled
from investlab.analytics.symmetric_splits import UNVARYING_SHARE
from investlab.core.errors import InvalidInput

RESAMPLES = 2_000
LEAST_RETURNS = 8


@dataclass(frozen=True, slots=True)
class Interval:
    """The quantiles that leave equally much of a distribution on either side."""

    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class BootstrapIntervals:
    """Intervals of the mean and the Sharpe ratio, both per session, and the mean length of the blocks used."""

    mean: Interval
    sharpe: Interval
    block_length: float


def bootstrap_intervals(
    returns: np.ndarray, *, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> BootstrapIntervals:
    """Return the percentile intervals of returns per session; the same seed gives the same bits.

    Raises:
        InvalidInput: There are fewer than eight returns, no resample, or a confidence outside (0, 1).
    """
    if not 0.0 < confidence < 1.0 or resamples < 1:
        raise InvalidInput(
            f"{resamples} resamples at confidence {confidence} give no interval.",
            remedy="Give a confidence between 0 and 1 and at least one resample.",
        )
    length = optimal_block_length(returns)
    means, ratios = resampled(np.array(returns, dtype=np.float64), length, resamples, seed)
    tails = [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0]
    mean, ratio = (Interval(*map(float, np.quantile(values, tails))) for values in (means, ratios))
    return BootstrapIntervals(mean, ratio, length)


def optimal_block_length(returns: np.ndarray) -> float:
    """Return the mean block length of the stationary bootstrap with the least error of the mean's variance; at least 1.

    It is (2G²/D)^⅓ n^⅓ with D = 2g(0)² (2009), autocovariances weighted by the flat-top window whose width is twice
    the first lag after which max(5, log₁₀ n) autocorrelations stay below 2√(log₁₀ n / n); at most 3√n and n/3.

    Raises:
        InvalidInput: There are fewer than eight returns.
    """
    count = len(returns)
    if count < LEAST_RETURNS:
        raise InvalidInput(f"{count} returns are too few for a bootstrap.", remedy="Use a longer panel.")
    away = returns - returns.mean()
    if float(away @ away) <= UNVARYING_SHARE * float(returns @ returns):
        return 1.0
    run = max(5, int(log10(count)))
    most = min(ceil(sqrt(count)) + run, count - 2)
    covariances = np.array([away[lag:] @ away[: count - lag] for lag in range(most + 1)])
    width = _window(away, covariances, run)
    lags = np.arange(1, width + 1)
    weights = 2.0 * np.where(lags / width <= 0.5, 1.0, 2.0 * (1.0 - lags / width)) * covariances[1 : width + 1] / count
    density = float(covariances[0] / count + weights.sum())
    if density == 0.0:
        return 1.0
    ratio = abs(float((weights * lags).sum()) / density)
    length = float(np.cbrt(ratio * ratio * count))
    return max(1.0, min(length, float(ceil(min(3.0 * sqrt(count), count / 3.0)))))


def _window(away: np.ndarray, covariances: np.ndarray, run: int) -> int:
    """Return the width of the flat-top window."""
    count, most = len(away), len(covariances) - 1
    limit = 2.0 * sqrt(log10(count) / count)
    squares = away * away
    ahead = np.array([squares[lag + 1 :].sum() for lag in range(most + 1)])
    behind = np.array([squares[: -(lag + 1)].sum() for lag in range(most + 1)])
    small = np.abs(covariances) < limit * np.sqrt(ahead * behind)
    for last in range(run, most + 1):
        if small[last - run : last].all():
            return min(2 * max(last - run, 1), most)
    return most


@compiled
def resampled(returns: np.ndarray, block_length: float, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the Sharpe ratio (ddof 1) per session of each resample.

    A resample is as long as the returns. Each step follows its predecessor, wrapping round at the end, or with
    probability 1 / `block_length` starts anew anywhere. The Sharpe ratio is 0 where returns do not vary.
    """
    count = len(returns)
    restart = 1.0 / block_length
    state = np.uint64(seed)
    means = np.empty(resamples)
    ratios = np.empty(resamples)
    for sample in range(resamples):
        total = 0.0
        squares = 0.0
        place = 0
        for step in range(count):
            state, draw = _uniform(state)
            place = place + 1 if place + 1 < count else 0
            if step == 0 or draw < restart:
                state, draw = _uniform(state)
                place = int(draw * count)
            total += returns[place]
            squares += returns[place] * returns[place]
        mean = total / count
        variance = squares / count - mean * mean
        means[sample] = mean
        varies = variance > UNVARYING_SHARE * squares / count
        ratios[sample] = mean / np.sqrt(variance * count / (count - 1.0)) if varies else 0.0
    return means, ratios


@compiled
def _uniform(state: np.uint64) -> tuple[np.uint64, float]:
    """Return the next state and a draw from [0, 1): splitmix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    state = np.uint64(state + np.uint64(0x9E3779B97F4A7C15))
    mixed = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return state, (mixed >> np.uint64(11)) * (1.0 / 9007199254740992.0)
