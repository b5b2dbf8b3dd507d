"""A home with something in every part: bars of two versions, a backtest, predictions, a report, quarantined bars.

    python -m tests.support.homes <backup> <step to die at>

restores the backup into INVESTLAB_HOME, setting aside what it holds, and ends the process without a word at the step.
"""

import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from investlab.backtest.strategies import BuyAndHold
from investlab.core.config import load_settings
from investlab.services.restoring import PARTS, RestoreRequest, restore
from investlab.services.workspace import Workspace
from investlab.store.database_copies import content_of
from investlab.store.quarantine import QuarantineStore
from tests.support.predictions import prediction
from tests.support.trees import checksums
from tests.support.workspaces import DATASET, ScriptedProvider, make_prices, make_workspace, use_provider

State = tuple[object, dict[str, str]]


def fill_home(monkeypatch: pytest.MonkeyPatch, home: Path, **settings: object) -> Workspace:
    """Open a workspace at `home` and store something in every part of it."""
    bars = make_prices(("AAA", "BBB"), "2020-01-02", "2020-06-30")
    use_provider(monkeypatch, ScriptedProvider(bars))
    workspace = make_workspace(home, **settings)
    workspace.ingest("scripted", DATASET)
    correct(monkeypatch, workspace, bars, 1)
    workspace.backtest(BuyAndHold(), workspace.panel(["AAA"], dataset=DATASET))
    context = workspace.context
    spool = context.predictions.spool()
    spool.append(prediction(1))
    context.predictions.compact()
    spool.append(prediction(2))
    spool.close()
    report = home / "runs" / "pl-0001" / "index.html"
    report.parent.mkdir(parents=True)
    report.write_text("<p>a report</p>", encoding="utf-8")
    own = home / "extensions" / "own.py"
    own.parent.mkdir()
    own.write_text("class Own:\n    name = 'own'\n    def weights(self, panel): ...\n", encoding="utf-8")
    wrong = bars.head(1)[["symbol", "session", "close"]].assign(reason="negative price")
    QuarantineStore(home / "quarantine").keep(DATASET, "in-0001", wrong)
    return workspace


def correct(monkeypatch: pytest.MonkeyPatch, workspace: Workspace, bars: pd.DataFrame, number: int) -> None:
    """Ingest the bars again with another last close: a correction, and so a new version."""
    changed = bars.copy()
    changed.loc[changed.index[-1], "high"] += number * 0.01
    use_provider(monkeypatch, ScriptedProvider(changed))
    workspace.ingest("scripted", DATASET)


def state_of(home: Path, url: str | None = None) -> State:
    """Return the content of every table, and the checksums of every file that a backup holds."""
    files = {name: digest for name, digest in checksums(home).items() if name.startswith(PARTS)}
    return content_of(url or f"sqlite:///{home / 'investlab.db'}"), files


def flip(path: Path, *, every: int = 64) -> None:
    """Damage a file: one byte in so many, the first one too."""
    content = bytearray(path.read_bytes())
    for position in range(0, len(content), every):
        content[position] ^= 0xFF
    path.write_bytes(bytes(content))


def put_log_away(home: Path) -> None:
    """Bring the write-ahead log of the home's database into its file, as the last connection's end does."""
    with sqlite3.connect(home / "investlab.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def dying_at(step: str) -> Callable[[str], None]:
    """Return what ends this process without a word at a step."""

    def reached(name: str) -> None:
        if name == step:
            os._exit(137)

    return reached


if __name__ == "__main__":
    restore(load_settings(), RestoreRequest(Path(sys.argv[1]), replace=True, step=dying_at(sys.argv[2])))
