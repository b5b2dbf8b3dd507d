"""Pure functions from values to HoloViews figures."""

from typing import Any

import holoviews as hv
import holoviews.plotting.bokeh  # registers the drawing backend; it shows and injects nothing
import numpy as np
import pandas as pd

from investlab.charts import style
from investlab.market.panel import PricePanel

LOG_FROM_RATIO = 8.0
BENCHMARK = "Buy and hold"
LOG_SCALE = " (log scale)"
PRICE_HEIGHT = 240
MAX_LINES = 8
MAX_POINTS = 2500


def equity_chart(
    nav: pd.Series,
    benchmark: pd.Series | None = None,
    *,
    currency: str = "USD",
    logarithmic: bool | None = None,
) -> hv.Overlay:
    """Return the equity curve, over that of buy-and-hold when it is given.

    The y-axis is logarithmic, and says so, when that is asked for; unless anything is asked, when the largest value is
    more than eight times the smallest.
    """
    return _equity(_growth_frame(nav, benchmark), currency, logarithmic)


def underwater_chart(drawdown: pd.Series) -> hv.Overlay:
    """Return the drawdown from the running peak (≤ 0) as a filled area below zero."""
    index = pd.DatetimeIndex(drawdown.index)
    return _underwater(pd.DataFrame({"session": index, "drawdown": drawdown.to_numpy(dtype=np.float32)}))


def performance_chart(
    nav: pd.Series,
    drawdown: pd.Series,
    benchmark: pd.Series | None = None,
    *,
    currency: str = "USD",
    logarithmic: bool | None = None,
) -> hv.Layout:
    """Return the equity chart over the underwater chart, both on one time axis."""
    frame = _growth_frame(nav, benchmark).assign(drawdown=drawdown.to_numpy(dtype=np.float32))
    equity = _equity(frame, currency, logarithmic).opts(xaxis="bare")
    return (equity + _underwater(frame)).cols(1).opts(shared_datasource=True)


def _growth_frame(nav: pd.Series, benchmark: pd.Series | None) -> pd.DataFrame:
    frame = pd.DataFrame({"session": nav.index, "nav": nav.to_numpy(dtype=np.float64)})
    return frame if benchmark is None else frame.assign(benchmark=benchmark.reindex(nav.index).to_numpy(np.float64))


def _equity(frame: pd.DataFrame, currency: str, logarithmic: bool | None) -> hv.Overlay:
    names = [name for name in ("nav", "benchmark") if name in frame]
    rows = list(zip(("Strategy", BENCHMARK), (f"{currency} @{name}{{0,0}}" for name in names), strict=False))
    values = frame[names].to_numpy()
    logarithmic = is_logarithmic(values) if logarithmic is None else logarithmic
    curve = hv.Curve(frame, "session", names, label="Strategy").opts(
        color=style.BLUE,
        line_width=1.8,
        **session_hover(*rows),
    )
    layers = [curve]
    if "benchmark" in frame:
        layers.insert(
            0, hv.Curve(frame, "session", "benchmark", label=BENCHMARK).opts(color=style.GREY, line_width=1.3)
        )
    return hv.Overlay(layers).opts(
        **style.frame_options(
            style.EQUITY_HEIGHT,
            f"NAV, {currency}{LOG_SCALE if logarithmic else ''}",
            logy=logarithmic,
            hooks=[style.finish, style.first_line_first],
            yticks=style.log_steps(values) if logarithmic else 6,
            yformatter=style.numeral("0,0"),
            xformatter=style.dates(),
            legend_position="top",
            legend_cols=2,
            show_grid=True,
            padding=(0.0, 0.06),
        )
    )


def _underwater(frame: pd.DataFrame) -> hv.Overlay:
    line = hv.Curve(frame, "session", "drawdown").opts(
        color=style.VERMILION,
        line_width=1.1,
        **session_hover(("Drawdown", "@drawdown{0.0%}")),
    )
    lowest = float(np.nanmin(frame["drawdown"].to_numpy(), initial=0.0))
    return hv.Overlay([line]).opts(
        **style.frame_options(
            style.UNDERWATER_HEIGHT,
            "Drawdown",
            hooks=[style.finish, style.filled(style.VERMILION)],
            yformatter=style.numeral("0%" if lowest < -0.04 else "0.0%"),
            xformatter=style.dates(),
            show_legend=False,
            show_grid=True,
            ylim=(min(lowest * 1.08, -0.001), 0.0),
            yticks=4,
        )
    )


def price_chart(panel: PricePanel) -> hv.Overlay:
    """Return prices (closes where there are any) scaled to 100 at each instrument's first one.

    Up to eight instruments are drawn one by one; of more, the median and the range from the 10th to the 90th
    percentile. Long panels show every n-th session, see `price_chart_step`.
    """
    step = price_chart_step(panel)
    prices = panel.frame(main_field(panel))
    scaled = (100 * prices / prices.bfill().iloc[0]).iloc[::step]
    scaled.columns.name = None
    layers = _lines(scaled) if len(panel.listing) <= MAX_LINES else _range(scaled)
    logarithmic = is_logarithmic(scaled.to_numpy())
    return hv.Overlay(layers).opts(
        **style.frame_options(
            PRICE_HEIGHT,
            f"{field_name(panel)}, first price = 100{LOG_SCALE if logarithmic else ''}",
            logy=logarithmic,
            yticks=style.log_steps(scaled.to_numpy()) if logarithmic else 5,
            yformatter=style.numeral("0,0"),
            xformatter=style.dates(),
            legend_position="top",
            legend_cols=MAX_LINES,
            show_grid=True,
            padding=(0.0, 0.06),
        )
    )


def main_field(panel: PricePanel) -> str:
    """Return the field that stands for the panel: its closes, else the first it has."""
    return "close" if "close" in panel.fields else next(iter(panel.fields))


def field_name(panel: PricePanel) -> str:
    """Return the main field as a chart's title names it, such as `Close`."""
    return main_field(panel).replace("_", " ").capitalize()


def price_chart_step(panel: PricePanel) -> int:
    """Return n where the price chart shows every n-th session, 1 when it shows all."""
    return -(-panel.shape[0] // MAX_POINTS)


def _lines(scaled: pd.DataFrame) -> list[hv.Element]:
    levels = {f"level_{number}": scaled.iloc[:, number].to_numpy(np.float32) for number in range(scaled.shape[1])}
    frame = pd.DataFrame({"session": scaled.index, **levels})
    rows = [(symbol, f"@{level}{{0,0}}") for symbol, level in zip(scaled.columns, levels, strict=True)]
    lines = []
    for number, (symbol, level) in enumerate(zip(scaled.columns, levels, strict=True)):
        carried = list(levels) if number == 0 else [level]
        line = hv.Curve(frame, "session", carried, label=symbol)
        lines.append(line.opts(color=style.SERIES_COLOURS[number], line_width=1.3))
    lines[0] = lines[0].opts(**session_hover(*rows))
    return lines


def _range(scaled: pd.DataFrame) -> list[hv.Element]:
    low, middle, high = (scaled.quantile(q, axis=1).to_numpy(dtype=np.float64) for q in (0.1, 0.5, 0.9))
    frame = pd.DataFrame({"session": scaled.index, "low": low, "median": middle, "high": high})
    band = hv.Area(frame, "session", ["low", "high"], label="10–90%").opts(
        color=style.BLUE, fill_alpha=0.16, line_alpha=0.0
    )
    line = hv.Curve(frame, "session", ["median", "low", "high"], label="Median").opts(
        color=style.BLUE,
        line_width=1.6,
        **session_hover(("90th percentile", "@high{0,0}"), ("Median", "@median{0,0}"), ("10th", "@low{0,0}")),
    )
    return [band, line]


def session_hover(*rows: tuple[str, str]) -> dict[str, Any]:
    """Return the options of a line whose values show for the session under the pointer."""
    return {
        "tools": ["hover"],
        "hover_tooltips": style.tooltip(("Session", "@session{%F}"), *rows),
        "hover_formatters": style.SESSION_FORMATTER,
        "hover_mode": "vline",
    }


def is_logarithmic(values: np.ndarray) -> bool:
    """Say whether values are best seen on a logarithmic axis: positive, the largest over eight times the smallest."""
    known = values[np.isfinite(values)]
    return bool(known.size and known.min() > 0 and known.max() / known.min() > LOG_FROM_RATIO)
