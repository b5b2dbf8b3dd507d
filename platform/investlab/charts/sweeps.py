"""How a sweep shows itself: one metric over the grid, its best trials, and how much of the best one may be luck."""

from collections.abc import Sequence

import holoviews as hv
import panel as pn

from investlab.backtest.stability import Stability, widest
from investlab.backtest.sweep_result import SweepResult
from investlab.charts import facts
from investlab.charts.embed import card, chart, show_in_jupyter
from investlab.charts.heatmaps import sweep_chart
from investlab.charts.markup import Html, element, join, table
from investlab.charts.parallel import parallel_chart
from investlab.charts.sheets import Picture, Section, Sheet
from investlab.charts.stability_charts import stability_chart
from investlab.charts.units import count, day, likelihood, number
from investlab.core.errors import NotFound

BEST_SHOWN = 10
BEST_IN_REPORT = 50
METRIC = "sharpe"


MAPPED = {
    "sharpe": ("Sharpe ratio", "0.00"),
    "cagr": ("CAGR", "0.0%"),
    "total_return": ("Total return", "0%"),
    "volatility": ("Volatility", "0.0%"),
    "max_drawdown": ("Max. drawdown", "0.0%"),
    "turnover": ("Turnover a year", "0.00"),
    "costs": ("Costs paid", "0,0"),
    "exposure": ("Exposure", "0%"),
}
"""How each metric of a trial reads on a chart: name and pattern."""

CHOICE = ("sharpe", "cagr", "max_drawdown")
"""The metrics whose maps a report offers."""

MEANING = (
    "A trial that is good only by luck stands alone. Each cell of the smoothed map is the median of a cell and the "
    "cells next to it; the outline holds the largest connected part with at least 90% of the best of these."
)


class SweepRenderer:
    """Renders a `SweepResult`."""

    @staticmethod
    def html(sweep: SweepResult) -> str:
        """Return the Sharpe ratio over the grid, the best trials, and how many trials it took to find them."""
        return card(_headline(sweep), _body(sweep), figure=_figure(sweep))

    @staticmethod
    def plot(sweep: SweepResult) -> hv.Overlay:
        """Return the Sharpe ratio over the grid."""
        return show_in_jupyter(_figure(sweep))

    @staticmethod
    def heatmap(sweep: SweepResult, parameters: tuple[str, ...], metric: str) -> hv.Overlay:
        """Return a metric over the parameters named, as a map over two and a line over one."""
        return show_in_jupyter(_map(sweep, parameters, metric))

    @staticmethod
    def stability_surface(sweep: SweepResult, found: Stability) -> hv.Layout | hv.Overlay:
        """Return a metric raw beside smoothed, with the robust region."""
        return show_in_jupyter(stability_chart(found, *_look(found.metric)))

    @staticmethod
    def parallel_coordinates(sweep: SweepResult, metric: str) -> hv.Overlay:
        """Return a line for each trial through its parameters to the metric."""
        return show_in_jupyter(_parallel(sweep, metric))

    @staticmethod
    def report(sweep: SweepResult) -> str:
        """Return the verdict, maps, the robust region and the best trials as a page."""
        return _sheet(sweep).page()

    @staticmethod
    def fragment(sweep: SweepResult) -> str:
        """Return the report as a fragment, for a notebook's cell."""
        return _sheet(sweep).fragment()

    @staticmethod
    def view(sweep: SweepResult) -> pn.Column:
        """Return the report as a Panel column, for a dashboard."""
        return _sheet(sweep).view()


def _figure(sweep: SweepResult) -> hv.Overlay:
    return _map(sweep, sweep.parameters, METRIC)


def _map(sweep: SweepResult, parameters: Sequence[str], metric: str) -> hv.Overlay:
    label, pattern = _look(metric)
    return sweep_chart(sweep.table, parameters, metric, label=label, pattern=pattern)


def _parallel(sweep: SweepResult, metric: str) -> hv.Overlay:
    label, pattern = _look(metric)
    return parallel_chart(sweep.table, sweep.parameters, metric, label=label, pattern=pattern)


def _look(metric: str) -> tuple[str, str]:
    if metric not in MAPPED:
        raise NotFound.named("metric", metric, MAPPED)
    return MAPPED[metric]


def _sheet(sweep: SweepResult) -> Sheet:
    over = " and ".join(widest(sweep.table, sweep.parameters))
    maps = tuple(
        Picture(MAPPED[metric][0], f"{MAPPED[metric][0]} over {over}", _map(sweep, sweep.parameters, metric))
        for metric in CHOICE
    )
    found = sweep.stability()
    surface = Picture(
        "Stability", f"Sharpe ratio over {over}, raw beside smoothed", stability_chart(found, *_look(METRIC))
    )
    sections = [
        Section("Trials over the grid", pictures=maps, question="Metric"),
        Section(
            "Robust region",
            above=join((element("p", found.sentence), element("p", MEANING, class_="il-under"))),
            pictures=(surface,),
        ),
    ]
    if sum(sweep.table[name].nunique(dropna=False) > 1 for name in sweep.parameters) > 2:
        label = f"Trials by {', '.join(sweep.parameters)} and Sharpe ratio"
        sections.append(
            Section("All parameters at once", pictures=(Picture("Trials", label, _parallel(sweep, METRIC)),))
        )
    sections.append(Section("Best trials", above=_best_trials(sweep, BEST_IN_REPORT)))
    top = join((_headline(sweep), _said(sweep)))
    title = element("p", "What it stands on", class_="il-heading", role="heading", aria_level="3")
    return Sheet(_title(sweep), top, tuple(sections), element("section", title, _terms(sweep), class_="il-section"))


def _title(sweep: SweepResult) -> str:
    return f"{sweep.strategy.name}: sweep over {' × '.join(sweep.parameters)}"


def _headline(sweep: SweepResult) -> Html:
    best = ", ".join(f"{name}={value}" for name, value in sweep.best_parameters.items())
    sessions = sweep.best_result.nav.index
    extent = f"{day(sessions[0])} to {day(sessions[-1])} · {count(len(sweep.instruments), 'instrument')}"
    found = f"Best of {count(sweep.trials, 'trial')}: {best} with a Sharpe ratio of {number(sweep.best[METRIC])}"
    return facts.headline(_title(sweep), (found, extent), sweep.source)


def _body(sweep: SweepResult) -> Html:
    label = f"Sharpe ratio over {' and '.join(widest(sweep.table, sweep.parameters))}; a ring marks the best trial"
    return join((_said(sweep), chart(label), _best_trials(sweep, BEST_SHOWN), _terms(sweep)))


def _said(sweep: SweepResult) -> Html:
    """Return the verdict, how much luck the best trial needs, and warnings."""
    verdict = element("p", sweep.verdict.sentence, class_="il-verdict")
    return join((verdict, element("p", _luck(sweep)), facts.warnings(sweep.notes, sweep.execution)))


def _terms(sweep: SweepResult) -> Html:
    """Return what the trials stand on: their terms and lineage, then the notes."""
    costs = sweep.costs.describe()
    return join(
        (
            facts.facts(
                [
                    ("Costs", facts.costs_text(costs)),
                    ("Execution", facts.EXECUTION[sweep.execution]),
                    ("Basis", facts.BASIS[sweep.basis]),
                    ("Computed", _computed(sweep)),
                    *facts.lineage(sweep.source, sweep.panel_id, sweep.run_id, sweep.code_identity),
                    ("Result", facts.code(sweep.hash)),
                ]
            ),
            facts.remarks(sweep.notes, without=[costs]),
        )
    )


def _luck(sweep: SweepResult) -> str:
    """Say how many trials the best one was chosen from and what the deflated Sharpe ratio makes of it."""
    deflated = likelihood(sweep.deflated_sharpe)
    expected = f"by luck alone the best of so many would show {number(sweep.expected_maximum_sharpe)}"
    if sweep.cumulative_trials is None:
        return f"Deflated Sharpe ratio {deflated} over {count(sweep.trials, 'uncounted trial')}; {expected}."
    return (
        f"Deflated Sharpe ratio {deflated} over {count(sweep.cumulative_trials, 'trial')} counted in all; {expected}. "
        f"Over the {sweep.trials:,} of this sweep alone: {likelihood(sweep.deflated_sharpe_of_sweep)}."
    )


def _best_trials(sweep: SweepResult, shown: int) -> Html:
    best = sweep.table.sort_values(METRIC, ascending=False, kind="stable").head(shown)
    currency = sweep.source.currency
    rows = [
        [
            str(place),
            *(_value(trial[name]) for name in sweep.parameters),
            *(facts.metric_text(name, trial[name], currency) for name in facts.METRICS),
        ]
        for place, trial in enumerate(best.to_dict("records"), start=1)
    ]
    header = ["", *sweep.parameters, *facts.METRICS.values()]
    return table(header, rows, f"Best {len(best)} of {count(sweep.trials, 'trial')} by Sharpe ratio")


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _computed(sweep: SweepResult) -> str:
    workers = count(len(set(sweep.worker_pids)), "worker")
    speed = f"{number(sweep.combos_per_second, 0)} combinations/s"
    return ", ".join(filter(None, (sweep.executor, workers, f"{number(sweep.elapsed_seconds)} s", speed, sweep.reason)))
