"""How steady the chosen parameters are from window to window."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from investlab.backtest.grid import Combination


def choice_steps(choices: Sequence[Combination], grid: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Return a row for each window, ready to plot: each parameter's value and its place in the grid (`… step`).

    `changed` says whether the choice differs from the window before, `grid_steps` by how many steps of the grid: the
    sum over parameters of the distance between their places. Both are False and 0 for the first window.
    """
    places = np.array([[_place(grid[name], one[name]) for name in grid] for one in choices], dtype=np.int64)
    moved = np.abs(np.diff(places, axis=0, prepend=places[:1])).sum(axis=1)
    columns: dict[str, Any] = {name: [one[name] for one in choices] for name in grid}
    columns |= {f"{name} step": places[:, column] for column, name in enumerate(grid)}
    columns |= {"changed": moved > 0, "grid_steps": moved}
    return pd.DataFrame(columns, index=pd.RangeIndex(1, len(choices) + 1, name="window"))


def share_kept(steps: pd.DataFrame) -> float:
    """Return the share of windows after the first whose choice is that of the window before; NaN for one window."""
    later = steps["changed"].iloc[1:]
    return float(1.0 - later.mean()) if len(later) else float("nan")


def share_of_most_frequent(steps: pd.DataFrame) -> float:
    """Return the share of windows with the choice that was made most often."""
    names = [name for name in steps.columns if str(name).endswith(" step")]
    return float(steps.groupby(names).size().max() / len(steps))


def mean_grid_steps(steps: pd.DataFrame) -> float:
    """Return the mean distance of successive choices in steps of the grid; NaN for one window."""
    later = steps["grid_steps"].iloc[1:]
    return float(later.mean()) if len(later) else float("nan")


def _place(values: Sequence[Any], value: Any) -> int:
    return next(place for place, each in enumerate(values) if each is value or each == value)
