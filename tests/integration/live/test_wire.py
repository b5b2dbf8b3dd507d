"""Below ASGI: peers that never read are cut off, and what is no request is answered in the platform's shape."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop
from websockets.exceptions import ConnectionClosed

from investlab.api import wire
from investlab.schemas.errors import ErrorResponse
from tests.support.stream_servers import DEADLINE_SECONDS, TOKEN, StreamServer, receive, serving_stream, subscribe

PING = bytes([0x89, 0x80 | 125, 0, 0, 0, 0]) + b"p" * 125
MIB = 2**20
UPGRADE = "GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
SIGNED_IN = f"Authorization: Bearer {TOKEN}\r\n"
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
VERSION = "Sec-WebSocket-Version: 13\r\n"


def play(scenario: Callable[[StreamServer], Awaitable[None]], **limits: Any) -> None:
    async def run() -> None:
        async with serving_stream(**limits) as server:
            await asyncio.wait_for(scenario(server), 2 * DEADLINE_SECONDS)

    uvloop.run(run())


async def until(holds: Callable[[], bool]) -> None:
    async def wait() -> None:
        while not holds():
            await asyncio.sleep(0.01)

    await asyncio.wait_for(wait(), DEADLINE_SECONDS)


async def deaf_client(server: StreamServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a signed-in client that reads nothing after the handshake."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    writer.write(f"{UPGRADE}{SIGNED_IN}{KEY}{VERSION}\r\n".encode())
    assert b"101" in await asyncio.wait_for(reader.readline(), DEADLINE_SECONDS)
    writer.transport.pause_reading()
    return reader, writer


async def flood(server: StreamServer, writer: asyncio.StreamWriter, pings: int) -> int:
    """Send pings until the server ends the connection, and return the most that it held for the client."""
    most = 0
    with contextlib.suppress(ConnectionError):
        for _ in range(pings // 100):
            writer.write(PING * 100)
            await asyncio.sleep(0)
            await writer.drain()
            most = max([most, *(each.transport.get_write_buffer_size() for each in server.sockets)])
    return most


def test_a_client_that_pings_and_never_reads_is_cut_off() -> None:
    async def scenario(server: StreamServer) -> None:
        _, writer = await deaf_client(server)
        assert await flood(server, writer, 100_000) < MIB
        await until(lambda: not server.sockets)
        await server.empties()
        writer.transport.abort()

    play(scenario)


def test_pings_within_the_limit_hold_no_memory_while_they_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST_PINGS", 10**9)

    async def scenario(server: StreamServer) -> None:
        _, writer = await deaf_client(server)
        assert await flood(server, writer, 200_000) < MIB  # 25 MB of pongs, more than the kernel takes
        assert len(server.sockets) == 1
        writer.transport.abort()

    play(scenario)


def test_a_client_that_reads_gets_its_pongs() -> None:
    async def scenario(server: StreamServer) -> None:
        async with server.connect() as client:
            for _ in range(wire.MOST_PINGS):
                await asyncio.wait_for(await client.ping(), DEADLINE_SECONDS)
            await subscribe(client, "replay")

    play(scenario)


def test_a_client_that_pings_without_end_is_told_why_it_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST_PINGS", 3)

    async def scenario(server: StreamServer) -> None:
        async with server.connect() as client:
            with contextlib.suppress(ConnectionClosed):
                for _ in range(5):
                    await asyncio.wait_for(await client.ping(), DEADLINE_SECONDS)
            assert (client.close_code, client.close_reason) == (wire.TOO_MANY, "too many pings")
        await server.empties()

    play(scenario)


def test_the_last_ping_of_a_client_that_stopped_reading_is_answered_when_it_reads_again() -> None:
    async def scenario(server: StreamServer) -> None:
        reader, writer = await deaf_client(server)
        (held,) = server.sockets
        await until(lambda: held.handshake_complete)
        held.pause_writing()
        writer.write(PING + bytes([0x89, 0x84, 0, 0, 0, 0]) + b"last")
        await until(lambda: bool(held._owed))
        held.resume_writing()
        writer.transport.resume_reading()
        content = b""
        while b"last" not in content:
            content += await asyncio.wait_for(reader.read(1024), DEADLINE_SECONDS)
        assert b"ppp" not in content
        writer.transport.abort()

    play(scenario)


def stuff(server: StreamServer) -> Callable[[], Awaitable[None]]:
    """Return what publishes until a client that reads nothing takes nothing more."""

    async def publish() -> None:
        text = "x" * 20_000
        for number in range(100_000):
            await server.hub.publish(f"quote.a.{number % 50}", {"text": text})
            if server.sockets and not server.sockets[0].writable.is_set():
                return
            await asyncio.sleep(0)

    return publish


async def stuck_client(server: StreamServer) -> asyncio.StreamWriter:
    """Return a client that takes nothing any more, whose connection holds what it does not take."""
    _, writer = await deaf_client(server)
    frame = b'{"action": "subscribe", "topics": ["quote.*"]}'
    writer.write(bytes([0x81, 0x80 | len(frame), 0, 0, 0, 0]) + frame)
    await until(lambda: any("quote.*" in each.topics for each in server.hub.connections._open.values()))
    await stuff(server)()
    assert server.sockets[0].transport.get_write_buffer_size() > 0
    return writer


def test_a_client_that_takes_nothing_is_gone_after_the_keepalive() -> None:
    async def scenario(server: StreamServer) -> None:
        writer = await stuck_client(server)
        await until(lambda: not server.sockets)
        await server.empties()
        writer.transport.abort()

    play(scenario, keepalive_seconds=0.5)


def test_a_client_that_takes_nothing_is_gone_after_its_connection_ended() -> None:
    async def scenario(server: StreamServer) -> None:
        writer = await stuck_client(server)
        server.sockets[0].close_timeout = 0.05
        for _ in range(3):
            server.hub.connections.beat()
        await server.empties()
        await until(lambda: not server.sockets)
        writer.transport.abort()

    play(scenario, close_seconds=0.05)


async def answer_to(server: StreamServer, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of what comes back for bytes, until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    content = await asyncio.wait_for(reader.read(), DEADLINE_SECONDS)
    writer.close()
    head, _, body = content.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), {n.lower(): v for n, v in (line.split(": ", 1) for line in lines)}, body


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00", 400, id="tls"),
        pytest.param(b"no request at all\r\n\r\n", 400, id="no-request"),
        pytest.param(b"GET / HTTP/1.1\r\nno header\r\n\r\n", 400, id="no-header"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, id="http-2"),
        pytest.param(f"{UPGRADE}{SIGNED_IN}{VERSION}\r\n".encode(), 400, id="no-key"),
        pytest.param(f"{UPGRADE}{SIGNED_IN}Sec-WebSocket-Key: <b>\r\n{VERSION}\r\n".encode(), 400, id="wrong-key"),
        pytest.param(f"{UPGRADE}{SIGNED_IN}{KEY}Sec-WebSocket-Version: 8\r\n\r\n".encode(), 400, id="old-version"),
        pytest.param(f"{UPGRADE.replace('GET', 'POST')}{SIGNED_IN}{KEY}{VERSION}\r\n".encode(), 405, id="post"),
        pytest.param((UPGRADE + "X-A: b\r\n" * 200 + f"{KEY}{VERSION}\r\n").encode(), 400, id="too-many-headers"),
        pytest.param((UPGRADE.replace("/stream", "/" + "x" * 9000) + f"{KEY}{VERSION}\r\n").encode(), 400, id="long"),
    ],
)
def test_what_is_no_request_is_answered_with_an_error_response(sent: bytes, status: int) -> None:
    async def scenario(server: StreamServer) -> None:
        found, headers, body = await answer_to(server, sent)
        assert (found, headers["content-type"]) == (status, "application/problem+json")
        problem = ErrorResponse.model_validate(json.loads(body))
        assert (problem.status, problem.type) == (status, f"/problems/{problem.code}")
        assert problem.request_id == headers["x-request-id"]
        assert (headers["connection"], headers["content-length"]) == ("close", str(len(body)))
        assert headers["x-content-type-options"] == "nosniff"
        assert b"<b>" not in body
        await until(lambda: not server.state.connections)

    play(scenario)


def test_a_client_that_speaks_properly_is_served_beside_those() -> None:
    async def scenario(server: StreamServer) -> None:
        await answer_to(server, b"\x00\r\n\r\n")
        async with server.connect() as client:
            await subscribe(client, "replay")
            await server.hub.publish("replay", {"number": 1})
            assert (await receive(client, "update"))["payload"] == {"number": 1}

    play(scenario)
