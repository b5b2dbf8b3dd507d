"""Charts of a sweep: one metric over one or two parameters, light however many trials there are."""

from collections.abc import Sequence
from typing import Any

import holoviews as hv
import holoviews.plotting.bokeh  # registers the drawing backend; it shows and injects nothing
import numpy as np
import pandas as pd
from bokeh.palettes import interp_palette
from pandas.api.types import is_numeric_dtype

from investlab.charts import style

MAX_TICKS = 9
HEIGHT = 380
COLOURS = 255


def sweep_heatmap(table: pd.DataFrame, x: str, y: str, metric: str, *, label: str = "") -> hv.Overlay:
    """Return `metric` over the parameters `x` and `y` as one image, its best (highest) cell marked.

    Each value of a parameter gets cells of equal size, in increasing order. Where several trials share a cell their
    median is drawn. Colours are centred on zero when the metric takes both signs; cells without a trial stay empty.
    """
    cells = table.pivot_table(index=y, columns=x, values=metric, aggfunc="median").sort_index().sort_index(axis=1)
    values = cells.to_numpy(dtype=np.float64)
    name = label or metric
    layers, vdims, rows = [values], [hv.Dimension("cell", label=name)], [(name, "@image{0.00}")]
    for parameter, steps, shape, column in ((x, cells.columns, (1, -1), "across"), (y, cells.index, (-1, 1), "up")):
        if is_numeric_dtype(steps):
            line = steps.to_numpy(dtype=np.float64).reshape(shape)
            layers.append(np.broadcast_to(line, values.shape))
            vdims.append(hv.Dimension(column, label=f"{column} "))
            rows.append((parameter, f"@{column}{{0,0.[0000]}}"))
    height, width = values.shape
    stack = np.flipud(np.dstack(layers).astype(np.float32))
    image = hv.Image(stack, ["column", "row"], vdims, bounds=(-0.5, -0.5, width - 0.5, height - 0.5)).opts(
        cmap=_palette(values),
        clim=_limits(values),
        clipping_colors={"NaN": (0, 0, 0, 0)},
        colorbar=True,
        clabel="",
        colorbar_opts=_colour_bar(),
        tools=["hover"],
        hover_tooltips=style.tooltip(*rows),
    )
    best = np.argwhere(values == np.nanmax(values, initial=-np.inf))[:1, ::-1]
    marks = [
        hv.Points(best, ["column", "row"]).opts(marker="circle", size=size, color=None, line_color=colour, line_width=2)
        for size, colour in ((15, "#FFFFFF"), (11, "#18191D"))
    ]
    return hv.Overlay([image, *marks]).opts(
        **style.frame_options(
            HEIGHT,
            title=f"{name} over {x} and {y}",
            xlabel=x,
            ylabel=y,
            xticks=_ticks(cells.columns),
            yticks=_ticks(cells.index),
            padding=0.0,
        )
    )


def sweep_line(table: pd.DataFrame, x: str, metric: str, *, label: str = "") -> hv.Overlay:
    """Return `metric` over the parameter `x` as a line with its trials as dots, the best (highest) one marked."""
    line = table.groupby(x)[metric].median().sort_index()
    name = label or metric
    frame = pd.DataFrame({"place": np.arange(len(line)), "value": line.to_numpy(dtype=np.float64)})
    best = frame.nlargest(1, "value")
    return hv.Overlay(
        [
            hv.Curve(frame, "place", "value").opts(color=style.BLUE, line_width=1.4),
            hv.Points(frame, ["place", "value"]).opts(color=style.BLUE, size=5),
            hv.Points(best, ["place", "value"]).opts(
                marker="circle", size=13, color=None, line_color=style.VERMILION, line_width=2
            ),
        ]
    ).opts(
        **style.frame_options(
            style.EQUITY_HEIGHT,
            title=f"{name} over {x}",
            xlabel=x,
            xticks=_ticks(line.index),
            yformatter=style.numeral("0.00"),
        )
    )


def sweep_chart(table: pd.DataFrame, parameters: Sequence[str], metric: str, *, label: str = "") -> hv.Overlay:
    """Return the heat map over the two parameters with most values, or a line when only one was varied."""
    varied = sorted(parameters, key=lambda name: -table[name].nunique())
    if len(varied) > 1 and table[varied[1]].nunique() > 1:
        x, y = sorted(varied[:2], key=list(parameters).index)
        return sweep_heatmap(table, x, y, metric, label=label)
    return sweep_line(table, varied[0], metric, label=label)


def _limits(values: np.ndarray) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not known.size:
        return -1.0, 1.0
    low, high = float(known.min()), float(known.max())
    if low < 0 < high:
        reach = max(-low, high)
        return -reach, reach
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _palette(values: np.ndarray) -> list[str]:
    low, high = _limits(values)
    middle = len(style.DIVERGING) // 2
    if low >= 0:
        return list(interp_palette(style.DIVERGING[middle:], COLOURS))
    if high <= 0:
        return list(interp_palette(style.DIVERGING[: middle + 1], COLOURS))
    return list(interp_palette(style.DIVERGING, COLOURS))


def _colour_bar() -> dict[str, Any]:
    return {
        "major_label_text_font": style.FONT,
        "major_label_text_font_size": "11px",
        "major_label_text_color": style.INK,
        "background_fill_alpha": 0.0,
        "bar_line_color": None,
        "major_tick_line_color": style.RULE,
        "formatter": style.numeral("0.00"),
        "width": 10,
        "padding": 8,
    }


def _ticks(steps: pd.Index) -> list[tuple[int, str]]:
    stride = max(1, -(-len(steps) // MAX_TICKS))
    return [
        (place, f"{steps[place]:g}" if is_numeric_dtype(steps) else str(steps[place]))
        for place in range(0, len(steps), stride)
    ]
