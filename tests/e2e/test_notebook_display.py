"""Results in a real browser: drawn from a file on disk, without a network, on light and dark pages."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import nbformat
import pytest
from nbconvert import HTMLExporter

from investlab.backtest.costs import Costs
from investlab.backtest.engine import run_strategy
from investlab.backtest.strategies import SmaCross
from investlab.charts.embed import NEEDS_SCRIPTS
from tests.support.browser import Visit, visit
from tests.support.panels import random_panel
from tests.unit.charts.values import HOSTILE, SOURCE, make_panel, make_result, make_sweep

pytestmark = pytest.mark.browser

PATIENCE_MS = 60_000

ELEMENTS = """() => {
  const found = [];
  const walk = (node) => {
    if (node.tagName) found.push(node);
    if (node.shadowRoot) walk(node.shadowRoot);
    for (const child of node.children) walk(child);
  };
  walk(document.body);
  return found;
}"""
"""Every element of the page, those in shadow roots too."""

CANVASES = f"() => ({ELEMENTS})().filter((element) => element.tagName === 'CANVAS')"

COLOURS = f"""(wanted) => {{
  const seen = wanted.map(() => 0);
  for (const canvas of ({CANVASES})()) {{
    if (!canvas.width || !canvas.height) continue;
    const {{ data }} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    for (let at = 0; at < data.length; at += 4)
      wanted.forEach(([r, g, b], n) => {{
        if (data[at] === r && data[at + 1] === g && data[at + 2] === b && data[at + 3] === 255) seen[n] += 1;
      }});
  }}
  return seen;
}}"""

TITLES = "() => Bokeh.documents.flatMap((d) => [...d.all_models]).filter((m) => m.type === 'Title').map((m) => m.text)"

TOOLTIP_SHOWN = f"() => ({ELEMENTS})().some((e) => e.matches('.bk-Tooltip') && e.checkVisibility())"

RERUN = """(html) => {
  const cell = document.createElement("div");
  document.body.append(cell);
  cell.innerHTML = html;
  for (const old of cell.querySelectorAll("script")) {
    const script = document.createElement("script");
    script.textContent = old.textContent;
    old.replaceWith(script);
  }
}"""
"""What JupyterLab does with the HTML of a cell that is run again."""


def write_page(path: Path, *outputs: str) -> str:
    path.write_text("<!doctype html><meta charset=utf-8><body>" + "<hr>".join(outputs), encoding="utf-8")
    return path.as_uri()


def wait_until_drawn(opened: Visit, cards: int) -> None:
    opened.page.wait_for_function(
        "(cards) => document.querySelectorAll('.il-card[data-drawn]').length === cards",
        arg=cards,
        timeout=PATIENCE_MS,
    )
    opened.page.wait_for_function(f"() => ({CANVASES})().some((canvas) => canvas.width > 0)", timeout=PATIENCE_MS)


@pytest.mark.parametrize(("theme", "blue"), [("light", (0x00, 0x72, 0xB2)), ("dark", (0x3C, 0x9B, 0xD6))])
def test_two_outputs_draw_from_disk(
    theme: Literal["light", "dark"], blue: tuple[int, int, int], tmp_path: Path
) -> None:
    address = write_page(tmp_path / "page.html", make_result()._repr_html_(), make_sweep()._repr_html_())
    with visit(theme=theme) as opened:
        opened.page.goto(address)
        wait_until_drawn(opened, cards=2)
        opened.page.wait_for_function(f"(wanted) => ({COLOURS})(wanted)[0] > 100", arg=[blue], timeout=PATIENCE_MS)
        opened.page.screenshot(path=tmp_path / "page.png", full_page=True)
        assert {"NAV, USD", "Drawdown", "Sharpe ratio over fast and slow"} <= set(opened.page.evaluate(TITLES))
        assert all(pixels > 100 for pixels in opened.page.evaluate(COLOURS, [blue, (0xD5, 0x5E, 0x00)]))
        assert opened.page.evaluate("Object.keys(window.investlabBokeh).length") == 1
        assert not opened.page.locator(".il-needs-scripts").count()
        assert (opened.complaints, opened.refused) == ([], [])


@pytest.mark.parametrize("width", [1200, 700])
def test_nothing_is_wider_than_the_page(width: int, tmp_path: Path) -> None:
    address = write_page(tmp_path / "page.html", make_result()._repr_html_(), make_panel()._repr_html_())
    with visit(width=width) as opened:
        opened.page.goto(address)
        wait_until_drawn(opened, cards=2)
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_cell_run_again_draws_again(tmp_path: Path) -> None:
    html = make_result()._repr_html_()
    with visit() as opened:
        opened.page.goto(write_page(tmp_path / "page.html", html))
        wait_until_drawn(opened, cards=1)
        opened.page.evaluate("window.loadedFirst = window.Bokeh")
        opened.page.evaluate(RERUN, html)
        wait_until_drawn(opened, cards=2)
        assert opened.page.evaluate("window.loadedFirst === window.Bokeh")
        assert opened.complaints == []


def test_charts_follow_a_change_of_theme(tmp_path: Path) -> None:
    ink = "() => Bokeh.documents.flatMap((d) => [...d.all_models]).find((m) => m.type === 'LinearAxis')"
    with visit() as opened:
        opened.page.goto(write_page(tmp_path / "page.html", make_result()._repr_html_()))
        wait_until_drawn(opened, cards=1)
        light = opened.page.evaluate(f"({ink})().major_label_text_color")
        opened.page.evaluate("document.body.dataset.jpThemeLight = 'false'")
        opened.page.wait_for_function(
            f"(light) => ({ink})().major_label_text_color !== light", arg=light, timeout=PATIENCE_MS
        )


def test_an_exported_notebook_draws_without_a_network(tmp_path: Path) -> None:
    output = nbformat.v4.new_output("display_data", {"text/html": make_result()._repr_html_()})
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("result", outputs=[output])])
    html, _ = HTMLExporter().from_notebook_node(notebook)
    path = tmp_path / "notebook.html"
    path.write_text(html, encoding="utf-8")
    with visit() as opened:
        opened.page.goto(path.as_uri())
        wait_until_drawn(opened, cards=1)
        unexpected = [complaint for complaint in opened.complaints if "Failed to load resource" not in complaint]
        assert unexpected == []
        assert {address.split("/")[2] for address in opened.refused} <= {"cdnjs.cloudflare.com"}  # nbconvert's own


def test_a_report_draws_under_its_own_policy(tmp_path: Path) -> None:
    path = make_result().report(tmp_path / "report.html")
    with visit() as opened:
        opened.page.goto(path.as_uri())
        wait_until_drawn(opened, cards=1)
        assert (opened.complaints, opened.refused) == ([], [])


def test_without_scripts_the_numbers_are_there(tmp_path: Path) -> None:
    with visit(scripts=False) as opened:
        opened.page.goto(write_page(tmp_path / "page.html", make_result()._repr_html_()))
        said = opened.page.inner_text("body")
        assert NEEDS_SCRIPTS in said
        assert "+12.3%" in said


def test_hostile_names_run_nothing(tmp_path: Path) -> None:
    source = replace(SOURCE, dataset=HOSTILE, currency=HOSTILE)
    result = make_result(source=source, notes=(HOSTILE,))
    sweep = make_sweep({HOSTILE: [1, 2], "n": [1, 2]}, source=source)
    cards = [result._repr_html_(), sweep._repr_html_(), make_panel(symbol=HOSTILE)._repr_html_()]
    dialogs: list[str] = []
    with visit(height=2400) as opened:
        opened.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        opened.page.goto(write_page(tmp_path / "page.html", *cards))
        wait_until_drawn(opened, cards=3)
        for chart in opened.page.locator(".il-chart").all():
            size = chart.bounding_box()
            assert size is not None
            chart.hover(position={"x": size["width"] * 0.4, "y": size["height"] * 0.4})
            opened.page.wait_for_function(TOOLTIP_SHOWN, timeout=PATIENCE_MS)
        assert dialogs == []
        assert not opened.page.locator("img[src=x]").count()
        assert opened.complaints == []


def test_a_tear_sheet_draws_and_its_choosers_choose(tmp_path: Path) -> None:
    traded = run_strategy(SmaCross(3, 10), random_panel(1, sessions=300), costs=Costs.bps(5, 2))
    path = replace(traded, benchmark=traded.nav * 1.01).report(tmp_path / "sheet.html")
    with visit() as opened:
        opened.page.goto(path.as_uri())
        wait_until_drawn(opened, cards=1)
        before = opened.page.evaluate(TITLES)
        assert {"Drawdown", "Exposure, share of NAV", "S0, USD"} <= {title.split(";")[0] for title in before}
        assert "NAV, USD (log scale)" not in before
        opened.page.get_by_role("button", name="Log").click()
        opened.page.wait_for_function(f"() => ({TITLES})().includes('NAV, USD (log scale)')", timeout=PATIENCE_MS)
        opened.page.get_by_role("button", name="S1").click()
        opened.page.wait_for_function(
            f"() => ({TITLES})().some((title) => title.startsWith('S1, USD'))", timeout=PATIENCE_MS
        )
        assert opened.page.get_by_role("button", name="Log").get_attribute("aria-pressed") == "true"
        assert opened.page.evaluate("() => document.documentElement.scrollWidth") <= 1200
        assert (opened.complaints, opened.refused) == ([], [])


@pytest.mark.parametrize("width", [1280, 800])
def test_a_sweeps_report_draws_within_the_page(width: int, tmp_path: Path) -> None:
    path = make_sweep({"a": [1, 2, 3], "b": [1, 2, 3], "c": [1, 2]}).report(tmp_path / "sweep.html")
    with visit(width=width, theme="dark") as opened:
        opened.page.goto(path.as_uri())
        wait_until_drawn(opened, cards=1)
        titles = opened.page.evaluate(TITLES)
        assert "Sharpe ratio smoothed over neighbours" in titles
        assert any(title.startswith("Trials by Sharpe ratio") for title in titles)
        assert opened.page.evaluate("() => document.documentElement.scrollWidth") <= width
        assert (opened.complaints, opened.refused) == ([], [])
