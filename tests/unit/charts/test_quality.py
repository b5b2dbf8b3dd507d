"""The quality of an ingest in a cell: the verdict, the findings, and where and when they lie."""

from datetime import UTC, date, datetime
from pathlib import Path

import holoviews as hv
import pytest

from investlab.charts.embed import figure_json
from investlab.charts.findings import COLOURS, findings_chart
from investlab.charts.quality import QualityRenderer
from investlab.core.extensions import RENDERERS, load_extension
from investlab.market.ingest_quality import IngestQuality
from investlab.schemas.quality import Finding, QualityReport, Severity, Tally
from tests.unit.charts.values import HOSTILE


def finding(severity: Severity, check: str, symbol: str = "AAA", count: int = 3) -> Finding:
    return Finding(
        check=check,
        severity=severity,
        count=count,
        sentence=f"what {check} means",
        examples=(f"{symbol} 2020-01-03",),
        instruments=1,
        by_period={"2020-01": count},
        tallies=(Tally(symbol=symbol, period="2020-01", count=count),),
    )


def make_quality(*findings: Finding, dataset: str = "us", quarantined: int = 3) -> IngestQuality:
    report = QualityReport(
        bars=1000,
        findings=findings,
        instruments=2,
        first_session=date(2020, 1, 2),
        last_session=date(2020, 12, 31),
        quarantined=quarantined,
    )
    return IngestQuality(dataset, "in-0123456789ab", "files", "completed", datetime(2026, 1, 1, tzinfo=UTC), report)


ALL = tuple(finding(severity, f"check_{severity}") for severity in Severity)


def test_it_finds_its_renderer_by_name() -> None:
    assert load_extension(RENDERERS, IngestQuality.renderer) is not None


@pytest.mark.slow
def test_a_cell_says_verdict_findings_and_run() -> None:
    html = QualityRenderer.html(make_quality(*ALL))
    for said in ("Rejected", "none of its bars were stored", "check_reject", "AAA 2020-01-03", "in-0123456789ab"):
        assert said in html
    assert html.count("<script>") == 1


@pytest.mark.slow
def test_severities_differ_by_colour_and_mark() -> None:
    quality = make_quality(*ALL)
    html, figure = QualityRenderer.html(quality), figure_json(findings_chart(quality.found))
    for severity, sign in zip(Severity, ("⊠ rejects", "◆ quarantine", "● warning"), strict=True):
        assert sign in html
        assert COLOURS[severity] in figure
    for marker in ("square_x", "diamond", "circle"):
        assert f'"value":"{marker}"' in figure


@pytest.mark.slow
def test_a_report_is_a_page_that_reaches_no_host(tmp_path: Path) -> None:
    quality = make_quality(*ALL)
    page = quality.report(tmp_path / "quality.html").read_text(encoding="utf-8")
    assert page == quality.to_html()
    assert page.startswith("<!doctype html>")
    assert "http://" not in page
    assert "https://" not in page


def test_sound_bars_say_that_nothing_was_found() -> None:
    html = QualityRenderer.html(make_quality(quarantined=0))
    assert "Nothing was found" in html
    assert "Accepted" in html
    assert "<script>" not in html


@pytest.mark.slow
def test_hostile_names_are_escaped() -> None:
    hostile = finding(Severity.WARN, "jumps", symbol=HOSTILE)
    html = QualityRenderer.html(make_quality(hostile, dataset=HOSTILE))
    assert HOSTILE not in html


def test_findings_of_an_earlier_version_show_without_a_chart() -> None:
    old = Finding(check="jumps", severity=Severity.WARN, count=2, sentence="closes that moved", examples=("AAA",))
    html = QualityRenderer.html(make_quality(old))
    assert "closes that moved" in html
    assert "<script>" not in html


def test_the_plot_stacks_severities_and_marks_instruments() -> None:
    chart = findings_chart(make_quality(*ALL).found)
    columns, marks = list(chart)
    assert isinstance(columns, hv.Overlay)
    tops = [part.dimension_values("top")[0] for part in columns]
    assert tops == [3, 6, 9]
    assert [len(part) for part in marks] == [1, 1, 1]


def test_findings_are_rows_and_a_table() -> None:
    quality = make_quality(*ALL)
    assert list(quality.findings.columns) == ["severity", "check", "count", "instruments", "finding", "examples"]
    assert quality.rows()[0]["severity"] == "reject"
    assert (quality.quarantined, "rejected" in repr(quality)) == (3, True)
