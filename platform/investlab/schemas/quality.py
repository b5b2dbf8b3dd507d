"""What quality checks found in a batch of bars."""

from enum import StrEnum

from investlab.schemas.market import Frozen


class Severity(StrEnum):
    """Whether a finding stops the ingest."""

    ERROR = "error"
    WARNING = "warning"


class Finding(Frozen):
    """One kind of defect: how many bars have it, with a few examples."""

    check: str
    severity: Severity
    count: int
    sentence: str
    examples: tuple[str, ...] = ()


class QualityReport(Frozen):
    """The findings on one batch of bars; a report with an error stops the ingest."""

    bars: int
    findings: tuple[Finding, ...] = ()

    @property
    def is_acceptable(self) -> bool:
        """Say whether no finding is an error."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Return the findings that stop the ingest."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.ERROR)
