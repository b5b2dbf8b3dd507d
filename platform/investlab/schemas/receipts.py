"""What an ingest did, as notebooks and the command line show it."""

from typing import Any

from investlab.schemas.catalog import RowCounts
from investlab.schemas.market import Frozen, PriceBasis
from investlab.schemas.quality import QualityReport


class IngestReceipt(Frozen):
    """The outcome of an ingest: counts, the dataset version it ended with, and what the quality checks found.

    `quarantined` bars are not stored with the others; they wait in quarantine with their reasons.
    """

    dataset: str
    provider: str
    basis: PriceBasis
    version: int
    content_hash: str
    counts: RowCounts
    actions: RowCounts
    instruments: int
    rows: int
    quality: QualityReport
    quarantined: int = 0
    ingest_run_id: str
    is_restored: bool = False

    @property
    def label(self) -> str:
        """Return the dataset version's name, such as `us-close@1`."""
        return f"{self.dataset}@{self.version}"

    def summary(self) -> dict[str, Any]:
        """Return the receipt as one row of a table."""
        return {
            "dataset": self.dataset,
            "version": self.version,
            "basis": str(self.basis),
            "instruments": self.instruments,
            "rows": self.rows,
            "new": self.counts.new,
            "changed": self.counts.changed,
            "same": self.counts.same,
            "warnings": len(self.quality.warnings),
            "quarantined": self.quarantined,
            "ingest run": self.ingest_run_id,
        }

    def findings(self) -> list[dict[str, Any]]:
        """Return the quality findings as rows of a table."""
        return [finding.model_dump(mode="json") for finding in self.quality.findings]
