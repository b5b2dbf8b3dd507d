"""`investlab backtest walk-forward` and `holdout`: what they print, and how a sealed holdout refuses."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from investlab.cli.app import main
from investlab.cli.output import output
from tests.support.workspaces import DATASET, open_with_bars

WALK = ["walk-forward", "--strategy", "sma_cross", "--dataset", DATASET, "--symbols", "AAA,BBB"]
PLAN = ["--grid", "fast=2,3", "--grid", "slow=8,13", "--train", "100", "--test", "60", "--end", "2020-06-30"]


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("INVESTLAB_HOME", str(tmp_path / "home"))
    open_with_bars(monkeypatch, tmp_path / "home").close()
    yield
    output.as_json = False


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(["--json", "backtest", *arguments]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return rows


def test_a_walk_forward_lists_its_windows_and_ends_in_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "backtest", *WALK, *PLAN]) == 0
    printed = capsys.readouterr()
    rows = json.loads(printed.out)
    assert [row["window"] for row in rows] == [1, 2, 3, 4]
    assert {"fast", "slow", "train_sharpe", "test_sharpe"} <= set(rows[0])
    assert "the walk-forward over 4 windows of 4 trials (4 in the ledger)" in printed.err


def test_a_sealed_holdout_refuses_until_it_is_opened_for_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backtest", "holdout", "seal", DATASET, "--start", "2020-06-01"]) == 0
    assert main(["backtest", *WALK, *PLAN]) == 4
    assert "sealed from 2020-06-01" in capsys.readouterr().err
    run = ["run", "--strategy", "sma_cross", "--dataset", DATASET, "--symbols", "AAA"]
    assert main(["backtest", *run]) == 4
    assert main(["backtest", *run, "--end", "2020-05-29"]) == 0
    assert main(["backtest", *WALK, *PLAN, "--open-holdout", "final test"]) == 0
    assert "was opened 1 time." in capsys.readouterr().err
    [row] = told(capsys, "holdout", "list")
    assert (row["dataset"], row["openings"], row["reason"]) == (DATASET, 1, "final test")
