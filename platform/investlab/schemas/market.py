"""Market data at the edges: instruments, price basis, corporate actions, dataset descriptions."""

from datetime import date, datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """A value that cannot change and refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PriceBasis(StrEnum):
    """What a price series includes.

    `raw` prices are those traded; `split_adjusted` ones are comparable across splits; `total_return` ones also
    reinvest dividends.
    """

    RAW = "raw"
    SPLIT_ADJUSTED = "split_adjusted"
    TOTAL_RETURN = "total_return"


class Adjust(StrEnum):
    """Which corporate actions a panel's prices are adjusted for."""

    NONE = "none"
    SPLITS = "splits"
    ALL = "all"


PRICE_FIELDS = ("open", "high", "low", "close")
BAR_FIELDS = (*PRICE_FIELDS, "volume", "adjusted_close")


class InstrumentRef(Frozen):
    """An instrument as people see it: our key, its symbol, name, currency and venue."""

    instrument_id: int
    symbol: str
    name: str = ""
    currency: str = "USD"
    venue: str = ""


class ActionKind(StrEnum):
    """Kinds of corporate action."""

    SPLIT = "split"
    DIVIDEND = "dividend"


class CorporateAction(Frozen):
    """One split (`value` = new shares per old share) or cash dividend (`value` = currency per share after any split).

    `known_at` is when the market could know it; `assumed` says that this time is assumed rather than recorded.
    """

    instrument_id: int
    kind: ActionKind
    ex_date: date
    value: float = Field(gt=0)
    known_at: datetime
    assumed: bool
    source: str
