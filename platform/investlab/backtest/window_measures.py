"""Measuring returns within windows, compiled: one row of numbers for each window of a run's returns."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from investlab.analytics.compiled import compiled
from investlab.analytics.ratios import cagr, volatility_and_sharpe
from investlab.core.errors import InvalidInput

MEASURES = ("sharpe", "sortino", "calmar", "total_return", "volatility", "max_drawdown")
"""What is measured of a window's returns, with the formulas of `analytics.performance`; an undefined ratio is 0."""


class Criterion(StrEnum):
    """What the parameters of a window are chosen by: the highest value, the first of equals in grid order."""

    SHARPE = "sharpe"
    SORTINO = "sortino"
    CALMAR = "calmar"
    TOTAL_RETURN = "total_return"

    @property
    def column(self) -> int:
        """Return its place among `MEASURES`."""
        return MEASURES.index(self.value)


class Windows(NamedTuple):
    """Stretches of sessions (start, stop) and the window that each belongs to, ascending; `total` windows in all."""

    start: np.ndarray
    stop: np.ndarray
    window: np.ndarray
    total: int


def parse_criterion(criterion: Criterion | str) -> Criterion:
    """Return the criterion of that name.

    Raises:
        InvalidInput: There is none.
    """
    try:
        return Criterion(criterion)
    except ValueError as error:
        raise InvalidInput(f"Unknown criterion {criterion!r}.", remedy=f"Use one of {', '.join(Criterion)}.") from error


def lay_out(windows: Sequence[Sequence[range]]) -> Windows:
    """Return windows, each made of stretches of sessions, in the form kernels take.

    A panel's first session is left out of them: nothing was held before it, so it has no return.
    """
    rows = [(max(each.start, 1), each.stop, place) for place, window in enumerate(windows) for each in window]
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return Windows(table[:, 0].copy(), table[:, 1].copy(), table[:, 2].copy(), len(windows))


@compiled
def measure_windows(returns: np.ndarray, windows: Windows, sessions_per_year: float) -> np.ndarray:
    """Return the measures (windows × measures) of returns by session; the stretches of a window are strung together."""
    rows = np.zeros((windows.total, 6))
    gathered = np.empty(len(returns))
    place = 0
    for window in range(windows.total):
        used = 0
        while place < len(windows.start) and windows.window[place] == window:
            for t in range(windows.start[place], windows.stop[place]):
                gathered[used] = returns[t]
                used += 1
            place += 1
        measure_stretch(gathered[:used], sessions_per_year, rows[window])
    return rows


@compiled
def measure_stretch(returns: np.ndarray, sessions_per_year: float, row: np.ndarray) -> None:
    """Write the measures of some returns."""
    if len(returns) == 0:
        return
    grown, peak, deepest = 1.0, 1.0, 0.0
    total, losses = 0.0, 0.0
    for value in returns:
        grown *= 1.0 + value
        peak = max(peak, grown)
        deepest = min(deepest, grown / peak - 1.0)
        total += value
        losses += min(value, 0.0) * min(value, 0.0)
    row[4], row[0] = volatility_and_sharpe(returns, sessions_per_year)
    downside = np.sqrt(losses / len(returns))
    row[1] = total / len(returns) * np.sqrt(sessions_per_year) / downside if downside > 0.0 else 0.0
    row[2] = cagr(grown, len(returns) / sessions_per_year) / -deepest if deepest < 0.0 else 0.0
    row[3] = grown - 1.0
    row[5] = deepest
