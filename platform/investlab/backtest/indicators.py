"""Compiled indicators of one instrument's prices; each value is a sum in stated order, whatever else is computed.

A missing price is NaN. Recursive indicators (exponential average, relative strength) pass over it: they give NaN at
that session and go on from the last known price. Windows (deviation, channel) are full only without one.
"""

import numpy as np

from investlab.analytics.compiled import compiled
from investlab.backtest.kernels import TOLERANCE


@compiled
def exponential_average(values: np.ndarray, window: int) -> np.ndarray:
    """Return the exponential moving average of one series, NaN before its `window`-th known value.

    level = α·value + (1 − α)·level with α = 2 / (window + 1), seeded with the first known value (what pandas calls
    `adjust=False, ignore_na=True`). Source: Appel, Technical Analysis: Power Tools for Active Investors, 2005.
    """
    averages = np.full(len(values), np.nan)
    alpha = 2.0 / (window + 1.0)
    level = 0.0
    known = 0
    for t in range(len(values)):
        if np.isnan(values[t]):
            continue
        level = values[t] if known == 0 else alpha * values[t] + (1.0 - alpha) * level
        known += 1
        if known >= window:
            averages[t] = level
    return averages


@compiled
def convergence_divergence(prices: np.ndarray, fast: int, slow: int, signal: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the MACD line and its signal line for one instrument.

    The line is the fast exponential average less the slow one, known once both are; the signal line is the
    exponential average of the line, seeded with the line's first value and known from its `signal`-th value on.
    Source: Appel, The Moving Average Convergence-Divergence Trading Method, 1985.
    """
    line = exponential_average(prices, fast) - exponential_average(prices, slow)
    return line, exponential_average(line, signal)


@compiled
def relative_strength(prices: np.ndarray, window: int) -> np.ndarray:
    """Return Wilder's relative strength index (0 to 100) of one instrument, NaN before its `window`-th change.

    With U and D the average gain and loss, the index is 100·U / (U + D), which equals 100 − 100 / (1 + U/D), and 50
    where nothing moved. U and D start as the simple mean of the first `window` changes and go on as
    (previous·(window − 1) + newest) / window. A change within a relative 1e-9 of the price is none. Source: Wilder, New
    Concepts in Technical Trading Systems, 1978, section VI.
    """
    strengths = np.full(len(prices), np.nan)
    gain, loss, last = 0.0, 0.0, np.nan
    changes = 0
    for t in range(len(prices)):
        if np.isnan(prices[t]):
            continue
        if not np.isnan(last):
            change = prices[t] - last
            if abs(change) <= TOLERANCE * last:
                change = 0.0
            changes += 1
            if changes <= window:
                gain += max(change, 0.0)
                loss += max(-change, 0.0)
            if changes == window:
                gain, loss = gain / window, loss / window
            if changes > window:
                gain = (gain * (window - 1) + max(change, 0.0)) / window
                loss = (loss * (window - 1) + max(-change, 0.0)) / window
            if changes >= window:
                strengths[t] = 100.0 * gain / (gain + loss) if gain + loss > 0.0 else 50.0
        last = prices[t]
    return strengths


@compiled
def mean_and_deviation(values: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the moving mean and population standard deviation (ddof 0) of one series; NaN where a window is not full.

    Both are direct sums over the window from its oldest value to its newest, so they do not drift. Source of the
    divisor: Bollinger, Bollinger on Bollinger Bands, 2001.
    """
    means = np.full(len(values), np.nan)
    deviations = np.full(len(values), np.nan)
    for t in range(window - 1, len(values)):
        total = 0.0
        for place in range(t - window + 1, t + 1):
            total += values[place]
        mean = total / window
        squares = 0.0
        for place in range(t - window + 1, t + 1):
            squares += (values[place] - mean) * (values[place] - mean)
        means[t] = mean
        deviations[t] = np.sqrt(squares / window)
    return means, deviations


@compiled
def highest_before(values: np.ndarray, window: int) -> np.ndarray:
    """Return the highest of the `window` values before each session, itself excluded; NaN where one is missing.

    It is the upper Donchian channel. Source: the trading range of Brock, Lakonishok and LeBaron, "Simple Technical
    Trading Rules and the Stochastic Properties of Stock Returns", Journal of Finance 47(5), 1992.
    """
    highest = np.full(len(values), np.nan)
    for t in range(window, len(values)):
        top = values[t - window]
        for place in range(t - window + 1, t):
            top = top if np.isnan(top) or values[place] <= top else values[place]
        highest[t] = top
    return highest


@compiled
def sample_deviation(values: np.ndarray) -> float:
    """Return the sample standard deviation (ddof 1) of a series, summed from first to last."""
    total = 0.0
    for value in values:
        total += value
    mean = total / len(values)
    squares = 0.0
    for value in values:
        squares += (value - mean) * (value - mean)
    return float(np.sqrt(squares / (len(values) - 1)))


@compiled
def mark_switches(enter: np.ndarray, leave: np.ndarray, from_start: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return (entries, exits) where a state changes; all arrays are instruments × sessions.

    `enter` turns the state on and `leave` turns it off; a session with neither keeps it. With `from_start` the state
    begins as off, so the first `enter` is an entry; without, the first state of all is no change.
    """
    entries = np.zeros(enter.shape, dtype=np.bool_)
    exits = np.zeros(enter.shape, dtype=np.bool_)
    for column in range(enter.shape[0]):
        state = -1 if from_start else 0
        for t in range(enter.shape[1]):
            if enter[column, t]:
                entries[column, t] = state == -1
                state = 1
            elif leave[column, t]:
                exits[column, t] = state == 1
                state = -1
    return entries, exits


@compiled
def trailing_deviation(prices: np.ndarray, window: int) -> np.ndarray:
    """Return the sample standard deviation (ddof 1) of the last `window` returns of one series.

    Returns lie between known prices that follow each other; a missing price keeps the last value. It is NaN before the
    `window`-th return.
    """
    deviations = np.full(len(prices), np.nan)
    returns = np.empty(len(prices))
    count = 0
    last, deviation = np.nan, np.nan
    for t in range(len(prices)):
        if not np.isnan(prices[t]):
            if not np.isnan(last):
                returns[count] = prices[t] / last - 1.0
                count += 1
            last = prices[t]
            if count >= window:
                deviation = sample_deviation(returns[count - window : count])
        deviations[t] = deviation
    return deviations
