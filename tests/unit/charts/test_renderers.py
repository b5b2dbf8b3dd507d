"""Fragments and reports: complete in themselves, escaped, with units, and readable without scripts."""

import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import bokeh
import holoviews as hv
import pandas as pd
import pytest

from investlab.backtest.strategies import StrategyDescription
from investlab.charts.embed import NEEDS_SCRIPTS
from investlab.charts.facts import SYNTHETIC, facts
from investlab.charts.pages import document
from investlab.core.display import Displayable
from investlab.schemas.backtest import Execution
from tests.unit.charts.values import HOSTILE, METRICS, SOURCE, make_fills, make_panel, make_result, make_sweep

pytestmark = pytest.mark.slow  # each draws and embeds a whole card

ROOT = Path(__file__).resolve().parents[3]
LIMIT_BYTES = 1_600_000
SHOWN = [
    pytest.param(make_result, id="backtest"),
    pytest.param(make_sweep, id="sweep"),
    pytest.param(make_panel, id="panel"),
]


class Visible(HTMLParser):
    """Collects the text a reader without scripts sees, and the tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self._hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self._hidden = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text += data.replace("\u00a0", " ") + " "


def read(html: str) -> Visible:
    page = Visible()
    page.feed(html)
    return page


def html_of(value: Displayable) -> str:
    return value._repr_html_()


def report_of(value: Displayable, tmp_path: Path) -> str:
    return value.report(tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("make", SHOWN)
def test_a_fragment_reaches_no_host(make: Any) -> None:
    assert not re.findall(r"https?://|src=|href=|url\(|@import", html_of(make()))


@pytest.mark.parametrize("make", SHOWN)
def test_a_report_reaches_no_host(make: Any, tmp_path: Path) -> None:
    page = report_of(make(), tmp_path)
    assert page.startswith("<!doctype html>")
    assert not re.findall(r"https?://|src=|href=|url\(|@import", page)
    assert "default-src &#x27;none&#x27;" in page


@pytest.mark.parametrize("make", SHOWN)
def test_a_fragment_carries_bokehjs_once_behind_a_guard(make: Any) -> None:
    html = html_of(make())
    assert html.count("if (!bokeh()) await") == 1
    assert html.count(f'"{bokeh.__version__}", "') == 1
    assert read(html).tags.count("script") == 1


@pytest.mark.parametrize("make", SHOWN)
def test_without_scripts_a_line_says_how_to_see_the_chart(make: Any) -> None:
    assert NEEDS_SCRIPTS in read(html_of(make())).text


@pytest.mark.parametrize("make", SHOWN)
def test_equal_values_give_equal_html(make: Any) -> None:
    assert html_of(make()) == html_of(make())


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(lambda: make_result(8313), id="33-years"),
        pytest.param(lambda: make_panel(20, 8313), id="20-instruments"),
        pytest.param(lambda: make_sweep({"a": list(range(100)), "b": list(range(100))}), id="10000-trials"),
    ],
)
def test_a_fragment_stays_small(value: Any) -> None:
    assert len(html_of(value()).encode()) < LIMIT_BYTES


def test_metrics_have_their_units_and_signs() -> None:
    said = read(html_of(make_result())).text
    for term, value in {
        "Total return": "+50.0%",
        "CAGR": "+12.3%",
        "Volatility": "20.0%",
        "Sharpe ratio": "−0.61",
        "Max. drawdown": "−25.0%",
        "Turnover": "3.20×",
        "Costs paid": "USD 12,346",
        "Exposure": "98.0%",
    }.items():
        assert f"{term} {value}" in said


def test_gains_and_losses_differ_by_more_than_colour() -> None:
    html = html_of(make_result())
    assert '<span class="il-good">+12.3%</span>' in html
    assert '<span class="il-bad">−0.61</span>' in html


def test_a_result_says_what_it_stands_on() -> None:
    said = read(html_of(make_result())).text
    for part in (
        "monthly_momentum(k=5, skip=21)",
        "Buys k winners.",
        "5 bps commission, 2 bps slippage",
        "At the next session's open",
        "Total-return prices",
        "us-close@3, as of 2021-12-31 21:00 UTC",
        "Fills 3",
        "bt-0123456789ab",
        "Sharpe ratio: ddof 1.",
    ):
        assert part in said
    assert said.count("5 bps commission") == 1


def test_an_unrecorded_result_of_frames_says_so() -> None:
    said = read(html_of(make_result(run_id=None, source=replace(SOURCE, dataset_version=None)))).text
    assert "Run Not recorded" in said
    assert "Data a test" in said


@pytest.mark.parametrize("make", [make_result, make_sweep])
def test_same_close_warns(make: Any) -> None:
    assert 'class="il-warning"' in html_of(make(execution=Execution.SAME_CLOSE))
    assert 'class="il-warning"' not in html_of(make())


def test_a_warning_among_the_notes_is_shown_once() -> None:
    note = "Warning: same_close assumes trading on the very close that produced the signal; no real order can do that."
    said = read(html_of(make_result(execution=Execution.SAME_CLOSE, notes=(note,)))).text
    assert said.count("same_close") == 1


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(lambda synthetic: make_result(source=replace(SOURCE, synthetic=synthetic)), id="backtest"),
        pytest.param(lambda synthetic: make_sweep(source=replace(SOURCE, synthetic=synthetic)), id="sweep"),
        pytest.param(lambda synthetic: make_panel(synthetic=synthetic), id="panel"),
    ],
)
def test_synthetic_data_is_labelled(value: Any) -> None:
    assert SYNTHETIC in read(html_of(value(True))).text
    assert SYNTHETIC not in read(html_of(value(False))).text


def test_a_result_of_one_session_without_fills_shows_dashes(tmp_path: Path) -> None:
    result = make_result(1, fills=make_fills(pd.DatetimeIndex([])), metrics=dict.fromkeys(METRICS, float("nan")))
    said = read(report_of(result, tmp_path)).text
    assert "Sharpe ratio –" in said
    assert "Costs paid –" in said
    assert "There were no fills." in said
    assert "nan" not in said.lower()


def test_the_first_months_return_counts_from_the_initial_cash(tmp_path: Path) -> None:
    """What fills on the first session cost is not lost between the cash and the first value."""
    plain = make_result(300)
    result = make_result(300, initial_cash=plain.nav.iloc[0] * 1.25)
    first_month = result.nav["2015-01"].iloc[-1] / result.initial_cash - 1
    assert f"2015 {100 * first_month:+.1f}".replace("-", "−") in read(report_of(result, tmp_path)).text


def test_a_report_adds_returns_by_month_and_the_last_fills(tmp_path: Path) -> None:
    result = make_result(300, fills=make_fills(make_result(300).nav.index[:30]))
    said = read(report_of(result, tmp_path)).text
    first_month = result.nav["2015-01"].iloc[-1] / result.nav.iloc[0] - 1
    february = result.nav["2015-02"].iloc[-1] / result.nav["2015-01"].iloc[-1] - 1
    assert f"2015 {100 * first_month:+.1f} {100 * february:+.1f}".replace("-", "−") in said
    assert "Last 20 of 30 fills" in said


def test_a_report_says_why_each_fill_was_made(tmp_path: Path) -> None:
    fills = make_fills(make_result(300).nav.index[:2]).assign(reason=["signal", "stop_loss"])
    said = read(report_of(make_result(300, fills=fills), tmp_path)).text
    assert "Reason" in said
    assert "stop loss" in said


def test_uncounted_trials_are_called_so_and_counted_ones_shown_twice() -> None:
    assert "over 9 uncounted trials" in read(html_of(make_sweep())).text
    said = read(html_of(make_sweep(counted=True, cumulative_trials=1234))).text
    assert "over 1,234 trials counted in all" in said
    assert "Over the 9 of this sweep alone" in said


def test_a_sweep_lists_its_best_trials_and_who_computed_them() -> None:
    said = read(html_of(make_sweep())).text
    assert "sma_cross: sweep over fast × slow" in said
    assert "Best of 9 trials: fast=5, slow=50" in said
    assert "ray, 2 workers, 0.50 s, 18 combinations/s" in said


def test_a_panel_says_what_it_holds() -> None:
    said = read(html_of(make_panel(20, 300))).text
    for part in ("300 sessions × 20 instruments", "Fields close", "and 8 more", "Missing None", "Panel pn-"):
        assert part in said


def hostile_values() -> list[Displayable]:
    source = replace(SOURCE, dataset=HOSTILE, origin=HOSTILE, licence=HOSTILE, biases=(HOSTILE,))
    strategy = StrategyDescription(HOSTILE, HOSTILE, {HOSTILE: HOSTILE}, HOSTILE)
    fills = make_fills(make_result().nav.index[:2], symbol=HOSTILE)
    named = {"source": source, "strategy": strategy, "notes": (HOSTILE, f"Warning {HOSTILE}"), "run_id": HOSTILE}
    panel = make_panel(symbol=HOSTILE)
    return [
        make_result(fills=fills, **named),
        make_sweep({HOSTILE: [HOSTILE, "b"], "n": [1, 2]}, reason=HOSTILE, **named),
        replace(panel, source=replace(source, currency=HOSTILE)),
    ]


@pytest.mark.parametrize("number", range(3))
def test_hostile_text_never_becomes_markup(number: int, tmp_path: Path) -> None:
    value = hostile_values()[number]
    for html in (html_of(value), report_of(value, tmp_path)):
        page = read(html)
        assert "<img" not in html
        assert "img" not in page.tags
        assert "onerror" not in page.attributes
        assert page.tags.count("script") == 1
        assert HOSTILE in page.text


def test_a_document_escapes_title_lineage_and_content() -> None:
    page = document(HOSTILE, [("Data", HOSTILE)], HOSTILE, facts([("Run", HOSTILE)]))
    assert "<img" not in page
    assert "script" not in read(page).tags
    assert read(page).text.count(HOSTILE) == 5


@pytest.mark.parametrize(
    ("make", "kind"), [(make_result, hv.Layout), (make_sweep, hv.Overlay), (make_panel, hv.Overlay)]
)
def test_plots_are_holoviews_objects_that_jupyter_shows(make: Any, kind: type) -> None:
    figure = make().plot()
    assert isinstance(figure, kind)
    data, _ = figure._repr_mimebundle_()
    assert "il-chart" in data["text/html"]


def test_holoviews_own_display_replaces_ours() -> None:
    make_panel().plot()
    hooks = hv.Store._display_hooks["html+js"]
    assert list(hooks) == [hv.core.data.LabelledData]


def test_importing_charts_prints_and_injects_nothing() -> None:
    probe = "import investlab.charts.results, investlab.charts.sweeps, investlab.charts.panels"
    outcome = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert (outcome.stdout, outcome.stderr) == ("", "")


def test_script_and_style_are_packed_with_the_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packed = settings["tool"]["setuptools"]["package-data"]["investlab"]
    assert {"charts/static/*.js", "charts/static/*.css"} <= set(packed)
