"""Factories of database records: each returns a draft that can be stored as it is, fields given replace its own."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from investlab.schemas.backtest import BacktestSpec, PanelRequest
from investlab.schemas.catalog import (
    DatasetDescription,
    Identifier,
    IdentifierScheme,
    IngestStart,
    InstrumentDraft,
    RowCounts,
    Venue,
    VersionDraft,
)
from investlab.schemas.fundamentals import FundamentalFact
from investlab.schemas.ledger import RunKind, RunOutcome, RunStart
from investlab.schemas.market import ActionKind, CorporateAction, PriceBasis
from investlab.schemas.pipelines import PipelineStart, PipelineStatus, StepDraft, StepOutcome
from investlab.schemas.registry import Alias, ArtifactFormat, InputSignature, Scorecard, TrainingSpec
from investlab.schemas.run_labels import RunLabels
from investlab.schemas.training import TrainingEnd, TrainingStart
from investlab.schemas.universes import UniverseDraft
from investlab.schemas.users import KeyDraft, Role, UserDraft
from investlab.store.repositories import (
    actions,
    audit,
    backtests,
    catalog,
    datasets,
    fundamentals,
    ingests,
    outbox,
    pipelines,
    registry,
    replays,
    run_labels,
    training,
    universes,
    users,
)

AT = datetime(2024, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)
NASDAQ = Venue(mic="XNAS", name="Nasdaq", timezone="America/New_York", calendar="XNAS")
NYSE = Venue(mic="XNYS", name="New York Stock Exchange", timezone="America/New_York", calendar="XNYS")


def at(minutes: float) -> datetime:
    """Return the tests' moment moved by some minutes."""
    return AT + timedelta(minutes=minutes)


def instrument_draft(**fields: Any) -> InstrumentDraft:
    """Return Apple on Nasdaq since 1980."""
    own = {"symbol": "AAPL", "venue": "XNAS", "name": "Apple", "valid_from": date(1980, 12, 12), "source": "test"}
    return InstrumentDraft(**own | fields)


def description(**fields: Any) -> DatasetDescription:
    """Return a raw dataset in dollars."""
    own: dict[str, Any] = {
        "name": "us",
        "title": "US stocks",
        "provider": "sample",
        "price_basis": PriceBasis.RAW,
        "fields": ("open", "close"),
        "currency": "USD",
        "calendar": "XNYS",
        "source": "test",
        "licence": "public domain",
        "biases": ("survivors only",),
    }
    return DatasetDescription(**own | fields)


def ingest_start(**fields: Any) -> IngestStart:
    """Return an ingest run into the dataset."""
    own = {"ingest_run_id": "ingest-0001", "dataset": "us", "provider": "sample", "started_at": AT}
    return IngestStart(**own | fields)


def version_draft(**fields: Any) -> VersionDraft:
    """Return a version that the ingest run made."""
    own: dict[str, Any] = {
        "dataset": "us",
        "base_version": 0,
        "content_hash": "c0ffee",
        "rows": 10,
        "instruments": 1,
        "first_session": date(2020, 1, 2),
        "last_session": date(2020, 1, 15),
        "ingested_at": AT,
        "ingest_run_id": "ingest-0001",
    }
    return VersionDraft(**own | fields)


def split(**fields: Any) -> CorporateAction:
    """Return a 2:1 split of instrument 1 known at its ex-date's open."""
    own: dict[str, Any] = {
        "instrument_id": 1,
        "kind": ActionKind.SPLIT,
        "ex_date": date(2020, 1, 8),
        "value": 2.0,
        "known_at": datetime(2020, 1, 8, 14, 30, tzinfo=UTC),
        "assumed": True,
        "source": "derived",
    }
    return CorporateAction(**own | fields)


def fact(**fields: Any) -> FundamentalFact:
    """Return the book equity of instrument 1 at the end of 2019, filed in February."""
    own: dict[str, Any] = {
        "instrument_id": 1,
        "metric": "book_equity",
        "period_end": date(2019, 12, 31),
        "value": Decimal("90488000000.00"),
        "currency": "USD",
        "known_at": datetime(2020, 2, 1, 21, 30, tzinfo=UTC),
        "source": "test",
    }
    return FundamentalFact(**own | fields)


def universe_draft(**fields: Any) -> UniverseDraft:
    """Return a universe of the dataset."""
    own: dict[str, Any] = {
        "name": "large",
        "dataset": "us",
        "definition": {"symbols": ["AAPL"], "every": "once"},
        "owner": "system",
    }
    return UniverseDraft(**own | fields)


def key_draft(**fields: Any) -> KeyDraft:
    """Return a key of the user ada for a notebook."""
    own: dict[str, Any] = {"user": "ada", "label": "notebook", "scopes": ("read",), "expires_at": at(60)}
    return KeyDraft(**own | fields)


def run_start(**fields: Any) -> RunStart:
    """Return a sweep of the strategy sma_cross on version 1 of the dataset."""
    own: dict[str, Any] = {
        "run_id": "run-0001",
        "key": "key-1",
        "kind": RunKind.SWEEP,
        "strategy": "sma_cross",
        "family": "sma_cross",
        "dataset": "us",
        "dataset_version": 1,
        "panel_id": "panel-1",
        "basis": PriceBasis.RAW,
        "spec": BacktestSpec(
            panel=PanelRequest(dataset="us", symbols=("AAPL",)),
            strategy="sma_cross",
            grid={"slow": [50, 20], "fast": [5]},
        ),
        "code_identity": "code-1",
        "lock_hash": "lock-1",
        "platform_version": "0.1.0",
        "started_at": AT,
    }
    return RunStart(**own | fields)


def run_outcome(**fields: Any) -> RunOutcome:
    """Return a completed sweep of two trials."""
    own: dict[str, Any] = {
        "executor": "serial",
        "worker_pids": (1,),
        "trials": 2,
        "metrics": {"sharpe": 0.5},
        "best_parameters": {"slow": 50},
        "result_hash": "f00d",
        "sharpe_mean": 0.5,
        "sharpe_variance": 0.25,
        "ended_at": at(1),
    }
    return RunOutcome(**own | fields)


def training_start(**fields: Any) -> TrainingStart:
    """Return a training of a linear learner on version 1 of the dataset."""
    own: dict[str, Any] = {
        "run_id": "tr-0001",
        "key": "training-key-1",
        "spec": TrainingSpec(learner="momentum_12_1", features=("momentum_12_1",), parameters={"z": 1, "a": [0.1]}),
        "learner_identity": "learner-1",
        "panel": PanelRequest(dataset="us", symbols=("AAPL",), as_of=AT),
        "panel_id": "pn-1",
        "dataset_version": 1,
        "code_identity": "code-1",
        "lock_hash": "lock-1",
        "platform_version": "0.1.0",
        "started_at": AT,
    }
    return TrainingStart(**own | fields)


def training_end(**fields: Any) -> TrainingEnd:
    """Return the end of a training that gave linear weights."""
    own: dict[str, Any] = {
        "signature": InputSignature(features=("momentum_12_1",), horizon_sessions=21),
        "artifact_format": ArtifactFormat.LINEAR_JSON,
        "artifact_sha256": "a" * 64,
        "evaluation_sha256": "e" * 64,
        "scorecard": Scorecard(
            information_coefficient=0.1 / 3,
            interval_low=-0.01,
            interval_high=0.07,
            observations=500,
            effective_observations=24,
            first_session=date(2019, 1, 2),
            last_session=date(2020, 12, 31),
            folds=5,
        ),
        "ended_at": at(1),
    }
    return TrainingEnd(**own | fields)


def add_training(session: Session, number: int = 1, **end: Any) -> str:
    """Store a completed training run on the dataset and return its id."""
    run_id = f"tr-{number:04d}"
    training.start_training(session, training_start(run_id=run_id, key=f"training-key-{number}"))
    training.complete_training(session, run_id, training_end(**end))
    return run_id


def pipeline_start(**fields: Any) -> PipelineStart:
    """Return a run of the pipeline nightly."""
    own: dict[str, Any] = {
        "run_id": "pipeline-0001",
        "pipeline": "nightly",
        "spec_hash": "5bec",
        "spec": {"steps": ["ingest"]},
        "code_identity": "code-1",
        "lock_hash": "lock-1",
        "started_at": AT,
    }
    return PipelineStart(**own | fields)


def step_draft(**fields: Any) -> StepDraft:
    """Return the step ingest of the pipeline run."""
    own: dict[str, Any] = {
        "step_id": "step-0001",
        "run_id": "pipeline-0001",
        "name": "ingest",
        "position": 0,
        "notebook": "01_ingest.ipynb",
        "notebook_sha256": "ab",
        "key": "step-key",
    }
    return StepDraft(**own | fields)


def add_dataset(session: Session, *, name: str = "us") -> None:
    """Store a dataset with one completed ingest run, one version and one instrument."""
    catalog.ensure_venue(session, NASDAQ)
    catalog.ensure_instrument(session, instrument_draft())
    datasets.ensure_dataset(session, description(name=name), at=AT)
    ingest_id = "ingest-0001" if name == "us" else f"ingest-{name}"
    ingests.start_ingest(session, ingest_start(dataset=name, ingest_run_id=ingest_id))
    datasets.record_version(session, version_draft(dataset=name, ingest_run_id=ingest_id), expected_last=None)
    ingests.complete_ingest(session, ingest_id, RowCounts(new=10), quality={"status": "passed"}, at=at(1))


def fill(session: Session) -> None:
    """Store at least one row in every table, and one with a value in every column that may be empty."""
    add_dataset(session)
    _fill_catalog(session)
    _fill_runs(session)
    users.create_user(session, UserDraft(name="ada", email="ada@example.org", role=Role.RESEARCHER), at=AT)
    key = users.issue_key(session, key_draft(), at=AT, random=lambda count: "k" * count).info
    users.mark_key_used(session, key.key_id, at=at(1))
    users.revoke_key(session, key.key_id, at=at(2))
    users.disable_user(session, "ada", at=at(3))
    for number in range(3):
        audit.append_event(session, "system", "pipeline.run", f"pipeline-{number}", {"n": number}, at=at(number))
    outbox.enqueue(session, "system", {"ended": "pipeline-0001"}, at=AT)


def _fill_catalog(session: Session) -> None:
    apple = catalog.resolve_symbols(session, ["AAPL"])[0].instrument_id
    for scheme, value in ((IdentifierScheme.FIGI, "BBG000B9XRY4"), (IdentifierScheme.CUSIP, "037833100")):
        own: dict[str, Any] = {"instrument_id": apple, "valid_from": date(1980, 12, 12), "source": "test"}
        catalog.add_identifier(session, Identifier(scheme=scheme, value=value, **own))
    part = catalog.ensure_instrument(
        session,
        instrument_draft(
            symbol="PART",
            name="Spun off",
            valid_from=date(2020, 1, 9),
            symbol_until=date(2021, 1, 4),
            sector="Software",
        ),
    )
    parted: dict[str, Any] = {"kind": ActionKind.SPIN_OFF, "ex_date": date(2020, 1, 9), "value": 1.25}
    told = [
        split(instrument_id=apple, uncertainty=0.001),
        split(instrument_id=apple, counterpart_id=part.instrument_id, counterpart_ratio=0.1, **parted),
    ]
    actions.add_actions(session, "us", told, ingest_run_id="ingest-0001", at=AT)
    restated = fact(instrument_id=apple, value=Decimal("90488000001.5"), known_at=datetime(2020, 6, 1, tzinfo=UTC))
    facts = [fact(instrument_id=apple), restated]
    fundamentals.add_facts(session, facts, ingest_run_id="ingest-0001", at=AT)
    universes.define_universe(session, universe_draft(), at=AT)
    universes.set_members(session, "large", [apple, part.instrument_id], on=date(2020, 1, 9))
    universes.set_members(session, "large", [apple], on=date(2021, 1, 4))
    datasets.pin_version(session, "us", 1, label="paper", owner="ada", at=AT)


def _fill_runs(session: Session) -> None:
    pipelines.start_run(session, pipeline_start())
    pipelines.start_step(session, step_draft(), at=AT)
    pipelines.complete_step(session, "step-0001", StepOutcome(outputs={"rows": 10}), at=at(1))
    pipelines.start_step(session, step_draft(step_id="step-0002", name="again", position=1), at=at(1))
    pipelines.skip_step(session, "step-0002", reused_from="step-0001", at=at(2))
    backtests.start_run(session, run_start(pipeline_step="step-0001"))
    backtests.complete_run(session, "run-0001", run_outcome())
    run_labels.label_run(session, "run-0001", RunLabels(name="first", tags=("paper",), note="a note"))
    training.start_training(session, training_start(pipeline_step="step-0001"))
    training.complete_training(session, "tr-0001", training_end())
    registry.add_version(session, "us-ranker", "tr-0001", at=at(2))
    registry.move_alias(session, "us-ranker", Alias.CHAMPION, 1, at=at(2))
    spanned = replays.start_pass(
        session, dataset="us", first_session=date(2020, 1, 2), last_session=date(2020, 1, 15), at=at(2)
    )
    replays.advance_pass(session, spanned.pass_id, expected=None, to=date(2020, 1, 2), at=at(3))
    pipelines.finish_run(session, "pipeline-0001", PipelineStatus.COMPLETED, at=at(3))
