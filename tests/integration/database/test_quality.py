"""The quality of an ingest comes from its recorded run, and quarantined bars from beside the store."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pandas as pd
import pytest
from sqlalchemy.orm import Session

from investlab.core.errors import NotFound
from investlab.schemas.catalog import RowCounts
from investlab.schemas.quality import Finding, QualityReport, Severity
from investlab.services.context import Context
from investlab.services.quality import quality_report, quality_rows, quarantined_bars
from investlab.store.database import Database
from investlab.store.quarantine import QuarantineStore
from investlab.store.repositories import ingests
from tests.support.records import add_dataset, at, ingest_start

FOUND = Finding(
    check="jumps", severity=Severity.WARN, count=2, sentence="closes that moved", examples=("AAA 2020-01-02",)
)


def record(session: Session, run: str, minute: int, report: QualityReport | None) -> None:
    ingests.start_ingest(session, ingest_start(dataset="us", ingest_run_id=run, started_at=at(minute)))
    if report is None:
        ingests.fail_ingest(session, run, error="the disk is full", at=at(minute))
    elif report.is_acceptable:
        ingests.complete_ingest(session, run, RowCounts(new=1), quality=report.model_dump(mode="json"), at=at(minute))
    else:
        quality = report.model_dump(mode="json")
        ingests.reject_ingest(session, run, quality=quality, error="bars contradict", at=at(minute))


@pytest.fixture
def context(database: Database, tmp_path: Path) -> Context:
    """A dataset `us` with an ingest that was never checked, two that were, and one that failed after them."""
    database.write(add_dataset)
    rejected = FOUND.model_copy(update={"severity": Severity.REJECT})
    for minute, (run, report) in enumerate(
        {
            "in-first": QualityReport(bars=10, findings=(FOUND,)),
            "in-second": QualityReport(bars=20, findings=(rejected,), quarantined=1),
            "in-third": None,
        }.items(),
        start=10,
    ):
        database.write(lambda session, run=run, minute=minute, report=report: record(session, run, minute, report))
    return cast("Context", SimpleNamespace(database=database, quarantine=QuarantineStore(tmp_path / "quarantine")))


def test_the_latest_checked_ingest_is_shown(context: Context) -> None:
    quality = quality_report(context, "us")
    assert (quality.ingest_run_id, quality.status, quality.found.bars) == ("in-second", "rejected", 20)
    assert not quality.found.is_acceptable


def test_an_ingest_is_shown_by_a_beginning_of_its_id(context: Context) -> None:
    assert quality_report(context, "us", "in-f").ingest_run_id == "in-first"
    assert quality_rows(context, "us", "in-f")[0]["check"] == "jumps"


@pytest.mark.parametrize(
    ("run", "said"),
    [
        pytest.param("in-third", "before its bars were checked", id="failed"),
        pytest.param("in-none", "in-none", id="unknown"),
    ],
)
def test_a_run_without_a_report_is_an_error_that_says_so(context: Context, run: str, said: str) -> None:
    with pytest.raises(NotFound, match=said):
        quality_report(context, "us", run)


def test_a_run_of_another_dataset_is_an_error_that_names_it(context: Context) -> None:
    context.database.write(lambda session: add_dataset(session, name="other"))
    with pytest.raises(NotFound, match="of dataset 'us'"):
        quality_report(context, "other", "in-first")


def test_a_dataset_that_was_never_checked_says_so(context: Context) -> None:
    context.database.write(lambda session: add_dataset(session, name="other"))
    with pytest.raises(NotFound, match="were checked yet"):
        quality_report(context, "other")


def test_bars_in_quarantine_are_shown_with_their_reasons(context: Context) -> None:
    bars = {
        "symbol": ["AAA"],
        "session": [pd.Timestamp("2020-01-02")],
        "close": [-1.0],
        "reason": ["price_not_positive"],
    }
    context.quarantine.keep("us", "in-second", pd.DataFrame(bars))
    assert quarantined_bars(context, "us", "in-s")["reason"].tolist() == ["price_not_positive"]
    assert quarantined_bars(context, "us", "in-f").empty
    assert len(quarantined_bars(context, "us")) == 1


def test_the_quarantine_of_an_unknown_dataset_is_an_error(context: Context) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        quarantined_bars(context, "nowhere")
