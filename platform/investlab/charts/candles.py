"""Candles with volume: one instrument's bars, session by session, without gaps where no trading was."""

from typing import Any

import holoviews as hv
import holoviews.plotting.bokeh  # registers the drawing backend; it shows and injects nothing
import numpy as np
import pandas as pd
from bokeh.models import FixedTicker
from bokeh.plotting import figure as BokehFigure  # noqa: N812  (a class with a function's name)

from investlab.charts import style
from investlab.charts.sources import named
from investlab.core.errors import NotFound
from investlab.market.panel import PricePanel

CANDLE_HEIGHT = 330
VOLUME_HEIGHT = 110
SESSIONS_SHOWN = 120
HALF_BODY = 0.34
DIRECTIONS = {"up": style.BLUE, "down": style.VERMILION}
"""A bar that closes at or above its open, and one that closes below."""
BAR_COLUMNS = ("open", "high", "low", "close", "volume")
FLAT = 2e-4
"""The least height of a body, as a part of the price, so that an unchanged bar is seen."""


def bar_frame(panel: PricePanel, symbol: str, sessions: int | None = None) -> pd.DataFrame:
    """Return an instrument's complete bars, the last `sessions` of them, indexed by session.

    Raises:
        NotFound: The panel has no such symbol, or no full bars.
    """
    if symbol not in panel.symbols:
        raise NotFound.named("symbol", symbol, panel.symbols)
    missing = [name for name in BAR_COLUMNS if name not in panel.fields]
    if missing:
        raise NotFound(f"The panel has no {', '.join(missing)}.", remedy="Candles need open, high, low, close, volume.")
    column = panel.symbols.index(symbol)
    frame = pd.DataFrame(
        {name: panel.values(name)[:, column] for name in BAR_COLUMNS},
        index=pd.DatetimeIndex(panel.sessions.astype("datetime64[s]"), name="session"),
    )
    return frame.dropna(subset=["open", "high", "low", "close"]).tail(sessions or len(frame))


def candle_columns(bars: pd.DataFrame, *, first: int = 0) -> dict[str, np.ndarray]:
    """Return what the candles' data source holds, a row for each bar, placed at `first` and on.

    `bottom` and `top` are the ends of the body; an unchanged bar keeps a hair's height.
    """
    low, high = (np.sort(bars[["open", "close"]].to_numpy(), axis=1)[:, side] for side in (0, 1))
    at = np.arange(first, first + len(bars), dtype=np.float64)
    return {
        "at": at,
        "left": at - HALF_BODY,
        "right": at + HALF_BODY,
        "session": bars.index.to_numpy(),
        **{name: bars[name].to_numpy(dtype=np.float64) for name in BAR_COLUMNS},
        "bottom": low,
        "top": np.maximum(high, low * (1 + FLAT)),
        "direction": np.where(bars["close"] >= bars["open"], "up", "down"),
    }


def candle_chart(panel: PricePanel, symbol: str, *, sessions: int = SESSIONS_SHOWN) -> hv.Layout:
    """Return the last bars of one instrument as candles over their volume, on one x-axis.

    Blue bars close at or above their open, vermilion ones below. The x-axis counts sessions, so that nights and
    holidays leave no gaps; months are named where they begin.

    Raises:
        NotFound: The panel has no such symbol, or no full bars.
    """
    bars = bar_frame(panel, symbol, sessions)
    frame = pd.DataFrame(candle_columns(bars))
    ticks = _month_ticks(pd.DatetimeIndex(bars.index))
    span = (-1.0, float(max(len(bars), 1)))
    shared = {"xlim": span, "xticks": ticks, "show_legend": False, "show_grid": True}
    currency = panel.listing[panel.symbols.index(symbol)].currency
    prices = hv.Overlay([_bodies(frame), _wicks(frame)]).opts(
        **style.frame_options(
            CANDLE_HEIGHT,
            f"{symbol}, {currency}",
            hooks=[style.finish, named("candles"), _no_minor_ticks],
            yformatter=style.numeral("0,0.00" if bars["close"].median() < 1000 else "0,0"),
            padding=(0.0, 0.08),
            xaxis="bare",
            **shared,
        )
    )
    volume = hv.Overlay([_volume(frame)]).opts(
        **style.frame_options(
            VOLUME_HEIGHT,
            "Volume, shares",
            hooks=[style.finish, named("volume"), _no_minor_ticks],
            yformatter=style.numeral("0a"),
            yticks=3,
            ylim=(0.0, float(np.nanmax(bars["volume"].to_numpy(), initial=1.0)) * 1.12),
            **shared,
        )
    )
    return (prices + volume).cols(1)


def _wicks(frame: pd.DataFrame) -> hv.Segments:
    return hv.Segments(frame, ["at", "low", "at", "high"], ["direction"]).opts(
        color="direction", cmap=DIRECTIONS, line_width=1.2, colorbar=False
    )


def _bodies(frame: pd.DataFrame) -> hv.Rectangles:
    rows = (
        ("Session", "@session{%F}"),
        ("Open", "@open{0,0.00}"),
        ("High", "@high{0,0.00}"),
        ("Low", "@low{0,0.00}"),
        ("Close", "@close{0,0.00}"),
        ("Volume", "@volume{0.0a}"),
    )
    carried = ["direction", "session", *(name for name in BAR_COLUMNS)]
    return hv.Rectangles(frame, ["left", "bottom", "right", "top"], carried).opts(
        color="direction",
        cmap=DIRECTIONS,
        line_alpha=0.0,
        colorbar=False,
        tools=["hover"],
        hover_tooltips=style.tooltip(*rows),
        hover_formatters=style.SESSION_FORMATTER,
    )


def _volume(frame: pd.DataFrame) -> hv.Rectangles:
    bars = frame.assign(floor=0.0)
    return hv.Rectangles(bars, ["left", "floor", "right", "volume"], ["direction"]).opts(
        color="direction", cmap=DIRECTIONS, line_alpha=0.0, fill_alpha=0.45, colorbar=False
    )


def _month_ticks(sessions: pd.DatetimeIndex) -> list[tuple[int, str]]:
    """Return where months begin with their names, the year beside the first one and each January."""
    ticks: list[tuple[int, str]] = []
    for place, session in enumerate(sessions):
        if place and session.month != sessions[place - 1].month:
            ticks.append((place, f"{session:%b %Y}" if session.month == 1 or not ticks else f"{session:%b}"))
    return ticks


def _no_minor_ticks(plot: Any, _element: Any) -> None:
    figure = plot.state
    if isinstance(figure, BokehFigure):
        for axis in figure.xaxis:
            if isinstance(axis.ticker, FixedTicker):
                axis.ticker.minor_ticks = []
