"""How a sweep shows itself: one metric over the grid, its best trials, and how much of the best one may be luck."""

import holoviews as hv

from investlab.backtest.sweep_result import SweepResult
from investlab.charts import facts
from investlab.charts.embed import card, chart, show_in_jupyter
from investlab.charts.heatmaps import sweep_chart
from investlab.charts.markup import Html, element, join, table
from investlab.charts.pages import page
from investlab.charts.units import count, day, number, percent

BEST_SHOWN = 10
BEST_IN_REPORT = 50
METRIC = "sharpe"


class SweepRenderer:
    """Renders a `SweepResult`."""

    @staticmethod
    def html(sweep: SweepResult) -> str:
        """Return the Sharpe ratio over the grid, the best trials, and how many trials it took to find them."""
        return card(_headline(sweep), _body(sweep, BEST_SHOWN), figure=_figure(sweep))

    @staticmethod
    def plot(sweep: SweepResult) -> hv.Overlay:
        """Return the Sharpe ratio over the grid."""
        return show_in_jupyter(_figure(sweep))

    @staticmethod
    def report(sweep: SweepResult) -> str:
        """Return a page with the cell's content and more of the best trials."""
        return page(_title(sweep), card(_headline(sweep), _body(sweep, BEST_IN_REPORT), figure=_figure(sweep)))


def _figure(sweep: SweepResult) -> hv.Overlay:
    return sweep_chart(sweep.table, sweep.parameters, METRIC, label=facts.METRICS[METRIC])


def _title(sweep: SweepResult) -> str:
    return f"{sweep.strategy.name}: sweep over {' × '.join(sweep.parameters)}"


def _headline(sweep: SweepResult) -> Html:
    best = ", ".join(f"{name}={value}" for name, value in sweep.best_parameters.items())
    sessions = sweep.best_result.nav.index
    extent = f"{day(sessions[0])} to {day(sessions[-1])} · {count(len(sweep.instruments), 'instrument')}"
    found = f"Best of {count(sweep.trials, 'trial')}: {best} with a Sharpe ratio of {number(sweep.best[METRIC])}"
    return facts.headline(_title(sweep), (found, extent), sweep.source)


def _body(sweep: SweepResult, shown: int) -> Html:
    costs = sweep.costs.describe()
    return join(
        (
            element("p", sweep.verdict.sentence),
            element("p", _luck(sweep)),
            facts.warnings(sweep.notes, sweep.execution),
            chart(f"Sharpe ratio over {' and '.join(sweep.parameters)}; a ring marks the best trial"),
            _best_trials(sweep, shown),
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
    deflated = percent(sweep.deflated_sharpe)
    expected = f"by luck alone the best of so many would show {number(sweep.expected_maximum_sharpe)}"
    if sweep.cumulative_trials is None:
        return f"Deflated Sharpe ratio {deflated} over {count(sweep.trials, 'uncounted trial')}; {expected}."
    return (
        f"Deflated Sharpe ratio {deflated} over {count(sweep.cumulative_trials, 'trial')} counted in all; {expected}. "
        f"Over the {sweep.trials:,} of this sweep alone: {percent(sweep.deflated_sharpe_of_sweep)}."
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
