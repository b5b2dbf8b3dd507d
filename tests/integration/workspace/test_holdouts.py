"""A sealed holdout: refused until opened, every opening counted and named in what is computed over it."""

from pathlib import Path

import pytest

import investlab as il
from investlab.core.errors import Conflict, HoldoutSealed, InvalidInput, NotFound
from investlab.services.workspace import Workspace
from investlab.store.repositories import audit
from tests.support.workspaces import DATASET, make_workspace, open_with_bars

START = "2020-07-01"
GRID = {"fast": [2, 3], "slow": [8, 13]}


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workspace:
    workspace = open_with_bars(monkeypatch, tmp_path / "home")
    workspace.seal_holdout(DATASET, start=START)
    return workspace


def test_a_panel_that_reaches_into_it_is_refused_with_the_last_session_before_it(lab: Workspace) -> None:
    with pytest.raises(HoldoutSealed, match=r"sealed from 2020-07-01 on.*end='2020-06-30'.*open_holdout"):
        lab.panel(lab.universe(DATASET))
    with pytest.raises(HoldoutSealed):
        lab.panel(lab.universe(DATASET), None, "2020-08-03", "2020-08-31")
    with pytest.raises(HoldoutSealed):
        lab.panel(["AAA"], dataset=DATASET, end=START)


def test_a_panel_before_it_is_what_it_was(lab: Workspace) -> None:
    panel = lab.panel(lab.universe(DATASET), end="2020-06-30")
    assert str(panel.last_session) == "2020-06-30"
    assert not any("holdout" in bias for bias in panel.source.biases)


def test_a_panel_from_before_the_seal_runs_no_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lab = open_with_bars(monkeypatch, tmp_path / "home")
    panel = lab.panel(lab.universe(DATASET))
    lab.backtest(il.SmaCross(2, 8), panel)
    lab.seal_holdout(DATASET, start=START)
    with pytest.raises(HoldoutSealed):
        lab.backtest(il.SmaCross(2, 8), panel)
    with pytest.raises(HoldoutSealed):
        lab.sweep(il.SmaCross, GRID, panel)
    with pytest.raises(HoldoutSealed):
        lab.walk_forward(il.SmaCross, GRID, panel, train=100, test=50)
    with pytest.raises(HoldoutSealed):
        lab.purged_cross_validation(il.SmaCross, GRID, panel)
    with pytest.raises(HoldoutSealed):
        lab.train("momentum_12_1", panel)


def test_openings_are_counted_over_restarts_and_named_in_every_result(lab: Workspace, tmp_path: Path) -> None:
    lab.open_holdout(DATASET, reason="first look")
    lab.close()
    again = make_workspace(tmp_path / "home")
    with pytest.raises(HoldoutSealed):
        again.panel(again.universe(DATASET))
    opened = again.open_holdout(DATASET, reason="final test")
    panel = opened.panel(opened.universe(DATASET))
    said = f"The holdout of {DATASET} from {START} was opened 2 times."
    assert said in opened.backtest(il.SmaCross(2, 8), panel).notes
    assert said in opened.sweep(il.SmaCross, GRID, panel).notes
    assert said in opened.walk_forward(il.SmaCross, GRID, panel, train=100, test=50).notes
    assert said in opened.purged_cross_validation(il.SmaCross, GRID, panel).notes
    assert said in il.sweep(il.SmaCross, GRID, panel).notes
    table = again.holdouts()
    assert (table.loc[DATASET, "openings"], table.loc[DATASET, "reason"]) == (2, "final test")


def test_the_note_counts_openings_up_to_the_run_not_up_to_the_panel(lab: Workspace) -> None:
    opened = lab.open_holdout(DATASET, reason="first look")
    panel = opened.panel(opened.universe(DATASET))
    lab.open_holdout(DATASET, reason="another look")
    notes = opened.backtest(il.SmaCross(2, 8), panel).notes
    assert [note for note in notes if "holdout" in note] == [
        f"The holdout of {DATASET} from {START} was opened 2 times."
    ]


def test_an_opening_changes_neither_the_panels_identity_nor_a_recorded_run(lab: Workspace) -> None:
    opened = lab.open_holdout(DATASET, reason="first look")
    panel = opened.panel(opened.universe(DATASET))
    first = opened.backtest(il.SmaCross(2, 8), panel)
    once_more = lab.open_holdout(DATASET, reason="another look")
    same = once_more.panel(once_more.universe(DATASET))
    assert same.id == panel.id
    assert once_more.backtest(il.SmaCross(2, 8), same).run_id == first.run_id
    assert lab.reproduce(str(first.run_id)).is_equal


def test_openings_stand_in_the_audit_chain(lab: Workspace) -> None:
    lab.open_holdout(DATASET, reason="final test")
    with lab.context.database.read() as session:
        events = audit.events_of(session, ("holdout.sealed", "holdout.opened"), subject=f"holdout:system/{DATASET}")
        assert audit.verify_chain(session).intact
    assert [(event.action, event.details) for event in events] == [
        ("holdout.sealed", {"start": START}),
        ("holdout.opened", {"reason": "final test"}),
    ]


def test_a_holdout_may_grow_and_never_shrink(lab: Workspace) -> None:
    assert lab.seal_holdout(DATASET, start=START).openings == ()
    assert str(lab.seal_holdout(DATASET, start="2020-06-01").start) == "2020-06-01"
    with pytest.raises(Conflict, match="never later"):
        lab.seal_holdout(DATASET, start=START)
    with lab.context.database.read() as session:
        assert len(audit.events_of(session, ("holdout.sealed",))) == 2


def test_an_opening_needs_a_reason_and_a_seal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lab = open_with_bars(monkeypatch, tmp_path / "home")
    with pytest.raises(InvalidInput, match="has no holdout"):
        lab.open_holdout(DATASET, reason="none is sealed")
    lab.seal_holdout(DATASET, start=START)
    with pytest.raises(InvalidInput, match="needs its reason"):
        lab.open_holdout(DATASET, reason="  ")
    with pytest.raises(NotFound):
        lab.seal_holdout("no-such-data", start=START)
    assert lab.holdouts().loc[DATASET, "openings"] == 0
