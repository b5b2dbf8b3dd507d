"""Runs as a researcher handles them: labelled, found, archived, loaded, compared; in a notebook and by commands."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import investlab as il
from investlab.cli.app import main
from investlab.core.errors import Conflict, InvalidInput, NotFound
from investlab.market.panel import PricePanel
from investlab.services.workspace import Workspace
from investlab.store.repositories import audit
from tests.support.workspaces import DATASET, open_with_bars

COSTS = il.Costs(commission_bps=5, slippage_bps=5)
OWN = '''
import numpy as np

class Mine:
    """Equal parts of all, bought once."""

    name, family = "mine", "mine"

    def weights(self, panel):
        wanted = np.full(panel.shape, np.nan)
        wanted[0] = 1.0 / panel.shape[1]
        return wanted
'''.replace('name, family = "mine", "mine"', 'name = "mine"\n    family = "mine"')


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workspace:
    monkeypatch.setenv("INVESTLAB_HOME", str(tmp_path / "home"))
    return open_with_bars(monkeypatch, tmp_path / "home")


@pytest.fixture
def panel(lab: Workspace) -> PricePanel:
    return lab.panel(lab.universe(DATASET))


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Return what a command prints as JSON."""
    assert main(["backtest", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Return the error that a command prints as JSON."""
    assert main(["backtest", *arguments, "--json"]) != 0
    return json.loads(capsys.readouterr().err)


def test_a_run_is_labelled_at_the_call_and_afterwards(lab: Workspace, panel: PricePanel) -> None:
    first = lab.backtest(il.SmaCross(5, 20), panel, name="base", tags=["us", "paper"], note="to begin with")
    swept = lab.sweep(il.SmaCross, {"fast": [2, 3], "slow": [10]}, panel, tags=["paper"])
    assert first.run_id is not None
    listed = lab.runs()
    assert listed.loc[first.run_id, ["name", "tags", "strategy"]].tolist() == [
        "base",
        "paper, us",
        "sma_cross(fast=5, slow=20)",
    ]
    assert listed.loc[first.run_id, ["start", "end", "dataset"]].tolist() == [
        date(2019, 1, 2),
        date(2020, 12, 31),
        f"{DATASET}@1",
    ]
    assert list(lab.runs(tag="paper").index) == [swept.run_id, first.run_id]
    lab.label(first.run_id, tags=[])
    assert list(lab.runs(tag="paper").index) == [swept.run_id]
    assert lab.runs("begin base").index.tolist() == [first.run_id]


def test_naming_a_run_that_is_recorded_names_its_record(lab: Workspace, panel: PricePanel) -> None:
    first = lab.backtest(il.SmaCross(5, 20), panel, tags=["kept"])
    again = lab.backtest(il.SmaCross(5, 20), panel, name="later")
    assert again.run_id == first.run_id
    assert lab.runs().loc[str(first.run_id), ["name", "tags"]].tolist() == ["later", "kept"]
    with lab.context.database.read() as session:
        assert [event.details for event in audit.events_of(session, ["run.labelled"])] == [{"name": "later"}]


def test_a_query_and_its_arguments_must_all_hold(lab: Workspace, panel: PricePanel) -> None:
    first = lab.backtest(il.SmaCross(5, 20), panel)
    lab.backtest(il.SmaCross(5, 30), panel)
    sharpe = first.metrics["sharpe"]
    assert lab.runs(f"sharpe >= {sharpe!r} kind:backtest", strategy="sma_cross").index.tolist() == [first.run_id]
    assert lab.runs("sharpe > 1000").empty
    assert lab.runs(since="2030-01-01").empty
    assert lab.runs(kind="sweep").empty
    with pytest.raises(InvalidInput, match="cannot be read from"):
        lab.runs("sharpe > one")


def test_an_archived_run_is_hidden_loadable_and_still_the_record(lab: Workspace, panel: PricePanel) -> None:
    first = lab.backtest(il.SmaCross(5, 20), panel)
    assert first.run_id is not None
    lab.archive(first.run_id)
    assert lab.runs().empty
    assert lab.runs(archived=True).index.tolist() == [first.run_id]
    assert lab.load(first.run_id).hash == first.hash  # type: ignore[union-attr]
    assert lab.backtest(il.SmaCross(5, 20), panel).run_id == first.run_id
    lab.archive(first.run_id, archived=False)
    assert lab.runs().index.tolist() == [first.run_id]


def test_a_wrong_id_names_near_ones(lab: Workspace, panel: PricePanel) -> None:
    run_id = str(lab.backtest(il.SmaCross(5, 20), panel).run_id)
    wrong = f"{run_id[:-1]}{'0' if run_id[-1] != '0' else '1'}"
    for call in (lab.load, lab.archive, lambda one: lab.label(one, name="x"), lambda one: lab.compare([one, run_id])):
        with pytest.raises(NotFound, match=f"Did you mean {run_id}"):
            call(wrong)


@pytest.mark.parametrize("tag", ["two words", "a,b", "", "x:y"])
def test_a_tag_is_one_word(lab: Workspace, panel: PricePanel, tag: str) -> None:
    run_id = str(lab.backtest(il.SmaCross(5, 20), panel).run_id)
    with pytest.raises(InvalidInput, match="A tag is one word"):
        lab.label(run_id, tags=[tag])


def test_runs_side_by_side(lab: Workspace, panel: PricePanel) -> None:
    first = lab.backtest(il.SmaCross(5, 20), panel, name="free")
    second = lab.backtest(il.SmaCross(5, 20), panel, costs=COSTS)
    third = lab.backtest(il.SmaCross(5, 20), lab.panel(["AAA"], dataset=DATASET))
    found = lab.compare([str(first.run_id), str(second.run_id)])
    assert list(found.differences.index) == ["costs.commission_bps", "costs.slippage_bps"]
    assert list(found.metrics.columns) == ["free", second.run_id]
    assert found.is_fair
    assert "they trade in different instruments" in lab.compare([str(first.run_id), str(third.run_id)]).sentence


def test_commands_about_records(lab: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ("--strategy", "sma_cross", "--dataset", DATASET, "--symbols", "AAA,BBB")
    run = asked(capsys, "run", *given, "--param", "fast=5", "--name", "base", "--tag", "paper")[0]["run"]
    swept = asked(capsys, "sweep", *given, "--grid", "fast=2,3", "--grid", "slow=10", "--executor", "serial")[0]["run"]
    assert [row["run"] for row in asked(capsys, "list")] == [swept, run]
    assert [row["name"] for row in asked(capsys, "list", "tag:paper", "sharpe > -100")] == ["base"]
    assert asked(capsys, "show", run[:10])[0]["strategy"] == "sma_cross(fast=5, slow=100)"
    assert asked(capsys, "compare", run, swept)["is_fair"] is True
    assert asked(capsys, "label", run, "--note", "checked")[0]["note"] == "checked"
    written = asked(capsys, "report", run, "--to", str(tmp_path / "report.html"))[0]
    assert (tmp_path / "report.html").stat().st_size == written["bytes"]
    assert asked(capsys, "archive", run)[0]["archived_at"]
    assert [row["run"] for row in asked(capsys, "list")] == [swept]


def test_errors_of_commands_are_error_responses(lab: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    found = refused(capsys, "list", "sharpe > one")
    assert (found["code"], found["status"], found["instance"]) == ("invalid_input", 422, "/cli/backtest/list")
    for arguments in (("show", "bt-0000"), ("report", "bt-0000"), ("compare", "bt-0000", "bt-0001")):
        assert refused(capsys, *arguments)["code"] == "not_found"


def test_a_strategy_of_the_home_is_run_and_reproduced_by_name(
    lab: Workspace, panel: PricePanel, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = lab.context.settings.home_path / "extensions"
    folder.mkdir()
    (folder / "own.py").write_text(OWN, encoding="utf-8")
    (folder / "broken.py").write_text("class :\n", encoding="utf-8")
    run = asked(capsys, "run", "--strategy", "mine", "--dataset", DATASET, "--symbols", "AAA,BBB,CCC")[0]["run"]
    assert lab.backtest(lab.strategy("mine")(), panel).run_id == run
    assert lab.reproduce(run).is_equal
    assert main(["extensions", "list", "--group", "strategies", "--json"]) == 1
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["mine"]["source"] == f"{folder / 'own.py'}:4"
    assert rows[""]["problem"].startswith("cannot be read")
    assert rows["sma_cross"]["source"] == "investlab"
    (folder / "own.py").write_text(OWN.replace('"mine"', '"sma_cross"'), encoding="utf-8")
    with pytest.raises(Conflict, match="declared twice"):
        lab.strategy("sma_cross")


def test_saving_refuses_what_is_taken_or_of_a_package(lab: Workspace) -> None:
    with pytest.raises(Conflict, match="taken by"):
        lab.save_strategy(il.SmaCross, "sma_cross")
    with pytest.raises(InvalidInput, match="is not of this notebook"):
        lab.save_strategy(il.SmaCross, "my_cross")
    with pytest.raises(InvalidInput, match="cannot be a strategy's name"):
        lab.save_strategy(il.SmaCross, "../mine")


def test_a_strategy_is_saved_again_under_another_name(lab: Workspace) -> None:
    folder = lab.context.settings.home_path / "extensions"
    folder.mkdir()
    (folder / "own.py").write_text(OWN, encoding="utf-8")
    (folder / "own.py").write_text(OWN.replace("name =", "name: str ="), encoding="utf-8")
    saved = lab.save_strategy(lab.strategy("mine"), "yours")
    assert saved.path == folder / "yours.py"
    assert (lab.strategy("yours").name, lab.strategy("yours").family) == ("yours", "mine")
    with pytest.raises(Conflict, match="is there already"):
        lab.save_strategy(lab.strategy("mine"), "yours")
    assert lab.save_strategy(lab.strategy("mine"), "yours", replace=True).path == saved.path
