"""The gateway as a process: it follows the registry, outlives damage, and never answers without a record."""

import http.client
import json
import os
import signal
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from websockets.sync.client import connect

from investlab.client.http import Client
from investlab.core.errors import ModelUnavailable, NotFound
from investlab.live.transport import CloseCode
from investlab.services.workspace import Workspace
from tests.support.served_homes import (
    BEARER,
    FEATURES,
    JSON,
    SYMBOLS,
    TOKEN,
    Served,
    crown,
    exchange,
    fill_home,
    gateway_process,
    register_linear,
)

pytestmark = pytest.mark.slow
ROW = {name: 0.1 * number for number, name in enumerate(FEATURES, start=1)}
NOTICED_SECONDS = 2.0
FIRST, SECOND = (0.5, -1.25, 0.75, 0.1), (1.5, 0.25, -0.5, 0.3)


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Workspace]:
    opened = fill_home(monkeypatch, tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture
def gateway(workspace: Workspace, tmp_path: Path) -> Iterator[Served]:
    """A gateway whose champion is version 1 of two."""
    for weights in (FIRST, SECOND):
        register_linear(workspace.context, *weights)
    crown(workspace.context, 1)
    with gateway_process(tmp_path / "home", tmp_path / "gateway.log") as served:
        yield served


def artifact_path(workspace: Workspace, served: Served) -> Path:
    sha256 = served.health()["artifact_sha256"]
    return workspace.context.artifacts.root / sha256[:2] / sha256


def version_served(served: Served) -> int:
    number: int = served.health()["model_version"]
    return number


def test_promotion_and_roll_back_are_served_within_two_seconds(workspace: Workspace, gateway: Served) -> None:
    before = gateway.predict(features=[ROW])[1]
    for number in (2, 1):
        crown(workspace.context, number)
        assert gateway.until(lambda n=number: version_served(gateway) == n) < NOTICED_SECONDS
        status, answer = gateway.predict(features=[ROW])
        assert (status, answer["model_version"]) == (200, number)
    assert answer["values"] == before["values"]


def test_no_request_fails_while_the_champion_changes(workspace: Workspace, gateway: Served) -> None:
    seen: list[tuple[int, int]] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            status, answer = gateway.predict(features=[ROW])
            seen.append((status, answer["model_version"]))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        crown(workspace.context, 2)
        gateway.until(lambda: bool(seen) and seen[-1][1] == 2)
    finally:
        stop.set()
        asking.join()
    assert {status for status, _ in seen} == {200}
    assert [version for _, version in seen] == sorted(version for _, version in seen)


def test_a_damaged_challenger_leaves_the_champion_in_service(workspace: Workspace, gateway: Served) -> None:
    crown(workspace.context, 2)
    gateway.until(lambda: version_served(gateway) == 2)
    path = artifact_path(workspace, gateway)
    third = register_linear(workspace.context, 9.0, 9.0, 9.0, 9.0)
    damaged = path.parents[1] / third.artifact_sha256[:2] / third.artifact_sha256
    damaged.write_bytes(damaged.read_bytes()[:-5])
    crown(workspace.context, 3)
    gateway.until(lambda: gateway.health()["status"] == "degraded")
    status, answer = gateway.predict(features=[ROW])
    assert (status, answer["model_version"]) == (200, 2)
    assert "damaged" in gateway.health()["detail"]
    assert gateway.ask("GET", "/readyz")[1]["degraded"]["model"]


def test_an_unreadable_registry_degrades_and_heals(workspace: Workspace, gateway: Served) -> None:
    with closing(sqlite3.connect(workspace.context.settings.home_path / "investlab.db", timeout=10)) as database:
        database.execute("ALTER TABLE model_aliases RENAME TO taken_away")
        database.commit()
        gateway.until(lambda: gateway.health()["status"] == "degraded")
        assert gateway.predict(features=[ROW])[0] == 200
        database.execute("ALTER TABLE taken_away RENAME TO model_aliases")
        database.commit()
    gateway.until(lambda: gateway.health()["status"] == "ok")


def test_without_a_champion_503_says_what_to_do_and_a_promotion_heals_it(workspace: Workspace, tmp_path: Path) -> None:
    register_linear(workspace.context, *FIRST)
    with gateway_process(tmp_path / "home", tmp_path / "gateway.log") as served:
        status, problem = served.predict(features=[ROW])
        assert (status, problem["code"]) == (503, "model_unavailable")
        assert "investlab model promote us-ranker" in problem["detail"]
        assert served.health()["status"] == "unavailable"
        assert served.ask("GET", "/readyz")[0] == 503
        crown(workspace.context, 1)
        served.until(lambda: served.predict(features=[ROW])[0] == 200)


def test_a_full_disk_answers_503_and_gives_no_score(workspace: Workspace, gateway: Served) -> None:
    spool = workspace.context.predictions.root / "spool"
    spool.parent.mkdir(parents=True, exist_ok=True)
    spool.write_text("a file where the folder belongs", encoding="utf-8")
    status, problem = gateway.predict(features=[ROW])
    assert (status, problem["code"]) == (503, "storage_unavailable")
    assert "values" not in problem
    spool.unlink()
    assert gateway.predict(features=[ROW])[0] == 200


def test_what_was_answered_survives_a_kill(workspace: Workspace, gateway: Served) -> None:
    """Every answer that arrived has its record, however the process died."""
    answered: list[str] = []
    done = threading.Event()

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
        try:
            while True:
                connection.request("POST", "/v1/predict", json.dumps({"features": [ROW]}), {**JSON, **BEARER})
                answered.append(json.loads(connection.getresponse().read())["prediction_id"])
        except (OSError, http.client.HTTPException, ValueError):
            done.set()

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    gateway.until(lambda: len(answered) > 50)
    os.kill(gateway.process.pid, signal.SIGKILL)
    for thread in asking:
        thread.join()
    kept = set(workspace.context.predictions.read(source="api")["prediction_id"])
    assert len(answered) > 50
    assert set(answered) <= kept


@pytest.mark.parametrize(
    ("headers", "raw", "status", "code"),
    [
        pytest.param({"Content-Type": "application/vnd.bentoml+pickle"}, b"cposix\nsystem\n", 415, None, id="pickle"),
        pytest.param({"Content-Type": "multipart/form-data; boundary=x"}, b"--x--", 415, None, id="multipart"),
        pytest.param({}, b"[" + b"1," * 15_000_000 + b"1]", 413, None, id="thirty-megabytes"),
        pytest.param({}, b"[" * 100_000, 400, None, id="deep"),
        pytest.param({}, b'{"features": [', 400, None, id="cut-off"),
        pytest.param({}, b"\xff\xfe\x00", 400, None, id="no-text"),
        pytest.param({}, b"", 422, "invalid_input", id="empty"),
        pytest.param({}, b"{}", 422, "invalid_input", id="nothing-asked"),
        pytest.param({}, b"[]", 422, "invalid_input", id="a-list"),
        pytest.param({}, b"null", 422, "invalid_input", id="null"),
        pytest.param({}, b'{"features": [{"return_5": 1e999}]}', 422, "invalid_input", id="infinite"),
        pytest.param({}, b'{"features": [{"return_5": NaN}]}', 422, "invalid_input", id="not-a-number"),
        pytest.param({}, b'{"features": [], "symbols": ["AAA"]}', 422, "invalid_input", id="both"),
        pytest.param({}, b'{"symbols": ["AAA"], "extra": 1}', 422, "invalid_input", id="unknown-field"),
        pytest.param({}, b'{"symbols": ["<script>"]}', 422, "invalid_input", id="markup"),
        pytest.param({}, b'{"symbols": ["AAA"], "as_of": "soon"}', 422, "invalid_input", id="no-date"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_shape(
    shared: Served, headers: dict[str, str], raw: bytes, status: int, code: str | None
) -> None:
    answered, problem = shared.ask("POST", "/v1/predict", headers={**BEARER, **headers}, raw=raw)
    assert (answered, problem["status"]) == (status, status)
    assert code is None or problem["code"] == code
    assert problem["type"] == f"/problems/{problem['code']}"
    assert shared.predict(features=[ROW])[0] == 200


def test_symbols_are_scored_as_of_the_session_clock(shared: Served) -> None:
    with Client(f"http://127.0.0.1:{shared.port}", TOKEN) as client:
        answer = client.predict(symbols=SYMBOLS[:2])
        assert [score.symbol for score in answer.values] == ["AAA", "BBB"]
        assert answer.dataset_version == "us-close@1"
        assert answer.fresh is not None
        assert answer.fresh.data_session == answer.fresh.clock_session
        with pytest.raises(NotFound, match="Did you mean AAA"):
            client.predict(symbols=["AAX"])


def test_anonymous_callers_are_refused(shared: Served) -> None:
    body = json.dumps({"features": [ROW]}).encode()
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        status, answer = exchange(shared.port, "POST", "/v1/predict", body, {**JSON, **headers})
        assert (status, json.loads(answer)["code"]) == (401, "unauthorized")


def test_the_answer_says_nothing_of_what_serves_it(shared: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", shared.port, timeout=10)
    connection.request("POST", "/v1/predict", json.dumps({"features": [ROW]}), {**JSON, **BEARER})
    headers = {name.lower() for name, _ in connection.getresponse().getheaders()}
    connection.close()
    assert not headers & {"server", "x-bentoml-request-id", "x-powered-by"}


def test_it_stops_within_three_seconds_though_a_client_stays(shared_home: Path, tmp_path: Path) -> None:
    with (
        gateway_process(shared_home, tmp_path / "gateway.log") as served,
        socket.create_connection(("127.0.0.1", served.port)) as idle,
    ):
        idle.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n")
        served.process.terminate()
        served.process.wait(3.0)


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("shared") / "home"
    with pytest.MonkeyPatch.context() as patch:
        workspace = fill_home(patch, home)
    register_linear(workspace.context, *FIRST)
    crown(workspace.context, 1)
    workspace.close()
    return home


@pytest.fixture(scope="module")
def shared(shared_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway that tests share which leave it as they found it."""
    with gateway_process(shared_home, tmp_path_factory.mktemp("log") / "gateway.log") as served:
        yield served


def test_a_stop_tells_the_streams_clients_that_it_goes_away(shared_home: Path, tmp_path: Path) -> None:
    with gateway_process(shared_home, tmp_path / "farewell.log") as served:
        address = f"ws://127.0.0.1:{served.port}/v1/stream"
        with connect(address, additional_headers=BEARER, open_timeout=10) as stream:
            stream.send('{"action": "subscribe", "topics": ["replay"]}')
            assert '"kind":"subscribed"' in str(stream.recv(timeout=10)).replace(" ", "")
            served.process.terminate()
            list(stream)
    assert stream.close_code == CloseCode.GOING_AWAY


def test_the_client_raises_the_platforms_own_errors(workspace: Workspace, tmp_path: Path) -> None:
    with (
        gateway_process(tmp_path / "home", tmp_path / "gateway.log") as served,
        Client(f"http://127.0.0.1:{served.port}", TOKEN) as client,
    ):
        assert client.health().status == "unavailable"
        with pytest.raises(ModelUnavailable, match="investlab demo"):
            client.predict([ROW])
