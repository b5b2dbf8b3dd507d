"""Recorded backtests of signals that go on from a stored run's state."""

from pathlib import Path
from typing import Any

import pytest

import investlab as il
from investlab.services.workspace import Workspace
from tests.support.workspaces import DATASET, open_with_bars


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workspace:
    return open_with_bars(monkeypatch, tmp_path / "home")


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param({}, id="plain"),
        pytest.param({"direction": "both", "stops": il.Stops(0.01, 0.03, 0.02, 10)}, id="stops"),
    ],
)
def test_a_run_goes_on_from_a_stored_runs_state_and_reproduces(lab: Workspace, rules: dict[str, Any]) -> None:
    symbols = lab.universe(DATASET)
    panel = lab.panel(symbols, dataset=DATASET)
    cut = len(panel.sessions) // 2
    whole = lab.backtest(il.SmaCross(5, 20), panel, **rules)
    half = lab.panel(symbols, dataset=DATASET, end=panel.sessions[cut].item())
    first = lab.backtest(il.SmaCross(5, 20), half, **rules)
    assert first.run_id is not None
    stored = lab.load(first.run_id)
    assert isinstance(stored, il.BacktestResult)
    assert stored.final_state == first.final_state
    later = lab.backtest(il.SmaCross(5, 20), panel, initial_state=stored.final_state, **rules)
    assert first.nav.tolist() + later.nav.tolist() == whole.nav.tolist()
    assert later.run_id is not None
    assert later.run_id != whole.run_id
    assert lab.reproduce(later.run_id).is_equal
