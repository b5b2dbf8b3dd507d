"""The catalog at the edges: venues, instruments and their dated identifiers, datasets, versions, ingest runs."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from pydantic import Field, model_validator

from investlab.schemas.market import ActionKind, Frozen, PriceBasis, check_action_value


class InstrumentKind(StrEnum):
    """Kinds of instrument."""

    EQUITY = "equity"
    ETF = "etf"
    INDEX = "index"


class LevelBasis(StrEnum):
    """What an index level includes: prices alone, or dividends reinvested too."""

    PRICE = "price"
    TOTAL_RETURN = "total_return"


class IdentifierScheme(StrEnum):
    """Whose name for an instrument an identifier is."""

    SYMBOL = "symbol"
    FIGI = "figi"
    ISIN = "isin"
    CUSIP = "cusip"
    CIK = "cik"
    PROVIDER_SYMBOL = "provider_symbol"


class Venue(Frozen):
    """A market, named by its MIC; `calendar` is an exchange-calendars name."""

    mic: str = Field(min_length=1)
    name: str
    timezone: str
    calendar: str


class IdentifierDraft(Frozen):
    """An identifier as a provider tells it; it holds from `valid_from` up to, not including, `valid_to`."""

    scheme: IdentifierScheme
    value: str = Field(min_length=1)
    valid_from: date
    valid_to: date | None = None


class ActionDraft(Frozen):
    """A corporate action as a provider tells it, by the symbol the instrument has in the delivery.

    Without `known_at` it is assumed to be known at the open of its ex-date.
    """

    symbol: str
    kind: ActionKind
    ex_date: date
    value: float
    known_at: datetime | None = None
    counterpart_symbol: str | None = None
    counterpart_ratio: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _value_suits_the_kind(self) -> "ActionDraft":
        check_action_value(self.kind, self.value)
        return self


class InstrumentDraft(Frozen):
    """An instrument to be ensured: `symbol` is its name on the venue (a MIC) from `valid_from` on.

    `identifiers` are its other names, former symbols among them: an instrument that is known by one of them under the
    same scheme, venue and day is the same. `symbol_until` ends the symbol, of an instrument that is no longer listed.
    """

    symbol: str = Field(min_length=1)
    venue: str
    kind: InstrumentKind = InstrumentKind.EQUITY
    name: str = ""
    currency: str = "USD"
    valid_from: date
    source: str
    level_basis: LevelBasis | None = None
    sector: str = ""
    symbol_until: date | None = None
    identifiers: tuple[IdentifierDraft, ...] = ()


class Identifier(Frozen):
    """A dated identifier of an instrument; it holds from `valid_from` up to, not including, `valid_to`."""

    instrument_id: int
    scheme: IdentifierScheme
    value: str = Field(min_length=1)
    valid_from: date
    valid_to: date | None = None
    source: str

    @model_validator(mode="after")
    def _period_is_not_empty(self) -> "Identifier":
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError("valid_to must be later than valid_from")
        return self


class DatasetDescription(Frozen):
    """What a dataset is; `lag_seconds` is the provider's stated delay after a session's close."""

    name: str = Field(min_length=1)
    title: str
    provider: str
    price_basis: PriceBasis
    fields: tuple[str, ...]
    currency: str
    calendar: str
    source: str
    licence: str
    biases: tuple[str, ...] = ()
    synthetic: bool = False
    lag_seconds: int = Field(default=0, ge=0)


class DatasetInfo(DatasetDescription):
    """A recorded dataset with the number of its latest version, None before the first."""

    created_at: datetime
    latest_version: int | None = None


class VersionDraft(Frozen):
    """A dataset version to be recorded.

    `base_version` and `corrections_version` are versions of the stored tables; `ingest_run_id` is an ingest run's id.
    """

    dataset: str
    base_version: int = Field(ge=0)
    corrections_version: int | None = None
    content_hash: str
    rows: int = Field(ge=0)
    instruments: int = Field(ge=0)
    first_session: date | None
    last_session: date | None
    ingested_at: datetime
    ingest_run_id: str


class DatasetVersionInfo(VersionDraft):
    """A recorded dataset version; numbers start at 1 and grow by 1."""

    number: int

    @property
    def label(self) -> str:
        """Return the name people see, such as `us-close@1`."""
        return f"{self.dataset}@{self.number}"


class VersionHold(Frozen):
    """A pin: what holds a dataset version under a label, so that no vacuum takes its bars away."""

    dataset: str
    number: int
    label: str = Field(min_length=1)
    owner: str
    created_at: datetime


class IngestStatus(StrEnum):
    """States of an ingest run; every state but `running` is final."""

    RUNNING = "running"
    COMPLETED = "completed"
    REJECTED = "rejected"
    FAILED = "failed"


class IngestStart(Frozen):
    """An ingest run to be started; the caller chooses its id."""

    ingest_run_id: str = Field(min_length=1)
    dataset: str
    provider: str
    started_at: datetime
    pipeline_step: str | None = None


class IngestInfo(IngestStart):
    """A recorded ingest run with its row counts and quality report."""

    status: IngestStatus
    rows_new: int = 0
    rows_changed: int = 0
    rows_same: int = 0
    quality: dict[str, Any] = Field(default_factory=dict)
    ended_at: datetime | None = None
    error: str | None = None


class RowCounts(Frozen):
    """How many rows were new, changed and the same."""

    new: int = Field(default=0, ge=0)
    changed: int = Field(default=0, ge=0)
    same: int = Field(default=0, ge=0)
