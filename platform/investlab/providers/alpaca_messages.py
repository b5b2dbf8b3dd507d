"""What is asked of Alpaca, what is read of its answers, and what they mean in our words."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from investlab.core.errors import StorageUnavailable
from investlab.schemas.catalog import ActionDraft
from investlab.schemas.market import ActionKind

FIELDS = ("open", "high", "low", "close", "volume")
ZONE = "America/New_York"


@dataclass(frozen=True, slots=True)
class BarQuestion:
    """Which daily bars: both ends count; `asof` is the day on which the symbols mean their instruments."""

    symbols: tuple[str, ...]
    start: date
    end: date
    feed: str
    adjustment: str
    asof: date


class Asset(BaseModel):
    """An instrument as Alpaca lists it; symbols are reused, ids are not."""

    id: str
    symbol: str
    name: str = ""
    exchange: str
    status: str

    @property
    def is_active(self) -> bool:
        """Say whether it is listed now."""
        return self.status == "active"


class Bar(BaseModel):
    """A daily bar; `t` is midnight in New York, as a UTC time."""

    t: str
    o: float
    h: float
    l: float  # noqa: E741  (the vendor's name)
    c: float
    v: float


class BarPage(BaseModel):
    """A page of bars, ordered by symbol and time; the last page has no token."""

    bars: dict[str, list[Bar]] | None
    next_page_token: str | None


class Split(BaseModel):
    """A split in either direction."""

    symbol: str
    new_rate: float
    old_rate: float
    ex_date: date


class Payment(BaseModel):
    """A cash dividend in currency per share, or a stock dividend in new shares per share."""

    symbol: str
    rate: float
    ex_date: date


class Merger(BaseModel):
    """A merger for cash (`rate` or `cash_rate`), shares, or both."""

    acquiree_symbol: str
    effective_date: date
    acquirer_symbol: str | None = None
    acquirer_rate: float = 0.0
    acquiree_rate: float = 1.0
    rate: float = 0.0
    cash_rate: float = 0.0


class Removal(BaseModel):
    """The removal of shares that are worth nothing."""

    symbol: str
    process_date: date


class NameChange(BaseModel):
    """A change of symbol."""

    old_symbol: str
    new_symbol: str
    process_date: date


class Actions(BaseModel):
    """Corporate actions by kind; those of kinds that are not read are left out."""

    forward_splits: list[Split] = Field(default_factory=list)
    reverse_splits: list[Split] = Field(default_factory=list)
    cash_dividends: list[Payment] = Field(default_factory=list)
    stock_dividends: list[Payment] = Field(default_factory=list)
    cash_mergers: list[Merger] = Field(default_factory=list)
    stock_mergers: list[Merger] = Field(default_factory=list)
    stock_and_cash_mergers: list[Merger] = Field(default_factory=list)
    worthless_removals: list[Removal] = Field(default_factory=list)
    name_changes: list[NameChange] = Field(default_factory=list)


class ActionPage(BaseModel):
    """A page of corporate actions; the last page has no token."""

    corporate_actions: Actions
    next_page_token: str | None


ASSETS = TypeAdapter(list[Asset])
BAR_PAGE = TypeAdapter(BarPage)
ACTION_PAGE = TypeAdapter(ActionPage)


def parse[Answer](adapter: TypeAdapter[Answer], answer: Any, what: str) -> Answer:
    """Return an answer as what it should be.

    Raises:
        StorageUnavailable: It is something else.
    """
    try:
        return adapter.validate_python(answer)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StorageUnavailable(
            f"Alpaca answered with something that is no {what}: {place or 'the whole'}: {first['msg']}.",
            remedy="Run it again; when it stays so, the vendor has changed its answers.",
        ) from error


def frame_of(bars: list[tuple[str, Bar]]) -> pd.DataFrame:
    """Return bars as symbol, session and fields, ordered by symbol and session."""
    moments = pd.to_datetime([bar.t for _, bar in bars], utc=True, format="ISO8601")
    sessions = pd.DatetimeIndex(moments).tz_convert(ZONE).tz_localize(None).normalize()
    frame = pd.DataFrame(
        [(symbol, bar.o, bar.h, bar.l, bar.c, bar.v) for symbol, bar in bars], columns=["symbol", *FIELDS]
    ).astype({"symbol": str} | dict.fromkeys(FIELDS, "float64"))
    frame.insert(1, "session", sessions.astype("datetime64[s]"))
    return frame.sort_values(["symbol", "session"], kind="stable", ignore_index=True)


def drafts_of(actions: Actions) -> Iterator[ActionDraft]:
    """Return the actions in our words under the symbols they came with; an amount of nothing is no action.

    Spin-offs are left out: Alpaca does not say what was handed out is worth.
    """
    for split in (*actions.forward_splits, *actions.reverse_splits):
        if split.new_rate > 0 and split.old_rate > 0:
            yield _draft(split.symbol, ActionKind.SPLIT, split.ex_date, split.new_rate / split.old_rate)
    for payment in actions.cash_dividends:
        if payment.rate > 0:
            yield _draft(payment.symbol, ActionKind.DIVIDEND, payment.ex_date, payment.rate)
    for payment in actions.stock_dividends:
        if payment.rate > 0:
            yield _draft(payment.symbol, ActionKind.STOCK_DIVIDEND, payment.ex_date, 1.0 + payment.rate)
    for merger in (*actions.cash_mergers, *actions.stock_mergers, *actions.stock_and_cash_mergers):
        yield _merger(merger)
    for removal in actions.worthless_removals:
        yield _draft(removal.symbol, ActionKind.DELISTING, removal.process_date, -1.0)


def _draft(symbol: str, kind: ActionKind, ex_date: date, value: float) -> ActionDraft:
    return ActionDraft(symbol=symbol, kind=kind, ex_date=ex_date, value=value)


def _merger(merger: Merger) -> ActionDraft:
    shares = merger.acquirer_rate / merger.acquiree_rate if merger.acquiree_rate > 0 else 0.0
    return ActionDraft(
        symbol=merger.acquiree_symbol,
        kind=ActionKind.MERGER,
        ex_date=merger.effective_date,
        value=max(merger.rate, 0.0) + max(merger.cash_rate, 0.0),
        counterpart_symbol=merger.acquirer_symbol if shares > 0 else None,
        counterpart_ratio=shares if shares > 0 else None,
    )
