"""A stream server for tests of pages: it speaks the hub's protocol and says what a test tells it to say."""

import asyncio
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from investlab.live.topics import matches
from investlab.schemas.live import ClientFrame, LiveMessage, MessageKind

PATIENCE_SECONDS = 10.0


class FakeHub:
    """Numbers messages by topic and sends them to whoever subscribed; can be silenced and killed.

    It runs on an event loop of its own in a thread; every method may be called from the test's thread.
    """

    def __init__(self, port: int = 0) -> None:
        self.epoch = secrets.token_hex(4)
        self.frames: list[ClientFrame] = []
        self.cookies: list[str] = []
        self._arrived = threading.Condition()
        self._port = port
        self._latest: dict[str, LiveMessage] = {}
        self._numbers: Counter[str] = Counter()
        self._wanted: dict[ServerConnection, set[str]] = {}
        self._is_mute = False
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._server: Server | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        """Return the address that pages are told."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """Return the port it listens on."""
        return self._port

    @property
    def connections(self) -> int:
        """Return how many sockets are open."""
        return len(self._wanted)

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        assert self._ready.wait(PATIENCE_SECONDS)

    def stop(self) -> None:
        """Close every connection and stop listening; once more does nothing."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(PATIENCE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)

    def mute(self, *, on: bool = True) -> None:
        """Say nothing any more, keeping every connection open."""
        self._is_mute = on

    def publish(self, topic: str, payload: Mapping[str, Any], kind: MessageKind = MessageKind.UPDATE) -> None:
        """Send a value of a topic to its subscribers, and to later ones as a snapshot."""

        async def send() -> None:
            self._numbers[topic] += 1
            message = self._message(kind, topic, self._numbers[topic], payload)
            self._latest[topic] = message
            for socket, topics in list(self._wanted.items()):
                if any(matches(pattern, topic) for pattern in topics):
                    await self._send(socket, message)

        asyncio.run_coroutine_threadsafe(send(), self._loop).result(PATIENCE_SECONDS)

    def wait_for(self, wanted: Callable[[ClientFrame], bool]) -> ClientFrame:
        """Wait until a client sent a frame that is wanted, and return it."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: any(map(wanted, self.frames)), PATIENCE_SECONDS)
            return next(filter(wanted, self.frames))

    def heartbeat(self) -> None:
        """Send everyone a heartbeat."""

        async def send() -> None:
            for socket in list(self._wanted):
                await self._send(socket, self._message(MessageKind.HEARTBEAT, "connection", 1, {}))

        asyncio.run_coroutine_threadsafe(send(), self._loop).result(PATIENCE_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._loop.run_forever()
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await serve(self._serve, "127.0.0.1", self._port, compression=None)
        self._port = next(iter(self._server.sockets)).getsockname()[1]
        self._ready.set()

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, socket: ServerConnection) -> None:
        self._wanted[socket] = set()
        self.cookies.append(socket.request.headers.get("Cookie", "") if socket.request else "")
        try:
            async for text in socket:
                await self._obey(socket, ClientFrame.model_validate_json(text))
        except ConnectionClosed:
            return
        finally:
            self._wanted.pop(socket, None)

    async def _obey(self, socket: ServerConnection, frame: ClientFrame) -> None:
        with self._arrived:
            self.frames.append(frame)
            self._arrived.notify_all()
        if frame.action != "subscribe":
            return
        self._wanted[socket] |= set(frame.topics)
        await self._send(socket, self._message(MessageKind.SUBSCRIBED, "connection", 1, {"topics": list(frame.topics)}))
        for topic, message in self._latest.items():
            seen = frame.last.get(topic)
            is_known = seen is not None and (seen.epoch, seen.seq) == (message.epoch, message.seq)
            if not is_known and any(matches(pattern, topic) for pattern in frame.topics):
                await self._send(socket, message.model_copy(update={"kind": MessageKind.SNAPSHOT}))

    async def _send(self, socket: ServerConnection, message: LiveMessage) -> None:
        if not self._is_mute:
            try:
                await socket.send(message.model_dump_json())
            except ConnectionClosed:
                self._wanted.pop(socket, None)

    def _message(self, kind: MessageKind, topic: str, seq: int, payload: Mapping[str, Any]) -> LiveMessage:
        at = datetime.now(UTC)
        return LiveMessage(kind=kind, topic=topic, epoch=self.epoch, seq=seq, at=at, payload=dict(payload))


@contextmanager
def fake_hub(port: int = 0) -> Iterator[FakeHub]:
    """Run a stream server while the context lasts."""
    hub = FakeHub(port)
    hub.start()
    try:
        yield hub
    finally:
        hub.stop()
