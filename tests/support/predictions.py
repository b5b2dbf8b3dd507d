"""Predictions for tests, and a process that records and compacts them until it is killed at a chosen step.

    python -m tests.support.predictions <folder> <round> <step to die before>

It prints the id of each prediction that was acknowledged.
"""

import itertools
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from investlab.schemas.serving import PredictionRecord, PredictionScore
from investlab.store import prediction_spools, prediction_table, predictions
from investlab.store.predictions import PredictionStore

AT = datetime(2024, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)


def prediction(number: int = 1, **fields: Any) -> PredictionRecord:
    """Return a prediction of the replay with two scores."""
    own: dict[str, Any] = {
        "prediction_id": f"pd-{number:012x}",
        "source": "replay",
        "at": AT + timedelta(seconds=number),
        "request_id": f"request-{number}",
        "pass_id": "rp-0001",
        "session": date(2022, 1, 3),
        "as_of": datetime(2022, 1, 3, 21, tzinfo=UTC),
        "dataset": "us",
        "dataset_version": 1,
        "model": "us-ranker",
        "model_version": 2,
        "version_id": "mv-0001",
        "run_id": "tr-0001",
        "horizon_sessions": 21,
        "scores": (
            PredictionScore(row=0, instrument_id=7, symbol="AAPL", score=0.1 / 3),
            PredictionScore(row=1, instrument_id=8, symbol="MSFT", score=-number / 7),
        ),
    }
    return PredictionRecord(**own | fields)


def bare_prediction(number: int = 1) -> PredictionRecord:
    """Return a prediction of features that the caller gave: nothing is known of session, data or instrument."""
    absent = dict.fromkeys(("pass_id", "session", "as_of", "dataset", "dataset_version"))
    scores = (PredictionScore(row=0, instrument_id=None, symbol=None, score=1.5),)
    return prediction(number, source="api", scores=scores, **absent)


class Executioner:
    """Kills this process before the step that has the fatal number."""

    def __init__(self, fatal: int) -> None:
        self.fatal = fatal
        self.steps = itertools.count()

    def guard(self, owner: Any, name: str) -> None:
        """Make a function a step, and its return another."""
        inner: Callable[..., Any] = getattr(owner, name)

        def stepped(*arguments: Any, **named: Any) -> Any:
            self.step()
            outcome = inner(*arguments, **named)
            self.step()
            return outcome

        setattr(owner, name, stepped)

    def tear(self, descriptor: int, line: bytes) -> int:
        """Write a line, or die in the middle of it."""
        if next(self.steps) == self.fatal:
            os.write(descriptor, line[: len(line) // 2])
            self.die()
        return WRITE(descriptor, line)

    def step(self) -> None:
        """Die if this is the fatal step."""
        if next(self.steps) == self.fatal:
            self.die()

    def die(self) -> None:
        """Kill this process as `kill -9` does."""
        os.kill(os.getpid(), signal.SIGKILL)


WRITE = os.write
GUARDED = (
    (predictions, "read_spool"),
    (prediction_table, "write_deltalake"),
    (prediction_table.delta_log, "make_durable"),
    (predictions, "write_state"),
    (Path, "unlink"),
    (predictions, "flush_folder"),
    (prediction_table, "merge_files"),
    (prediction_table, "write_checkpoint"),
)


def main(folder: str, number: str, fatal: str) -> None:
    """Record three predictions, compact, record one more, and compact again, or die on the way."""
    executioner = Executioner(int(fatal))
    prediction_table.MOST_FILES = 2
    for owner, name in GUARDED:
        executioner.guard(owner, name)
    prediction_spools.os.write = executioner.tear  # type: ignore[assignment] # the process ends with it
    store = PredictionStore(Path(folder))
    spool = store.spool()
    for offset in range(4):
        record = prediction(int(number) * 100 + offset)
        spool.append(record)
        WRITE(1, f"{record.prediction_id}\n".encode())
        if offset == 2:
            store.compact()
    store.compact()
    WRITE(1, b"done\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
