"""How a backtest result shows itself: a notebook's cell, a chart, a report."""

from calendar import month_abbr
from collections.abc import Callable
from functools import partial
from typing import Any

import holoviews as hv
import pandas as pd

from investlab.backtest.result import BacktestResult
from investlab.charts import facts
from investlab.charts.embed import card, chart, show_in_jupyter
from investlab.charts.figures import BENCHMARK, performance_chart
from investlab.charts.markup import Html, element, join, table
from investlab.charts.pages import page
from investlab.charts.units import count, day, money, number, percent

FILLS_SHOWN = 20
FILL_COLUMNS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "session": ("Session", day),
    "decided": ("Decided", day),
    "symbol": ("Symbol", str),
    "side": ("Side", str),
    "quantity": ("Quantity", partial(number, digits=4)),
    "reference_price": ("Price", partial(number, digits=4)),
    "fill_price": ("Fill price", partial(number, digits=4)),
    "value": ("Value", number),
    "commission": ("Commission", number),
    "slippage_cost": ("Slippage", number),
    "reason": ("Reason", lambda reason: str(reason).replace("_", " ")),
}
"""The columns of fills that a report shows: heading and how a value reads; results of old have no reason."""
LABEL = "Equity curve, its benchmark where there is one, and the drawdown below them"


class BacktestRenderer:
    """Renders a `BacktestResult`."""

    @staticmethod
    def html(result: BacktestResult) -> str:
        """Return metrics, equity over drawdown, and what the run stands on."""
        return card(_headline(result), _body(result), figure=_figure(result))

    @staticmethod
    def plot(result: BacktestResult) -> hv.Layout:
        """Return the equity chart over the underwater chart."""
        return show_in_jupyter(_figure(result))

    @staticmethod
    def report(result: BacktestResult) -> str:
        """Return a page with the cell's content, returns by month and the last fills."""
        content = join((_body(result), _monthly_returns(result), _last_fills(result)))
        return page(str(result.strategy), card(_headline(result), content, figure=_figure(result)))


def _figure(result: BacktestResult) -> hv.Layout:
    return performance_chart(result.nav, result.drawdown, result.benchmark, currency=result.source.currency)


def _headline(result: BacktestResult) -> Html:
    sessions = result.nav.index
    extent = (
        f"{day(sessions[0])} to {day(sessions[-1])}",
        count(len(sessions), "session"),
        count(len(result.instruments), "instrument"),
        f"{money(result.initial_cash, result.source.currency)} at the start",
    )
    under = (result.strategy.description.replace("`", ""), " · ".join(extent))
    return facts.headline(str(result.strategy), under, result.source)


def _body(result: BacktestResult) -> Html:
    costs = result.costs.describe()
    return join(
        (
            facts.metric_tiles(result.metrics, result.source.currency),
            facts.warnings(result.notes, result.execution),
            chart(LABEL),
            facts.facts(
                [
                    ("Costs", facts.costs_text(costs)),
                    ("Execution", facts.EXECUTION[result.execution]),
                    ("Basis", facts.BASIS[result.basis]),
                    ("Fills", f"{len(result.fills):,}"),
                    *facts.lineage(result.source, result.panel_id, result.run_id, result.code_identity),
                    ("Result", facts.code(result.hash)),
                ]
            ),
            facts.remarks(result.notes, without=[costs]),
        )
    )


def _monthly_returns(result: BacktestResult) -> Html:
    months = _returns_by(result.nav, result.initial_cash, ["year", "month"]).unstack()
    years = {"Year": _returns_by(result.nav, result.initial_cash, ["year"])}
    if result.benchmark is not None:
        years[BENCHMARK] = _returns_by(result.benchmark, result.initial_cash, ["year"])
    shown = months.reindex(columns=range(1, 13)).join(pd.DataFrame(years))
    rows = [[str(year), *(facts.judged(value, percent(value)) for value in row)] for year, *row in shown.itertuples()]
    return table(["", *month_abbr[1:], *years], rows, "Returns by month; the first and the last may be incomplete")


def _returns_by(nav: pd.Series, initial_cash: float, periods: list[str]) -> pd.Series:
    sessions = pd.DatetimeIndex(nav.index)
    ends = nav.groupby([getattr(sessions, period).rename(period) for period in periods]).last()
    returns: pd.Series = ends / ends.shift(1, fill_value=initial_cash) - 1
    return returns


def _last_fills(result: BacktestResult) -> Html:
    fills = result.fills.tail(FILLS_SHOWN)
    if fills.empty:
        return element("p", "There were no fills.")
    known = {name: column for name, column in FILL_COLUMNS.items() if name in fills}
    rows = [[shown(fill[name]) for name, (_, shown) in known.items()] for fill in fills.to_dict("records")]
    header = [label for label, _ in known.values()]
    return table(header, rows, f"Last {len(fills)} of {count(len(result.fills), 'fill')}, in {result.source.currency}")
