"""A replaying process that is killed at any moment: the next one goes on, every session predicted once."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from investlab.store.repositories import replays
from tests.support.replays import SYMBOLS, open_home

ROOT = Path(__file__).resolve().parents[3]
ROUNDS = int(os.environ.get("INVESTLAB_FAULT_ROUNDS", "8"))
LONGEST_SESSIONS = 6


def _killed_walk(home: Path, sessions: int, delay_seconds: float) -> list[str]:
    """Let a process replay so many sessions, kill it a moment later, and return the sessions it said it completed."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.replays", str(home)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(sessions)]
        try:
            process.wait(delay_seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
        assert process.wait(30) == -signal.SIGKILL, "it ended by itself"
    return [line.split()[1] for line in lines if line.endswith("\n")]


@pytest.mark.slow
@pytest.mark.drill
def test_kill_nine_in_mid_pass_loses_and_repeats_nothing(home: Path) -> None:
    generator = random.Random(0)
    for number in range(ROUNDS):
        said = _killed_walk(home, generator.randint(1, LONGEST_SESSIONS), generator.uniform(0.0, 0.05))
        workspace = open_home(home)
        with workspace.context.database.read() as session:
            walked = replays.passes(session)
        predictions = workspace.context.predictions.read(source="replay")
        workspace.close()
        assert str(walked[0].session) >= said[-1], f"round {number}: an acknowledged session was lost"
        for each in walked:
            mine = predictions[predictions["pass_id"] == each.pass_id]
            per_session = mine.groupby("session")["prediction_id"].nunique()
            assert (per_session == 1).all(), f"round {number}: a session was predicted twice"
            assert (mine.groupby("session").size() == len(SYMBOLS)).all()
            completed = per_session[per_session.index <= str(each.session)]
            expected = _sessions(each.first_session.isoformat(), str(each.session))
            assert [day.date().isoformat() for day in completed.index] == expected, f"round {number}: a gap"
            assert len(per_session) - len(completed) <= 1


def _sessions(first: str, last: str) -> list[str]:
    from tests.support.workspaces import make_prices

    days = make_prices(("AAA",))["session"]
    return [day.date().isoformat() for day in days if first <= day.date().isoformat() <= last]
