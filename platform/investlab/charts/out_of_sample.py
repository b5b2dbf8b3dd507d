"""How a walk-forward shows itself: what was chosen, what it earned afterwards, and how steady the choices were."""

from collections.abc import Mapping
from typing import Any

import holoviews as hv
import holoviews.plotting.bokeh  # registers the drawing backend; it shows and injects nothing
import numpy as np
import pandas as pd

from investlab.backtest.walk_forward_result import BUY_AND_HOLD, HINDSIGHT, WALK_FORWARD, WalkForwardResult
from investlab.charts import facts, style
from investlab.charts.embed import card, chart, show_in_jupyter
from investlab.charts.markup import Html, element, join, table
from investlab.charts.pages import page
from investlab.charts.units import count, day, money, number, percent

COLOURS = {WALK_FORWARD: style.BLUE, HINDSIGHT: style.SERIES_COLOURS[1], BUY_AND_HOLD: style.GREY}
NAMES = {WALK_FORWARD: "Out of sample", HINDSIGHT: "Best in hindsight (in sample)", BUY_AND_HOLD: "Buy and hold"}
DASHES = {WALK_FORWARD: "solid", HINDSIGHT: "dashed", BUY_AND_HOLD: "solid"}
CHOICE_HEIGHT = 130
MAX_TICKS = 5
LOG_FROM_RATIO = 8.0


class WalkForwardRenderer:
    """Renders a `WalkForwardResult`."""

    @staticmethod
    def html(result: WalkForwardResult) -> str:
        """Return the equity out of sample and in hindsight, the choices, and a table of the windows."""
        return _walk_card(result)

    @staticmethod
    def plot(result: WalkForwardResult) -> hv.Layout:
        """Return the equity curves over the choices by window."""
        return show_in_jupyter(walk_chart(result))

    @staticmethod
    def report(result: WalkForwardResult) -> str:
        """Return a page with the cell's content."""
        return page(_walk_title(result), _walk_card(result))


def walk_chart(result: WalkForwardResult) -> hv.Layout:
    """Return the three equity curves over the place of each chosen parameter in its grid."""
    charts = [_equity_chart(result), *(_choice_chart(result, name) for name in result.parameters)]
    return hv.Layout(charts).cols(1)


def _equity_chart(result: WalkForwardResult) -> hv.Overlay:
    equity = result.equity
    frame = pd.DataFrame({"session": equity.index, **{name: equity[name].to_numpy() for name in equity}})
    columns = {name: f"level_{place}" for place, name in enumerate(NAMES)}
    frame = frame.rename(columns=columns)
    currency = result.source.currency
    rows = [(NAMES[name], f"{currency} @{columns[name]}{{0,0}}") for name in NAMES]
    layers = []
    for name in (BUY_AND_HOLD, HINDSIGHT, WALK_FORWARD):
        carried = [columns[name], *(column for column in columns.values() if column != columns[name])]
        line = hv.Curve(frame, "session", carried if name == WALK_FORWARD else columns[name], label=NAMES[name])
        width = 1.9 if name == WALK_FORWARD else 1.3
        layers.append(line.opts(color=COLOURS[name], line_width=width, line_dash=DASHES[name]))
    layers[-1] = layers[-1].opts(
        tools=["hover"],
        hover_tooltips=style.tooltip(("Session", "@session{%F}"), *rows),
        hover_formatters=style.SESSION_FORMATTER,
        hover_mode="vline",
    )
    options = curve_options(equity.to_numpy(), f"NAV, {currency}")
    hooks = [style.finish, style.first_line_first]
    return hv.Overlay(layers).opts(**{**options, "hooks": hooks, "legend_position": "top", "legend_cols": 3})


def curve_options(values: np.ndarray, title: str) -> dict[str, Any]:
    """Return the options of a chart of curves by session, logarithmic where they span decades."""
    logarithmic = bool(values.min() > 0.0 and values.max() / values.min() > LOG_FROM_RATIO)
    return style.frame_options(
        style.EQUITY_HEIGHT,
        f"{title} (log scale)" if logarithmic else title,
        logy=logarithmic,
        yticks=style.log_steps(values) if logarithmic else 6,
        yformatter=style.numeral("0,0" if values.max() > LOG_FROM_RATIO else "0.00"),
        xformatter=style.dates(),
        show_grid=True,
        padding=(0.0, 0.06),
    )


def _choice_chart(result: WalkForwardResult, name: str) -> hv.Overlay:
    """Return one parameter's place in the grid over the tests, as steps that change at the borders.

    The axis has a name of its own, for HoloViews links axes of one name, and only the sessions are to be linked.
    """
    windows, places = result.windows, result.stability[f"{name} step"].to_numpy()
    place = f"place_{result.parameters.index(name)}"
    frame = pd.DataFrame(
        {
            "session": np.append(windows["test_start"].to_numpy(), windows["test_end"].to_numpy()[-1:]),
            place: np.append(places, places[-1:]).astype(np.float64),
            "value": [value_text(value) for value in (*windows[name], windows[name].iloc[-1])],
        }
    )
    steps = hv.Curve(frame, "session", place).opts(color=style.BLUE, line_width=1.6, interpolation="steps-post")
    dots = hv.Points(frame.iloc[:-1], ["session", place], ["value"]).opts(
        color=style.BLUE,
        size=5,
        tools=["hover"],
        hover_tooltips=style.tooltip(("Test from", "@session{%F}"), (name, "@value")),
        hover_formatters=style.SESSION_FORMATTER,
    )
    return hv.Overlay([steps, dots]).opts(
        **style.frame_options(
            CHOICE_HEIGHT,
            f"Chosen {name}",
            xformatter=style.dates(),
            yticks=_ticks(places, frame["value"].tolist()),
            ylim=(float(places.min()) - 0.8, float(places.max()) + 0.8),
            show_grid=True,
            show_legend=False,
        )
    )


def _ticks(places: np.ndarray, values: list[str]) -> list[tuple[int, str]]:
    """Return places with their values, far enough from each other to be read."""
    labels = dict(sorted(zip(places.tolist(), values, strict=False)))
    apart = max(1, -(-(max(labels) - min(labels)) // (MAX_TICKS - 1)))
    shown: list[tuple[int, str]] = []
    for place, value in labels.items():
        if not shown or place - shown[-1][0] >= apart:
            shown.append((place, value))
    return shown


def _walk_card(result: WalkForwardResult) -> Html:
    return card(_walk_headline(result), _walk_body(result), figure=walk_chart(result))


def _walk_title(result: WalkForwardResult) -> str:
    return f"{result.strategy.name}: walk-forward over {count(len(result.windows), 'window')}"


def _walk_headline(result: WalkForwardResult) -> Html:
    nav, plan = result.out_of_sample.nav, result.plan
    kind = "all sessions before" if plan.anchored else count(plan.train, "session")
    extent = f"Tested {day(nav.index[1])} to {day(nav.index[-1])} · trained on {kind}, tested on the next {plan.test}"
    return facts.headline(_walk_title(result), (extent,), result.source)


def _walk_body(result: WalkForwardResult) -> Html:
    account = result.out_of_sample
    costs = account.costs.describe()
    return join(
        (
            facts.metric_tiles(account.metrics, result.source.currency),
            element("p", result.verdict.sentence),
            element("p", _steadiness(result)),
            facts.warnings(result.notes, account.execution),
            chart("Equity out of sample, in hindsight and of buy-and-hold; below it the parameters chosen"),
            _comparison(result),
            _windows(result),
            facts.facts(
                [
                    ("Costs", facts.costs_text(costs)),
                    ("Execution", facts.EXECUTION[account.execution]),
                    ("Basis", facts.BASIS[account.basis]),
                    ("Trials", trials_text(len(result.trials), result.cumulative_trials)),
                    *facts.lineage(result.source, account.panel_id, result.run_id, result.code_identity),
                    ("Result", facts.code(result.hash)),
                ]
            ),
            facts.remarks(result.notes, without=[costs]),
        )
    )


def _steadiness(result: WalkForwardResult) -> str:
    """Say how steady the choices were and what changing them cost."""
    currency = result.source.currency
    if len(result.windows) < 2:
        return "One window: nothing can be said about how steady its choice is."
    return (
        f"{percent(result.share_kept, 0)} of the windows keep the parameters of the one before; choices move "
        f"{number(result.mean_grid_steps)} grid steps on average. Changing them traded "
        f"{percent(result.switch_turnover, 0)} of the NAV in all and cost {money(result.switch_costs, currency)}. "
        f"The tests kept {percent(result.sharpe_kept, 0)} of the Sharpe ratio in training."
    )


def _comparison(result: WalkForwardResult) -> Html:
    names = {"sharpe": "Sharpe ratio", "total_return": "Total return", "volatility": "Volatility"}
    names |= {"max_drawdown": "Max. drawdown"}
    best = ", ".join(f"{name}={value}" for name, value in result.hindsight_parameters.items())
    rows = [
        [f"{NAMES[curve]}: {best}" if curve == HINDSIGHT else NAMES[curve], *(_measure(row, name) for name in names)]
        for curve, row in zip(result.comparison.index, result.comparison.to_dict("records"), strict=True)
    ]
    return table(["", *names.values()], rows, "Over all tests")


def _measure(row: Mapping[Any, Any], name: str) -> Html:
    value = float(row[name])
    return facts.judged(value, number(value) if name == "sharpe" else percent(value))


def _windows(result: WalkForwardResult) -> Html:
    score = f"train_{result.criterion}"
    extra = [] if score == "train_sharpe" else [score, f"test_{result.criterion}"]
    rows = [
        [
            str(window),
            f"{day(row['train_start'])} – {day(row['train_end'])}",
            f"{day(row['test_start'])} – {day(row['test_end'])}",
            *(value_text(row[name]) for name in result.parameters),
            *(number(row[name]) for name in extra),
            *(facts.judged(row[name], number(row[name])) for name in ("train_sharpe", "test_sharpe")),
            *(facts.judged(row[name], percent(row[name])) for name in ("test_total_return", "test_max_drawdown")),
            percent(row["test_rank"], 0),
            money(row["switch_costs"], result.source.currency),
        ]
        for window, row in zip(result.windows.index, result.windows.to_dict("records"), strict=True)
    ]
    header = ["", "Training", "Test", *result.parameters, *(name.replace("_", " ") for name in extra)]
    header += ["Sharpe in training", "Sharpe in test", "Return", "Max. drawdown", "Rank", "Cost of switching"]
    return table(header, rows, "Windows; rank is the share of trials that do worse in the test")


def trials_text(own: int, counted: int | None) -> str:
    """Return how many trials there were, and how many the ledger counts."""
    return f"{own:,} uncounted" if counted is None else f"{own:,}; {counted:,} counted in all"


def value_text(value: object) -> str:
    """Return a parameter as text."""
    return f"{value:g}" if isinstance(value, float) else str(value)
