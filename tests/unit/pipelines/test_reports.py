"""Pages load nothing from elsewhere and show text as text."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from investlab.pipelines.reports import StepLine, outside_addresses, standalone, write_run_page
from investlab.schemas.pipelines import PipelineRunInfo, PipelineStatus, StepStatus

AT = datetime(2021, 12, 31, 21, tzinfo=UTC)
RUN = PipelineRunInfo(
    run_id="r" * 32,
    pipeline="daily",
    spec_hash="s",
    spec={},
    parameters={"top": "<b>5</b>"},
    as_of=AT,
    code_identity="c" * 64,
    lock_hash="l" * 64,
    started_at=AT,
    ended_at=AT + timedelta(seconds=90),
    status=PipelineStatus.FAILED,
    error="<script>alert(1)</script>",
)


@pytest.mark.parametrize(
    "loaded",
    [
        '<script src="https://cdn.example.org/x.js"></script>',
        "<script async src=//cdn.example.org/x.js></script>",
        "<link rel='stylesheet' href='http://example.org/x.css'>",
        '<img alt="a" src="https://example.org/pixel.png"/>',
        '<iframe src="https://example.org"></iframe>',
        '<style>@import url("https://example.org/x.css"); b { background: url(//example.org/a.png) }</style>',
        '<script type="module">import m from "https://cdn.example.org/m.mjs"</script>',
    ],
)
def test_what_a_page_would_load_from_elsewhere_is_taken_out(loaded: str) -> None:
    page = f"<html><head></head><body>kept {loaded} <a href='https://example.org'>a link</a></body></html>"
    assert outside_addresses(page)
    cleaned = standalone(page)
    assert outside_addresses(cleaned) == []
    assert "kept" in cleaned
    assert "<a href='https://example.org'>" in cleaned
    assert "default-src &#x27;none&#x27;" in cleaned


def test_the_page_of_a_run_shows_its_steps_and_escapes_text(tmp_path: Path) -> None:
    line = StepLine(
        name="panel",
        notebook="02_panel.ipynb",
        status=StepStatus.SKIPPED,
        note="same notebook & data",
        seconds=1.25,
        parameters={"symbols": ["AAPL"]},
        datasets={"prices": "d" * 64, "none": None},
        run_ids=("b" * 32,),
        html_link="../x/02_panel.html",
        notebook_link=None,
    )
    write_run_page(tmp_path / "index.html", RUN, "Daily <i>run</i>", [line])
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "<i>run" not in page
    assert "<b>5" not in page
    for text in (
        "2021-12-31 21:00:00 UTC",
        "same notebook &amp; data",
        "dddddddddddd",
        'href="../x/02_panel.html"',
        "1.2",
    ):
        assert text in page
    assert outside_addresses(page) == []
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
