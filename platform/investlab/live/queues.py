"""What waits to be sent on one connection: bounded, with updates conflated by topic."""

import asyncio
from collections import OrderedDict, deque
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
        self._essentials: deque[str | Encoded] = deque()
        self._bytes = 0
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
        """Add a frame that is never dropped; False when the limits are exceeded."""
        if isinstance(frame, Encoded):
            self._supersede(frame)
        self._essentials.append(frame)
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

    def forget(self, topic: str) -> None:
        """Drop the update of a topic that is no longer wanted."""
        self._updates.pop(topic, None)

    def take(self) -> str | None:
        """Return the next frame, None when nothing waits."""
        if self._essentials:
            frame = self._essentials.popleft()
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

    def _supersede(self, frame: Encoded) -> None:
        """Drop what a snapshot or resumed message makes out of date, so that numbers never go backwards."""
        topic = frame.message.topic
        self._updates.pop(topic, None)
        if frame.message.kind is not MessageKind.SNAPSHOT:
            return
        kept = deque(f for f in self._essentials if isinstance(f, str) or f.message.topic != topic)
        if len(kept) != len(self._essentials):
            self._essentials = kept
            self._bytes = sum(_size(f) for f in kept)


def _size(frame: str | Encoded) -> int:
    return len(frame if isinstance(frame, str) else frame.text)
