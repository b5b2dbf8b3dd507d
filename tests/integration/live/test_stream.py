"""The stream over real sockets, behind the edge."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from investlab.live.transport import CloseCode
from tests.support.stream_servers import (
    DEADLINE_SECONDS,
    TOKEN,
    StreamServer,
    receive,
    serving_stream,
    subscribe,
)


def _play(scenario: Callable[[StreamServer], Awaitable[None]], **limits: Any) -> None:
    async def run() -> None:
        async with serving_stream(**limits) as server:
            await asyncio.wait_for(scenario(server), 2 * DEADLINE_SECONDS)

    asyncio.run(run())


async def _close_code(client: Any) -> int:
    with suppress(ConnectionClosed):
        while True:
            await asyncio.wait_for(client.recv(), DEADLINE_SECONDS)
    return int(client.close_code)


def test_a_subscriber_gets_three_updates() -> None:
    async def scenario(server: StreamServer) -> None:
        async with server.connect() as client:
            await subscribe(client, "quote.us-close.*")
            for number in range(3):
                await server.hub.publish("quote.us-close.7", {"price": float(number)})
                frame = await receive(client)
                assert (frame["kind"], frame["seq"], frame["payload"]) == ("update", number + 1, {"price": number})

    _play(scenario)


def test_a_client_that_reconnects_gets_what_it_missed() -> None:
    async def scenario(server: StreamServer) -> None:
        async with server.connect() as client:
            await subscribe(client, "replay")
            await server.hub.publish("replay", {"number": 1})
            seen = await receive(client)
        for number in (2, 3):
            await server.hub.publish("replay", {"number": number})
        async with server.connect() as client:
            await subscribe(client, "replay", last={"replay": {"epoch": seen["epoch"], "seq": seen["seq"]}})
            found = [await receive(client) for _ in range(2)]
            assert [(f["kind"], f["payload"]["number"]) for f in found] == [("update", 2), ("update", 3)]

    _play(scenario)


def test_a_mute_client_is_evicted() -> None:
    async def scenario(server: StreamServer) -> None:
        async with server.connect() as mute, server.connect() as answers:
            await subscribe(mute, "replay")
            await subscribe(answers, "replay")
            for _ in range(3):
                server.hub.connections.beat()
                await receive(answers, "heartbeat")
                await answers.send('{"action": "pong"}')
                await server.hub.publish("replay", {})
                await receive(answers, "update")
                await subscribe(answers, "replay")
            assert await _close_code(mute) == CloseCode.MISSED_HEARTBEATS
            assert len(server.hub.connections) == 1

    _play(scenario)


@pytest.mark.parametrize(
    ("token", "origin", "status"),
    [
        pytest.param(None, None, 401, id="no-credential"),
        pytest.param("another-token-than-ours", None, 401, id="wrong-credential"),
        pytest.param(TOKEN, "https://evil.example", 403, id="foreign-origin"),
    ],
)
def test_strangers_are_refused(token: str | None, origin: str | None, status: int) -> None:
    async def scenario(server: StreamServer) -> None:
        with pytest.raises(InvalidStatus) as refused:
            async with server.connect(token, origin=origin):
                pytest.fail("it was let in")
        assert refused.value.response.status_code == status
        assert len(server.hub.connections) == 0

    _play(scenario)


def test_a_page_of_an_allowed_origin_is_let_in() -> None:
    async def scenario(server: StreamServer) -> None:
        async with server.connect(origin="http://127.0.0.1:9999") as client:
            await subscribe(client, "replay")

    _play(scenario)


def test_a_frame_over_the_limit_closes_with_1009() -> None:
    async def scenario(server: StreamServer) -> None:
        async with server.connect() as client:
            await client.send(" " * (64 * 1024 + 1))
            assert await _close_code(client) == CloseCode.TOO_BIG
        async with server.connect() as client:
            await client.send('{"action": "pong"}' + " " * (64 * 1024 - 18))
            await subscribe(client, "replay")

    _play(scenario)


def test_malformed_frames_are_answered_and_then_close_with_1008() -> None:
    async def scenario(server: StreamServer) -> None:
        async with server.connect() as client:
            for _ in range(8):
                await client.send("{")
            errors = [await receive(client) for _ in range(8)]
            assert {frame["error"]["code"] for frame in errors} == {"bad_request"}
            assert await _close_code(client) == CloseCode.POLICY

    _play(scenario, flush_seconds=5.0)


def test_one_connection_too_many_is_closed_with_1013() -> None:
    async def scenario(server: StreamServer) -> None:
        async with server.connect() as first:
            await subscribe(first, "replay")
            async with server.connect() as second:
                assert await _close_code(second) == CloseCode.OVERLOADED

    _play(scenario, connections=1)


def test_a_server_that_stops_closes_with_1001() -> None:
    async def scenario(server: StreamServer) -> None:
        async with server.connect() as client:
            await subscribe(client, "replay")
            server.hub.connections.shut()
            assert await _close_code(client) == CloseCode.GOING_AWAY

    _play(scenario)


def test_a_client_that_vanishes_leaves_nothing_behind() -> None:
    async def scenario(server: StreamServer) -> None:
        async with server.connect() as client:
            await subscribe(client, "replay")
            client.transport.abort()
        await server.empties()

    _play(scenario)


def test_a_reader_that_stops_delays_nobody_and_is_bounded_and_evicted() -> None:
    async def scenario(server: StreamServer) -> None:
        stalled = await _stalled_client(server)
        async with server.connect() as quick:
            await subscribe(quick, "quote.*")
            text = "x" * 20_000
            for number in range(400):  # 8 MB, more than kernel and server buffer
                await server.hub.publish(f"quote.a.{number % 50}", {"text": text, "number": number})
                assert (await receive(quick, "update"))["payload"]["number"] == number
            slow = next(iter(server.hub.connections._open.values()))
            assert slow.queue.dropped > 0
            assert len(slow.queue) <= 50
            for _ in range(3):
                server.hub.connections.beat()
                await receive(quick, "heartbeat")
                await quick.send('{"action": "pong"}')
                await subscribe(quick, "replay")
            await _until_open(server, 1)
        stalled.transport.abort()

    _play(scenario, close_seconds=0.1)


async def _stalled_client(server: StreamServer) -> asyncio.StreamWriter:
    """Return a client that subscribed and reads nothing any more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    writer.write(
        f"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()
    )
    assert b"101" in await asyncio.wait_for(reader.readline(), DEADLINE_SECONDS)
    frame = b'{"action": "subscribe", "topics": ["quote.*"]}'
    writer.write(bytes([0x81, 0x80 | len(frame), 0, 0, 0, 0]) + frame)
    while not any("quote.*" in c.topics for c in server.hub.connections._open.values()):
        await asyncio.sleep(0.01)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    return writer


async def _until_open(server: StreamServer, count: int) -> None:
    async def wait() -> None:
        while len(server.hub.connections) != count:
            await asyncio.sleep(0.01)

    await asyncio.wait_for(wait(), DEADLINE_SECONDS)
