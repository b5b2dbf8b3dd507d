"""Predictions survive `kill -9` at every step of recording and compacting, each exactly once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from investlab.store.predictions import PredictionStore
from tests.support.predictions import prediction

ROOT = Path(__file__).resolve().parents[3]
ROUNDS = int(os.environ.get("INVESTLAB_FAULT_ROUNDS", "24"))
LAST_STEP = 60
"""A little more than a compaction has steps, so that some rounds end well."""


def _run(folder: Path, number: int, fatal: int) -> list[str]:
    """Let a process record and compact until it dies, and return what it acknowledged."""
    command = [sys.executable, "-m", "tests.support.predictions", str(folder), str(number), str(fatal)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()


@pytest.mark.drill
@pytest.mark.slow
def test_what_was_acknowledged_is_there_exactly_once_after_every_kill(tmp_path: Path) -> None:
    store = PredictionStore(tmp_path / "predictions")
    acknowledged: set[str] = set()
    deaths = 0
    for number in range(1, ROUNDS + 1):
        printed = _run(store.root, number, fatal=(number * 7) % LAST_STEP)
        deaths += "done" not in printed
        acknowledged |= {line for line in printed if line != "done"}
        rows = store.read()
        assert not rows.duplicated(["prediction_id", "row"]).any()
        assert acknowledged <= set(rows["prediction_id"])
        assert (rows.groupby("prediction_id").size() == 2).all()
    store.compact()
    final = store.read()
    assert acknowledged <= set(final["prediction_id"])
    assert len(final) == 2 * final["prediction_id"].nunique()
    assert list((store.root / "spool").iterdir()) == []
    assert deaths >= ROUNDS // 2
    assert store.find(min(acknowledged)) == prediction(int(min(acknowledged)[3:], 16))
