"""How a backtest result shows itself: a notebook's cell, a chart, a tear sheet."""

import holoviews as hv
import panel as pn

from investlab.backtest.result import BacktestResult
from investlab.charts import facts
from investlab.charts.embed import card, chart, show_in_jupyter
from investlab.charts.figures import performance_chart
from investlab.charts.markup import Html, join
from investlab.charts.tear_sheets import headline, tear_sheet_of, terms

LABEL = "Equity curve, its benchmark where there is one, and the drawdown below them"


class BacktestRenderer:
    """Renders a `BacktestResult`."""

    @staticmethod
    def html(result: BacktestResult) -> str:
        """Return metrics, equity over drawdown, and what the run stands on."""
        return card(headline(result), _body(result), figure=_figure(result))

    @staticmethod
    def plot(result: BacktestResult) -> hv.Layout:
        """Return the equity chart over the underwater chart."""
        return show_in_jupyter(_figure(result))

    @staticmethod
    def report(result: BacktestResult) -> str:
        """Return the tear sheet as a page."""
        return tear_sheet_of(result).page()

    @staticmethod
    def fragment(result: BacktestResult) -> str:
        """Return the tear sheet as a fragment, for a notebook's cell."""
        return tear_sheet_of(result).fragment()

    @staticmethod
    def view(result: BacktestResult) -> pn.Column:
        """Return the tear sheet as a Panel column, for a dashboard."""
        return tear_sheet_of(result).view()


def _figure(result: BacktestResult) -> hv.Layout:
    return performance_chart(result.nav, result.drawdown, result.benchmark, currency=result.source.currency)


def _body(result: BacktestResult) -> Html:
    return join(
        (
            facts.metric_tiles(result.metrics, result.source.currency),
            facts.warnings(result.notes, result.execution),
            chart(LABEL),
            terms(result),
        )
    )
