"""Pictures of sweeps: maps, the robust region's outline, lines through all parameters."""

import holoviews as hv
import numpy as np
import pandas as pd
import panel as pn
import pytest

from investlab.backtest.stability import stability
from investlab.charts.embed import bokeh_model
from investlab.charts.parallel import MOST_LINES, drawn_trials, metric_axis, parallel_chart, parameter_axis
from investlab.charts.stability_charts import outline_segments, stability_chart
from investlab.charts.sweeps import SweepRenderer
from investlab.core.errors import NotFound
from tests.unit.charts.test_renderers import read
from tests.unit.charts.values import make_sweep

pytestmark = pytest.mark.slow  # drawing takes its time

THREE = {"a": [1, 2], "b": [1, 2, 3], "c": ["x", "y"]}


def test_a_sweep_draws_its_map_its_region_and_its_lines() -> None:
    sweep = make_sweep()
    assert isinstance(next(iter(sweep.heatmap())), hv.Image)
    assert isinstance(sweep.stability_surface(), hv.Layout)
    assert isinstance(sweep.parallel_coordinates(), hv.Overlay)


def test_a_map_is_of_the_metric_and_the_parameters_named() -> None:
    sweep = make_sweep(THREE)
    assert bokeh_model(sweep.heatmap("a", "b", metric="cagr")).title.text.startswith("CAGR over a and b (median")
    assert isinstance(next(iter(sweep.heatmap("b"))), hv.Curve)


def test_unknown_metrics_name_their_neighbours() -> None:
    with pytest.raises(NotFound, match="sharp"):
        make_sweep().heatmap(metric="sharp")


def test_the_outline_of_one_cell_is_its_four_sides() -> None:
    sides = {tuple(side) for side in outline_segments(np.array([[False, False], [False, True]]))}
    assert sides == {(0.5, 0.5, 0.5, 1.5), (1.5, 0.5, 1.5, 1.5), (0.5, 0.5, 1.5, 0.5), (0.5, 1.5, 1.5, 1.5)}


def test_no_region_has_no_outline_and_draws() -> None:
    table = pd.DataFrame({"a": [1, 2, 1, 2], "b": [1, 1, 2, 2], "sharpe": [-1.0, -2.0, -3.0, -4.0]})
    found = stability(table, ["a", "b"])
    assert outline_segments(found.plateau.to_numpy()).shape == (0, 4)
    assert bokeh_model(stability_chart(found, "Sharpe ratio"))


def test_one_parameter_is_a_line_over_its_region() -> None:
    table = pd.DataFrame({"k": [1, 2, 3], "sharpe": [0.1, 1.0, 1.0]})
    figure = stability_chart(stability(table, ["k"]), "Sharpe ratio")
    assert [type(layer) for layer in figure] == [hv.VSpan, hv.Curve, hv.Curve, hv.Points]


def test_axes_place_values_from_bottom_to_top() -> None:
    assert parameter_axis("k", pd.Series([5, 1, 9])).heights.tolist() == [0.5, 0.0, 1.0]
    axis = metric_axis("Sharpe ratio", np.array([0.0, 1.0, 2.0]), "0.00")
    assert axis.heights.tolist() == [0.0, 0.5, 1.0]
    assert [text for _, text in axis.marks] == ["0.00", "0.50", "1.00", "1.50", "2.00"]


def test_all_of_few_trials_are_drawn_and_of_many_the_best() -> None:
    assert sorted(drawn_trials(np.arange(600.0))) == list(range(600))
    many = drawn_trials(np.arange(10_000.0))
    assert len(many) <= MOST_LINES
    assert set(range(9_800, 10_000)) <= set(many)
    assert many == sorted(many)


def test_thinning_is_said() -> None:
    table = pd.DataFrame({"a": range(1000), "b": [1, 2] * 500, "sharpe": np.linspace(0, 1, 1000)})
    title = bokeh_model(parallel_chart(table, ("a", "b"), "sharpe")).title.text
    assert "of 1,000 trials drawn" in title


def test_a_report_leads_with_its_verdict_and_tells_the_region() -> None:
    sweep = make_sweep(THREE)
    html = SweepRenderer.fragment(sweep)
    said = read(html).text
    assert html.index('class="il-verdict"') < html.index("Trials over the grid")
    assert sweep.verdict.sentence in said
    assert sweep.stability().sentence in said
    assert "All parameters at once" in said


def test_two_parameters_need_no_parallel_coordinates() -> None:
    assert "All parameters at once" not in SweepRenderer.fragment(make_sweep())


def test_a_dashboard_takes_a_sweeps_report() -> None:
    assert isinstance(pn.panel(make_sweep().report()), pn.Column)
