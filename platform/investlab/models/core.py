"""The database model: every table, its columns, constraints and indexes.

Names of things follow the glossary. Every table has a surrogate key; ids that people see are `uid` columns. Deleting a
row that others stand on is refused, except where a child has no meaning without its parent.
"""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import PurePath
from typing import Annotated, Any, ClassVar

import numpy as np
from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

from investlab.core.clock import require_aware
from investlab.core.errors import InvalidInput
from investlab.schemas.catalog import (
    IdentifierScheme,
    IngestStatus,
    InstrumentKind,
    LevelBasis,
)
from investlab.schemas.ledger import RunKind, RunStatus
from investlab.schemas.live import ReplayStatus
from investlab.schemas.market import LEAST_VALUE, ActionKind, PriceBasis
from investlab.schemas.pipelines import PipelineStatus, StepStatus
from investlab.schemas.registry import Alias, ArtifactFormat
from investlab.schemas.users import Role

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class ExactDecimal(TypeDecorator[Decimal]):
    """An exact decimal: NUMERIC on PostgreSQL, text on SQLite, whose own NUMERIC is a float.

    Compare and order such columns in Python: on SQLite they sort as text.
    """

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type that keeps every digit."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else Numeric())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Refuse what is no finite decimal; floats never become money silently."""
        if value is None:
            return None
        if not isinstance(value, Decimal) or not value.is_finite():
            raise InvalidInput(f"{value!r} is no finite decimal.", remedy="Give a decimal.Decimal.")
        exact = abs(value) if value.is_zero() else value
        return format(exact, "f") if dialect.name == "sqlite" else exact

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Return the decimal with the digits that were stored."""
        return None if value is None else Decimal(value)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC: naive datetimes are refused, both databases give aware ones back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn the moment into UTC; SQLite stores it without its offset."""
        if value is None:
            return None
        moment = require_aware(value)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment as an aware UTC datetime."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Document(TypeDecorator[Any]):
    """JSON whose keys keep their order; NaN and infinities, which JSON lacks, are stored as text.

    The column is JSON rather than JSONB on PostgreSQL: JSONB reorders keys and rewrites numbers.
    """

    impl = JSON(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Turn the value into plain JSON values."""
        return plain_document(value)


def plain_document(value: Any) -> Any:
    """Return a value as a `Document` column gives it back.

    Raises:
        InvalidInput: It holds something that has no form in JSON.
    """
    return None if value is None else json.loads(json.dumps(value, default=_plain), parse_constant=str)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, (Decimal, PurePath)):
        return str(value)
    raise InvalidInput(f"A value of type {type(value).__name__} cannot be stored.", remedy="Give plain JSON values.")


class Choice(TypeDecorator[StrEnum]):
    """A value of an enum, stored as its text; the table's CHECK holds the same values."""

    impl = Text
    cache_ok = True

    def __init__(self, values: type[StrEnum]) -> None:
        super().__init__()
        self.values = values

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Refuse a text that is no value of the enum."""
        if value is None:
            return None
        if value not in set(self.values):
            raise InvalidInput(f"{value!r} is none of {', '.join(self.values)}.")
        return str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        """Return the enum's member."""
        return None if value is None else self.values(value)


def _one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _value_suits_kind() -> str:
    """Return the condition on a corporate action's value; SQLite, which keeps it as text, compares it as a float."""
    value = "CAST(value AS DOUBLE PRECISION)"
    cases = " ".join(f"WHEN '{kind}' THEN {value} >= {least:g}" for kind, least in LEAST_VALUE.items())
    return f"CASE kind {cases} ELSE {value} > 0 END"


BigKey = BigInteger().with_variant(Integer, "sqlite")
Key = Annotated[int, mapped_column(BigKey, primary_key=True)]

# Ids are looked up by their beginnings, too. On PostgreSQL an index serves that only in an order by bytes, which is the
# order SQLite has anyway; whatever refers to an id needs the same order to be compared with it.
IdText = Text().with_variant(Text(collation="C"), "postgresql")
Uid = Annotated[str, mapped_column(IdText, unique=True)]
PanelId = Annotated[str, mapped_column(IdText, index=True)]


class Base(DeclarativeBase):
    """The base of every table: one naming convention, one mapping from Python types to column types."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        int: BigKey,
        str: Text,
        float: Double,
        Decimal: ExactDecimal,
        datetime: UtcDateTime,
        dict[str, Any]: Document,
        list[Any]: Document,
        PriceBasis: Choice(PriceBasis),
        ActionKind: Choice(ActionKind),
        InstrumentKind: Choice(InstrumentKind),
        LevelBasis: Choice(LevelBasis),
        IdentifierScheme: Choice(IdentifierScheme),
        IngestStatus: Choice(IngestStatus),
        RunKind: Choice(RunKind),
        RunStatus: Choice(RunStatus),
        PipelineStatus: Choice(PipelineStatus),
        StepStatus: Choice(StepStatus),
        ArtifactFormat: Choice(ArtifactFormat),
        Alias: Choice(Alias),
        ReplayStatus: Choice(ReplayStatus),
        Role: Choice(Role),
    }


def _to(target: str, on_delete: str = "RESTRICT", *, index: bool = True) -> Any:
    key = ForeignKey(target, ondelete=on_delete)
    return mapped_column(IdText, key, index=index) if target.endswith(".uid") else mapped_column(key, index=index)


class Venue(Base):
    """A market, named by its MIC."""

    __tablename__ = "venues"

    id: Mapped[Key]
    mic: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    timezone: Mapped[str]
    calendar: Mapped[str]


class Instrument(Base):
    """Something with a price; its symbols and other identifiers are dated rows of their own."""

    __tablename__ = "instruments"
    __table_args__ = (
        _one_of("kind", InstrumentKind),
        _one_of("level_basis", LevelBasis),
        CheckConstraint("level_basis IS NULL OR kind = 'index'", name="level_basis_only_for_index"),
    )

    id: Mapped[Key]
    kind: Mapped[InstrumentKind]
    name: Mapped[str]
    currency: Mapped[str]
    venue_id: Mapped[int] = _to("venues.id")
    level_basis: Mapped[LevelBasis | None]
    sector: Mapped[str | None]


class InstrumentIdentifier(Base):
    """What a scheme called an instrument from `valid_from` up to, not including, `valid_to`."""

    __tablename__ = "instrument_identifiers"
    __table_args__ = (
        _one_of("scheme", IdentifierScheme),
        CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="period"),
        UniqueConstraint("instrument_id", "scheme", "value", "valid_from", name="uq_instrument_identifiers_start"),
        Index(None, "scheme", "value"),
    )

    id: Mapped[Key]
    instrument_id: Mapped[int] = _to("instruments.id", "CASCADE", index=False)
    scheme: Mapped[IdentifierScheme]
    value: Mapped[str]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    source: Mapped[str]


class ChangeMark(Base):
    """A mark that differs after every change of what it stands for, so that readers know when to read that again."""

    __tablename__ = "change_marks"

    id: Mapped[Key]
    subject: Mapped[str] = mapped_column(unique=True)
    mark: Mapped[str]


class Dataset(Base):
    """A body of bars of one price basis and currency; the bars themselves live in the market store."""

    __tablename__ = "datasets"
    __table_args__ = (_one_of("price_basis", PriceBasis), CheckConstraint("lag_seconds >= 0", name="lag_seconds"))

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    provider: Mapped[str]
    price_basis: Mapped[PriceBasis]
    fields: Mapped[list[Any]]
    currency: Mapped[str]
    calendar: Mapped[str]
    source: Mapped[str]
    licence: Mapped[str]
    biases: Mapped[list[Any]]
    synthetic: Mapped[bool]
    lag_seconds: Mapped[int]
    created_at: Mapped[datetime]


class PipelineRun(Base):
    """One execution of a pipeline."""

    __tablename__ = "pipeline_runs"
    __table_args__ = (
        _one_of("status", PipelineStatus),
        Index(None, "pipeline", "started_at"),
        Index(None, "started_at", "id"),
        Index(None, "status"),
    )

    id: Mapped[Key]
    uid: Mapped[Uid]
    pipeline: Mapped[str]
    spec_hash: Mapped[str]
    spec: Mapped[dict[str, Any]]
    parameters: Mapped[dict[str, Any]]
    as_of: Mapped[datetime | None]
    status: Mapped[PipelineStatus]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    error: Mapped[str | None]
    code_identity: Mapped[str]
    lock_hash: Mapped[str]
    ray_address: Mapped[str | None]


class PipelineStep(Base):
    """One step of a pipeline run; `reused_from` is the uid of the step that stands in for it."""

    __tablename__ = "pipeline_steps"
    __table_args__ = (
        _one_of("status", StepStatus),
        UniqueConstraint("run_id", "name"),
        Index(None, "name", "key"),
    )

    id: Mapped[Key]
    uid: Mapped[Uid]
    run_id: Mapped[int] = _to("pipeline_runs.id", "CASCADE", index=False)
    name: Mapped[str]
    position: Mapped[int]
    notebook: Mapped[str]
    notebook_sha256: Mapped[str]
    key: Mapped[str]
    parameters: Mapped[dict[str, Any]]
    status: Mapped[StepStatus]
    reused_from: Mapped[str | None] = _to("pipeline_steps.uid", index=False)
    notebook_path: Mapped[str | None]
    html_path: Mapped[str | None]
    outputs: Mapped[dict[str, Any]]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    error: Mapped[str | None]


class IngestRun(Base):
    """One attempt to bring bars into a dataset."""

    __tablename__ = "ingest_runs"
    __table_args__ = (
        _one_of("status", IngestStatus),
        Index(None, "dataset_id", "started_at"),
        Index(None, "started_at", "id"),
    )

    id: Mapped[Key]
    uid: Mapped[Uid]
    dataset_id: Mapped[int] = _to("datasets.id", index=False)
    provider: Mapped[str]
    status: Mapped[IngestStatus]
    rows_new: Mapped[int]
    rows_changed: Mapped[int]
    rows_same: Mapped[int]
    quality: Mapped[dict[str, Any]]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    error: Mapped[str | None]
    pipeline_step_uid: Mapped[str | None] = _to("pipeline_steps.uid", "SET NULL")


class DatasetVersion(Base):
    """A version of a dataset: which versions of the stored tables it reads, and the hash of their content."""

    __tablename__ = "dataset_versions"
    __table_args__ = (UniqueConstraint("dataset_id", "number"), CheckConstraint("number >= 1", name="number"))

    id: Mapped[Key]
    dataset_id: Mapped[int] = _to("datasets.id", index=False)
    number: Mapped[int]
    base_version: Mapped[int]
    corrections_version: Mapped[int | None]
    content_hash: Mapped[str]
    rows: Mapped[int]
    instruments: Mapped[int]
    first_session: Mapped[date | None]
    last_session: Mapped[date | None]
    ingested_at: Mapped[datetime]
    ingest_run_id: Mapped[int] = _to("ingest_runs.id")


class DatasetPin(Base):
    """A hold on a dataset version: while one is there, no vacuum takes the version's bars away."""

    __tablename__ = "dataset_pins"
    __table_args__ = (UniqueConstraint("dataset_version_id", "label"),)

    id: Mapped[Key]
    dataset_version_id: Mapped[int] = _to("dataset_versions.id", index=False)
    label: Mapped[str]
    owner: Mapped[str]
    created_at: Mapped[datetime]


class CorporateAction(Base):
    """What was known at a time of a corporate action; `ActionKind` says what its value is.

    `uncertainty` is a float: it bounds the error of a value worked out in float64, and no money is reckoned with it.
    """

    __tablename__ = "corporate_actions"
    __table_args__ = (
        _one_of("kind", ActionKind),
        CheckConstraint(_value_suits_kind(), name="value"),
        CheckConstraint("uncertainty >= 0", name="uncertainty"),
        CheckConstraint(
            "counterpart_ratio IS NULL OR CAST(counterpart_ratio AS DOUBLE PRECISION) > 0", name="counterpart_ratio"
        ),
        CheckConstraint(
            "(counterpart_instrument_id IS NULL AND counterpart_ratio IS NULL) OR kind IN ('spin_off', 'merger')",
            name="counterpart",
        ),
        UniqueConstraint(
            "dataset_id", "instrument_id", "kind", "ex_date", "known_at", name="uq_corporate_actions_known"
        ),
    )

    id: Mapped[Key]
    dataset_id: Mapped[int] = _to("datasets.id", index=False)
    instrument_id: Mapped[int] = _to("instruments.id")
    kind: Mapped[ActionKind]
    ex_date: Mapped[date]
    value: Mapped[Decimal]
    uncertainty: Mapped[float] = mapped_column(default=0.0, server_default=text("0"))
    counterpart_instrument_id: Mapped[int | None] = _to("instruments.id")
    counterpart_ratio: Mapped[Decimal | None]
    currency: Mapped[str]
    known_at: Mapped[datetime]
    assumed: Mapped[bool]
    source: Mapped[str]
    ingested_at: Mapped[datetime]
    ingest_run_id: Mapped[int] = _to("ingest_runs.id")


class FundamentalFact(Base):
    """A figure from a company's reports as it was filed; a restatement is a further row with a later `known_at`."""

    __tablename__ = "fundamental_facts"
    __table_args__ = (
        CheckConstraint("metric <> ''", name="metric"),
        UniqueConstraint("metric", "instrument_id", "period_end", "known_at", name="uq_fundamental_facts_known"),
    )

    id: Mapped[Key]
    instrument_id: Mapped[int] = _to("instruments.id")
    metric: Mapped[str]
    period_end: Mapped[date]
    value: Mapped[Decimal]
    currency: Mapped[str]
    known_at: Mapped[datetime]
    source: Mapped[str]
    ingested_at: Mapped[datetime]
    ingest_run_id: Mapped[int] = _to("ingest_runs.id")


class Universe(Base):
    """A named choice of a dataset's instruments; `definition` says how its members are chosen."""

    __tablename__ = "universes"

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True)
    dataset_id: Mapped[int] = _to("datasets.id")
    definition: Mapped[dict[str, Any]]
    owner: Mapped[str]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class UniverseMember(Base):
    """An instrument that belongs to a universe from `valid_from` up to, not including, `valid_to`."""

    __tablename__ = "universe_members"
    __table_args__ = (
        CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="period"),
        UniqueConstraint("universe_id", "instrument_id", "valid_from"),
    )

    id: Mapped[Key]
    universe_id: Mapped[int] = _to("universes.id", "CASCADE", index=False)
    instrument_id: Mapped[int] = _to("instruments.id")
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]


class BacktestRun(Base):
    """One backtest or sweep; among completed runs `key` is unique, failed attempts stay beside them."""

    __tablename__ = "backtest_runs"
    __table_args__ = (
        _one_of("kind", RunKind),
        _one_of("basis", PriceBasis),
        _one_of("status", RunStatus),
        Index(
            "uq_backtest_runs_completed_key",
            "key",
            unique=True,
            sqlite_where=text("status = 'completed'"),
            postgresql_where=text("status = 'completed'"),
        ),
        Index(None, "strategy", "started_at"),
        Index(None, "started_at", "id"),
        Index(None, "owner", "started_at"),
        Index(None, "dataset_version_id", "started_at"),
    )

    id: Mapped[Key]
    uid: Mapped[Uid]
    key: Mapped[str]
    kind: Mapped[RunKind]
    owner: Mapped[str] = mapped_column(default="system")
    strategy: Mapped[str]
    family: Mapped[str]
    dataset_version_id: Mapped[int] = _to("dataset_versions.id", index=False)
    as_of: Mapped[datetime | None]
    panel_id: Mapped[PanelId]
    basis: Mapped[PriceBasis]
    spec: Mapped[dict[str, Any]]
    seed: Mapped[int]
    code_identity: Mapped[str]
    lock_hash: Mapped[str]
    platform_version: Mapped[str]
    executor: Mapped[str]
    worker_pids: Mapped[list[Any]]
    status: Mapped[RunStatus]
    trials: Mapped[int]
    metrics: Mapped[dict[str, Any]]
    best_parameters: Mapped[dict[str, Any]]
    result_hash: Mapped[str | None]
    artifact_sha256: Mapped[str | None]
    error: Mapped[str | None]
    pipeline_step_uid: Mapped[str | None] = _to("pipeline_steps.uid", "SET NULL")
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    name: Mapped[str | None]
    tags: Mapped[list[Any] | None]
    note: Mapped[str | None]
    archived_at: Mapped[datetime | None]


class BacktestTrials(Base):
    """The trial ledger: how many trials a run added for its owner, strategy family and dataset."""

    __tablename__ = "backtest_trials"
    __table_args__ = (
        CheckConstraint("trials >= 1", name="trials"),
        Index(None, "owner", "family", "dataset_id"),
    )

    id: Mapped[Key]
    run_id: Mapped[int] = mapped_column(ForeignKey("backtest_runs.id", ondelete="RESTRICT"), unique=True)
    owner: Mapped[str]
    family: Mapped[str]
    dataset_id: Mapped[int] = _to("datasets.id")
    trials: Mapped[int]
    sharpe_mean: Mapped[float | None]
    sharpe_variance: Mapped[float | None]
    recorded_at: Mapped[datetime]


class TrainingRun(Base):
    """One training of a learner; among completed runs `key` is unique, failed attempts stay beside them."""

    __tablename__ = "training_runs"
    __table_args__ = (
        _one_of("status", RunStatus),
        _one_of("artifact_format", ArtifactFormat),
        Index(
            "uq_training_runs_completed_key",
            "key",
            unique=True,
            sqlite_where=text("status = 'completed'"),
            postgresql_where=text("status = 'completed'"),
        ),
        Index(None, "learner", "started_at"),
        Index(None, "started_at", "id"),
    )

    id: Mapped[Key]
    uid: Mapped[Uid]
    key: Mapped[str]
    owner: Mapped[str]
    learner: Mapped[str]
    learner_identity: Mapped[str | None]
    spec: Mapped[dict[str, Any]]
    dataset_version_id: Mapped[int] = _to("dataset_versions.id")
    as_of: Mapped[datetime | None]
    panel_id: Mapped[PanelId]
    panel: Mapped[dict[str, Any]]
    code_identity: Mapped[str]
    lock_hash: Mapped[str]
    platform_version: Mapped[str]
    status: Mapped[RunStatus]
    signature: Mapped[dict[str, Any] | None]
    artifact_format: Mapped[ArtifactFormat | None]
    artifact_sha256: Mapped[str | None]
    evaluation_sha256: Mapped[str | None]
    scorecard: Mapped[dict[str, Any] | None]
    error: Mapped[str | None]
    pipeline_step_uid: Mapped[str | None] = _to("pipeline_steps.uid")
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ModelVersion(Base):
    """An immutable version of a model; rows are only ever added."""

    __tablename__ = "model_versions"
    __table_args__ = (
        _one_of("artifact_format", ArtifactFormat),
        CheckConstraint("number >= 1", name="number"),
        UniqueConstraint("model", "number"),
        UniqueConstraint("model", "content_hash"),
    )

    id: Mapped[Key]
    uid: Mapped[Uid]
    model: Mapped[str]
    number: Mapped[int]
    training_run_id: Mapped[int] = _to("training_runs.id")
    learner: Mapped[str]
    signature: Mapped[dict[str, Any]]
    artifact_format: Mapped[ArtifactFormat]
    artifact_sha256: Mapped[str]
    evaluation_sha256: Mapped[str]
    scorecard: Mapped[dict[str, Any]]
    content_hash: Mapped[str]
    created_at: Mapped[datetime]


class ModelAlias(Base):
    """The version of a model that an alias names now."""

    __tablename__ = "model_aliases"
    __table_args__ = (_one_of("alias", Alias), UniqueConstraint("model", "alias"))

    id: Mapped[Key]
    model: Mapped[str]
    alias: Mapped[Alias]
    version_id: Mapped[int] = _to("model_versions.id")
    moved_at: Mapped[datetime]


class ReplayPass(Base):
    """One walk of the session clock through a dataset's sessions; at most one runs for each dataset."""

    __tablename__ = "replay_passes"
    __table_args__ = (
        _one_of("status", ReplayStatus),
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint("first_session <= last_session", name="span"),
        CheckConstraint("session IS NULL OR session BETWEEN first_session AND last_session", name="session"),
        UniqueConstraint("dataset_id", "number"),
        Index(
            "uq_replay_passes_running",
            "dataset_id",
            unique=True,
            sqlite_where=text("status = 'running'"),
            postgresql_where=text("status = 'running'"),
        ),
    )

    id: Mapped[Key]
    uid: Mapped[Uid]
    number: Mapped[int]
    dataset_id: Mapped[int] = _to("datasets.id", index=False)
    first_session: Mapped[date]
    last_session: Mapped[date]
    session: Mapped[date | None]
    status: Mapped[ReplayStatus]
    started_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class User(Base):
    """Someone, or an app, that may sign in; one who may no longer stays recorded as disabled."""

    __tablename__ = "users"
    __table_args__ = (_one_of("role", Role),)

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True)
    email: Mapped[str | None]
    role: Mapped[Role]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class ApiKey(Base):
    """A key that a user was given; only its hash is kept, and its first characters to look it up and to show it by."""

    __tablename__ = "api_keys"
    __table_args__ = (CheckConstraint("expires_at IS NULL OR expires_at > created_at", name="period"),)

    id: Mapped[Key]
    user_id: Mapped[int] = _to("users.id")
    label: Mapped[str]
    prefix: Mapped[str] = mapped_column(index=True)
    key_sha256: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[list[Any]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class AuditEvent(Base):
    """One link of the audit chain; rows are only ever appended, and each holds the hash of the one before it."""

    __tablename__ = "audit_events"

    id: Mapped[Key]
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str] = mapped_column(index=True)
    subject: Mapped[str] = mapped_column(index=True)
    details: Mapped[dict[str, Any]]
    previous_hash: Mapped[str] = mapped_column(unique=True)
    hash: Mapped[str] = mapped_column(unique=True)


class OutboxMessage(Base):
    """A message from any process that the hub relays."""

    __tablename__ = "outbox"
    __table_args__ = (Index(None, "relayed_at", "id"),)

    id: Mapped[Key]
    topic: Mapped[str]
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    relayed_at: Mapped[datetime | None]
