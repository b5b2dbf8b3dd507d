"""The upkeep of stored bars: versions listed and held, compaction, vacuum, restore, export."""

from pathlib import Path

import pandas as pd
import pytest

from investlab.core.errors import Conflict, InvalidInput, NotFound
from investlab.services import maintenance
from investlab.services.workspace import Workspace
from tests.support.workspaces import DATASET, ScriptedProvider, make_prices, open_with_bars, use_provider


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workspace:
    """A dataset with three versions: the bars, a correction, an instrument more."""
    workspace = open_with_bars(monkeypatch, tmp_path / "home")
    corrected = make_prices()
    corrected.loc[3, ["open", "high", "low", "close", "adjusted_close"]] += 1.0
    for bars in (corrected, make_prices(("AAA", "BBB", "CCC", "DDD"))):
        use_provider(monkeypatch, ScriptedProvider(bars))
        workspace.ingest("scripted", DATASET)
    return workspace


def panels(lab: Workspace) -> list[str]:
    return [lab.panel(["AAA", "BBB"], dataset=DATASET, version=number).id for number in (1, 2, 3)]


def test_versions_say_what_holds_them(lab: Workspace) -> None:
    maintenance.pin(lab.context, DATASET, 1, label="paper")
    lines = maintenance.list_versions(lab.context, DATASET)
    assert [line.version for line in lines] == [f"{DATASET}@1", f"{DATASET}@2", f"{DATASET}@3"]
    assert "paper" in lines[0].held_by
    assert lines[1].held_by == ""
    assert "latest" in lines[2].held_by


def test_compaction_changes_no_panel(lab: Workspace) -> None:
    before = panels(lab)
    early = lab.as_of("2023-12-31").panel(["AAA"], dataset=DATASET).id
    receipt = maintenance.compact(lab.context, DATASET)
    lab.context.panels.clear()
    assert receipt.files_after <= receipt.files_before
    assert panels(lab) == before
    assert lab.as_of("2023-12-31").panel(["AAA"], dataset=DATASET).id == early
    assert lab.verify(deep=True)[DATASET] > 0


def test_a_vacuum_spares_what_a_pin_holds(lab: Workspace) -> None:
    before = panels(lab)
    maintenance.pin(lab.context, DATASET, 1, label="paper")
    maintenance.compact(lab.context, DATASET)
    promised = maintenance.vacuum(lab.context, DATASET, dry_run=True)
    done = maintenance.vacuum(lab.context, DATASET)
    lab.context.panels.clear()
    assert (promised.files, promised.bytes) == (done.files, done.bytes)
    assert lab.panel(["AAA", "BBB"], dataset=DATASET, version=1).id == before[0]
    assert lab.panel(["AAA", "BBB"], dataset=DATASET, version=3).id == before[2]


def test_a_version_released_and_vacuumed_says_so(lab: Workspace) -> None:
    maintenance.pin(lab.context, DATASET, 1, label="paper")
    maintenance.unpin(lab.context, DATASET, 1, label="paper")
    maintenance.compact(lab.context, DATASET)
    freed = maintenance.vacuum(lab.context, DATASET)
    lab.context.panels.clear()
    assert freed.files > 0
    with pytest.raises(NotFound, match="vacuum"):
        lab.panel(["AAA"], dataset=DATASET, version=1)


def test_a_version_that_is_not_held_cannot_be_released(lab: Workspace) -> None:
    with pytest.raises(NotFound):
        maintenance.unpin(lab.context, DATASET, 1, label="paper")


def test_an_earlier_version_comes_back_as_a_new_one(lab: Workspace) -> None:
    before = panels(lab)
    restored = maintenance.restore(lab.context, DATASET, 1)
    assert restored.label == f"{DATASET}@4"
    latest = lab.panel(["AAA", "BBB"], dataset=DATASET)
    pd.testing.assert_frame_equal(
        latest.close, lab.panel(["AAA", "BBB"], dataset=DATASET, version=1).close, check_exact=True
    )
    assert panels(lab) == before
    assert lab.ingest("scripted", DATASET).counts.new == 505


def test_the_latest_version_need_not_be_restored(lab: Workspace) -> None:
    with pytest.raises(Conflict, match="already has the content"):
        maintenance.restore(lab.context, DATASET, 3)


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_an_export_holds_the_corrected_bars(lab: Workspace, tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"bars{ending}"
    receipt = maintenance.export(lab.context, maintenance.ExportRequest(DATASET, target, 2))
    read = pd.read_parquet(target) if ending == ".parquet" else pd.read_csv(target)
    closes = lab.panel(["AAA"], ["close"], dataset=DATASET, version=2).close
    own = read[read["instrument_id"] == read["instrument_id"].min()]
    assert receipt.rows == len(read) == 505 * 3
    assert own["close"].tolist() == closes["AAA"].tolist()


def test_an_export_overwrites_nothing(lab: Workspace, tmp_path: Path) -> None:
    target = tmp_path / "bars.csv"
    target.write_text("mine", encoding="utf-8")
    with pytest.raises(Conflict, match="exists already"):
        maintenance.export(lab.context, maintenance.ExportRequest(DATASET, target))
    assert target.read_text(encoding="utf-8") == "mine"


def test_an_export_to_an_unknown_format_is_refused(lab: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="parquet"):
        maintenance.export(lab.context, maintenance.ExportRequest(DATASET, tmp_path / "bars.xls"))
