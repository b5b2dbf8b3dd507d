"""Parallel coordinates: each trial of a sweep as a line through its parameters to a metric."""

from dataclasses import dataclass

import holoviews as hv
import holoviews.plotting.bokeh  # registers the drawing backend; it shows and injects nothing
import numpy as np
import pandas as pd

from investlab.charts import style
from investlab.charts.heatmaps import Steps
from investlab.charts.units import number, percent

HEIGHT = 380
MOST_LINES = 600
ENDS = 0.05
"""The share of trials, the best and the worst by the metric, that are drawn in colour."""

METRIC_TICKS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """One upright axis: its name, each trial's height on it from 0 to 1, and heights with what stands beside them."""

    name: str
    heights: np.ndarray
    marks: list[tuple[float, str]]


def parallel_chart(
    table: pd.DataFrame, parameters: tuple[str, ...], metric: str, *, label: str = "", pattern: str = "0.00"
) -> hv.Overlay:
    """Return a line for each trial through the parameters that were varied to the metric.

    The best twentieth is drawn in blue, thick and on top, the worst in orange. Of more than 600 trials the best third
    of those drawn are the best of all, and of the others every n-th by rank is drawn; the title says so.
    """
    axes = [parameter_axis(name, table[name]) for name in parameters if table[name].nunique(dropna=False) > 1]
    values = table[metric].to_numpy(dtype=np.float64)
    axes.append(metric_axis(label or metric, values, pattern))
    shown = drawn_trials(values)
    ends = max(1, round(ENDS * len(values)))
    ranked = np.argsort(values, kind="stable")
    best, worst = set(ranked[-ends:].tolist()), set(ranked[:ends].tolist())
    heights = np.column_stack([axis.heights for axis in axes])
    groups = (
        ([row for row in shown if row not in best | worst], style.GREY, 0.8, 0.4),
        ([row for row in shown if row in worst - best], style.VERMILION, 1.2, 0.8),
        ([row for row in shown if row in best], style.BLUE, 2.2, 0.95),
    )
    lines = [
        _lines(heights[rows]).opts(color=colour, line_width=width, line_alpha=alpha)
        for rows, colour, width, alpha in groups
        if rows
    ]
    thinned = f"; {len(shown)} of {len(values):,} trials drawn" if len(shown) < len(values) else ""
    return hv.Overlay([*lines, *_scales(axes)]).opts(
        **style.frame_options(
            HEIGHT,
            f"Trials by {label or metric}: the best {ends} blue, the worst {ends} orange{thinned}",
            xticks=[(place, axis.name) for place, axis in enumerate(axes)],
            yaxis=None,
            hooks=[style.finish, style.without_grid, style.on_ground],
            xlim=(-0.3, len(axes) - 0.7),
            ylim=(-0.06, 1.06),
            show_legend=False,
            show_grid=False,
        )
    )


def parameter_axis(name: str, values: pd.Series) -> Axis:
    """Return a parameter's axis: its values at equal distances, numbers in increasing order."""
    steps = Steps.of(values)
    last = max(len(steps.labels) - 1, 1)
    return Axis(name, steps.places / last, [(place / last, text) for place, text in steps.ticks()])


def metric_axis(name: str, values: np.ndarray, pattern: str) -> Axis:
    """Return a metric's axis, from its lowest to its highest value."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    width = (high - low) or 1.0
    at = np.linspace(0.0, 1.0, METRIC_TICKS)
    reads = percent if "%" in pattern else number
    return Axis(name, (values - low) / width, [(float(share), reads(low + share * width)) for share in at])


def drawn_trials(values: np.ndarray) -> list[int]:
    """Return the trials to draw, the worst first: all of them, or the best third and every n-th of the others."""
    ranked = np.argsort(values, kind="stable")
    if len(ranked) <= MOST_LINES:
        return [int(row) for row in ranked]
    kept = MOST_LINES // 3
    others = ranked[:-kept]
    step = -(-len(others) // (MOST_LINES - kept))
    return [int(row) for row in [*others[::step], *ranked[-kept:]]]


def _lines(heights: np.ndarray) -> hv.Path:
    at = np.arange(heights.shape[1], dtype=np.float64)
    return hv.Path([np.column_stack([at, each]) for each in heights], ["axis", "height"])


def _scales(axes: list[Axis]) -> list[hv.Element]:
    uprights = hv.Segments(
        [(place, 0.0, place, 1.0) for place in range(len(axes))], ["axis", "height", "axis1", "height1"]
    )
    uprights = uprights.opts(color=style.INK, line_width=1.2)
    last = len(axes) - 1
    left = [(place - 0.02, at, text) for place, axis in enumerate(axes[:-1]) for at, text in axis.marks]
    right = [(last + 0.02, at, text) for at, text in axes[-1].marks]
    return [uprights, _texts(left, "right"), _texts(right, "left")]


def _texts(marks: list[tuple[float, float, str]], align: str) -> hv.Labels:
    frame = pd.DataFrame(marks, columns=["axis", "height", "said"])
    return hv.Labels(frame, ["axis", "height"], "said").opts(
        text_color=style.INK, text_font_size="11px", text_align=align, text_baseline="middle"
    )
