"""Whether the best trial stands on a plateau: a metric raw beside smoothed, the robust region outlined."""

import holoviews as hv
import holoviews.plotting.bokeh  # registers the drawing backend; it shows and injects nothing
import numpy as np
import pandas as pd

from investlab.backtest.stability import Stability
from investlab.charts import style
from investlab.charts.heatmaps import Cells, Steps

HEIGHT = 350
LINE_HEIGHT = 280
OUTLINE = ((5, "#FFFFFF"), (2, "#18191D"))


def stability_chart(found: Stability, label: str, pattern: str = "0.00") -> hv.Layout | hv.Overlay:
    """Return the metric raw and smoothed on one scale of colours, a ring on the best cell, an outline of the region.

    Over one parameter it is a line with dots beside the smoothed line, the robust region shaded.
    """
    if not found.y:
        return _lines(found, label, pattern)
    raw, smoothed = (_cells(found, frame, label, pattern) for frame in (found.raw, found.smoothed))
    outline = outline_segments(found.plateau.to_numpy())
    scale = np.concatenate([raw.values, smoothed.values])
    pictures = []
    for cells, title in ((raw, f"{label} of each trial"), (smoothed, f"{label} smoothed over neighbours")):
        layers = [cells.image(scale), *(_outline(outline, *look) for look in OUTLINE), *raw.ring()]
        pictures.append(hv.Overlay(layers).opts(**cells.options(HEIGHT, title, show_legend=False)))
    return hv.Layout(pictures).cols(2)


def outline_segments(held: np.ndarray) -> np.ndarray:
    """Return the sides (x0, y0, x1, y1) between cells that are held and cells that are not, edges included."""
    padded = np.pad(held, 1)
    upright = [
        (column - 0.5, row - 0.5, column - 0.5, row + 0.5)
        for row, column in np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])
    ]
    level = [
        (column - 0.5, row - 0.5, column + 0.5, row - 0.5)
        for row, column in np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])
    ]
    return np.array([*upright, *level], dtype=np.float64).reshape(-1, 4)


def _outline(segments: np.ndarray, width: int, colour: str) -> hv.Segments:
    return hv.Segments(segments, ["column", "row", "column1", "row1"]).opts(color=colour, line_width=width)


def _cells(found: Stability, frame: pd.DataFrame, label: str, pattern: str) -> Cells:
    across, up = (Steps.of(pd.Series(values.to_numpy())) for values in (frame.columns, frame.index))
    return Cells(frame.to_numpy(), found.x, found.y, across, up, label, pattern)


def _lines(found: Stability, label: str, pattern: str) -> hv.Overlay:
    steps = Steps.of(pd.Series(found.raw.columns.to_numpy()))
    frame = pd.DataFrame(
        {
            "column": np.arange(len(steps.labels), dtype=np.float64),
            "raw": found.raw.to_numpy()[0],
            "smoothed": found.smoothed.to_numpy()[0],
        }
    )
    held = np.flatnonzero(found.plateau.to_numpy()[0])
    region = [hv.VSpan(held[0] - 0.5, held[-1] + 0.5).opts(color=style.BLUE, alpha=0.10)] if held.size else []
    layers = [
        *region,
        hv.Curve(frame, "column", "smoothed", label="Smoothed over neighbours").opts(color=style.GREY, line_width=1.6),
        hv.Curve(frame, "column", "raw", label="Each trial").opts(color=style.BLUE, line_width=1.4),
        hv.Points(frame, ["column", "raw"]).opts(color=style.BLUE, size=5),
    ]
    shaded = ", robust region shaded" if held.size else ""
    return hv.Overlay(layers).opts(
        **style.frame_options(
            LINE_HEIGHT,
            f"{label} over {found.x}{shaded}",
            xlabel=found.x,
            xticks=steps.ticks(),
            yformatter=style.numeral(pattern),
            legend_position="top",
            legend_cols=2,
            show_grid=True,
            padding=(0.03, 0.1),
        )
    )
