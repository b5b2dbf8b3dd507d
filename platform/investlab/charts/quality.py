"""How the quality of an ingest shows itself: the verdict, the findings, and where and when they lie."""

import holoviews as hv

from investlab.charts import facts
from investlab.charts.embed import card, chart, show_in_jupyter
from investlab.charts.findings import NOTHING, ROWS_SHOWN, findings_chart, is_dated
from investlab.charts.markup import Html, definitions, element, join, table
from investlab.charts.pages import page
from investlab.charts.units import count, day, moment
from investlab.market.ingest_quality import IngestQuality
from investlab.schemas.quality import Finding, Severity

LABEL = "Bars with a finding over time, and the instruments with most of them"
SIGNS = {Severity.REJECT: "⊠ rejects", Severity.QUARANTINE: "◆ quarantine", Severity.WARN: "● warning"}
REJECTED = "The delivery was rejected; none of its bars were stored."
HEADER = ["What was found", "Severity", "Bars", "Instruments", "Such as"]
HELD_BACK = "Quarantined bars are in no panel; a corrected bar of a later ingest enters as any other."


class QualityRenderer:
    """Renders an `IngestQuality`."""

    @staticmethod
    def html(quality: IngestQuality) -> str:
        """Return the verdict, a table of the findings, and a chart of where and when they lie."""
        found = quality.found
        if not found.findings:
            return card(_headline(quality), _tiles(quality), element("p", f"{NOTHING}."), _lineage(quality))
        return card(_headline(quality), _body(quality), figure=findings_chart(found) if is_dated(found) else None)

    @staticmethod
    def plot(quality: IngestQuality) -> hv.Layout | hv.Overlay:
        """Return the bars with findings over time, above the instruments hit most."""
        return show_in_jupyter(findings_chart(quality.found))

    @staticmethod
    def report(quality: IngestQuality) -> str:
        """Return a page with the cell's content."""
        return page(_title(quality), Html(QualityRenderer.html(quality)))


def _title(quality: IngestQuality) -> str:
    return f"Quality of {quality.dataset}"


def _headline(quality: IngestQuality) -> Html:
    found = quality.found
    span = ""
    if found.first_session is not None and found.last_session is not None:
        span = f"{day(found.first_session)} to {day(found.last_session)}"
    under = (count(found.bars, "bar"), count(found.instruments, "instrument") if found.instruments else "", span)
    return element(
        "header",
        facts.heading(_title(quality)),
        element("p", " · ".join(part for part in under if part), class_="il-under"),
    )


def _tiles(quality: IngestQuality) -> Html:
    found = quality.found
    verdict, look = ("Accepted", "il-good") if found.is_acceptable else ("Rejected", "il-bad")
    return definitions(
        [
            ("Verdict", element("span", verdict, class_=look)),
            ("Reasons to reject", f"{len(found.rejections):,}"),
            ("Bars quarantined", f"{found.quarantined:,}"),
            ("Kinds of warning", f"{len(found.warnings):,}"),
        ],
        "il-metrics",
    )


def _body(quality: IngestQuality) -> Html:
    found = quality.found
    notes = [HELD_BACK] if found.quarantined and found.is_acceptable else []
    if any(finding.instruments > ROWS_SHOWN for finding in found.findings):
        notes.append("The chart names the instruments with most findings only; the columns count all.")
    return join(
        (
            "" if found.is_acceptable else element("p", REJECTED, class_="il-warning", role="note"),
            _tiles(quality),
            element(
                "div", table(HEADER, [_row(finding) for finding in found.findings], "Findings"), class_="il-findings"
            ),
            chart(LABEL) if is_dated(found) else "",
            _lineage(quality),
            facts.remarks(notes),
        )
    )


def _row(finding: Finding) -> list[object]:
    look = (
        "il-bad"
        if finding.severity is Severity.REJECT
        else "il-good"
        if finding.severity is Severity.QUARANTINE
        else ""
    )
    sign = element("span", SIGNS[finding.severity], class_=look)
    instruments = f"{finding.instruments:,}" if finding.instruments else "–"
    return [
        join((element("code", finding.check), " ", finding.sentence)),
        sign,
        f"{finding.count:,}",
        instruments,
        "; ".join(finding.examples) or "–",
    ]


def _lineage(quality: IngestQuality) -> Html:
    return facts.facts(
        [
            ("Dataset", quality.dataset),
            ("Provider", quality.provider),
            ("Ingest run", facts.code(quality.ingest_run_id)),
            ("Ended", f"{quality.status}, {moment(quality.at)}"),
        ]
    )
