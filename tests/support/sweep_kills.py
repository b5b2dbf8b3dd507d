"""Drivers of sweeps that are killed at any moment, each a fork of one process that has imported everything.

    python -m tests.support.sweep_kills <home>

Each line read is a task: `<initial cash> <executor>`. The answer is the driver's pid, a line for each trial that it
begins, and `done`, `killed` or `failed` when it has ended.
"""

import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TextIO

import numpy as np

from investlab.backtest import sweep_work
from investlab.backtest.strategies import SmaCross
from investlab.backtest.sweep import sweep
from investlab.backtest.sweep_result import SweepResult
from investlab.core.config import Settings
from investlab.core.executor import StreamingExecutor
from investlab.core.identity import code_identity, lock_hash, source_version
from investlab.market.panel import PricePanel
from investlab.services.workspace import Workspace, open_workspace, silent_progress
from tests.support.panels import random_panel
from tests.support.workspaces import DATASET

ROOT = Path(__file__).resolve().parents[2]
MARKS = "INVESTLAB_TEST_MARKS"
GRID = {"fast": list(range(2, 12)), "slow": list(range(12, 27))}
TRIALS = 150
SECONDS_PER_TRIAL = 0.002
SURVIVES = 10**6
OUTCOMES = ("done", "killed", "failed")


@dataclass(frozen=True)
class MarkedCross:
    """Crossings of moving averages that leave a mark of each trial and take their time."""

    name: ClassVar[str] = "marked_cross"
    family: ClassVar[str] = "marked_cross"

    fast: int = 2
    slow: int = 12

    def signals(self, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
        """Return the signals of the plain strategy."""
        if os.environ.get(MARKS):
            os.write(1, f"{self.fast} {self.slow}\n".encode())
            until = time.perf_counter() + SECONDS_PER_TRIAL
            while time.perf_counter() < until:
                os.getpid()
        return SmaCross(self.fast, self.slow).signals(panel)


@dataclass(frozen=True)
class SlowCross:
    """Crossings of moving averages that take their time, wherever they are computed."""

    name: ClassVar[str] = "slow_cross"
    family: ClassVar[str] = "slow_cross"

    fast: int = 2
    slow: int = 12

    def signals(self, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
        """Return the signals of the plain strategy."""
        until = time.perf_counter() + 10 * SECONDS_PER_TRIAL
        while time.perf_counter() < until:
            os.getpid()
        return SmaCross(self.fast, self.slow).signals(panel)


def place_of(mark: str) -> int:
    """Return the number of the trial that left a mark."""
    fast, slow = (int(text) for text in mark.split())
    return GRID["fast"].index(fast) * len(GRID["slow"]) + GRID["slow"].index(slow)


def swept(
    lab: Workspace, cash: float, executor: str, strategy: type[MarkedCross] | type[SlowCross] = MarkedCross
) -> SweepResult:
    """Return the sweep of a round; the cash tells the rounds apart."""
    panel = lab.panel(lab.universe(DATASET))
    return lab.sweep(strategy, GRID, panel, initial_cash=cash, executor=executor)


class Drivers:
    """The process that forks a driver for each task."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(
        self, cash: float, executor: str, fatal: int, delay_seconds: float = 0.0, number: int = signal.SIGKILL
    ) -> tuple[str, list[int]]:
        """Run a sweep, sent a signal some time after trial `fatal`; return how it ended and the trials it began."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{cash} {executor}\n")
        self._process.stdin.flush()
        pid, begun = int(self._line()), []
        while True:
            if len(begun) == fatal:
                time.sleep(delay_seconds)
                os.kill(pid, number)
            line = self._line()
            if line in OUTCOMES:
                return line, begun
            begun.append(place_of(line))

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def killed_drivers(home: Path) -> Iterator[Drivers]:
    """Give the process that forks drivers, and end it afterwards."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.support.sweep_kills", str(home)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        yield Drivers(process)
        assert process.stdin is not None
        process.stdin.close()


def serve(home: Path, tasks: TextIO) -> None:
    """Fork a driver for each task; units are small and logged often, so that kills meet every stage."""
    StreamingExecutor.least_unit_seconds, sweep_work.LOG_SECONDS = 0.01, (0.02, 0.02)
    code_identity(), lock_hash(), source_version()
    sweep(MarkedCross, {"fast": [2, 3]}, random_panel(0, sessions=100, instruments=3))  # loads the kernels
    child = 0
    for line in tasks:
        if child:
            os.waitpid(child, 0)
        cash, executor = line.split()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.environ[MARKS] = "1"
                lab = open_workspace(settings=Settings(home=home), progress=silent_progress)
                os.write(1, f"{os.getpid()}\n".encode())
                swept(lab, float(cash), executor)
                code = 0
            except Exception:  # noqa: BLE001 (reported to whoever reads the test)
                traceback.print_exc()
            finally:
                os._exit(code)
        ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # its pid stays taken: a kill may come late
        assert ended is not None
        os.write(1, f"{ {0: 'done', 9: 'killed'}.get(ended.si_status, 'failed') }\n".encode())


if __name__ == "__main__":
    from tests.support import sweep_kills

    sweep_kills.serve(Path(sys.argv[1]), sys.stdin)
