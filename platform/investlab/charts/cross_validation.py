"""How a cross-validation shows itself: its paths, the distribution of their Sharpe ratios, and what splits chose."""

import holoviews as hv
import holoviews.plotting.bokeh  # registers the drawing backend; it shows and injects nothing
import pandas as pd

from investlab.backtest.purged_result import CrossValidationResult
from investlab.charts import facts, style
from investlab.charts.embed import card, chart, show_in_jupyter
from investlab.charts.markup import Html, element, join, table
from investlab.charts.out_of_sample import curve_options, trials_text, value_text
from investlab.charts.pages import page
from investlab.charts.units import count, day, number, percent

PATHS_DRAWN = 40
SPLITS_SHOWN = 30


class CrossValidationRenderer:
    """Renders a `CrossValidationResult`."""

    @staticmethod
    def html(result: CrossValidationResult) -> str:
        """Return the paths out of sample, the distribution of their Sharpe ratios, and a table of the splits."""
        return _cross_card(result)

    @staticmethod
    def plot(result: CrossValidationResult) -> hv.Overlay:
        """Return what one unit of money grew to on each path."""
        return show_in_jupyter(paths_chart(result))

    @staticmethod
    def report(result: CrossValidationResult) -> str:
        """Return a page with the cell's content."""
        return page(_cross_title(result), _cross_card(result))


def paths_chart(result: CrossValidationResult) -> hv.Overlay:
    """Return what one unit of money grew to on each path, of many paths on an even choice of them."""
    equity = result.equity
    step = -(-equity.shape[1] // PATHS_DRAWN)
    shown = equity.iloc[:, ::step]
    lines = [
        hv.Curve(pd.DataFrame({"session": shown.index, "grown": shown[path].to_numpy()}), "session", "grown").opts(
            color=style.BLUE, line_width=1.1, line_alpha=0.55
        )
        for path in shown
    ]
    return hv.Overlay(lines).opts(**curve_options(shown.to_numpy(), f"{count(shown.shape[1], 'path')}, start = 1"))


def _cross_card(result: CrossValidationResult) -> Html:
    return card(_cross_headline(result), _cross_body(result), figure=paths_chart(result))


def _cross_title(result: CrossValidationResult) -> str:
    return f"{result.strategy.name}: cross-validation on {count(result.plan.paths, 'path')}"


def _cross_headline(result: CrossValidationResult) -> Html:
    sessions, plan = result.paths.index, result.plan
    extent = (
        f"{day(sessions[0])} to {day(sessions[-1])} · {plan.groups} groups, {plan.test_groups} tested in each split"
    )
    return facts.headline(_cross_title(result), (extent,), result.source)


def _cross_body(result: CrossValidationResult) -> Html:
    costs = result.costs.describe()
    found = result.distribution
    row = ["Sharpe ratio", *(percent(v, 0) if n == "share below 0" else number(v) for n, v in found.items())]
    return join(
        (
            element("p", result.sentence),
            facts.warnings(result.notes, result.execution),
            chart("What one unit of money grew to on each path"),
            table(["", *(str(name) for name in found.index)], [row], "Over the paths"),
            _splits(result),
            facts.facts(
                [
                    ("Costs", facts.costs_text(costs)),
                    ("Execution", facts.EXECUTION[result.execution]),
                    ("Purge", f"{result.plan.purge} sessions, embargo {result.plan.embargo}"),
                    ("Trials", trials_text(result.trials, result.cumulative_trials)),
                    *facts.lineage(result.source, result.panel_id, result.run_id, result.code_identity),
                    ("Result", facts.code(result.hash)),
                ]
            ),
            facts.remarks(result.notes, without=[costs]),
        )
    )


def _splits(result: CrossValidationResult) -> Html:
    train, test = f"train_{result.criterion}", f"test_{result.criterion}"
    rows = [
        [
            str(split),
            row["tested"],
            *(value_text(row[name]) for name in result.parameters),
            facts.judged(row[train], number(row[train])),
            facts.judged(row[test], number(row[test])),
        ]
        for split, row in zip(result.splits.index, result.splits.to_dict("records"), strict=True)
    ]
    name = result.criterion.replace("_", " ").capitalize()
    header = ["", "Groups tested", *result.parameters, f"{name} in training", f"{name} in test"]
    caption = f"First {min(len(rows), SPLITS_SHOWN)} of {count(len(rows), 'split')}"
    return table(header, rows[:SPLITS_SHOWN], caption)
