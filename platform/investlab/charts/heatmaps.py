"""Charts of a sweep: one metric over one or two parameters, light however many trials there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import holoviews as hv
import holoviews.plotting.bokeh  # registers the drawing backend; it shows and injects nothing
import numpy as np
import pandas as pd
from bokeh.palettes import interp_palette
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from investlab.backtest.stability import widest
from investlab.charts import style

MAX_TICKS = 9
HEIGHT = 380
COLOURS = 255
PLACE = ["column", "row"]


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """The values of a parameter as places on an axis: numbers in increasing order, all else as first met.

    `places` has one entry for each trial, `labels` one for each place; `numbers` is None when the values are none.
    """

    places: np.ndarray
    labels: list[str]
    numbers: np.ndarray | None

    @classmethod
    def of(cls, values: pd.Series) -> "Steps":
        """Return the steps of a table's column."""
        if is_numeric_dtype(values) and not is_bool_dtype(values):
            numbers, places = np.unique(values.to_numpy(dtype=np.float64), return_inverse=True)
            return cls(places, [f"{value:,.10g}" for value in numbers], numbers)
        places, words = pd.factorize(values.astype(str))
        return cls(places, [str(word) for word in words], None)

    def ticks(self) -> list[tuple[int, str]]:
        """Return evenly chosen places with their labels, few enough to read."""
        stride = max(1, -(-len(self.labels) // MAX_TICKS))
        return [(place, self.labels[place]) for place in range(0, len(self.labels), stride)]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Values over two parameters, rows by `y` and columns by `x`, and how a value reads: its name and pattern."""

    values: np.ndarray
    x: str
    y: str
    across: Steps
    up: Steps
    label: str
    pattern: str = "0.00"

    @classmethod
    def of(cls, table: pd.DataFrame, x: str, y: str, metric: str, look: tuple[str, str]) -> "Cells":
        """Return the medians of the trials of each cell; `look` is the metric's name and pattern."""
        across, up = Steps.of(table[x]), Steps.of(table[y])
        values = np.full((len(up.labels), len(across.labels)), np.nan)
        medians = table.groupby([up.places, across.places])[metric].median()
        values[medians.index.get_level_values(0), medians.index.get_level_values(1)] = medians.to_numpy()
        return cls(values, x, y, across, up, *look)

    def image(self, scale: np.ndarray | None = None) -> hv.Image:
        """Return the cells as one image coloured on the scale of all values of `scale`, their own by default."""
        scaled = self.values if scale is None else scale
        layers, dimensions, rows = [self.values], ["cell"], [(self.label, f"@image{{{self.pattern}}}")]
        sides = ((self.x, self.across, (1, -1), "across"), (self.y, self.up, (-1, 1), "up"))
        for parameter, steps, shape, dimension in sides:
            if steps.numbers is not None:
                layers.append(np.broadcast_to(steps.numbers.reshape(shape), self.values.shape))
                dimensions.append(dimension)
                rows.append((parameter, f"@{dimension}{{0,0.[0000]}}"))
        height, width = self.values.shape
        stack = np.flipud(np.dstack(layers).astype(np.float32))
        return hv.Image(stack, PLACE, dimensions, bounds=(-0.5, -0.5, width - 0.5, height - 0.5)).opts(
            cmap=palette(scaled),
            clim=span(scaled),
            clipping_colors={"NaN": (0, 0, 0, 0)},
            colorbar=True,
            clabel="",
            colorbar_opts=_colour_bar(self.pattern),
            tools=["hover"],
            hover_tooltips=style.tooltip(*rows),
        )

    def ring(self) -> list[hv.Points]:
        """Return the mark of the best (highest) cell, the first of equals."""
        best = np.argwhere(self.values == np.nanmax(self.values, initial=-np.inf))[:1, ::-1]
        return [_ring(best, PLACE, size, colour) for size, colour in ((15, "#FFFFFF"), (11, "#18191D"))]

    def options(self, height: int, title: str, **changes: Any) -> dict[str, Any]:
        """Return the plot options of a chart of these cells."""
        hooks = [style.finish, style.without_grid]
        axes = {"xlabel": self.x, "ylabel": self.y, "xticks": self.across.ticks(), "yticks": self.up.ticks()}
        return style.frame_options(height, title, padding=0.0, hooks=hooks, **{**axes, **changes})


def sweep_heatmap(
    table: pd.DataFrame, x: str, y: str, metric: str, *, label: str = "", pattern: str = "0.00"
) -> hv.Overlay:
    """Return `metric` over the parameters `x` and `y` as one image, its best (highest) cell marked.

    Each value of a parameter gets cells of equal size. Where several trials share a cell their median is drawn. Colours
    are centred on zero when the metric takes both signs; cells without a trial stay empty.
    """
    cells = Cells.of(table, x, y, metric, (label or metric, pattern))
    shared = " (median of the trials that share a cell)" if len(table) > np.isfinite(cells.values).sum() else ""
    title = f"{cells.label} over {x} and {y}{shared}"
    return hv.Overlay([cells.image(), *cells.ring()]).opts(**cells.options(HEIGHT, title))


def sweep_line(table: pd.DataFrame, x: str, metric: str, *, label: str = "", pattern: str = "0.00") -> hv.Overlay:
    """Return `metric` over the parameter `x` as a line with its trials as dots, the best (highest) one marked."""
    steps = Steps.of(table[x])
    line = table.groupby(steps.places)[metric].median()
    frame = pd.DataFrame({"column": line.index, "value": line.to_numpy(dtype=np.float64)})
    axes = ["column", "value"]
    return hv.Overlay(
        [
            hv.Curve(frame, "column", "value").opts(color=style.BLUE, line_width=1.4),
            hv.Points(frame, axes).opts(color=style.BLUE, size=5),
            _ring(frame.nlargest(1, "value"), axes, 13, style.VERMILION),
        ]
    ).opts(
        **style.frame_options(
            style.EQUITY_HEIGHT,
            f"{label or metric} over {x}",
            xlabel=x,
            xticks=steps.ticks(),
            yformatter=style.numeral(pattern),
            show_grid=True,
            padding=0.1,
        )
    )


def sweep_chart(
    table: pd.DataFrame, parameters: Sequence[str], metric: str, *, label: str = "", pattern: str = "0.00"
) -> hv.Overlay:
    """Return the heat map over the two parameters with most values, or a line when only one was varied."""
    chosen = widest(table, parameters)
    if len(chosen) > 1:
        return sweep_heatmap(table, chosen[0], chosen[1], metric, label=label, pattern=pattern)
    return sweep_line(table, chosen[0], metric, label=label, pattern=pattern)


def span(values: np.ndarray) -> tuple[float, float]:
    """Return the ends of a scale of colours: centred on zero when the values take both signs."""
    known = values[np.isfinite(values)]
    if not known.size:
        return -1.0, 1.0
    low, high = float(known.min()), float(known.max())
    if low < 0 < high:
        reach = max(-low, high)
        return -reach, reach
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def palette(values: np.ndarray) -> list[str]:
    """Return the colours of a scale: one half of the diverging palette when the values take one sign only."""
    low, high = span(values)
    middle = len(style.DIVERGING) // 2
    if low >= 0:
        return list(interp_palette(style.DIVERGING[middle:], COLOURS))
    if high <= 0:
        return list(interp_palette(style.DIVERGING[: middle + 1], COLOURS))
    return list(interp_palette(style.DIVERGING, COLOURS))


def _colour_bar(pattern: str) -> dict[str, Any]:
    return {
        "major_label_text_font": style.FONT,
        "major_label_text_font_size": "11px",
        "major_label_text_color": style.INK,
        "background_fill_alpha": 0.0,
        "bar_line_color": None,
        "major_tick_line_color": style.RULE,
        "formatter": style.numeral(pattern),
        "width": 10,
        "padding": 8,
    }


def _ring(places: Any, axes: list[str], size: int, colour: str) -> hv.Points:
    return hv.Points(places, axes).opts(marker="circle", size=size, color=None, line_color=colour, line_width=2)
