"""The quality of one ingest, as notebooks and the command line show it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import pandas as pd

from investlab.core.display import Displayable
from investlab.schemas.quality import QualityReport

COLUMNS = ["severity", "check", "count", "instruments", "finding", "examples"]


@dataclass(frozen=True, slots=True)
class IngestQuality(Displayable):
    """What the checks found in the bars of one ingest run; it shows itself in Jupyter."""

    renderer: ClassVar[str] = "ingest_quality"

    dataset: str
    ingest_run_id: str
    provider: str
    status: str
    at: datetime
    found: QualityReport

    def __repr__(self) -> str:
        verdict = "acceptable" if self.found.is_acceptable else "rejected"
        return (
            f"<IngestQuality {self.dataset} {self.ingest_run_id}: {self.found.bars:,} bars, {verdict}, "
            f"{len(self.found.findings)} findings, {self.found.quarantined:,} quarantined>"
        )

    @property
    def findings(self) -> pd.DataFrame:
        """Return the findings as a table, the gravest first."""
        return pd.DataFrame(self.rows(), columns=COLUMNS)

    @property
    def quarantined(self) -> int:
        """Return how many bars of the ingest are in quarantine."""
        return self.found.quarantined

    def rows(self) -> list[dict[str, Any]]:
        """Return the findings as rows of a table, the gravest first."""
        return [
            {
                "severity": str(finding.severity),
                "check": finding.check,
                "count": finding.count,
                "instruments": finding.instruments or None,
                "finding": finding.sentence,
                "examples": "; ".join(finding.examples),
            }
            for finding in self.found.findings
        ]

    def to_html(self) -> str:
        """Return a complete, self-contained page."""
        return self._renderer().report(self)
