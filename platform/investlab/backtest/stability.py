"""Whether a sweep's best trial stands on a plateau: its metric smoothed over neighbouring parameters.

A trial that is good only by luck stands alone: its neighbours, whose parameters hardly differ, are worse. The smoothed
metric of a cell is the median of the cell and the cells next to it, so that no single trial makes a plateau.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from investlab.core.errors import InvalidInput

SHARE = 0.9
"""The part of the best smoothed value that the cells of the plateau reach."""

HIGHER_IS_BETTER = {"sharpe": "Sharpe ratio", "cagr": "CAGR", "total_return": "total return"}
"""The metrics that have a plateau, as a sentence names them."""


@dataclass(frozen=True, slots=True, eq=False)
class Stability:
    """A metric over two parameters, raw and smoothed; rows are values of `y`, columns values of `x`.

    `raw` is the median of the trials that share a cell, NaN where there is none; `smoothed` is the median of the raw
    cell and its up to eight neighbours, NaN where `raw` is. `plateau` is true for the cells of the robust region: of
    those with at least 90 % of the best smoothed value, the largest part connected by sides; none where that value is
    not above 0. `y` is empty where one parameter was varied; then there is one row.
    """

    x: str
    y: str
    metric: str
    raw: pd.DataFrame
    smoothed: pd.DataFrame
    plateau: pd.DataFrame

    @property
    def best(self) -> tuple[Any, Any]:
        """Return the values (x, y) of the cell with the highest raw metric, the first of equals."""
        return _best(self.raw)

    @property
    def centre(self) -> tuple[Any, Any]:
        """Return the values (x, y) of the cell with the highest smoothed metric, the first of equals."""
        return _best(self.smoothed)

    @property
    def is_best_on_plateau(self) -> bool:
        """Say whether the best cell belongs to the robust region."""
        x, y = self.best
        return bool(self.plateau.loc[y, x])

    @property
    def sentence(self) -> str:
        """Return in one sentence where the robust region lies and whether the best trial belongs to it."""
        x, y = self.best
        name, raw, around = HIGHER_IS_BETTER[self.metric], self.raw.loc[y, x], self.smoothed.loc[y, x]
        alone = f"the best, {self._where(x, y)}, has {self._reads(raw)} and its neighbourhood {self._reads(around)}"
        if not self.plateau.to_numpy().any():
            return f"There is no robust region, for no neighbourhood has a {name} above 0; {alone}."
        cells, tried = int(self.plateau.to_numpy().sum()), int(self.raw.notna().to_numpy().sum())
        lowest = self._reads(self.smoothed.where(self.plateau).min().min())
        place = "inside it" if self.is_best_on_plateau else "outside it"
        return (
            f"Robust region: {self._extent()}, {cells:,} of {tried:,} cells, where the {name} smoothed over neighbours "
            f"is {lowest} or more; {alone}, {place}."
        )

    def _reads(self, value: Any) -> str:
        return f"{value:.2f}" if self.metric == "sharpe" else f"{value:.1%}"

    def _where(self, x: Any, y: Any) -> str:
        return f"{self.x}={_said(x)}" + (f", {self.y}={_said(y)}" if self.y else "")

    def _extent(self) -> str:
        held = self.plateau.to_numpy()
        across = _range(self.plateau.columns[held.any(axis=0)])
        if not self.y:
            return f"{self.x} {across}"
        return f"{self.x} {across} × {self.y} {_range(self.plateau.index[held.any(axis=1)])}"


def stability(table: pd.DataFrame, parameters: Sequence[str], metric: str = "sharpe") -> Stability:
    """Return how stable a metric is over one or two parameters of a sweep's table.

    Numbers are put in increasing order and all else as first met. Where trials share a cell, for other parameters were
    varied too, their median counts.

    Raises:
        InvalidInput: There are not one or two parameters, or a higher metric is not a better one.
    """
    if not 1 <= len(parameters) <= 2 or metric not in HIGHER_IS_BETTER:
        raise InvalidInput(
            f"There is no plateau of {metric!r} over {', '.join(parameters) or 'nothing'}.",
            remedy=f"Name one or two parameters and one of {', '.join(HIGHER_IS_BETTER)}.",
        )
    x, y = (*parameters, "")[:2]
    rows = table[y] if y else pd.Series(0, index=table.index)
    across, columns = _places(table[x])
    up, index = _places(rows)
    medians = table.groupby([up, across])[metric].median()
    raw = np.full((len(index), len(columns)), np.nan)
    raw[medians.index.get_level_values(0), medians.index.get_level_values(1)] = medians.to_numpy(dtype=np.float64)
    smoothed = smooth(raw)
    frames = (pd.DataFrame(values, index=index, columns=columns) for values in (raw, smoothed, plateau(smoothed)))
    return Stability(x, y, metric, *frames)


def widest(table: pd.DataFrame, parameters: Sequence[str]) -> list[str]:
    """Return the up to two parameters with most values that were varied, in the order of the grid."""
    breadth = {name: int(table[name].nunique(dropna=False)) for name in parameters}
    varied = sorted((name for name in parameters if breadth[name] > 1), key=lambda name: -breadth[name])[:2]
    return sorted(varied or list(parameters)[:1], key=list(parameters).index)


def smooth(raw: np.ndarray) -> np.ndarray:
    """Return the median of each cell and the up to eight cells around it that have a value; NaN stays NaN."""
    padded = np.pad(raw, 1, constant_values=np.nan)
    rows, columns = raw.shape
    around = np.stack([padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)])
    smoothed = np.full(raw.shape, nan)
    known = np.isfinite(raw)
    smoothed[known] = np.nanmedian(np.where(np.isfinite(around), around, np.nan)[:, known], axis=0)
    return smoothed


def plateau(smoothed: np.ndarray) -> np.ndarray:
    """Return the largest part, connected by sides, of the cells with at least 90 % of the best value.

    Of parts of one size it is the first as rows and columns go; none where the best value is not above 0.
    """
    known = np.where(np.isfinite(smoothed), smoothed, -np.inf)
    best = float(known.max(initial=-np.inf))
    left = known >= SHARE * best if best > 0.0 else np.zeros(known.shape, dtype=np.bool_)
    largest = np.zeros(known.shape, dtype=np.bool_)
    while left.any():
        row, column = divmod(int(left.argmax()), left.shape[1])
        part = _connected(left, (row, column))
        left &= ~part
        if part.sum() > largest.sum():
            largest = part
    return largest


def _connected(cells: np.ndarray, start: tuple[int, int]) -> np.ndarray:
    """Return the cells that are reached from one over the sides of others."""
    reached = np.zeros(cells.shape, dtype=np.bool_)
    waiting = deque([start])
    while waiting:
        cell = waiting.popleft()
        if not reached[cell]:
            reached[cell] = True
            waiting.extend(each for each in _beside(cell, cells.shape) if cells[each] and not reached[each])
    return reached


def _beside(cell: tuple[int, int], shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    row, column = cell
    for i, j in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
        if 0 <= i < shape[0] and 0 <= j < shape[1]:
            yield i, j


def _places(values: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """Return each trial's place on an axis, and the values of the places."""
    if is_numeric_dtype(values) and not is_bool_dtype(values):
        found, places = np.unique(values.to_numpy(), return_inverse=True)
        return places, pd.Index(found)
    places, words = pd.factorize(values.astype(str))
    return places, pd.Index(words)


def _best(cells: pd.DataFrame) -> tuple[Any, Any]:
    values = cells.to_numpy()
    row, column = divmod(int(np.where(np.isfinite(values), values, -np.inf).argmax()), values.shape[1])
    return cells.columns[column], cells.index[row]


def _said(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float | np.number) else str(value)


def _range(values: pd.Index) -> str:
    return _said(values[0]) if len(values) == 1 else f"{_said(values[0])} to {_said(values[-1])}"
