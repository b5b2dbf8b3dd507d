"""A portfolio as it goes: its value beside the benchmark's, and how far it is below its peak."""

from typing import Any

import holoviews as hv
import holoviews.plotting.bokeh  # registers the drawing backend; it shows and injects nothing
import numpy as np
import pandas as pd

from investlab.charts import style
from investlab.charts.sources import named

EQUITY_HEIGHT = 268
DRAWDOWN_HEIGHT = 126
PORTFOLIO = "Portfolio"
BENCHMARK = "Equal weight"


def portfolio_chart(
    nav: pd.Series, drawdown: pd.Series, benchmark: pd.Series | None = None, *, currency: str = "USD"
) -> hv.Layout:
    """Return a portfolio's value over its drawdown (≤ 0), on one time axis.

    All series are indexed by session; the benchmark starts with the same cash.
    """
    frame = pd.DataFrame(
        {
            "session": pd.DatetimeIndex(nav.index),
            "nav": nav.to_numpy(dtype=np.float64),
            "benchmark": _aligned(benchmark, nav.index),
            "drawdown": drawdown.to_numpy(dtype=np.float64),
        }
    )
    return (_equity(frame, currency, beside=benchmark is not None) + _underwater(frame)).cols(1)


def _equity(frame: pd.DataFrame, currency: str, *, beside: bool) -> hv.Overlay:
    rows = [("Session", "@session{%F}"), (PORTFOLIO, f"{currency} @nav{{0,0}}")]
    rows += [(BENCHMARK, f"{currency} @benchmark{{0,0}}")] if beside else []
    line = hv.Curve(frame, "session", ["nav", "benchmark", "drawdown"], label=PORTFOLIO).opts(
        color=style.BLUE, line_width=2.0, **_hover(*rows)
    )
    other = hv.Curve(frame, "session", "benchmark", label=BENCHMARK).opts(color=style.GREY, line_width=1.3)
    return hv.Overlay([other, line]).opts(
        **style.frame_options(
            EQUITY_HEIGHT,
            f"NAV, {currency}",
            hooks=[style.finish, style.first_line_first, named("equity")],
            yticks=4,
            yformatter=style.numeral("0,0"),
            xaxis="bare",
            legend_position="top",
            legend_cols=2,
            show_grid=True,
            padding=(0.02, 0.12),
        )
    )


def _underwater(frame: pd.DataFrame) -> hv.Overlay:
    area = hv.Area(frame, "session", "drawdown").opts(color=style.VERMILION, fill_alpha=0.18, line_alpha=0.0)
    line = hv.Curve(frame, "session", "drawdown").opts(
        color=style.VERMILION, line_width=1.2, **_hover(("Session", "@session{%F}"), ("Drawdown", "@drawdown{0.0%}"))
    )
    lowest = float(np.nanmin(frame["drawdown"].to_numpy(), initial=-0.01))
    return hv.Overlay([area, line]).opts(
        **style.frame_options(
            DRAWDOWN_HEIGHT,
            "Drawdown",
            hooks=[style.finish, named("drawdown")],
            yformatter=style.numeral("0%" if lowest < -0.04 else "0.0%"),
            xformatter=style.short_dates(),
            ylim=(lowest * 1.12, 0.0),
            yticks=3,
            show_legend=False,
            show_grid=True,
            padding=(0.02, 0.0),
        )
    )


def _aligned(benchmark: pd.Series | None, index: pd.Index) -> np.ndarray:
    if benchmark is None:
        return np.full(len(index), np.nan)
    return benchmark.reindex(index).to_numpy(dtype=np.float64)


def _hover(*rows: tuple[str, str]) -> dict[str, Any]:
    return {
        "tools": ["hover"],
        "hover_tooltips": style.tooltip(*rows),
        "hover_formatters": style.SESSION_FORMATTER,
        "hover_mode": "vline",
    }
