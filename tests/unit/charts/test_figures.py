"""Figures are HoloViews objects of the right kind, light, and readable at their extremes."""

import holoviews as hv
import numpy as np
import pandas as pd
import pytest
from bokeh.models import ColumnDataSource, HoverTool, LogScale, NumeralTickFormatter

from investlab.charts.embed import bokeh_model
from investlab.charts.figures import equity_chart, performance_chart, price_chart, price_chart_step, underwater_chart
from investlab.charts.heatmaps import Steps, sweep_chart, sweep_heatmap, sweep_line
from investlab.charts.style import tooltip
from tests.unit.charts.values import HOSTILE, make_nav, make_panel

pytestmark = pytest.mark.slow


def drawdown(nav: pd.Series) -> pd.Series:
    return nav / nav.cummax() - 1


def points(figure: hv.core.Dimensioned) -> int:
    sources = bokeh_model(figure).select({"type": ColumnDataSource})
    return sum(np.asarray(column).size for source in sources for column in source.data.values())


def make_table(**parameters: list[object]) -> pd.DataFrame:
    table = pd.MultiIndex.from_product(list(parameters.values()), names=list(parameters)).to_frame(index=False)
    return table.assign(sharpe=np.linspace(-0.5, 1.0, len(table)))


def test_equity_shows_strategy_and_benchmark() -> None:
    figure = equity_chart(make_nav(50), make_nav(50, seed=2))
    assert isinstance(figure, hv.Overlay)
    assert {curve.label for curve in figure} == {"Strategy", "Buy and hold"}


def test_equity_over_drawdown_shares_time() -> None:
    nav = make_nav(50)
    model = bokeh_model(performance_chart(nav, drawdown(nav)))
    upper, lower = (child for child, *_ in model.children)
    assert upper.x_range is lower.x_range


@pytest.mark.parametrize(("growth", "logarithmic"), [(2.0, False), (100.0, True)])
def test_the_scale_is_logarithmic_only_over_large_growth(growth: float, logarithmic: bool) -> None:
    nav = pd.Series(np.geomspace(1e5, 1e5 * growth, 50), index=make_nav(50).index)
    figure = bokeh_model(equity_chart(nav))
    assert isinstance(figure.y_scale, LogScale) is logarithmic
    assert ("log scale" in figure.title.text) is logarithmic


def test_axes_and_hover_read_as_money_and_dates() -> None:
    figure = bokeh_model(equity_chart(make_nav(50), currency="EUR"))
    assert isinstance(figure.yaxis[0].formatter, NumeralTickFormatter)
    hover = next(iter(figure.select({"type": HoverTool})))
    assert "EUR @{nav}{0,0}" in hover.tooltips
    assert hover.formatters["@{session}"] == "datetime"


@pytest.mark.parametrize("count", [1, 2])
def test_the_shortest_series_draw(count: int) -> None:
    nav = make_nav(count)
    assert bokeh_model(performance_chart(nav, drawdown(nav), nav))


def test_missing_values_draw() -> None:
    nav = make_nav(5) * np.nan
    assert bokeh_model(performance_chart(nav, nav))


def test_no_drawdown_at_all_still_has_an_axis() -> None:
    figure = bokeh_model(underwater_chart(make_nav(5) * 0))
    assert figure.y_range.start < figure.y_range.end


def test_a_heat_map_of_ten_thousand_trials_is_one_image() -> None:
    rows = [(fast, slow) for slow in range(2, 143) for fast in range(1, slow)]
    table = pd.DataFrame(rows, columns=["fast", "slow"])
    table["sharpe"] = np.sin(table["fast"] / 20)
    figure = sweep_heatmap(table, "fast", "slow", "sharpe")
    assert len(table) == 10_011
    assert isinstance(next(iter(figure)), hv.Image)
    assert points(figure) < 4 * 141 * 141


def test_the_best_cell_is_marked() -> None:
    figure = sweep_heatmap(make_table(fast=[5, 10], slow=[50, 100, 200]), "fast", "slow", "sharpe")
    rings = [layer for layer in figure if isinstance(layer, hv.Points)]
    assert [tuple(ring.array()[0]) for ring in rings] == [(1, 2), (1, 2)]


def test_the_widest_two_parameters_are_mapped_and_one_is_a_line() -> None:
    three = make_table(a=[1], b=[1, 2, 3], c=[1, 2])
    assert isinstance(next(iter(sweep_chart(three, ["a", "b", "c"], "sharpe"))), hv.Image)
    assert isinstance(next(iter(sweep_chart(three, ["a", "b"], "sharpe"))), hv.Curve)


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param({"kind": ["<b>", "{x}"], "n": [1, 2]}, id="text"),
        pytest.param({"flag": [True, False], "maybe": [None, 1]}, id="flags-and-none"),
        pytest.param({"{n}": [0.5, 1.5], "m": [1]}, id="braces"),
    ],
)
def test_any_parameter_values_draw(parameters: dict[str, list[object]]) -> None:
    assert bokeh_model(sweep_chart(make_table(**parameters), list(parameters), "sharpe"))


def test_numbers_are_placed_in_order_and_words_as_met() -> None:
    assert Steps.of(pd.Series([20, 5, 20, 1_000_000])).labels == ["5", "20", "1,000,000"]
    assert Steps.of(pd.Series(["b", "a", "b"])).labels == ["b", "a"]
    assert len(Steps.of(pd.Series(range(100))).ticks()) <= 9


def test_a_line_marks_its_best_trial() -> None:
    figure = sweep_line(make_table(n=[1, 2, 3]), "n", "sharpe")
    assert bokeh_model(figure)
    assert list(figure)[-1].array().tolist() == [[2.0, 1.0]]


def test_few_instruments_are_lines_and_many_a_range() -> None:
    assert [type(layer) for layer in price_chart(make_panel(3))] == [hv.Curve] * 3
    assert [type(layer) for layer in price_chart(make_panel(9))] == [hv.Area, hv.Curve]


def test_a_long_panel_is_drawn_thinner() -> None:
    panel = make_panel(2, sessions=6000)
    assert price_chart_step(panel) == 3
    assert points(price_chart(panel)) <= 5 * 2000


def test_a_panel_without_closes_draws_what_it_has() -> None:
    panel = make_panel(2)
    opens = type(panel)(
        panel.sessions, panel.listing, {"open": panel.values("close")}, panel.basis, panel.actions, panel.source
    )
    assert bokeh_model(price_chart(opens)).title.text == "Open, first price = 100"


def test_hover_text_is_escaped() -> None:
    shown = tooltip((HOSTILE, f"{HOSTILE} @nav{{0,0}}"))
    assert "<img" not in shown
    assert "@nav{0,0}" in shown
