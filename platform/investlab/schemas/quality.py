"""What quality checks found in bars: findings with their severity, and the report that holds them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from enum import StrEnum
from itertools import chain

from pydantic import Field

from investlab.schemas.market import Frozen

MAX_EXAMPLES = 5
MAX_SYMBOLS = 30
MONTHS_SHOWN = 36
YEAR_DIGITS = 4


class Severity(StrEnum):
    """What a finding does: reject the delivery, quarantine the bars, or warn."""

    REJECT = "reject"
    QUARANTINE = "quarantine"
    WARN = "warn"

    @classmethod
    def _missing_(cls, value: object) -> "Severity | None":
        """Read the words of reports that were stored by earlier versions."""
        return {"error": cls.REJECT, "warning": cls.WARN}.get(str(value))


GRAVEST_FIRST = tuple(Severity)


class Tally(Frozen):
    """How many bars of one instrument have a defect in one period: a month `2020-05` or a year `2020`."""

    symbol: str
    period: str
    count: int


class Finding(Frozen):
    """One kind of defect: how many bars have it, where, and a few examples.

    `by_period` counts all of them by month, or by year where the report spans more than three years; `tallies` only
    those of the instruments hit most. `instruments` says how many were hit.
    """

    check: str
    severity: Severity
    count: int
    sentence: str
    examples: tuple[str, ...] = ()
    instruments: int = 0
    by_period: dict[str, int] = Field(default_factory=dict)
    tallies: tuple[Tally, ...] = ()


class QualityReport(Frozen):
    """The findings on bars, the gravest first; a report that rejects stops the ingest."""

    bars: int
    findings: tuple[Finding, ...] = ()
    instruments: int = 0
    first_session: date | None = None
    last_session: date | None = None
    quarantined: int = 0

    @property
    def is_acceptable(self) -> bool:
        """Say whether no finding rejects the delivery."""
        return not self.rejections

    @property
    def rejections(self) -> tuple[Finding, ...]:
        """Return the findings that stop the ingest."""
        return self._of(Severity.REJECT)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Return the findings that stop the ingest."""
        return self.rejections

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Return the findings that change nothing."""
        return self._of(Severity.WARN)

    def _of(self, severity: Severity) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity is severity)

    @staticmethod
    def merge(reports: Iterable["QualityReport"], *, instruments: int | None = None) -> "QualityReport":
        """Return the reports of a delivery's parts as one.

        `instruments` is how many the delivery has; without it the parts are taken to share none.
        """
        parts = tuple(reports)
        starts = [part.first_session for part in parts if part.first_session]
        ends = [part.last_session for part in parts if part.last_session]
        first, last = min(starts, default=None), max(ends, default=None)
        grouped: dict[tuple[str, Severity], list[Finding]] = {}
        for finding in chain.from_iterable(part.findings for part in parts):
            grouped.setdefault((finding.check, finding.severity), []).append(finding)
        return QualityReport(
            bars=sum(part.bars for part in parts),
            instruments=sum(part.instruments for part in parts) if instruments is None else instruments,
            first_session=first,
            last_session=last,
            quarantined=sum(part.quarantined for part in parts),
            findings=gravest_first(_merged(group, counts_years(first, last)) for group in grouped.values()),
        )


def counts_years(first: date | None, last: date | None) -> bool:
    """Say whether findings between two sessions are counted by year; by month otherwise."""
    if first is None or last is None:
        return False
    return (last.year - first.year) * 12 + last.month - first.month >= MONTHS_SHOWN


def gravest_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings ordered by severity, otherwise as they came."""
    return tuple(sorted(findings, key=lambda finding: GRAVEST_FIRST.index(finding.severity)))


def _merged(findings: Sequence[Finding], by_year: bool) -> Finding:
    """Return findings of one check as one; an instrument that several parts cut short may be counted in each."""
    periods: Counter[str] = Counter()
    cells: Counter[tuple[str, str]] = Counter()
    for finding in findings:
        for period, number in finding.by_period.items():
            periods[_period(period, by_year)] += number
        for tally in finding.tallies:
            cells[tally.symbol, _period(tally.period, by_year)] += tally.count
    named = {symbol for symbol, _ in cells}
    unnamed = sum(finding.instruments - len({tally.symbol for tally in finding.tallies}) for finding in findings)
    return findings[0].model_copy(
        update={
            "count": sum(finding.count for finding in findings),
            "examples": tuple(chain.from_iterable(finding.examples for finding in findings))[:MAX_EXAMPLES],
            "instruments": len(named) + unnamed,
            "by_period": dict(sorted(periods.items())),
            "tallies": _heaviest(cells),
        }
    )


def _period(period: str, by_year: bool) -> str:
    return period[:YEAR_DIGITS] if by_year else period


def _heaviest(cells: Counter[tuple[str, str]]) -> tuple[Tally, ...]:
    totals: Counter[str] = Counter()
    for (symbol, _), number in cells.items():
        totals[symbol] += number
    shown = {symbol for symbol, _ in sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:MAX_SYMBOLS]}
    return tuple(
        Tally(symbol=symbol, period=period, count=number)
        for (symbol, period), number in sorted(cells.items())
        if symbol in shown
    )
