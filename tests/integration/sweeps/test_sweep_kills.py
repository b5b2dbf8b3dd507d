"""Drivers of sweeps killed at any moment: the next call computes what is missing alone, and the result is the same."""

import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from investlab.backtest.strategies import SmaCross
from investlab.backtest.sweep import sweep
from investlab.backtest.sweep_result import SweepResult
from investlab.schemas.ledger import RunQuery
from investlab.services.workspace import Workspace
from investlab.store.repositories import backtests
from tests.support.sweep_kills import GRID, SURVIVES, TRIALS, Drivers, MarkedCross, killed_drivers, swept
from tests.support.workspaces import DATASET, open_with_bars

pytestmark = pytest.mark.slow
ROUNDS = int(os.environ.get("INVESTLAB_FAULT_ROUNDS", "5"))
LONGEST_SECONDS = 0.03
MOST_KILLS = 3


def durable_trials(home: Path) -> set[int]:
    """Return the trials in whole chunk files, read by pyarrow alone."""
    files = (home / "cache" / "sweeps").glob("*/*.parquet")
    return {trial for path in files for trial in pq.read_table(path, columns=["trial"])["trial"].to_pylist()}


def drive(drivers: Drivers, lab: Workspace, cash: float, generator: random.Random) -> int:
    """Let drivers work on a sweep, killing the first few, until it is done; return how many trials were resumed.

    A driver may be killed after it recorded the sweep: the next one then finds it and computes nothing.
    """
    executor, kills = generator.choice(["serial", "threads"]), generator.randint(1, MOST_KILLS)
    home, before, resumed = lab.context.settings.home_path, states(lab)["completed"], 0
    for attempt in range(kills + 1):
        is_recorded, durable = states(lab)["completed"] > before, durable_trials(home)
        missing = set() if is_recorded else set(range(TRIALS)) - durable
        fatal = SURVIVES if attempt == kills else generator.randint(0, len(missing))
        outcome, computed = drivers.run(cash, executor, fatal, generator.uniform(0.0, LONGEST_SECONDS))
        resumed += 0 if is_recorded else len(durable)
        if outcome == "done":  # the best trial is run once more, for its whole result
            again = Counter(computed) - Counter(missing)
            assert set(computed) >= missing, "a missing trial was not computed"
            assert again.total() == int(not is_recorded), f"beside the best trial, {again} were computed again"
            return resumed
        assert outcome == "killed"
        assert len(set(computed) - missing) <= 1, "trials that were durable were computed again"
    raise AssertionError("The last driver did not end.")


def states(lab: Workspace) -> Counter[str]:
    """Return how many runs of the strategy are in each state."""
    return Counter(str(run.status) for run in lab.list_runs(RunQuery(strategy="marked_cross", limit=10_000)))


def ledger(lab: Workspace) -> int:
    """Return how many trials of the strategy are counted."""
    with lab.context.database.read() as session:
        return backtests.cumulative_trials(session, lab.context.owner, "marked_cross", DATASET).trials


def check_plain(lab: Workspace, cash: float) -> SweepResult:
    """Check that a recorded sweep is the plain one to the bit, and return it."""
    found, panel = swept(lab, cash, "serial"), lab.panel(lab.universe(DATASET))
    plain = sweep(MarkedCross, GRID, panel, initial_cash=cash)
    assert found.hash == plain.hash
    assert found.table.equals(plain.table)
    assert found.block_moments is not None
    assert plain.block_moments is not None
    assert found.block_moments.tobytes() == plain.block_moments.tobytes()
    assert found.best_result.hash == plain.best_result.hash
    assert found.table.equals(sweep(SmaCross, GRID, panel, initial_cash=cash).table)
    return found


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with pytest.MonkeyPatch.context() as patching:
        opened = open_with_bars(patching, tmp_path_factory.mktemp("sweeps") / "home")
        swept(opened, 1.0, "serial")  # compiles
        yield opened


@pytest.fixture(scope="module")
def drivers(lab: Workspace) -> Iterator[Drivers]:
    with killed_drivers(lab.context.settings.home_path) as running:
        yield running


@pytest.mark.drill
def test_a_killed_driver_resumes_with_what_is_missing_and_the_result_is_the_same(
    lab: Workspace, drivers: Drivers
) -> None:
    home, resumed, before = lab.context.settings.home_path, 0, ledger(lab)
    for number in range(1, ROUNDS + 1):
        cash = 100_000.0 + number
        resumed += drive(drivers, lab, cash, random.Random(number))
        check_plain(lab, cash)
        assert ledger(lab) == before + number * TRIALS, "a trial was counted twice or not at all"
    ended = states(lab)
    assert ended["running"] == 0
    assert ledger(lab) == ended["completed"] * TRIALS
    assert not durable_trials(home)
    assert resumed >= ROUNDS * TRIALS // 10


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_an_interrupted_sweep_says_so_and_resumes(lab: Workspace, drivers: Drivers, executor: str) -> None:
    home, cash = lab.context.settings.home_path, {"serial": 7.0, "threads": 8.0}[executor]
    outcome, begun = drivers.run(cash, executor, fatal=TRIALS // 2, number=signal.SIGINT)
    durable = durable_trials(home)
    assert (outcome, durable <= set(begun)) == ("failed", True)
    assert len(durable) >= TRIALS // 4
    interrupted = lab.list_runs(RunQuery(strategy="marked_cross", limit=1))[0]
    assert (str(interrupted.status), interrupted.error) == ("failed", "It was interrupted.")
    outcome, begun = drivers.run(cash, executor, SURVIVES)
    assert outcome == "done"
    assert (Counter(begun) - Counter(set(range(TRIALS)) - durable)).total() == 1
    assert check_plain(lab, cash).resumed_trials == len(durable)
