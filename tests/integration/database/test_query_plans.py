"""The queries asked most read no growing table from end to end, on either database."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from investlab.models import core as rows
from investlab.schemas.catalog import IdentifierScheme
from investlab.schemas.ledger import RunQuery
from investlab.schemas.market import InstrumentRef
from investlab.store.database import Database
from investlab.store.repositories import (
    actions,
    audit,
    backtests,
    datasets,
    fundamentals,
    ingests,
    outbox,
    pipelines,
    registering,
    registry,
    replays,
    training,
    universes,
    users,
)
from investlab.store.repositories.trace import locate
from investlab.store.symbol_directory import read_symbols
from tests.support.query_plans import full_scans
from tests.support.records import AT, fill

SMALL = {"venues", "datasets", "users", "universes", "change_marks", "model_aliases", "replay_passes"}
ADA_S_KEY = "il_" + "k" * 32


def _list_runs(**query: Any) -> Callable[[Session], object]:
    return lambda session: backtests.list_runs(session, RunQuery(**query))


def _version_id(session: Session) -> str:
    return registry.version(session, "us-ranker", 1).version_id


HOT: dict[str, Callable[[Session], object]] = {
    "trace-an-id": lambda session: locate(session, "run-0001"),
    "trace-a-beginning": lambda session: locate(session, "tr-00"),
    "trace-a-panel": lambda session: (backtests.find_by_panel(session, "pn-"), training.find_by_panel(session, "pn-")),
    "backtest-by-id": lambda session: (backtests.run(session, "run-0001"), backtests.run_record(session, "run-0001")),
    "backtest-by-key": lambda session: backtests.find_by_key(session, "key-1"),
    "trials-counted": lambda session: backtests.cumulative_trials(session, "system", "sma_cross", "us"),
    "training-by-id": lambda session: training.training_record(session, "tr-0001"),
    "training-by-key": lambda session: training.find_by_key(session, "training-key-1"),
    "model-version-by-id": lambda session: registry.version_by_id(session, _version_id(session)),
    "model-version-by-number": lambda session: registry.version(session, "us-ranker", 1),
    "pipeline-by-id": lambda session: pipelines.run(session, "pipeline-0001"),
    "pipelines-running": pipelines.running_runs,
    "step-by-id": lambda session: pipelines.step(session, "step-0001"),
    "ingest-by-id": lambda session: ingests.ingest(session, "ingest-0001"),
    "dataset-version": lambda session: (datasets.latest_version(session, "us"), datasets.version(session, "us", 1)),
    "dataset-versions-held": lambda session: (datasets.pinned_versions(session, "us"), datasets.pins(session, "us")),
    "actions": lambda session: actions.actions_as_of(session, "us", [1, 2], as_of=AT),
    "facts": lambda session: fundamentals.facts_as_of(session, [1, 2], ["book_equity"], as_of=AT),
    "facts-of-all": lambda session: fundamentals.facts_history(session, None, ["book_equity"], as_of=AT),
    "members": lambda session: universes.members(session, "large", on=date(2020, 6, 1)),
    "names": lambda session: registering.read_names(session, [(IdentifierScheme.FIGI, "BBG000B9XRY4")]),
    "some-symbols": lambda session: (read_symbols(session, symbols=["AAPL"]), read_symbols(session, of=[1])),
    "a-key": lambda session: users.find_user_by_key(session, ADA_S_KEY, at=AT),
    "audit-of-actions": lambda session: audit.events_of(session, ["pipeline.run"]),
    "replay": lambda session: replays.current_pass(session, "us"),
}

# Lists of the latest: an index is walked in their order until there are enough.
LISTS: dict[str, Callable[[Session], object]] = {
    "backtests-latest": _list_runs(),
    "backtests-of-an-owner": _list_runs(owner="system"),
    "backtests-of-a-strategy": _list_runs(strategy="sma_cross"),
    "backtests-of-a-dataset": _list_runs(dataset="us"),
    "training-latest": training.list_training,
    "pipelines-latest": pipelines.list_runs,
    "pipelines-of-a-name": lambda session: pipelines.list_runs(session, "nightly"),
    "step-to-reuse": lambda session: pipelines.find_reusable_step(session, "nightly", "ingest", "step-key"),
    "ingests-latest": ingests.list_ingests,
    "ingests-of-a-dataset": lambda session: ingests.list_ingests(session, "us"),
    "outbox": outbox.pending,
    "audit-latest": audit.list_events,
    "audit-of-a-subject": lambda session: audit.list_events(session, subject="pipeline-1"),
}


@pytest.fixture
def filled(database: Database) -> Database:
    """A database with rows in every table."""
    database.write(fill)
    return database


def test_hot_queries_read_no_growing_table_whole(filled: Database) -> None:
    found = {name: set(full_scans(filled, reading)) - SMALL for name, reading in HOT.items()}
    found |= {name: set(full_scans(filled, reading, may_walk=True)) - SMALL for name, reading in LISTS.items()}
    assert {name: tables for name, tables in found.items() if tables} == {}


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(select(rows.BacktestRun).where(rows.BacktestRun.result_hash == "x"), id="no-index"),
        pytest.param(select(rows.BacktestRun).where(rows.BacktestRun.uid.like("%1")), id="no-beginning"),
        pytest.param(select(rows.BacktestRun).order_by(rows.BacktestRun.result_hash).limit(1), id="sorted-first"),
    ],
)
def test_a_full_scan_is_seen(filled: Database, query: Any) -> None:
    assert full_scans(filled, lambda session: session.execute(query).all(), may_walk=True) == ["backtest_runs"]


def test_a_walk_to_a_row_that_may_not_be_there_is_a_full_scan(filled: Database) -> None:
    run = rows.BacktestRun
    query = select(run.uid).where(run.uid.contains("1")).order_by(run.uid).limit(1)
    assert full_scans(filled, lambda session: session.execute(query).all()) == ["backtest_runs"]
    assert full_scans(filled, lambda session: session.execute(query).all(), may_walk=True) == []


def test_a_reading_without_queries_scans_nothing(filled: Database) -> None:
    assert full_scans(filled, lambda session: InstrumentRef(instrument_id=1, symbol="AAPL")) == []
