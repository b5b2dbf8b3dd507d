"""Tear sheets: every part is there with the figures of analytics, exports are small and reach no host."""

import re
from dataclasses import replace
from pathlib import Path

import holoviews as hv
import numpy as np
import pandas as pd
import panel as pn
import pytest

from investlab.backtest.costs import Costs
from investlab.backtest.engine import run_strategy, simulate_signals, simulate_weights
from investlab.backtest.result import BacktestResult
from investlab.backtest.strategies import BuyAndHold, SmaCross
from investlab.backtest.tear_sheet import Luck, tear_sheet
from investlab.charts.embed import NEEDS_SCRIPTS
from investlab.charts.facts import REPLAY, SYNTHETIC
from investlab.charts.sheet_tables import bar, monthly_table
from investlab.charts.tear_sheets import MOST_INSTRUMENTS, headline, luck_sentence, tear_sheet_of
from investlab.charts.trade_marks import MOST_MARKS, Marked, trades_chart
from investlab.charts.units import percent
from investlab.core.display import Report
from tests.support.panels import make_panel, random_panel
from tests.unit.charts.test_renderers import read
from tests.unit.charts.values import make_fills, make_nav
from tests.unit.charts.values import make_panel as made_up_panel

pytestmark = pytest.mark.slow  # drawing takes its time

LIMIT_BYTES = 3_000_000
PARTS = (
    "Growth and drawdown",
    "Returns by month",
    "The usual numbers",
    "Rolling measures",
    "Distribution of returns",
    "Exposure, turnover and costs",
    "Trades",
    "Where the return came from",
    "Fills",
    "What it stands on",
)


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    panel = random_panel(1, sessions=300, actions=3)
    traded = run_strategy(SmaCross(3, 10), panel, costs=Costs.bps(5, 2))
    return replace(traded, benchmark=run_strategy(BuyAndHold(), panel).nav.rename("benchmark"))


@pytest.fixture(scope="module")
def html(result: BacktestResult) -> str:
    return tear_sheet_of(result).fragment()


@pytest.fixture(scope="module")
def said(html: str) -> str:
    return read(html).text


def test_every_part_is_there_in_order(html: str) -> None:
    assert tuple(re.findall(r'class="il-heading"[^>]*>([^<]+)<', html)) == PARTS


def test_figures_are_those_of_analytics(result: BacktestResult, said: str) -> None:
    summary, trades = result.summary()["strategy"], result.trades().statistics
    assert f"CAGR {percent(summary['cagr'], signed=True)}" in said
    assert f"Value at risk 95%, a session {percent(summary['value_at_risk_95'], 2)}" in said
    assert f"Up capture {percent(summary['up_capture'])}" in said
    assert f"Closed round trips {trades.count:,}" in said
    assert f"1 {percent(result.drawdowns_table(1)['depth'][0])}" in said
    assert f"total return of {percent(result.metrics['total_return'], signed=True)}" in said
    month = result.monthly_returns().iloc[0].dropna().iloc[0]
    assert f"{100 * month:+.1f}".replace("-", "−") in said


def test_the_probabilistic_sharpe_ratio_is_said_with_the_record_it_takes() -> None:
    enough = luck_sentence(Luck(1.0, 0.97, 5.0, 2.7))
    assert "above 0 with probability 97.0%" in enough
    assert "takes 2.7 years, so the record is long enough" in enough
    assert "too short" in luck_sentence(Luck(0.5, 0.8, 2.0, 10.8))
    assert "no record is long enough" in luck_sentence(Luck(-0.5, 0.2, 2.0, float("inf")))
    assert "> 99.9%" in luck_sentence(Luck(2.0, 0.99999, 20.0, 1.0))


def test_shown_without_a_path_it_displays_itself(result: BacktestResult, html: str) -> None:
    shown = result.report()
    assert isinstance(shown, Report)
    assert "sma_cross" in repr(shown)
    assert shown._repr_html_() == html
    assert html.startswith('<div class="il-card">')
    assert NEEDS_SCRIPTS in html


def test_a_dashboard_takes_it_as_a_panel_object(result: BacktestResult) -> None:
    column = pn.panel(result.report())
    assert isinstance(column, pn.Column)
    assert len(list(column.select(pn.pane.HoloViews))) >= 4
    assert next(iter(column.select(pn.widgets.RadioButtonGroup))).options == ["Linear", "Log"]


def test_the_scale_that_suits_comes_first() -> None:
    steady = pd.Series(np.geomspace(1e5, 9e6, 300), index=make_nav(300).index, name="nav")
    traded = run_strategy(BuyAndHold(), random_panel(1, sessions=300))
    grown = replace(traded, nav=steady.set_axis(traded.nav.index))
    assert [each.name for each in tear_sheet_of(grown).sections[0].pictures] == ["Log", "Linear"]


def test_thirty_years_of_twenty_instruments_stay_small_and_reach_no_host(tmp_path: Path) -> None:
    panel = made_up_panel(20, 7560)
    weights = np.full((7560, 20), np.nan)
    weights[::21] = np.random.default_rng(0).dirichlet(np.ones(20), len(weights[::21]))
    traded = simulate_weights(panel, weights, costs=Costs.bps(5, 5), execution="next_close")
    page = replace(traded, benchmark=traded.nav).report(tmp_path / "sheet.html").read_text(encoding="utf-8")
    assert len(page.encode()) < LIMIT_BYTES
    assert not re.findall(r"https?://|src=|href=|url\(|@import", page)
    assert f"the {MOST_INSTRUMENTS} of 20 traded instruments" in read(page).text


def test_a_page_holds_the_fragment(result: BacktestResult, html: str, tmp_path: Path) -> None:
    assert html in result.report(tmp_path / "sheet.html").read_text(encoding="utf-8")


def degenerate() -> list[BacktestResult]:
    panel = make_panel({"A": [10.0, 11.0, 12.0, 13.0]})
    nothing = np.zeros(panel.shape, dtype=bool)
    one = simulate_weights(make_panel({"A": [10.0]}), np.ones((1, 1)), execution="next_close")
    idle = simulate_signals(panel, nothing, nothing)
    traded = run_strategy(SmaCross(3, 10), random_panel(1, sessions=120))
    ruined = traded.nav.copy()
    ruined.iloc[60:] = 0.0
    return [
        one,
        idle,
        replace(traded, benchmark=traded.nav * np.nan),
        replace(traded, nav=ruined),
        replace(traded, nav=ruined - 5.0),
    ]


@pytest.mark.parametrize("number", range(5), ids=["one-session", "no-trades", "no-benchmark", "ruin", "debt"])
def test_odd_records_draw_and_say_what_is_missing(number: int) -> None:
    said = read(tear_sheet_of(degenerate()[number]).fragment()).text
    assert "What it stands on" in said
    assert "nan" not in said.lower().replace("finance", "")
    assert "inf%" not in said


def test_made_up_data_and_replays_carry_their_badges(result: BacktestResult) -> None:
    source = replace(result.source, synthetic=True)
    labelled = headline(
        replace(result, source=source, notes=("REPLAY: a past year is walked through again.", *result.notes))
    )
    assert f'<span class="il-badge">{SYNTHETIC}</span>' in labelled
    assert f'<span class="il-badge">{REPLAY}</span>' in labelled
    assert 'class="il-badge"' not in headline(replace(result, source=replace(source, synthetic=False)))


def test_of_many_fills_the_largest_are_marked_and_it_is_said() -> None:
    sessions = make_nav(700).index
    fills = make_fills(sessions).assign(value=np.arange(700.0))
    marked = Marked.of("AAPL", pd.Series(100.0, index=sessions), fills)
    assert len(marked.fills) == MOST_MARKS
    assert marked.fills["value"].min() == 700 - MOST_MARKS
    assert marked.fills["session"].is_monotonic_increasing
    assert marked.said == "the 300 largest of 700 fills"


def test_all_of_few_fills_are_marked_by_side() -> None:
    sessions = make_nav(50).index
    fills = make_fills(sessions[:4]).assign(side=["buy", "sell", "buy", "sell"])
    marked = Marked.of("AAPL", pd.Series(100.0, index=sessions), fills)
    figure = trades_chart(marked, "USD")
    marks = {layer.label: len(layer) for layer in figure if isinstance(layer, hv.Scatter)}
    assert marks == {"Bought": 2, "Sold": 2}
    assert marked.said == ""


def test_months_differ_by_sign_and_colour() -> None:
    months = pd.DataFrame([[0.10, -0.05, np.nan, 0.045]], index=[2020], columns=[1, 2, 3, "year"])
    html = monthly_table(months, None)
    assert '<td class="il-up" style="--heat:0.600">+10.0</td>' in html
    assert '<td class="il-down" style="--heat:0.300">−5.0</td>' in html
    assert '<td class="il-none">–</td>' in html
    assert "+4.5%" in html


def test_bars_start_at_a_common_zero() -> None:
    gain, loss = bar(3.0, (-1.0, 3.0)), bar(-1.0, (-1.0, 3.0))
    assert 'class="il-up" style="--start:0.2500;--share:0.7500"' in gain
    assert 'class="il-down" style="--start:0.0000;--share:0.2500"' in loss


def test_values_and_pictures_are_of_one_sheet(result: BacktestResult) -> None:
    sheet = tear_sheet(result)
    growth = tear_sheet_of(result).sections[0].pictures[0].figure
    curve = next(layer for layer in growth.traverse(lambda each: each, [hv.Curve]) if layer.label == "Strategy")
    np.testing.assert_array_equal(curve.dimension_values("nav"), sheet.nav.to_numpy())
