"""Sweeps on Ray: the bits of the serial sweep, with a worker or a whole node killed in the middle too."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from investlab.backtest.costs import Costs
from investlab.backtest.grid import expand_grid
from investlab.backtest.strategies import SmaCross, Strategy
from investlab.backtest.sweep import SweepTask, plan_sweep
from investlab.backtest.sweep_result import SweepResult
from investlab.backtest.terms import agree_terms
from investlab.compute import RayExecutor, RayHead, attach, start_head
from investlab.core.config import Settings
from investlab.core.executor import Executor, Progress, SerialExecutor, no_progress
from tests.support.panels import random_panel
from tests.support.ray_nodes import second_node

pytestmark = pytest.mark.slow
GRID = {"fast": list(range(2, 12)), "slow": list(range(12, 27))}
PANEL = random_panel(4, sessions=300, instruments=3, missing=0.02, actions=8)


@pytest.fixture(scope="module")
def head() -> Iterator[RayHead]:
    with start_head(Settings(ray_workers=1)) as running, attach(running.address, running.env):
        yield running


def swept(
    strategy: type[Strategy], executor: Executor, progress: Progress = no_progress, unit_size: int | None = None
) -> SweepResult:
    task = SweepTask(strategy, PANEL, agree_terms(PANEL, Costs.bps(5, 2), "next_open", 100_000.0))
    return plan_sweep(task, expand_grid(strategy, GRID)).run(executor, progress, unit_size)


def check_equal(found: SweepResult) -> None:
    """Check a sweep against the serial one of the plain strategy, to the bit."""
    plain = swept(SmaCross, SerialExecutor())
    assert found.table.equals(plain.table)
    assert found.block_moments is not None
    assert plain.block_moments is not None
    assert found.block_moments.tobytes() == plain.block_moments.tobytes()
    assert found.best_result.hash == plain.best_result.hash


@pytest.mark.usefixtures("head")
@pytest.mark.parametrize("unit_size", [1, 17, 149, None])
def test_any_unit_size_gives_the_serial_bits(unit_size: int | None) -> None:
    found = swept(SmaCross, RayExecutor(1), unit_size=unit_size)
    check_equal(found)
    assert os.getpid() not in found.worker_pids


@pytest.mark.usefixtures("head")
def test_a_worker_killed_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    marker = str(tmp_path / "killed")

    @dataclass(frozen=True)
    class DiesOnce(SmaCross):
        def signals(self, panel):  # type: ignore[no-untyped-def]
            if self.fast == 7 and not os.path.exists(marker):  # noqa: PTH110 (sent to a worker by value)
                os.close(os.open(marker, os.O_CREAT))
                os.kill(os.getpid(), signal.SIGKILL)
            return SmaCross(self.fast, self.slow).signals(panel)

    found = swept(DiesOnce, RayExecutor(1), unit_size=10)
    assert Path(marker).exists()
    assert len(found.worker_pids) == 2
    plain = swept(SmaCross, SerialExecutor())
    assert found.table.equals(plain.table)


def test_a_node_killed_in_the_middle_changes_nothing(head: RayHead, tmp_path: Path) -> None:
    """The second node dies in a unit that would take ten minutes; the first one answers nothing before it begins.

    That the sweep ends at all shows that the unit was computed again elsewhere.
    """
    begun = str(tmp_path / "begun")

    with second_node(head) as node:
        doomed, deadline = node.raylet(), time.monotonic() + 120.0

        @dataclass(frozen=True)
        class Doomed(SmaCross):
            def signals(self, panel):  # type: ignore[no-untyped-def]
                if os.getppid() == doomed:
                    os.close(os.open(begun, os.O_WRONLY | os.O_CREAT))
                    time.sleep(600.0)
                while not os.path.exists(begun) and time.monotonic() < deadline:  # noqa: PTH110 (sent to a worker)
                    time.sleep(0.01)
                return SmaCross(self.fast, self.slow).signals(panel)

        done_when_killed: list[int] = []

        def kill_once(done: int, total: int) -> None:
            if not done_when_killed:
                done_when_killed.append(done)
                node.kill()

        found = swept(Doomed, RayExecutor(2), kill_once, unit_size=3)
    check_equal(found)
    assert Path(begun).exists()
    assert done_when_killed == [3]
