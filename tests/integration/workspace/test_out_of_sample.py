"""Out-of-sample runs of a workspace: recorded once, counted in the ledger, loaded and reproduced to the bit."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import investlab as il
from investlab.core.errors import Corrupt, InvalidInput
from investlab.services.workspace import Workspace
from investlab.store.evaluations import MAGIC, decode_run
from tests.support.panels import random_panel
from tests.support.workspaces import DATASET, open_with_bars

GRID = {"fast": [2, 3, 5], "slow": [8, 13]}
WALK: dict[str, Any] = {"train": 120, "test": 60, "purge": 2, "costs": il.Costs.bps(5, 2)}


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workspace:
    return open_with_bars(monkeypatch, tmp_path / "home")


@pytest.fixture
def panel(lab: Workspace) -> il.PricePanel:
    return lab.panel(lab.universe(DATASET))


def test_trials_are_counted_with_those_of_sweeps_and_only_once(lab: Workspace, panel: il.PricePanel) -> None:
    lab.sweep(il.SmaCross, GRID, panel)
    first = lab.walk_forward(il.SmaCross, GRID, panel, **WALK)
    assert (first.counted, first.cumulative_trials) == (True, 12)
    assert lab.walk_forward(il.SmaCross, GRID, panel, **WALK).run_id == first.run_id
    crossed = lab.purged_cross_validation(il.SmaCross, GRID, panel)
    assert (crossed.counted, crossed.cumulative_trials) == (True, 18)
    other = lab.walk_forward(il.SmaCross, GRID, panel, **{**WALK, "anchored": True})
    assert other.cumulative_trials == 24
    assert lab.walk_forward(il.SmaCross, GRID, panel, **WALK).cumulative_trials == 12


def test_the_verdict_counts_the_ledger(lab: Workspace, panel: il.PricePanel) -> None:
    alone = il.walk_forward(il.SmaCross, GRID, panel, **WALK)
    lab.sweep(il.SmaCross, {"fast": list(range(2, 12)), "slow": list(range(13, 33))}, panel)
    counted = lab.walk_forward(il.SmaCross, GRID, panel, **WALK)
    assert counted.hash == alone.hash
    assert counted.verdict.counted_trials == 206
    assert counted.verdict.luck_sharpe > alone.verdict.luck_sharpe
    assert "206 in the ledger" in counted.verdict.sentence
    assert not any("counted nowhere" in note for note in counted.notes)


def test_a_walk_forward_comes_back_from_its_record(lab: Workspace, panel: il.PricePanel) -> None:
    made = lab.walk_forward(il.SmaCross, GRID, panel, **WALK)
    loaded = lab.load(str(made.run_id))
    assert isinstance(loaded, il.WalkForwardResult)
    for name in ("windows", "stability", "trials"):
        pd.testing.assert_frame_equal(getattr(loaded, name), getattr(made, name), check_column_type=False)
    assert (loaded.hash, loaded.run_id, loaded.plan, loaded.notes) == (made.hash, made.run_id, made.plan, made.notes)
    assert loaded.verdict == made.verdict
    assert loaded.hindsight.nav.equals(made.hindsight.nav)


def test_a_cross_validation_comes_back_from_its_record(lab: Workspace, panel: il.PricePanel) -> None:
    made = lab.purged_cross_validation(il.SmaCross, GRID, panel, groups=5, purge=1, embargo=1)
    loaded = lab.load(str(made.run_id))
    assert isinstance(loaded, il.CrossValidationResult)
    pd.testing.assert_frame_equal(loaded.splits, made.splits)
    pd.testing.assert_frame_equal(loaded.paths, made.paths, check_freq=False)
    assert (loaded.hash, loaded.sentence, loaded.plan) == (made.hash, made.sentence, made.plan)


@pytest.mark.parametrize("method", ["walk_forward", "purged_cross_validation"])
def test_a_run_is_reproduced_to_the_bit(lab: Workspace, panel: il.PricePanel, method: str) -> None:
    made = getattr(lab, method)(il.SmaCross, GRID, panel, **(WALK if method == "walk_forward" else {}))
    outcome = lab.reproduce(made.run_id, executor="serial")
    assert outcome.is_equal
    [listed] = lab.list_runs()
    assert (listed.kind, listed.trials) == (method, 6)


def test_frames_and_short_panels_are_refused_before_a_run_is_recorded(lab: Workspace, panel: il.PricePanel) -> None:
    with pytest.raises(InvalidInput, match="made from frames"):
        lab.walk_forward(il.SmaCross, GRID, random_panel(0), **WALK)
    with pytest.raises(InvalidInput, match="too few for one window"):
        lab.walk_forward(il.SmaCross, GRID, panel, train=500, test=60)
    assert lab.list_runs() == []


def test_damaged_bytes_are_named() -> None:
    with pytest.raises(Corrupt, match="stored result"):
        decode_run(MAGIC + b"nothing")
