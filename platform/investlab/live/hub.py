"""The hub: numbers what this process publishes, and brings what the bus carries to the connections."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from investlab.core.clock import Clock
from investlab.core.hashing import hash_json
from investlab.live.bus import Bus, Leave
from investlab.live.connections import ConnectionManager, StreamLimits
from investlab.live.pacing import Sleep
from investlab.live.ring import Rings
from investlab.schemas.live import LiveMessage, MessageKind

Publish = Callable[[str, Mapping[str, Any]], Awaitable[LiveMessage]]
"""Publishes a payload on a topic."""


def boot_name(clock: Clock) -> str:
    """Return a name of this start of this process, for the epochs of what it publishes."""
    return hash_json(["boot", clock.now(), os.getpid()])[:12]


class Numbering:
    """Numbers a publisher's messages by topic, from 1 on in each epoch; an epoch never comes back.

    `boot` makes epochs of different starts differ.
    """

    def __init__(self, boot: str) -> None:
        self._boot = boot
        self._last: dict[str, int] = {}
        self.epoch = boot

    def begin(self, name: str) -> None:
        """Begin another epoch, in which every topic's numbers start again."""
        self.epoch = f"{name}.{self._boot}"
        self._last.clear()

    def next(self, topic: str) -> int:
        """Return the next number of a topic."""
        number = self._last.get(topic, 0) + 1
        self._last[topic] = number
        return number


class Hub:
    """Bus, rings and connections of one process.

    Subscribers of the stream see what any publisher on the bus sends; `publish` is this process's own publisher. All
    methods belong to the event loop.
    """

    def __init__(self, bus: Bus, clock: Clock, *, boot: str, limits: StreamLimits | None = None) -> None:
        self.rings = Rings()
        self.connections = ConnectionManager(clock, self.rings, limits)
        self._bus = bus
        self._clock = clock
        self._numbering = Numbering(boot)
        self._leave: Leave | None = None

    async def start(self) -> None:
        """Receive from the bus; call it before anything is published."""
        if self._leave is None:
            self._leave = await self._bus.subscribe(self._receive)

    async def publish(self, topic: str, payload: Mapping[str, Any]) -> LiveMessage:
        """Publish a value of a topic and return it numbered; `payload` holds JSON values only."""
        message = LiveMessage(
            kind=MessageKind.UPDATE,
            topic=topic,
            epoch=self._numbering.epoch,
            seq=self._numbering.next(topic),
            at=self._clock.now(),
            payload=dict(payload),
        )
        await self._bus.publish(message)
        return message

    def begin_epoch(self, name: str) -> None:
        """Let what is published from now on not continue what came before; clients get snapshots."""
        self._numbering.begin(name)

    async def run(self, sleep: Sleep = asyncio.sleep) -> None:
        """Send heartbeats until cancelled."""
        await self.start()
        while True:
            await sleep(self.connections.limits.heartbeat_seconds)
            self.connections.beat()

    async def close(self) -> None:
        """Close every connection and leave the bus."""
        self.connections.shut()
        if self._leave is not None:
            await self._leave()
            self._leave = None

    def _receive(self, message: LiveMessage) -> None:
        encoded = self.rings.add(message)
        if encoded is not None:
            self.connections.deliver(encoded)
