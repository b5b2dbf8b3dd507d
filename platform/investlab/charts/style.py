"""The look all charts share: colour-blind safe colours, fonts, and axes that read on light and dark pages."""

from html import escape
from typing import Any

import numpy as np
from bokeh.core.properties import value
from bokeh.models import DatetimeTickFormatter, GlyphRenderer, Line, NumeralTickFormatter, Text, VArea
from bokeh.plotting import figure as BokehFigure  # noqa: N812  (a class with a function's name)

BLUE = "#0072B2"
VERMILION = "#D55E00"
GREY = "#8A8F98"
SERIES_COLOURS = (BLUE, "#E69F00", "#009E73", "#CC79A7", VERMILION, "#56B4E9", "#8A8F98", "#B8A400")
"""Okabe and Ito's palette, its black and yellow replaced by tones that read on both themes."""

DIVERGING = ("#A84300", VERMILION, "#E89A5E", "#F3CFAE", "#EFEFEC", "#B5D3E6", "#63A9D2", BLUE, "#00507D")
"""Vermilion through neutral to blue: below zero, zero, above."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
INK = "#767C85"
RULE = "#8A8F98"
EQUITY_HEIGHT = 300
UNDERWATER_HEIGHT = 140
BARE = "0pt"
"""The label size by which HoloViews leaves an axis without labels."""
SESSION_FORMATTER = {"@session": "datetime", "@{session}": "datetime"}
TOOLTIP_LABEL = "color:#5B626C;text-align:right;padding-right:6px"
TOOLTIP_VALUE = "color:#18191D;text-align:right"


def numeral(pattern: str) -> NumeralTickFormatter:
    """Return a tick formatter for a numeral pattern such as `0,0` or `0%`."""
    return NumeralTickFormatter(format=pattern)


def dates() -> DatetimeTickFormatter:
    """Return a tick formatter that shows years, months or days, never clock times."""
    return DatetimeTickFormatter(years="%Y", months="%b %Y", days="%d %b %Y", hours="%d %b", hourmin="", minutes="")


def short_dates() -> DatetimeTickFormatter:
    """Return a tick formatter for spans within a year or so: days without their year, months with it."""
    return DatetimeTickFormatter(
        years="%Y", months="%b %Y", days="%d %b", hours="%d %b", hourmin="", minutes="", context=None
    )


def finish(plot: Any, _element: Any) -> None:
    """Dress one Bokeh figure; HoloViews calls this after it has drawn it."""
    figure = plot.state
    if not isinstance(figure, BokehFigure):
        return
    figure.background_fill_color = figure.border_fill_color = None
    figure.outline_line_color = None
    figure.min_border_right = 12
    figure.min_border_left = 64
    figure.toolbar.logo = None
    for axis in figure.axis:
        axis.axis_line_color = RULE
        axis.axis_line_alpha = 0.5
        axis.major_tick_line_alpha = 0.5
        axis.major_tick_in = 0
        axis.major_tick_out = 4
        axis.minor_tick_line_color = None
        if axis.major_label_text_font_size != BARE:
            axis.major_tick_line_color = RULE
            axis.major_label_text_font_size = axis.axis_label_text_font_size = "11px"
        axis.major_label_text_font = axis.axis_label_text_font = FONT
        axis.axis_label_text_font_style = "normal"
        axis.major_label_text_color = axis.axis_label_text_color = INK
    for grid in figure.grid:
        grid.grid_line_color = RULE
        grid.grid_line_alpha = 0.22
    figure.xgrid.grid_line_color = None
    figure.title.text_font = FONT
    figure.title.text_font_size = "12px"
    figure.title.text_font_style = "normal"
    figure.title.text_color = INK
    figure.title.standoff = 6
    for legend in figure.legend:
        legend.background_fill_alpha = 0.0
        legend.border_line_color = None
        legend.label_text_color = INK
        legend.label_text_font = FONT
        legend.label_text_font_size = "12px"
        legend.margin = 0
        legend.padding = 0
        legend.spacing = 16
        legend.glyph_height = 12
        legend.label_height = 12


def first_line_first(plot: Any, _element: Any) -> None:
    """Name the line drawn last, on top of the others, first in the legend."""
    for legend in plot.state.legend:
        legend.items = legend.items[::-1]


def without_grid(plot: Any, _element: Any) -> None:
    """Leave out the lines of a figure's grid; used after `finish`."""
    for grid in plot.state.grid:
        grid.grid_line_color = None


def on_ground(plot: Any, _element: Any) -> None:
    """Lay the ground of the page behind the texts of a figure, so that they are read over lines."""
    for renderer in plot.state.renderers:
        if isinstance(getattr(renderer, "glyph", None), Text):
            renderer.glyph.update(background_fill_color="#FFFFFF", background_fill_alpha=0.8, text_font=value(FONT))


def filled(colour: str, alpha: float = 0.2) -> Any:
    """Return a HoloViews hook that fills from the first line of a figure to zero, from the line's own data."""

    def hook(plot: Any, _element: Any) -> None:
        figure = plot.state
        lines = [each for each in figure.renderers if isinstance(each, GlyphRenderer) and isinstance(each.glyph, Line)]
        if lines and not any(isinstance(getattr(each, "glyph", None), VArea) for each in figure.renderers):
            line = lines[0]
            glyph = VArea(x=line.glyph.x, y1=0.0, y2=line.glyph.y, fill_color=colour, fill_alpha=alpha)
            figure.add_glyph(line.data_source, glyph, level="underlay")

    return hook


def log_steps(values: np.ndarray) -> list[float]:
    """Return the 1-2-5 steps of a logarithmic axis that lie within positive values."""
    known = values[np.isfinite(values)]
    low, high = known.min(), known.max()
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    steps = np.outer(decades, [1.0, 2.0, 5.0]).ravel()
    return [float(step) for step in steps if low * 0.9 <= step <= high * 1.1]


def tooltip(*rows: tuple[str, str]) -> str:
    """Return hover text of (label, Bokeh field) rows with aligned numerals, readable on its own white ground."""
    cells = "".join(
        f'<tr><td style="{TOOLTIP_LABEL}">{escape(label)}</td><td style="{TOOLTIP_VALUE}">{escape(field)}</td></tr>'
        for label, field in rows
    )
    return f'<table style="font:12px {FONT};font-variant-numeric:tabular-nums">{cells}</table>'


def frame_options(height: int, title: str, **options: Any) -> dict[str, Any]:
    """Return HoloViews plot options of one full-width chart; the title is text, not a format."""
    return {
        "title": title.replace("{", "{{").replace("}", "}}"),
        "responsive": True,
        "height": height,
        "hooks": [finish],
        "default_tools": ["pan", "box_zoom", "wheel_zoom", "save", "reset"],
        "active_tools": [],
        "autohide_toolbar": True,
        "xlabel": "",
        "ylabel": "",
        **options,
    }
