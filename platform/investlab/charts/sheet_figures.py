"""The pictures of a tear sheet: growth, rolling measures, distribution of returns, exposure and trading."""

from dataclasses import dataclass
from typing import Any

import holoviews as hv
import holoviews.plotting.bokeh  # registers the drawing backend; it shows and injects nothing
import numpy as np
import pandas as pd

from investlab.backtest.tear_sheet import Tail, TearSheet
from investlab.charts import style
from investlab.charts.figures import BENCHMARK, performance_chart, session_hover
from investlab.charts.units import percent

BAND_HEIGHT = 132
LAST_HEIGHT = 150
HISTOGRAM_HEIGHT = 260
LABEL_SHARE = 0.2
"""The part of the histogram's width that a label needs on a narrow page."""
FINER = {"0%": "0.0%", "0.0": "0.00"}
"""The pattern of a value under the pointer by that of its axis."""


def growth_chart(sheet: TearSheet, currency: str, *, logarithmic: bool) -> hv.Layout:
    """Return the value, its benchmark's beside it, over the drawdown, on one time axis and the scale asked for."""
    return performance_chart(sheet.nav, sheet.drawdown, sheet.benchmark, currency=currency, logarithmic=logarithmic)


def rolling_chart(sheet: TearSheet) -> hv.Layout | None:
    """Return rolling Sharpe ratio, volatility and beta above each other; None while no window is full."""
    rolling, window = sheet.rolling, f"last {sheet.window_sessions} sessions"
    if not len(rolling.dropna(how="all")):
        return None
    frame = by_session(rolling)
    bands = [
        _band(frame, Measure("sharpe", f"Sharpe ratio, {window}", "0.0", level=0.0)),
        _band(frame, Measure("volatility", f"Volatility a year, {window}", "0%", floor=0.0)),
    ]
    if "beta" in rolling and rolling["beta"].notna().any():
        bands.append(_band(frame, Measure("beta", f"Beta to {BENCHMARK.lower()}, {window}", "0.0", level=1.0)))
    return _stacked(bands)


def trading_chart(sheet: TearSheet, currency: str) -> hv.Layout:
    """Return gross and net exposure, turnover by month, and the costs paid so far, above each other."""
    frame = by_session(sheet.exposure[["gross", "net", "positions"]].assign(costs=sheet.costs))
    return _stacked([_exposure(frame), _turnover(sheet.monthly_turnover), _costs(frame, currency)])


@dataclass(frozen=True, slots=True)
class Measure:
    """What a band shows: a column, its title and pattern, a level drawn across it, and an end of the axis."""

    column: str
    title: str
    pattern: str
    level: float | None = None
    floor: float | None = None


def by_session(values: pd.DataFrame) -> pd.DataFrame:
    """Return columns by session as charts take them: sessions as a column, numbers as fine as a screen shows them."""
    sessions = pd.DataFrame({"session": pd.DatetimeIndex(values.index)})
    return sessions.assign(**{str(name): values[name].to_numpy(dtype=np.float32) for name in values})


def distribution_chart(tail: Tail) -> hv.Overlay:
    """Return how often returns of a session fell into each bin, with value at risk and the mean beyond it marked."""
    bins = tail.bins
    frame = pd.DataFrame(
        {"low": bins.edges[:-1], "high": bins.edges[1:], "floor": 0.0, "sessions": bins.counts.astype(np.float64)}
    )
    frame["sign"] = np.where(frame["low"] < -1e-15, "loss", "gain")
    bars = hv.Rectangles(frame, ["low", "floor", "high", "sessions"], ["sign"]).opts(
        color="sign",
        cmap={"loss": style.VERMILION, "gain": style.BLUE},
        fill_alpha=0.75,
        line_alpha=0.0,
        colorbar=False,
        tools=["hover"],
        hover_tooltips=style.tooltip(("From", "@low{0.00%}"), ("To", "@high{0.00%}"), ("Sessions", "@sessions{0,0}")),
    )
    top = float(frame["sessions"].max()) or 1.0
    marks = [
        _mark(tail.value_at_risk, "VaR 95%", top, "left"),
        _mark(tail.conditional_value_at_risk, "CVaR 95%", top, "right"),
    ]
    return hv.Overlay([bars, *(layer for mark in marks for layer in mark)]).opts(
        **style.frame_options(
            HISTOGRAM_HEIGHT,
            "Sessions by return; the outermost bars hold all that lies beyond",
            hooks=[style.finish, style.on_ground],
            xformatter=style.numeral("0.0%"),
            yformatter=style.numeral("0,0"),
            xticks=9,
            yticks=5,
            xlim=_with_room(bins.edges, tail.conditional_value_at_risk),
            ylim=(0.0, top * 1.12),
            show_legend=False,
            show_grid=True,
            padding=(0.02, 0.0),
        )
    )


def _with_room(edges: np.ndarray, marked: float) -> tuple[float, float]:
    """Return the ends of an axis over all bins on which the label left of a marked value has room."""
    low, high = float(edges[0]), float(edges[-1])
    margin = 0.02 * (high - low)
    room = LABEL_SHARE / (1.0 - LABEL_SHARE) * (high + margin - marked)
    return min(low - margin, marked - room), high + margin


def _mark(value: float, name: str, height: float, align: str) -> list[hv.Element]:
    said = f" {name}  {percent(value, 2)} "
    place = pd.DataFrame({"at": [value], "height": [height], "said": [said]})
    line = hv.VLine(value).opts(color=style.INK, line_width=1.2, line_dash="dashed")
    label = hv.Labels(place, ["at", "height"], "said").opts(
        text_color=style.INK, text_font_size="11px", text_align=align, text_baseline="middle"
    )
    return [line, label]


def _band(frame: pd.DataFrame, shown: Measure) -> hv.Overlay:
    name = shown.title.split(",", maxsplit=1)[0]
    line = hv.Curve(frame, "session", shown.column).opts(
        color=style.BLUE,
        line_width=1.4,
        **session_hover((name, f"@{shown.column}{{{FINER[shown.pattern]}}}")),
    )
    level = [] if shown.level is None else [hv.HLine(shown.level).opts(color=style.RULE, line_width=1.0)]
    span = limits(frame[shown.column].to_numpy(), shown.level, shown.floor)
    return hv.Overlay([*level, line]).opts(**_options(shown.title, shown.pattern, span))


def _exposure(frame: pd.DataFrame) -> hv.Overlay:
    rows = (("Gross", "@gross{0.0%}"), ("Net", "@net{0.0%}"), ("Positions", "@positions{0}"))
    gross = hv.Curve(frame, "session", ["gross", "net", "positions"], label="Gross").opts(
        color=style.GREY, line_width=1.6, **session_hover(*rows)
    )
    net = hv.Curve(frame, "session", "net", label="Net").opts(color=style.BLUE, line_width=1.0)
    values = frame[["gross", "net"]].to_numpy()
    return hv.Overlay([gross, net]).opts(
        **_options("Exposure, share of NAV", "0%", limits(values, None, 0.0))
        | {"show_legend": True, "legend_position": "top", "legend_cols": 2, "height": LAST_HEIGHT}
    )


def _turnover(by_month: pd.Series) -> hv.Overlay:
    frame = pd.DataFrame({"session": pd.DatetimeIndex(by_month.index), "turnover": by_month.to_numpy(np.float64)})
    spikes = hv.Spikes(frame, "session", "turnover").opts(
        color=style.BLUE,
        line_width=2.0 if len(frame) < 200 else 1.2,
        tools=["hover"],
        hover_tooltips=style.tooltip(("Month to", "@session{%F}"), ("Turnover", "@turnover{0.0%}")),
        hover_formatters=style.SESSION_FORMATTER,
        hover_mode="vline",
    )
    title = "Turnover by month, one-way, share of NAV"
    return hv.Overlay([spikes]).opts(**_options(title, "0%", limits(by_month.to_numpy(), None, 0.0)))


def _costs(frame: pd.DataFrame, currency: str) -> hv.Overlay:
    line = hv.Curve(frame, "session", "costs").opts(
        color=style.VERMILION, line_width=1.3, **session_hover(("Costs so far", f"{currency} @costs{{0,0}}"))
    )
    pattern = "0.0a" if frame["costs"].max() >= 10_000 else "0,0"
    title = f"Commission and slippage paid so far, {currency}"
    span = limits(frame["costs"].to_numpy(), None, 0.0)
    return hv.Overlay([line]).opts(
        **_options(title, pattern, span) | {"hooks": [style.finish, style.filled(style.VERMILION)]}
    )


def _stacked(bands: list[hv.Overlay]) -> hv.Layout:
    """Return bands above each other on one time axis, which only the last one writes."""
    for band in bands[:-1]:
        band.opts(xaxis="bare")
    bands[-1].opts(height=LAST_HEIGHT)
    return hv.Layout(bands).cols(1).opts(shared_datasource=True)


def _options(title: str, pattern: str, span: tuple[float, float]) -> dict[str, Any]:
    return style.frame_options(
        BAND_HEIGHT,
        title,
        yformatter=style.numeral(pattern),
        xformatter=style.dates(),
        yticks=4,
        ylim=span,
        show_legend=False,
        show_grid=True,
        padding=(0.0, 0.0),
    )


def limits(values: np.ndarray, level: float | None, floor: float | None) -> tuple[float, float]:
    """Return the ends of an axis that shows all values and `level`, from `floor` where nothing lies below it."""
    known = values[np.isfinite(values)]
    ends = [*known.tolist(), *([] if level is None else [level]), *([] if floor is None else [floor])] or [0.0]
    low, high = min(ends), max(ends)
    margin = 0.08 * (high - low) or 0.5 * abs(high) or 1.0
    return (low if floor is not None and low == floor else low - margin, high + margin)
