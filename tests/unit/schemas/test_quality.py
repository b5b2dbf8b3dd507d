"""Quality reports: those of parts make one, and those of earlier versions still read."""

from datetime import date

import pytest

from investlab.schemas.quality import MAX_SYMBOLS, Finding, QualityReport, Severity, Tally


def finding(symbol: str, period: str, count: int = 1, **fields: object) -> Finding:
    given = {
        "check": "zero_volume",
        "severity": Severity.WARN,
        "count": count,
        "sentence": "nothing was traded",
        "examples": (f"{symbol} {period}-03",),
        "instruments": 1,
        "by_period": {period: count},
        "tallies": (Tally(symbol=symbol, period=period, count=count),),
    }
    return Finding.model_validate(given | fields)


def report(*findings: Finding, year: int = 2020) -> QualityReport:
    return QualityReport(
        bars=10,
        findings=findings,
        instruments=1,
        first_session=date(year, 1, 2),
        last_session=date(year, 12, 31),
        quarantined=1,
    )


def test_reports_of_parts_merge_into_one() -> None:
    merged = QualityReport.merge([report(finding("AAA", "2020-01", 2)), report(finding("BBB", "2020-01", 3))])
    assert (merged.bars, merged.instruments, merged.quarantined) == (20, 2, 2)
    (only,) = merged.findings
    assert (only.count, only.instruments, only.by_period) == (5, 2, {"2020-01": 5})
    assert [(tally.symbol, tally.count) for tally in only.tallies] == [("AAA", 2), ("BBB", 3)]
    assert only.examples == ("AAA 2020-01-03", "BBB 2020-01-03")


def test_parts_of_several_years_are_counted_by_year() -> None:
    parts = [
        report(finding("AAA", f"{year}-01"), finding("AAA", f"{year}-02"), year=year) for year in (2015, 2016, 2020)
    ]
    merged = QualityReport.merge(parts, instruments=1)
    assert (merged.instruments, merged.first_session, merged.last_session) == (1, date(2015, 1, 2), date(2020, 12, 31))
    assert merged.findings[0].by_period == {"2015": 2, "2016": 2, "2020": 2}
    assert merged.findings[0].instruments == 1


def test_the_gravest_of_any_part_comes_first() -> None:
    grave = finding("AAA", "2020-01", check="conflicting_bars", severity=Severity.REJECT)
    merged = QualityReport.merge([report(finding("AAA", "2020-01")), report(grave)])
    assert [each.check for each in merged.findings] == ["conflicting_bars", "zero_volume"]
    assert merged.rejections == merged.errors == (merged.findings[0],)
    assert not merged.is_acceptable


def test_a_merged_finding_names_the_instruments_hit_most_and_counts_all() -> None:
    parts = [report(finding(f"S{number:03d}", "2020-01", number + 1)) for number in range(MAX_SYMBOLS + 5)]
    (only,) = QualityReport.merge(parts).findings
    assert only.instruments == MAX_SYMBOLS + 5
    assert [tally.symbol for tally in only.tallies] == [f"S{number:03d}" for number in range(5, MAX_SYMBOLS + 5)]


def test_merging_nothing_is_an_empty_report() -> None:
    assert QualityReport.merge([]) == QualityReport(bars=0)


def test_a_report_reads_back_from_its_json() -> None:
    made = report(finding("AAA", "2020-01"))
    assert QualityReport.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    ("word", "severity"), [pytest.param("error", Severity.REJECT), pytest.param("warning", Severity.WARN)]
)
def test_a_report_of_an_earlier_version_reads(word: str, severity: Severity) -> None:
    stored = {"check": "jumps", "severity": word, "count": 1, "sentence": "closes that moved", "examples": ["AAA"]}
    read = QualityReport.model_validate({"bars": 3, "findings": [stored]})
    assert read.findings[0].severity is severity
    assert read.is_acceptable is (severity is Severity.WARN)
