"""Recorded backtests with a direction, a size and stops: their record reproduces them to the bit."""

from pathlib import Path

import pandas as pd
import pytest

import investlab as il
from investlab.core.errors import InvalidInput
from investlab.services.workspace import Workspace
from tests.support.workspaces import DATASET, open_with_bars

RULES = {"direction": "both", "sizing": il.Sizing.volatility(0.1, 20), "stops": il.Stops(0.01, 0.03, 0.02, 10)}


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workspace:
    return open_with_bars(monkeypatch, tmp_path / "home")


def test_the_rules_are_part_of_the_record_and_reproduce_it(lab: Workspace) -> None:
    panel = lab.panel(lab.universe(DATASET))
    plain = lab.backtest(il.SmaCross(5, 20), panel)
    result = lab.backtest(il.SmaCross(5, 20), panel, **RULES)
    again = lab.backtest(il.SmaCross(5, 20), panel, **RULES)
    assert result.hash != plain.hash
    assert (again.run_id, again.hash) == (result.run_id, result.hash)
    assert result.run_id is not None
    assert set(result.fills["reason"]) >= {"signal", "stop_loss"}
    assert lab.reproduce(result.run_id).is_equal
    assert result.benchmark is not None
    assert plain.benchmark is not None
    pd.testing.assert_series_equal(result.benchmark, plain.benchmark)


def test_a_stored_result_keeps_the_reasons_of_its_fills(lab: Workspace) -> None:
    result = lab.backtest(il.SmaCross(5, 20), lab.panel(lab.universe(DATASET)), **RULES)
    assert result.run_id is not None
    loaded = lab.load(result.run_id)
    assert isinstance(loaded, il.BacktestResult)
    pd.testing.assert_frame_equal(loaded.fills, result.fills, check_dtype=False)
    assert loaded.notes == result.notes


def test_rules_for_signals_are_refused_for_weights(lab: Workspace) -> None:
    with pytest.raises(InvalidInput, match="for signals"):
        lab.backtest(il.MonthlyMomentum(1, 20, 2), lab.panel(lab.universe(DATASET)), stops=il.Stops(0.05))
