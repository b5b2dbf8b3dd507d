"""Drivers of sweeps killed at any moment: the next call computes what is missing alone, and the result is the same."""

import os
import random
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from investlab.backtest.strategies import SmaCross
from investlab.backtest.sweep import sweep
from investlab.schemas.ledger import RunQuery
from investlab.services.workspace import Workspace
from tests.support.sweep_kills import GRID, SURVIVES, TRIALS, Drivers, MarkedCross, killed_drivers, swept
from tests.support.workspaces import DATASET, open_with_bars

ROUNDS = int(os.environ.get("INVESTLAB_FAULT_ROUNDS", "5"))
LONGEST_SECONDS = 0.03
MOST_KILLS = 3


def durable_trials(home: Path) -> set[int]:
    """Return the trials in whole chunk files, read by pyarrow alone."""
    files = (home / "cache" / "sweeps").glob("*/*.parquet")
    return {trial for path in files for trial in pq.read_table(path, columns=["trial"])["trial"].to_pylist()}


def drive(drivers: Drivers, home: Path, cash: float, generator: random.Random) -> int:
    """Let drivers work on a sweep, killing the first few, until it is done; return how many trials were resumed."""
    executor, kills = generator.choice(["serial", "threads"]), generator.randint(1, MOST_KILLS)
    resumed = 0
    for attempt in range(kills + 1):
        durable = durable_trials(home)
        fatal = SURVIVES if attempt == kills else generator.randint(0, TRIALS - len(durable))
        outcome, computed = drivers.run(cash, executor, fatal, generator.uniform(0.0, LONGEST_SECONDS))
        missing = set(range(TRIALS)) - durable
        resumed += len(durable)
        if outcome == "done":  # the best trial is run once more, for its whole result
            again = Counter(computed) - Counter(missing)
            assert set(computed) >= missing, "a missing trial was not computed"
            assert again.total() == 1, f"beside the best trial, {again} were computed again"
            return resumed
        assert outcome == "killed"
        assert len(set(computed) - missing) <= 1, "trials that were durable were computed again"
    raise AssertionError("The last driver did not end.")


def check_round(lab: Workspace, cash: float, number: int) -> None:
    """Check that a resumed sweep is the plain one, and counted once."""
    found, panel = swept(lab, cash, "serial"), lab.panel(lab.universe(DATASET))
    plain = sweep(MarkedCross, GRID, panel, initial_cash=cash)
    assert found.hash == plain.hash
    assert found.table.equals(plain.table)
    assert found.block_moments is not None
    assert plain.block_moments is not None
    assert found.block_moments.tobytes() == plain.block_moments.tobytes()
    assert found.best_result.hash == plain.best_result.hash
    assert found.table.equals(sweep(SmaCross, GRID, panel, initial_cash=cash).table)
    assert found.cumulative_trials == TRIALS * (number + 1)


@pytest.mark.slow
@pytest.mark.drill
def test_a_killed_driver_resumes_with_what_is_missing_and_the_result_is_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    lab, resumed = open_with_bars(monkeypatch, home), 0
    swept(lab, 1.0, "serial")  # compiles, and is no round
    with killed_drivers(home) as drivers:
        for number in range(1, ROUNDS + 1):
            resumed += drive(drivers, home, 100_000.0 + number, random.Random(number))
            check_round(lab, 100_000.0 + number, number)
    runs = Counter(str(run.status) for run in lab.list_runs(RunQuery(strategy="marked_cross", limit=10_000)))
    assert runs["completed"] == ROUNDS + 1
    assert runs["running"] == 0
    assert not durable_trials(home)
    assert resumed >= ROUNDS * TRIALS // 10
