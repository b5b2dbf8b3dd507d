"""The client against real servers on this machine: heartbeats, resuming and refusals of the stream; HTTP."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, WebSocket

from investlab.api.app import build_app
from investlab.api.services import GatewayServices
from investlab.client.http import Client
from investlab.client.stream import MOST_ATTEMPTS, Stream
from investlab.core.clock import FixedClock
from investlab.core.errors import ExecutionFailed, InvalidInput, InvestlabError, NotFound, Unauthorized
from investlab.schemas.errors import error_response
from investlab.schemas.live import ErrorFrame, LastSeen, LiveMessage, MessageKind
from tests.support.asgi import TOKEN, edged
from tests.support.gateways import PORTFOLIO, STATE, FakeHost, FakeReplay
from tests.support.workspaces import make_workspace

AT = datetime(2024, 1, 2, tzinfo=UTC)
Script = Callable[["Hub", WebSocket, int], Any]


@dataclass(slots=True)
class Hub:
    """A server of the stream that does what a script says, once for each connection; it keeps what it was sent."""

    script: Script
    frames: list[dict[str, Any]] = field(default_factory=list)
    connections: int = 0

    def app(self) -> Any:
        inner = FastAPI()

        @inner.websocket("/v1/stream")
        async def stream(socket: WebSocket) -> None:
            await socket.accept()
            self.connections += 1
            self.frames.append(json.loads(await socket.receive_text()))
            await self.script(self, socket, self.connections)

        return edged(inner)


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an application from a thread and give its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()
        assert not thread.is_alive()


def message(seq: int, kind: MessageKind = MessageKind.UPDATE, topic: str = "replay") -> str:
    return LiveMessage(kind=kind, topic=topic, epoch="e1", seq=seq, at=AT, payload={"n": seq}).model_dump_json()


def read(hub: Hub, count: int, **fields: Any) -> tuple[list[LiveMessage], Stream]:
    """Return the first messages of the stream that a hub serves."""
    with serving(hub.app()) as url:
        given: dict[str, Any] = {"clock": FixedClock(AT + timedelta(seconds=2)), "sleep": lambda seconds: None} | fields
        stream = Stream(f"{url.replace('http', 'ws')}/v1/stream", TOKEN, ["replay"], **given)
        return list(islice(stream, count)), stream


def test_snapshots_and_updates_come_with_their_latency() -> None:
    async def script(hub: Hub, socket: WebSocket, number: int) -> None:
        await socket.send_text(message(0, MessageKind.SUBSCRIBED, "connection"))
        await socket.send_text(message(7, MessageKind.SNAPSHOT))
        await socket.send_text(message(8))

    hub = Hub(script)
    found, stream = read(hub, 2)
    assert [(m.kind, m.seq) for m in found] == [("snapshot", 7), ("update", 8)]
    assert stream.latency_seconds == 2.0
    assert hub.frames == [{"action": "subscribe", "topics": ["replay"], "last": {}}]


def test_heartbeats_are_answered_and_not_shown() -> None:
    async def script(hub: Hub, socket: WebSocket, number: int) -> None:
        await socket.send_text(message(1, MessageKind.HEARTBEAT, "connection"))
        hub.frames.append(json.loads(await socket.receive_text()))
        await socket.send_text(message(3))

    hub = Hub(script)
    found, _ = read(hub, 1)
    assert [m.seq for m in found] == [3]
    assert hub.frames[1] == {"action": "pong"}


def test_a_lost_connection_is_opened_again_where_it_broke_off() -> None:
    async def script(hub: Hub, socket: WebSocket, number: int) -> None:
        await socket.send_text(message(number))
        await socket.close(1013 if number == 1 else 1000)

    pauses: list[float] = []
    hub = Hub(script)
    found, _ = read(hub, 3, last={"quote.us.1": LastSeen(epoch="e0", seq=4)}, sleep=pauses.append)
    assert [m.seq for m in found] == [1, 2, 3]
    first, second = hub.frames[0]["last"], hub.frames[1]["last"]
    assert first == {"quote.us.1": {"epoch": "e0", "seq": 4}}
    assert second == first | {"replay": {"epoch": "e1", "seq": 1}}
    assert pauses == [0.25, 0.25]


def test_an_error_frame_is_raised_as_what_it_is() -> None:
    async def script(hub: Hub, socket: WebSocket, number: int) -> None:
        refused = error_response(InvalidInput("No such topic."), request_id="s-1", instance="/v1/stream", at=AT)
        await socket.send_text(ErrorFrame(error=refused).model_dump_json())

    with pytest.raises(InvalidInput, match="No such topic"):
        read(Hub(script), 1)


def test_a_frame_of_another_kind_is_an_error() -> None:
    async def script(hub: Hub, socket: WebSocket, number: int) -> None:
        await socket.send_text('{"hello": 1}')

    with pytest.raises(ExecutionFailed, match="none of the platform's"):
        read(Hub(script), 1)


def test_a_wrong_token_is_refused_once() -> None:
    pauses: list[float] = []

    async def script(hub: Hub, socket: WebSocket, number: int) -> None:
        raise AssertionError("it was let in")

    hub = Hub(script)
    with serving(hub.app()) as url, pytest.raises(Unauthorized, match="wrong"):
        list(Stream(f"{url.replace('http', 'ws')}/v1/stream", "wrong", ["replay"], sleep=pauses.append))
    assert (hub.connections, pauses) == (0, [])


def test_a_close_for_want_of_a_credential_is_no_lost_connection() -> None:
    async def script(hub: Hub, socket: WebSocket, number: int) -> None:
        await socket.close(4401)

    with pytest.raises(Unauthorized):
        read(Hub(script), 1)


def test_a_gateway_that_stays_away_is_given_up_with_longer_and_longer_pauses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"ws://127.0.0.1:{free.getsockname()[1]}/v1/stream"
    pauses: list[float] = []
    with pytest.raises(ExecutionFailed, match="cannot be reached"):
        list(Stream(address, TOKEN, ["replay"], sleep=pauses.append))
    assert pauses == [0.25 * 2**n for n in range(6)] + [10.0]
    assert len(pauses) == MOST_ATTEMPTS - 1


def test_updates_leave_out_the_snapshots() -> None:
    async def script(hub: Hub, socket: WebSocket, number: int) -> None:
        await socket.send_text(message(1, MessageKind.SNAPSHOT))
        await socket.send_text(message(2))

    with serving(Hub(script).app()) as url, Client(url, TOKEN) as app:
        assert [m.seq for m in islice(app.updates(["replay"]), 1)] == [2]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    workspace = make_workspace(tmp_path_factory.mktemp("house"))
    app = build_app(GatewayServices(workspace.context, FakeHost(), FakeReplay(), workspace.context.clock))
    with serving(edged(app)) as url:
        yield url
    workspace.close()


def test_the_client_reads_records_through_the_edge(gateway: str) -> None:
    with Client(gateway, TOKEN) as app:
        assert app.replay() == STATE
        assert app.portfolio() == PORTFOLIO
        with pytest.raises(NotFound, match="bt-nothing") as caught:
            app.trace("bt-nothing")
    assert len(str(caught.value.details["request_id"])) == 32


def test_a_wrong_token_is_an_error_of_ours(gateway: str) -> None:
    with Client(gateway, "wrong") as app, pytest.raises(Unauthorized):
        app.replay()


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
def test_thirty_megabytes_are_refused_over_a_real_connection(gateway: str, declared: bool) -> None:
    import httpx

    def chunks() -> Iterator[bytes]:
        for _ in range(30):
            yield b" " * 10**6

    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    content = b"".join(chunks()) if declared else chunks()
    answer = httpx.post(f"{gateway}/v1/replay", headers=headers, content=content, trust_env=False, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert httpx.get(f"{gateway}/livez", trust_env=False).status_code == 200


def test_a_stream_that_does_not_exist_is_refused_with_an_error_response(gateway: str) -> None:
    stream = Stream(f"{gateway.replace('http', 'ws')}/v1/nothing", TOKEN, ["replay"], sleep=lambda seconds: None)
    with pytest.raises(InvestlabError) as caught:
        next(iter(stream))
    assert caught.value.code == "not_found"


def test_the_client_loads_nothing_of_the_servers(tmp_path: Path) -> None:
    import subprocess
    import sys

    probe = "import sys, investlab.client.http; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert not {"fastapi", "starlette", "sqlalchemy", "bentoml", "pandas", "panel"} & set(loaded.stdout.split())
