"""Backtest runs, their cache key, and the trial ledger."""

import math
from typing import Any

import numpy as np
import pytest
from sqlalchemy.orm import Session

from investlab.core.errors import Conflict, InvalidInput, InvestlabError, NotFound
from investlab.schemas.backtest import RunSummary
from investlab.schemas.ledger import RunQuery, RunStatus
from investlab.store.database import Database
from investlab.store.repositories import backtests
from tests.support.records import AT, add_dataset, at, run_outcome, run_start


@pytest.fixture
def stored(database: Database) -> Database:
    """The datasets us and other, each with version 1."""

    def unit(session: Session) -> None:
        add_dataset(session)
        add_dataset(session, name="other")

    database.write(unit)
    return database


def _start(stored: Database, **fields: Any) -> RunSummary:
    return stored.write(lambda session: backtests.start_run(session, run_start(**fields)))


def _complete(stored: Database, run_id: str, **fields: Any) -> RunSummary:
    return stored.write(lambda session: backtests.complete_run(session, run_id, run_outcome(**fields)))


def _record(stored: Database, number: int, *, trials: int = 2, **fields: Any) -> RunSummary:
    run_id = f"run-{number:04}"
    _start(stored, **{"run_id": run_id, "key": f"key-{number}", "started_at": at(number)} | fields)
    return _complete(stored, run_id, trials=trials)


def test_a_run_starts_and_completes(stored: Database) -> None:
    started = _start(stored)
    assert (started.status, started.trials, started.ended_at, started.result_hash) == ("running", 0, None, None)
    done = _complete(stored, "run-0001")
    assert (done.status, done.trials, done.metrics, done.best_parameters) == (
        "completed",
        2,
        {"sharpe": 0.5},
        {"slow": 50},
    )
    assert (done.dataset, done.dataset_version, done.worker_pids) == ("us", 1, (1,))
    assert (done.started_at, done.ended_at, done.owner) == (AT, at(1), "system")


def test_only_a_completed_run_is_found_by_its_key(stored: Database) -> None:
    _start(stored)
    with stored.read() as session:
        assert backtests.find_by_key(session, "key-1") is None
    done = _complete(stored, "run-0001")
    with stored.read() as session:
        assert backtests.find_by_key(session, "key-1") == done


def test_a_failed_run_does_not_stand_in_the_way(stored: Database) -> None:
    _start(stored)
    failed = stored.write(lambda session: backtests.fail_run(session, "run-0001", error="no bars", at=at(1)))
    assert (failed.status, failed.error, failed.ended_at) == ("failed", "no bars", at(1))
    _start(stored, run_id="run-0002")
    assert _complete(stored, "run-0002").cumulative_trials == 2


def test_a_key_completes_once(stored: Database) -> None:
    _start(stored)
    _start(stored, run_id="run-0002")
    _complete(stored, "run-0001")
    with pytest.raises(Conflict) as raised:
        _complete(stored, "run-0002")
    assert raised.value.details == {"run_id": "run-0001"}
    with pytest.raises(Conflict, match="'run-0001' with the same key has completed"):
        _start(stored, run_id="run-0003")


def test_an_ended_run_stays_ended_and_counts_once(stored: Database) -> None:
    _record(stored, 1)
    with pytest.raises(Conflict, match="already ended as completed"):
        _complete(stored, "run-0001")
    with stored.read() as session:
        assert backtests.cumulative_trials(session, "system", "sma_cross", "us").trials == 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        pytest.param({"dataset_version": 9}, "no version 9", id="version"),
        pytest.param({"dataset": "uss"}, "Did you mean us", id="dataset"),
        pytest.param({"pipeline_step": "nowhere"}, "no pipeline step", id="step"),
    ],
)
def test_a_run_stands_on_what_exists(stored: Database, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(NotFound, match=words):
        _start(stored, **fields)


def test_undefined_metrics_survive(stored: Database) -> None:
    _start(stored)
    _complete(stored, "run-0001", metrics={"sharpe": math.nan, "profit_factor": math.inf, "x": np.float64(0.1)})
    with stored.read() as session:
        metrics = backtests.run(session, "run-0001").metrics
    assert math.isnan(metrics["sharpe"])
    assert (metrics["profit_factor"], metrics["x"]) == (math.inf, 0.1)


def test_the_spec_comes_back_with_its_grid_in_order(stored: Database) -> None:
    _start(stored)
    with stored.read() as session:
        record = backtests.run_record(session, "run-0001")
    assert record.spec == run_start().spec
    assert list(record.spec.grid or {}) == ["slow", "fast"]
    assert record.platform_version == "0.1.0"


@pytest.mark.parametrize(
    ("given", "error"),
    [("run-9", NotFound), ("run-00", Conflict), ("run", InvalidInput), ("run_000%", NotFound), ("RUN-0001", NotFound)],
)
def test_a_run_is_named_by_its_id_or_a_unique_beginning(
    stored: Database, given: str, error: type[InvestlabError]
) -> None:
    _record(stored, 1)
    _record(stored, 10)
    with stored.read() as session:
        assert backtests.run(session, "run-001").run_id == "run-0010"
        with pytest.raises(error):
            backtests.run(session, given)


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        pytest.param({}, [4, 3, 2, 1], id="all-newest-first"),
        pytest.param({"strategy": "momentum"}, [2], id="strategy"),
        pytest.param({"owner": "ada"}, [3], id="owner"),
        pytest.param({"dataset": "other"}, [4], id="dataset"),
        pytest.param({"family": "sma_cross", "owner": "system"}, [4, 2, 1], id="family-and-owner"),
        pytest.param({"status": RunStatus.FAILED}, [], id="status"),
        pytest.param({"limit": 1}, [4], id="limit"),
    ],
)
def test_listing_runs(stored: Database, query: dict[str, Any], numbers: list[int]) -> None:
    _record(stored, 1)
    _record(stored, 2, strategy="momentum")
    _record(stored, 3, owner="ada")
    _record(stored, 4, dataset="other")
    with stored.read() as session:
        found = backtests.list_runs(session, RunQuery(**query))
    assert [run.run_id for run in found] == [f"run-{number:04}" for number in numbers]


def test_trials_add_up_per_owner_family_and_dataset(stored: Database) -> None:
    counts = [
        _record(stored, 1, trials=10).cumulative_trials,
        _record(stored, 2, trials=5).cumulative_trials,
        _record(stored, 3, trials=7, owner="ada").cumulative_trials,
        _record(stored, 4, trials=8, family="momentum").cumulative_trials,
        _record(stored, 5, trials=9, dataset="other").cumulative_trials,
        _record(stored, 6, trials=1).cumulative_trials,
    ]
    assert counts == [10, 15, 7, 8, 9, 16]
    with stored.read() as session:
        assert backtests.cumulative_trials(session, "system", "sma_cross", "us").trials == 16
        assert backtests.run(session, "run-0001").cumulative_trials == 10
        assert backtests.cumulative_trials(session, "nobody", "sma_cross", "us").trials == 0


def test_the_ledger_pools_mean_and_variance_of_all_trials(stored: Database) -> None:
    sharpes = [np.array([0.1, 0.9, -0.3]), np.array([1.5]), np.array([0.2, 0.4])]
    for number, values in enumerate(sharpes, start=1):
        _start(stored, run_id=f"run-{number:04}", key=f"key-{number}")
        _complete(
            stored,
            f"run-{number:04}",
            trials=len(values),
            sharpe_mean=float(values.mean()),
            sharpe_variance=float(values.var()),
        )
    _start(stored, run_id="run-0009", key="key-9")
    _complete(stored, "run-0009", trials=1, sharpe_mean=math.nan, sharpe_variance=0.0)
    everything = np.concatenate(sharpes)
    with stored.read() as session:
        ledger = backtests.cumulative_trials(session, "system", "sma_cross", "us")
    assert ledger.trials == 7
    assert ledger.sharpe_mean == pytest.approx(everything.mean(), rel=1e-12)
    assert ledger.sharpe_variance == pytest.approx(everything.var(), rel=1e-12)


def test_a_ledger_without_trials_has_no_mean(stored: Database) -> None:
    with stored.read() as session:
        ledger = backtests.cumulative_trials(session, "system", "sma_cross", "us")
    assert (ledger.trials, ledger.sharpe_mean, ledger.sharpe_variance) == (0, None, None)
