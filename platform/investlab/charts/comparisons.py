"""How runs side by side show themselves: metrics, equity curves on one chart, what differs, and whether it is fair."""

import holoviews as hv
import holoviews.plotting.bokeh  # registers the drawing backend; it shows and injects nothing
import numpy as np
import pandas as pd

from investlab.backtest.comparison import RunComparison
from investlab.charts import facts, style
from investlab.charts.embed import card, chart, show_in_jupyter
from investlab.charts.markup import Html, element, join, table
from investlab.charts.pages import page
from investlab.charts.units import MISSING, count, number, percent, times

TITLE = "Runs side by side"
LABEL = "The equity curves of the runs, each beginning at 1"
HEIGHT = 300
MAX_POINTS = 2500


class ComparisonRenderer:
    """Renders a `RunComparison`."""

    @staticmethod
    def html(comparison: RunComparison) -> str:
        """Return the verdict, metrics, equity curves, differences and correlation."""
        return card(_headline(comparison), _body(comparison), figure=comparison_chart(comparison.nav))

    @staticmethod
    def plot(comparison: RunComparison) -> hv.Overlay:
        """Return the equity curves on one chart."""
        return show_in_jupyter(comparison_chart(comparison.nav))

    @staticmethod
    def report(comparison: RunComparison) -> str:
        """Return a page with the cell's content."""
        return page(TITLE, card(_headline(comparison), _body(comparison), figure=comparison_chart(comparison.nav)))


def comparison_chart(nav: pd.DataFrame) -> hv.Overlay:
    """Return one line per run, each beginning at 1; of long runs every n-th session is drawn, and the last."""
    step = -(-len(nav) // MAX_POINTS)
    drawn = nav.iloc[np.unique([*range(0, len(nav), step), len(nav) - 1])]
    levels = {f"level_{place}": drawn.iloc[:, place].to_numpy(np.float64) for place in range(drawn.shape[1])}
    frame = pd.DataFrame({"session": drawn.index, **levels})
    rows = [(str(label), f"@{level}{{0.000}}") for label, level in zip(drawn.columns, levels, strict=True)]
    lines = [
        hv.Curve(frame, "session", [level, *(other for other in levels if other != level)], label=str(label)).opts(
            color=style.SERIES_COLOURS[place], line_width=1.5
        )
        for place, (label, level) in enumerate(zip(drawn.columns, levels, strict=True))
    ]
    lines[0] = lines[0].opts(
        tools=["hover"],
        hover_tooltips=style.tooltip(("Session", "@session{%F}"), *rows),
        hover_formatters=style.SESSION_FORMATTER,
        hover_mode="vline",
    )
    return hv.Overlay(lines).opts(
        **style.frame_options(
            HEIGHT,
            "NAV over initial cash",
            hooks=[style.finish],
            yformatter=style.numeral("0.00"),
            xformatter=style.dates(),
            legend_position="top",
            legend_cols=4,
            show_grid=True,
            padding=(0.0, 0.06),
        )
    )


def _headline(comparison: RunComparison) -> Html:
    under = f"{count(comparison.metrics.shape[1], 'run')}, {count(comparison.common_sessions, 'session')} in common"
    return element("header", facts.heading(TITLE), element("p", under, class_="il-under"))


def _body(comparison: RunComparison) -> Html:
    said = [element("p", f"Warning: {comparison.sentence}", class_="il-warning", role="note")]
    return join(
        (
            join(said) if not comparison.is_fair else element("p", comparison.sentence),
            _metrics(comparison.metrics),
            chart(LABEL),
            _differences(comparison.differences),
            _correlation(comparison),
            facts.remarks(comparison.cautions),
        )
    )


def _metrics(metrics: pd.DataFrame) -> Html:
    rows = [
        [facts.METRICS.get(str(name), str(name)), *(_metric(str(name), value) for value in row)]
        for name, *row in metrics.itertuples()
    ]
    return table(["", *map(str, metrics.columns)], rows, "Metrics")


def _metric(name: str, value: float) -> str:
    if name == "sharpe":
        return number(value, signed=True)
    if name == "turnover":
        return times(value)
    if name == "costs":
        return number(value, digits=0)
    return percent(value)


def _differences(differences: pd.DataFrame) -> Html:
    if differences.empty:
        return element("p", "Nothing that is recorded of their data, terms and code differs.")
    rows = [[str(name), *(MISSING if v is None else str(v) for v in row)] for name, *row in differences.itertuples()]
    return table(["", *map(str, differences.columns)], rows, "What differs in spec, data and code")


def _correlation(comparison: RunComparison) -> Html:
    found = comparison.correlation
    rows = [[str(name), *(number(value) for value in row)] for name, *row in found.itertuples()]
    title = f"Correlation of returns on the {count(comparison.common_sessions, 'session')} in common"
    return table(["", *map(str, found.columns)], rows, title)
