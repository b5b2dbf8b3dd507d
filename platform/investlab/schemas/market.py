"""Market data at the edges: instruments, price basis, corporate actions, dataset descriptions."""

import math
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, model_validator


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
    sector: str = ""


class ActionKind(StrEnum):
    """Kinds of corporate action, and what the value of each is.

    `split` and `stock_dividend`: shares held after it per share held before. `dividend`: cash per share held after any
    split of that day. `spin_off`: the market value, per share held, of what is handed out. `merger`: cash paid per
    share, zero when it is paid in shares of the counterpart alone. `delisting`: the return from the last close to what
    a holder got, −1 when nothing.
    """

    SPLIT = "split"
    DIVIDEND = "dividend"
    STOCK_DIVIDEND = "stock_dividend"
    SPIN_OFF = "spin_off"
    MERGER = "merger"
    DELISTING = "delisting"


LEAST_VALUE: Mapping[ActionKind, float] = {ActionKind.MERGER: 0.0, ActionKind.DELISTING: -1.0}
"""The least value of those kinds whose value need not be positive."""


class CorporateAction(Frozen):
    """One corporate action of an instrument; `ActionKind` says what its value is.

    `known_at` is when the market could know it; `assumed` says that this time is assumed rather than recorded.
    `uncertainty` is how far the true value may lie from a derived one, in the value's unit; 0 for one that was told.
    `counterpart_id` is the instrument received in a spin-off or merger and `counterpart_ratio` its shares per share
    held.
    """

    instrument_id: int
    kind: ActionKind
    ex_date: date
    value: float
    known_at: datetime
    assumed: bool
    source: str
    uncertainty: float = Field(default=0.0, ge=0)
    counterpart_id: int | None = None
    counterpart_ratio: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _value_suits_the_kind(self) -> "CorporateAction":
        check_action_value(self.kind, self.value)
        return self


def check_action_value(kind: ActionKind, value: float) -> None:
    """Refuse a value that an action of the kind cannot have.

    Raises:
        ValueError: It is not finite, or not positive where it must be.
    """
    least = LEAST_VALUE.get(kind)
    if not math.isfinite(value) or (value <= 0 if least is None else value < least):
        raise ValueError(f"the value of a {kind} must be {'positive' if least is None else f'at least {least:g}'}")
