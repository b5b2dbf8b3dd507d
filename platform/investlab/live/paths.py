"""Synthetic prices inside a real bar: a path from its open to its close that stays within its low and high."""

import numpy as np

from investlab.core.errors import InvalidInput

WOBBLE = 0.15
"""How far a path wanders from the straight line, as a part of the bar's range."""

NOTE = (
    "Synthetic: interpolated inside the session's real daily bar (starts at its open, visits its high and low, "
    "ends at its close); the real data has no prices in between."
)


def bar_path(bar: tuple[float, float, float, float], points: int, seed: int) -> np.ndarray:
    """Return `points` prices inside a bar (open, high, low, close): the first is the open and the last the close.

    The path visits high and low, in an order drawn from the seed, when there are at least four points, and wanders
    between; every price lies in [low, high]. The same bar, number and seed give the same bits.

    Raises:
        InvalidInput: The bar is no bar, or there are fewer than two points.
    """
    opened, high, low, close = (float(price) for price in bar)
    if not (0.0 < low <= min(opened, close) and max(opened, close) <= high < float("inf")):
        raise InvalidInput(f"{bar} is no bar of open, high, low and close.", remedy="Check the bar's quality first.")
    if points < 2:
        raise InvalidInput(f"A path of {points} points cannot begin and end.", remedy="Ask for two or more.")
    generator = np.random.default_rng(seed)
    places, prices = [0, points - 1], [opened, close]
    if points >= 4:
        extremes = [high, low] if generator.random() < 0.5 else [low, high]
        places = [0, points // 3, (2 * points) // 3, points - 1]
        prices = [opened, *extremes, close]
    wobble = generator.uniform(-1.0, 1.0, points) * (high - low) * WOBBLE
    path = np.clip(np.interp(np.arange(points), places, prices) + wobble, low, high)
    path[places] = prices
    return path
