"""`investlab model`: what it prints for people and programs, and how it refuses."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from investlab.cli.app import main
from investlab.cli.output import output
from investlab.services import registry
from investlab.services.context import Context
from investlab.services.workspace import Workspace
from tests.support.models import MODEL, open_registry, registered


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    home = tmp_path / "home"
    monkeypatch.setenv("INVESTLAB_HOME", str(home))
    opened = open_registry(home)
    yield opened
    opened.close()
    output.as_json = False


@pytest.fixture
def context(lab: Workspace) -> Context:
    """Two versions: the first is champion, the second no better."""
    for number, level in ((1, 0.2), (2, 0.01)):
        registered(lab.context, number, level)
    registry.promote(lab.context, MODEL, 1, actor="ada")
    return lab.context


def _told(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(["--json", "model", *arguments]) == 0
    told: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return told


def test_versions_are_listed_with_their_aliases(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    rows = _told(capsys, "list")
    assert [(row["version"], row["alias"]) for row in rows] == [("us-ranker@1", "champion"), ("us-ranker@2", "")]
    assert rows[0]["IC"] == pytest.approx(0.2, abs=0.01)
    assert main(["model", "list", MODEL]) == 0
    assert "us-ranker@2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "version"),
    [("us-ranker", "us-ranker@1"), ("us-ranker@champion", "us-ranker@1"), ("us-ranker@2", "us-ranker@2")],
)
def test_a_version_is_shown_by_name_number_or_alias(
    context: Context, capsys: pytest.CaptureFixture[str], name: str, version: str
) -> None:
    [row] = _told(capsys, "show", name)
    assert row["version"] == version
    assert row["artifact"] == registry.version(context, MODEL, int(version[-1])).artifact_sha256


@pytest.mark.parametrize(
    ("arguments", "exit_code", "sentence"),
    [
        pytest.param(["show", "us-rankr"], 3, "Did you mean us-ranker?", id="model"),
        pytest.param(["show", "us-ranker@9"], 3, "Its versions are 1 to 2.", id="number"),
        pytest.param(["show", "us-ranker@challenger"], 3, "us-ranker has no challenger.", id="alias"),
        pytest.param(["show", "us-ranker@best"], 2, "names no model version", id="text"),
        pytest.param(["list", "nothing"], 3, "There is no model 'nothing'.", id="list"),
        pytest.param(["promote", "us-ranker@2"], 4, "us-ranker@2 was not promoted: The gain is too small", id="rule"),
        pytest.param(["rollback", "us-ranker"], 4, "us-ranker had no champion before.", id="rollback"),
        pytest.param(["promote"], 2, "Missing argument", id="nothing"),
    ],
)
def test_what_is_refused_is_said_in_a_sentence(
    context: Context, capsys: pytest.CaptureFixture[str], arguments: list[str], exit_code: int, sentence: str
) -> None:
    assert main(["model", *arguments]) == exit_code
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert len(printed.err.strip().splitlines()) == 1
    assert printed.out == ""


def test_a_champion_is_promoted_by_force_and_rolled_back(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    [moved] = _told(capsys, "promote", "us-ranker@2", "--force")
    assert (moved["champion"], moved["previous"]) == (2, 1)
    [back] = _told(capsys, "rollback", MODEL)
    assert (back["champion"], back["previous"]) == (1, 2)


def test_promoting_the_champion_says_that_nothing_changed(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "promote", "us-ranker@1"]) == 0
    assert "us-ranker@1 was champion already." in capsys.readouterr().err


def test_an_audit_exits_with_one_when_something_differs(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    assert _told(capsys, "audit")[0]["verdict"] == "everything agrees"
    name = registry.version(context, MODEL, 1).artifact_sha256
    (context.artifacts.root / name[:2] / name).unlink()
    assert main(["model", "audit"]) == 1
    assert "the artifact of us-ranker@1" in capsys.readouterr().out


def test_a_home_without_models_shows_nothing(lab: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "list"]) == 0
    assert "Nothing to show yet." in capsys.readouterr().out
