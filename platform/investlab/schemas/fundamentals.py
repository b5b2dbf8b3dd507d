"""Figures from companies' reports: exact, dated by the period they tell of and by when they became known."""

from datetime import date, datetime
from decimal import Decimal

from pydantic import Field

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


class FundamentalFact(Frozen):
    """A figure of an instrument for the period that ends on `period_end`, as known from `known_at` on."""

    instrument_id: int
    metric: str = Field(min_length=1)
    period_end: date
    value: Decimal = Field(allow_inf_nan=False)
    currency: str = ""
    known_at: datetime
    source: str
