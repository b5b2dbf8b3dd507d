"""Information coefficients over time: what a model promised out of sample, and what came true."""

from dataclasses import dataclass

import holoviews as hv
import holoviews.plotting.bokeh  # registers the drawing backend; it shows and injects nothing
import numpy as np
import pandas as pd

from investlab.charts import style
from investlab.charts.sources import named

IC_HEIGHT = 190
YEARS_HEIGHT = 220
TITLE = "Information coefficient"
BAND = " (band: interval of the long-run mean)"


@dataclass(frozen=True, slots=True)
class ExpectedIC:
    """A mean information coefficient out of sample with its confidence interval, that of a mean over many years."""

    mean: float
    low: float
    high: float


def ic_chart(realised: pd.Series, expected: ExpectedIC | None = None, *, rolling_sessions: int = 21) -> hv.Overlay:
    """Return the rolling realised IC by session over what was expected out of sample.

    `realised` is indexed by session; missing values leave gaps. The band is the interval of the mean over all
    out-of-sample sessions and says so: the mean of a few sessions swings far more, so leaving the band means nothing by
    itself.
    """
    frame = pd.DataFrame(
        {"session": pd.DatetimeIndex(realised.index), "ic": realised.to_numpy(dtype=np.float64)},
    )
    line = hv.Curve(frame, "session", "ic").opts(
        color=style.BLUE,
        line_width=1.8,
        tools=["hover"],
        hover_tooltips=style.tooltip(("Session", "@session{%F}"), ("IC", "@ic{0.000}")),
        hover_formatters=style.SESSION_FORMATTER,
        hover_mode="vline",
    )
    layers: list[hv.Element] = [line, hv.HLine(0.0).opts(color=style.RULE, line_width=1.0)]
    if expected is not None:
        layers += [
            hv.HSpan(expected.low, expected.high).opts(color=style.BLUE, alpha=0.10),
            hv.HLine(expected.mean).opts(color=style.BLUE, line_width=1.0, line_dash="dashed"),
        ]
    low, high = _limits(frame["ic"].to_numpy(), expected)
    return hv.Overlay(layers).opts(
        **style.frame_options(
            IC_HEIGHT,
            f"IC, mean of {rolling_sessions} sessions{BAND if expected is not None else ''}",
            hooks=[style.finish, named("ic")],
            yformatter=style.numeral("0.00"),
            xformatter=style.short_dates(),
            ylim=(low, high),
            yticks=4,
            show_legend=False,
            show_grid=True,
            padding=(0.02, 0.0),
        )
    )


def yearly_ic_chart(by_session: pd.Series, baseline: pd.Series | None = None) -> hv.Overlay:
    """Return the mean IC of each year as bars, a baseline's beside them as marks.

    Both are indexed by session; the mean of all sessions is drawn as a line.
    """
    years = _by_year(by_session)
    frame = pd.DataFrame({"year": years.index.astype(str), "ic": years.to_numpy()})
    frame["direction"] = np.where(frame["ic"] >= 0, style.BLUE, style.VERMILION)
    bars = hv.Bars(frame, "year", ["ic", "direction"]).opts(
        color="direction",
        bar_width=0.62,
        line_alpha=0.0,
        tools=["hover"],
        hover_tooltips=style.tooltip(("Year", "@year"), ("Mean IC", "@ic{0.000}")),
    )
    layers: list[hv.Element] = [bars, hv.HLine(0.0).opts(color=style.RULE, line_width=1.0)]
    if baseline is not None:
        other = _by_year(baseline).reindex(years.index)
        marks = pd.DataFrame({"year": other.index.astype(str), "ic": other.to_numpy()}).dropna()
        layers.append(hv.Scatter(marks, "year", "ic").opts(color=style.INK, marker="dash", size=22, line_width=2))
    return hv.Overlay(layers).opts(
        **style.frame_options(
            YEARS_HEIGHT,
            f"{TITLE} by year{', baseline as marks' if baseline is not None else ''}",
            yformatter=style.numeral("0.00"),
            yticks=5,
            show_legend=False,
            show_grid=True,
            padding=(0.02, 0.1),
        )
    )


def _by_year(by_session: pd.Series) -> pd.Series:
    known = by_session.dropna()
    found: pd.Series = known.groupby(pd.DatetimeIndex(known.index).year).mean()
    return found


def _limits(values: np.ndarray, expected: ExpectedIC | None) -> tuple[float, float]:
    known = [*values[np.isfinite(values)], 0.0]
    if expected is not None:
        known += [expected.low, expected.high]
    low, high = min(known), max(known)
    margin = max(0.12 * (high - low), 0.02)
    return low - margin, high + margin
