"""A database that others write all the time: the caller is told that it is busy, and nothing was changed."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from investlab.api.app import build_app
from investlab.api.services import GatewayServices
from investlab.cli.app import main
from investlab.cli.output import output
from investlab.core.errors import Busy
from investlab.models import engines
from investlab.services import registry
from investlab.services.workspace import Workspace
from investlab.store import database as units
from tests.support.asgi import BEARER, edged
from tests.support.gateways import FakeHost, FakeReplay
from tests.support.models import MODEL, open_registry, registered
from tests.support.route_walk import asking


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace with two versions, the first champion after the second; it waits for locks only shortly."""
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_SECONDS", 0.02)
    monkeypatch.setattr(units, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setenv("INVESTLAB_HOME", str(tmp_path / "home"))
    opened = open_registry(tmp_path / "home")
    for number, level in ((1, 0.1), (2, 0.2)):
        registered(opened.context, number, level)
    for number in (2, 1):
        registry.promote(opened.context, MODEL, number, actor="ada", force=True)
    yield opened
    opened.close()
    output.as_json = False


@contextmanager
def _locked(lab: Workspace) -> Iterator[None]:
    """Hold the write lock of the workspace's database, as a writer that never ends does."""
    file = str(lab.context.database.url.database)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def _champion(lab: Workspace) -> int | None:
    found = registry.champion(lab.context, MODEL)
    return None if found is None else found.number


def test_the_command_line_says_so_in_a_sentence_and_with_its_own_code(
    lab: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    with _locked(lab):
        assert main(["model", "rollback", MODEL]) == Busy.exit_code == 5
    told = capsys.readouterr()
    assert told.err == "Error: Another writer holds the database. Try again in a few seconds.\n"
    assert told.out == ""
    assert _champion(lab) == 1


def test_the_command_line_says_so_to_programs(lab: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    with _locked(lab):
        assert main(["--json", "model", "rollback", MODEL]) == Busy.exit_code
    assert json.loads(capsys.readouterr().err)["code"] == "busy"


def test_the_gateway_answers_503_and_when_to_come_back(lab: Workspace) -> None:
    app = build_app(GatewayServices(lab.context, FakeHost(), FakeReplay(), lab.context.clock))
    ask = asking(edged(app))
    with _locked(lab):
        reply = ask("POST", f"/v1/models/{MODEL}/rollback", BEARER)
        assert ask("GET", f"/v1/models/{MODEL}", BEARER).status == 200
    problem = reply.require_problem(503, "rollback")
    assert (problem.code, reply.headers["retry-after"]) == ("busy", "5")
    assert _champion(lab) == 1
    assert ask("POST", f"/v1/models/{MODEL}/rollback", BEARER).status == 200
    assert _champion(lab) == 2
