"""Fakes of the stream: a transport that keeps what it is sent and can be made to stall, and a hub around it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from investlab.core.clock import FixedClock
from investlab.live.bus import LocalBus
from investlab.live.connections import StreamLimits
from investlab.live.hub import Hub
from investlab.live.transport import TransportClosed
from investlab.schemas.live import LiveMessage, MessageKind

DEADLINE_SECONDS = 10.0
AT = datetime(2024, 1, 2, 12, tzinfo=UTC)


class FakeTransport:
    """Keeps what is sent; while stalled, sending waits, as on a socket whose reader stopped."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.closed: tuple[int, str] | None = None
        self.is_gone = False
        self._free = asyncio.Event()
        self._free.set()

    async def send(self, text: str) -> None:
        await self._free.wait()
        if self.is_gone:
            raise TransportClosed
        self.sent.append(text)

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def stall(self) -> None:
        self._free.clear()

    def release(self) -> None:
        self._free.set()

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.sent]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["kind"] == kind]

    def numbers(self, topic: str) -> list[int]:
        return [frame["seq"] for frame in self.frames if frame.get("topic") == topic]


class FakeClient:
    """A client being served: what it sends is given to the server at once."""

    def __init__(self, hub: Hub) -> None:
        self.transport = FakeTransport()
        self._inbox: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self.serving = asyncio.create_task(hub.connections.serve(self.transport, self._frames()))

    async def say(self, frame: object) -> None:
        """Send a frame, as JSON unless it is text or bytes already, and let the server answer."""
        self._inbox.put_nowait(frame if isinstance(frame, (str, bytes)) else json.dumps(frame))
        await settle()

    async def subscribe(self, *topics: str, last: dict[str, dict[str, Any]] | None = None) -> None:
        await self.say({"action": "subscribe", "topics": topics, "last": last or {}})

    async def leave(self) -> None:
        self._inbox.put_nowait(None)
        await self.serving

    async def _frames(self) -> AsyncIterator[str | bytes]:
        while (frame := await self._inbox.get()) is not None:
            yield frame


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def make_hub(**limits: Any) -> Hub:
    """Return a started hub on a bus of its own, whose clock stands still."""
    hub = Hub(LocalBus(), FixedClock(AT), boot="boot", limits=StreamLimits(**{"flush_seconds": 0.0, **limits}))
    await hub.start()
    return hub


def with_hub(scenario: Callable[[Hub], Coroutine[Any, Any, None]], **limits: Any) -> None:
    """Run a scenario on a hub of its own."""

    async def play() -> None:
        hub = await make_hub(**limits)
        await asyncio.wait_for(scenario(hub), DEADLINE_SECONDS)
        hub.connections.shut()
        await settle()

    asyncio.run(play())


def message(topic: str = "t", seq: int = 1, epoch: str = "e", **payload: Any) -> LiveMessage:
    """Return an update."""
    return LiveMessage(kind=MessageKind.UPDATE, topic=topic, epoch=epoch, seq=seq, at=AT, payload=payload)
