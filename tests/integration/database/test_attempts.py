"""Runs under way show how far they are, and those whose process is gone are recorded as failed."""

import pytest

from investlab.store.database import Database
from investlab.store.repositories import attempts, backtests
from tests.support.records import add_dataset, at, run_outcome, run_start


@pytest.fixture
def stored(database: Database) -> Database:
    """Two runs under way and one that completed."""
    database.write(add_dataset)
    for number in (1, 2, 3):
        start = run_start(run_id=f"run-{number:04}", key=f"key-{number}")
        database.write(lambda session, start=start: backtests.start_run(session, start))
    database.write(lambda session: backtests.complete_run(session, "run-0003", run_outcome(trials=9)))
    return database


def test_a_run_under_way_shows_its_trials_and_counts_none(stored: Database) -> None:
    stored.write(lambda session: attempts.note_trials(session, "run-0001", 70))
    with stored.read() as session:
        shown = backtests.run(session, "run-0001")
    assert (shown.trials, shown.cumulative_trials, str(shown.status)) == (70, 9, "running")


def test_a_run_that_ended_keeps_its_trials(stored: Database) -> None:
    stored.write(lambda session: attempts.note_trials(session, "run-0003", 70))
    with stored.read() as session:
        assert backtests.run(session, "run-0003").trials == 9


def test_only_runs_that_never_ended_are_abandoned(stored: Database) -> None:
    named = ["run-0001", "run-0003", "run-9999"]
    found = stored.write(lambda session: attempts.fail_abandoned(session, named, error="gone", at=at(5)))
    assert found == 1
    with stored.read() as session:
        runs = {number: backtests.run(session, f"run-{number:04}") for number in (1, 2, 3)}
    assert (str(runs[1].status), runs[1].error, runs[1].ended_at) == ("failed", "gone", at(5))
    assert (str(runs[2].status), str(runs[3].status)) == ("running", "completed")
