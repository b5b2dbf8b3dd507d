"""Connections of the stream: who gets what, heartbeats, limits and eviction."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from pydantic import ValidationError

from investlab.core.clock import Clock
from investlab.core.errors import BadRequest, Busy, InvalidInput, InvestlabError
from investlab.live.queues import OutboundQueue, QueueLimits
from investlab.live.ring import Encoded, Rings
from investlab.live.topics import CONNECTION, patterns_of, require_pattern
from investlab.live.transport import CloseCode, Transport, TransportClosed
from investlab.schemas.errors import error_response
from investlab.schemas.live import MAX_TOPICS, ClientFrame, ErrorFrame, LiveMessage, MessageKind

PATH = "/v1/stream"
_UNRESPONSIVE = (CloseCode.MISSED_HEARTBEATS, CloseCode.OVERLOADED)
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What one server and one connection of it allow."""

    connections: int = 2000
    topics: int = MAX_TOPICS
    frame_bytes: int = 64 * 2**10
    frames_per_heartbeat: int = 240
    malformed_frames: int = 8
    missed_heartbeats: int = 2
    resumed_messages: int = 512
    heartbeat_seconds: float = 15.0
    flush_seconds: float = 1.0
    close_seconds: float = 2.0
    queue: QueueLimits = field(default_factory=QueueLimits)


@dataclass(frozen=True, slots=True)
class Closing:
    """Why a connection ends."""

    code: CloseCode
    reason: str


@dataclass(eq=False, slots=True)
class Connection:
    """One client: what it subscribed to, what waits to be sent to it, and how it behaved."""

    number: int
    transport: Transport
    queue: OutboundQueue
    topics: dict[str, None] = field(default_factory=dict)
    unanswered: int = 0
    frames: int = 0
    malformed: int = 0
    closing: Closing | None = None
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        """Return the name that error frames carry as their request id."""
        return f"stream-{self.number}"

    def wants(self, topic: str) -> bool:
        """Say whether a subscription means this topic."""
        return any(pattern in self.topics for pattern in patterns_of(topic))

    def close(self, code: CloseCode, reason: str) -> None:
        """Ask for the end of the connection; the first reason stands."""
        if self.closing is None:
            self.closing = Closing(code, reason)
            self.closed.set()
            self.queue.wake()

    async def pump(self) -> None:
        """Send what waits, as fast as the socket takes it, until the connection closes and no essential waits."""
        while True:
            if self.closing is not None and not self.queue.has_essentials:
                return
            text = self.queue.take()
            if text is None:
                await self.queue.wait()
            else:
                await self.transport.send(text)


class ConnectionManager:
    """Every connection of this process, reached by topic.

    All methods belong to the event loop. Delivering puts a message into queues and never waits, so no reader delays
    another; what a slow one leaves waiting is bounded by its queue. Time comes from the clock and from `beat`, which a
    loop calls every `heartbeat_seconds`.
    """

    def __init__(self, clock: Clock, rings: Rings, limits: StreamLimits | None = None) -> None:
        self.limits = limits or StreamLimits()
        self._clock = clock
        self._rings = rings
        self._numbers = count(1)
        self._beats = 0
        self._open: dict[int, Connection] = {}
        self._subscribers: dict[str, dict[int, Connection]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def open(self, transport: Transport) -> Connection:
        """Admit a connection.

        Raises:
            Busy: There are as many as the server takes.
        """
        if len(self._open) >= self.limits.connections:
            raise Busy("The stream has as many connections as it takes.", remedy="Connect again later.")
        connection = Connection(next(self._numbers), transport, OutboundQueue(self.limits.queue))
        self._open[connection.number] = connection
        return connection

    def drop(self, connection: Connection) -> None:
        """Forget a connection and what it subscribed to."""
        self._open.pop(connection.number, None)
        for pattern in list(connection.topics):
            self._leave(connection, pattern)

    async def serve(self, transport: Transport, frames: AsyncIterator[str | bytes]) -> None:
        """Serve one socket until either side ends it, then close it; one too many is closed with 1013."""
        try:
            connection = self.open(transport)
        except Busy as error:
            await self._close(transport, Closing(CloseCode.OVERLOADED, error.detail))
            return
        sender = asyncio.create_task(connection.pump())
        reader = asyncio.create_task(self._read(connection, frames))
        ended = asyncio.create_task(connection.closed.wait())
        try:
            await asyncio.wait({sender, reader, ended}, return_when=asyncio.FIRST_COMPLETED)
            if connection.closing is not None and connection.closing.code not in _UNRESPONSIVE:
                await asyncio.wait({sender}, timeout=self.limits.flush_seconds)
        finally:
            self.drop(connection)
            failed = await _stop(sender, reader, ended)
            if failed:
                connection.close(CloseCode.INTERNAL, "The stream failed.")
            await self._close(transport, connection.closing or Closing(CloseCode.NORMAL, ""))

    def receive(self, connection: Connection, frame: str | bytes) -> None:
        """Act on what a client sent; what cannot be used is answered with an error frame."""
        if connection.closing is not None:
            return
        if len(frame.encode() if isinstance(frame, str) else frame) > self.limits.frame_bytes:
            connection.close(CloseCode.TOO_BIG, f"A frame may have {self.limits.frame_bytes} bytes.")
            return
        connection.frames += 1
        if connection.frames > self.limits.frames_per_heartbeat:
            connection.close(CloseCode.POLICY, "Too many frames between two heartbeats.")
            return
        try:
            self._obey(connection, _parse(frame))
        except InvestlabError as error:
            self._refuse(connection, error)

    def deliver(self, encoded: Encoded) -> None:
        """Put a message into the queue of everyone who asked for its topic."""
        receivers: dict[int, Connection] = {}
        for pattern in patterns_of(encoded.message.topic):
            receivers |= self._subscribers.get(pattern, {})
        essential = encoded.message.kind is MessageKind.SNAPSHOT
        for connection in receivers.values():
            if essential:
                self._put(connection, encoded)
            else:
                connection.queue.put_update(encoded)

    def beat(self) -> None:
        """Send everyone a heartbeat, and evict whoever left two in a row unanswered."""
        self._beats += 1
        text = self._control(MessageKind.HEARTBEAT, self._beats, {})
        for connection in list(self._open.values()):
            connection.frames = 0
            if connection.unanswered >= self.limits.missed_heartbeats:
                connection.close(CloseCode.MISSED_HEARTBEATS, "Two heartbeats were not answered with a pong.")
            elif connection.closing is None:
                connection.unanswered += 1
                self._put(connection, text)

    def shut(self) -> None:
        """Close every connection because the server is stopping."""
        for connection in list(self._open.values()):
            connection.close(CloseCode.GOING_AWAY, "The server is stopping.")

    async def _read(self, connection: Connection, frames: AsyncIterator[str | bytes]) -> None:
        async for frame in frames:
            self.receive(connection, frame)
            if connection.closing is not None:
                return

    def _obey(self, connection: Connection, frame: ClientFrame) -> None:
        if frame.action == "pong":
            connection.unanswered = 0
        elif frame.action == "unsubscribe":
            for pattern in frame.topics:
                self._leave(connection, pattern)
            connection.queue.keep(connection.wants)
            self._acknowledge(connection)
        else:
            self._subscribe(connection, frame)

    def _subscribe(self, connection: Connection, frame: ClientFrame) -> None:
        patterns = [require_pattern(pattern) for pattern in frame.topics]
        if len({*connection.topics, *patterns}) > self.limits.topics:
            raise InvalidInput(
                f"A connection may have {self.limits.topics} subscriptions.", remedy="Use patterns such as `quote.*`."
            )
        for pattern in patterns:
            connection.topics[pattern] = None
            self._subscribers.setdefault(pattern, {})[connection.number] = connection
        self._acknowledge(connection)
        for encoded in self._missed(frame, patterns):
            self._put(connection, encoded)

    def _missed(self, frame: ClientFrame, patterns: Iterable[str]) -> list[Encoded]:
        """Return what brings a new subscription up to date, snapshots where too much was missed."""
        found: list[Encoded] = []
        for topic in dict.fromkeys(topic for pattern in patterns for topic in self._rings.topics(pattern)):
            missed = self._rings.since(topic, frame.last.get(topic))
            if missed is None or len(found) + len(missed) > self.limits.resumed_messages:
                found.append(self._rings.snapshot(topic))
            else:
                found.extend(missed)
        return found

    def _leave(self, connection: Connection, pattern: str) -> None:
        connection.topics.pop(pattern, None)
        subscribers = self._subscribers.get(pattern, {})
        subscribers.pop(connection.number, None)
        if not subscribers:
            self._subscribers.pop(pattern, None)

    def _acknowledge(self, connection: Connection) -> None:
        topics = list(connection.topics)
        self._put(connection, self._control(MessageKind.SUBSCRIBED, len(topics), {"topics": topics}))

    def _refuse(self, connection: Connection, error: InvestlabError) -> None:
        connection.malformed += 1
        response = error_response(error, request_id=connection.name, instance=PATH, at=self._clock.now())
        self._put(connection, ErrorFrame(error=response).model_dump_json())
        if connection.malformed >= self.limits.malformed_frames:
            connection.close(CloseCode.POLICY, "Too many frames that could not be used.")

    def _put(self, connection: Connection, frame: str | Encoded) -> None:
        if connection.closing is None and not connection.queue.put(frame):
            connection.close(CloseCode.OVERLOADED, "The client reads too slowly.")

    def _control(self, kind: MessageKind, seq: int, payload: dict[str, list[str]]) -> str:
        message = LiveMessage(
            kind=kind, topic=CONNECTION, epoch=CONNECTION, seq=seq, at=self._clock.now(), payload=dict(payload)
        )
        return message.model_dump_json()

    async def _close(self, transport: Transport, closing: Closing) -> None:
        with suppress(TransportClosed, TimeoutError):
            await asyncio.wait_for(transport.close(closing.code, closing.reason), self.limits.close_seconds)


async def _stop(*tasks: asyncio.Task[Any]) -> bool:
    """End tasks and say whether one failed on its own account."""
    for task in tasks:
        task.cancel()
    failed = False
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception) and not isinstance(outcome, TransportClosed):
            logger.error("A stream connection failed.", exc_info=outcome)
            failed = True
    return failed


def _parse(frame: str | bytes) -> ClientFrame:
    if isinstance(frame, bytes):
        raise BadRequest("A binary frame was sent.", remedy="Send JSON as text.")
    try:
        return ClientFrame.model_validate_json(frame)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadRequest(
            f"The frame cannot be read: {f'{place}: ' if place else ''}{first['msg']}.",
            remedy='Send JSON such as {"action": "subscribe", "topics": ["quote.us-close.*"]}.',
        ) from error
