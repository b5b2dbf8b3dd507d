"""Writers of bars that are killed at a chosen step, each a fork of one process that has imported everything.

    python -m tests.support.bar_kills <folder>

Each line read is a task: `<operation> <number> <step to die at>`; each line written is the name of the step at which
the writer died, or `acknowledged`. The pin recorded last lies in <folder>/acknowledged.json, replaced whole.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import TextIO

import pandas as pd

from investlab.store.market import MarketStore, VersionPin
from tests.support.bars import INGESTED_AT, make_bars

ROOT = Path(__file__).resolve().parents[2]
DATASET = "killed"
SURVIVES = 10**6


def bars_of(number: int) -> pd.DataFrame:
    """Return what append `number` stores: new bars of two years, and another value for the first bar of all."""
    first = make_bars(first="1900-01-01", sessions=1)
    corrected = first.assign(close=first["close"] + number)
    news = [make_bars(instrument_ids=(10 + number,), first=f"{year}-06-01", sessions=2) for year in (1950, 1951)]
    return pd.concat([corrected, *news], ignore_index=True)


def recorded_pin(folder: Path) -> VersionPin | None:
    """Return the pin recorded last."""
    path = folder / "acknowledged.json"
    return VersionPin(**json.loads(path.read_text())) if path.exists() else None


def record(folder: Path, pin: VersionPin) -> None:
    """Record a pin, as the database does for a workspace."""
    draft = folder / "acknowledged.tmp"
    draft.write_text(json.dumps(asdict(pin)))
    draft.replace(folder / "acknowledged.json")


def write(folder: Path, operation: str, number: int, fatal: int = SURVIVES) -> str:
    """Append or compact, record the pin, and return `acknowledged`; die at the fatal step."""
    steps, turn = 0, Lock()

    def step(name: str) -> None:
        nonlocal steps
        with turn:
            if steps == fatal:
                os.write(1, f"{name}\n".encode())
                os.kill(os.getpid(), signal.SIGKILL)
            steps += 1

    folder.mkdir(parents=True, exist_ok=True)
    store = MarketStore(folder, steps=step)
    with store.writing(DATASET):
        pin = recorded_pin(folder)
        if operation == "compact" and pin is not None:
            pin = store.compact(DATASET, pin)
        else:
            pin = store.append(DATASET, bars_of(number), acknowledged=pin, ingested_at=INGESTED_AT).pin
        record(folder, pin)
    return "acknowledged"


class Writers:
    """The process that forks a writer for each task."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, operation: str, number: int, fatal: int) -> str:
        """Run one task and return where its writer died, or `acknowledged`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{operation} {number} {fatal}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


@contextmanager
def killed_writers(folder: Path) -> Iterator[Writers]:
    """Give the process that forks writers, and end it afterwards."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.support.bar_kills", str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        yield Writers(process)
        assert process.stdin is not None
        process.stdin.close()


def serve(folder: Path, tasks: TextIO) -> None:
    """Fork a writer for each task; the writer itself says how it ended."""
    for line in tasks:
        operation, number, fatal = line.split()
        child = os.fork()
        if child == 0:
            outcome = "failed"
            try:
                outcome = write(folder, operation, int(number), int(fatal))
            finally:
                os.write(1, f"{outcome}\n".encode())
                os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.stdin)
