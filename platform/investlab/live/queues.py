"""What waits to be sent on one connection: bounded, with updates conflated by topic."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from investlab.live.ring import Encoded
from investlab.schemas.live import MessageKind


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How much may wait on one connection; texts are shared between connections, so bytes count an upper bound."""

    updates: int = 512
    essentials: int = 2048
    essential_bytes: int = 4 * 2**20


class OutboundQueue:
    """Frames in the order they go out: errors, heartbeats, acknowledgements, snapshots and resumed messages first.

    Those are never dropped; `put` says False when there are more of them than the limits allow, and the connection
    must then be closed. Of updates only the newest of a topic waits, in the place of the one it replaces, and above
    the limit the one that waited longest is dropped: a topic whose number jumps was conflated, its value is current.
    """

    def __init__(self, limits: QueueLimits) -> None:
        self._limits = limits
        self._essentials: OrderedDict[str | int, str | Encoded] = OrderedDict()
        self._bytes = 0
        self._count = 0
        self._updates: OrderedDict[str, Encoded] = OrderedDict()
        self._ready = asyncio.Event()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._essentials) + len(self._updates)

    @property
    def has_essentials(self) -> bool:
        """Say whether something waits that is never dropped."""
        return bool(self._essentials)

    def put(self, frame: str | Encoded) -> bool:
        """Add a frame that is never dropped; False when the limits are exceeded.

        A snapshot replaces what waits of its topic, so that numbers never go backwards.
        """
        self._count += 1
        key: str | int = self._count
        if isinstance(frame, Encoded):
            self._updates.pop(frame.message.topic, None)
            if frame.message.kind is MessageKind.SNAPSHOT:
                key = frame.message.topic
                self._bytes -= _size(self._essentials.pop(key, ""))
        self._essentials[key] = frame
        self._bytes += _size(frame)
        self._ready.set()
        return len(self._essentials) <= self._limits.essentials and self._bytes <= self._limits.essential_bytes

    def put_update(self, update: Encoded) -> None:
        """Add an update in place of the one of its topic that waits, dropping the oldest above the limit."""
        topic = update.message.topic
        self.dropped += topic in self._updates
        self._updates[topic] = update
        if len(self._updates) > self._limits.updates:
            self._updates.popitem(last=False)
            self.dropped += 1
        self._ready.set()

    def keep(self, wanted: Callable[[str], bool]) -> None:
        """Drop the updates of topics that are no longer wanted."""
        for topic in [topic for topic in self._updates if not wanted(topic)]:
            del self._updates[topic]

    def take(self) -> str | None:
        """Return the next frame, None when nothing waits."""
        if self._essentials:
            _, frame = self._essentials.popitem(last=False)
            self._bytes -= _size(frame)
            return frame if isinstance(frame, str) else frame.text
        if self._updates:
            return self._updates.popitem(last=False)[1].text
        self._ready.clear()
        return None

    async def wait(self) -> None:
        """Wait until something may be there to take."""
        await self._ready.wait()

    def wake(self) -> None:
        """Let whoever waits look again."""
        self._ready.set()


def _size(frame: str | Encoded) -> int:
    return len(frame if isinstance(frame, str) else frame.text)
