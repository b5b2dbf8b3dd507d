"""Figures from companies' reports: exact, dated by the period they tell of and by when they became known."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import Field

from investlab.schemas.catalog import RowCounts
from investlab.schemas.market import Frozen


class FundamentalDraft(Frozen):
    """A figure as a provider tells it, by the symbol the instrument has in the delivery.

    `metric` is one of our plain names such as `book_equity`, `net_income_ttm` or `shares_outstanding`. `known_at` is
    when it was filed; a restatement of the same period has a later one. `currency` is empty for what is no money.
    """

    symbol: str = Field(min_length=1)
    metric: str = Field(min_length=1)
    period_end: date
    value: Decimal = Field(allow_inf_nan=False)
    currency: str = ""
    known_at: datetime
    source: str = ""


class FundamentalFact(Frozen):
    """A figure of an instrument for the period that ends on `period_end`, as known from `known_at` on."""

    instrument_id: int
    metric: str = Field(min_length=1)
    period_end: date
    value: Decimal = Field(allow_inf_nan=False)
    currency: str = ""
    known_at: datetime
    source: str


class FundamentalsReceipt(Frozen):
    """What an ingest of figures did: counts, whose figures they are, and from when to when they were filed.

    `left_out` are the symbols of figures that no instrument bears, where those were to be left out.
    """

    dataset: str
    file: str
    counts: RowCounts
    instruments: int
    metrics: tuple[str, ...]
    first_known_at: datetime | None
    last_known_at: datetime | None
    left_out: tuple[str, ...] = ()
    ingest_run_id: str

    def summary(self) -> dict[str, Any]:
        """Return the receipt as one row of a table."""
        return {
            "dataset": self.dataset,
            "file": self.file,
            "metrics": ", ".join(self.metrics),
            "instruments": self.instruments,
            "new": self.counts.new,
            "same": self.counts.same,
            "left out": ", ".join(self.left_out) or "none",
            "ingest run": self.ingest_run_id,
        }
