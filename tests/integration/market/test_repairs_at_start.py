"""A home whose newest commit was torn or emptied is repaired when it is opened, and says what was lost."""

from pathlib import Path

import pytest

from investlab.core.errors import Corrupt
from investlab.services.repairs import repair_market
from investlab.services.workspace import Workspace
from investlab.store import delta_log
from investlab.store.repositories import audit
from tests.support.workspaces import DATASET, make_workspace, open_with_bars


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workspace:
    return open_with_bars(monkeypatch, tmp_path / "home")


def last_commit(lab: Workspace) -> Path:
    return delta_log.commit_path(lab.context.market.root / DATASET / "bars", 0)


@pytest.mark.parametrize("left", [pytest.param(0, id="empty"), pytest.param(120, id="torn")])
def test_a_damaged_last_commit_is_put_back_when_the_home_is_opened(
    lab: Workspace, left: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before = lab.panel(["AAA"], dataset=DATASET).id
    path = last_commit(lab)
    path.write_bytes(path.read_bytes()[:left])
    again = make_workspace(lab.context.settings.home_path)
    again.context.panels.clear()
    assert again.panel(["AAA"], dataset=DATASET).id == before
    assert "lost: nothing" in capsys.readouterr().err
    with again.context.database.read() as session:
        repaired = audit.events_of(session, ["dataset.repaired"], subject=DATASET)
    assert [event.details["action"] for event in repaired] == ["restored"]


def test_a_commit_without_a_copy_is_said_to_be_lost(lab: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    path = last_commit(lab)
    path.write_bytes(b"")
    for copy in (lab.context.market.root / DATASET).glob("commits/*.json"):
        copy.unlink()
    again = make_workspace(lab.context.settings.home_path)
    assert "1,515 bars" in capsys.readouterr().err
    again.context.panels.clear()
    with pytest.raises(Corrupt, match="rebuild"):
        again.panel(["AAA"], dataset=DATASET)


def test_opening_does_not_wait_for_a_writer(lab: Workspace) -> None:
    path = last_commit(lab)
    path.write_bytes(b"")
    with lab.context.market.writing(DATASET):
        assert repair_market(lab.context) == {}
    assert list(repair_market(lab.context)) == [DATASET]
