"""What was published lately: for each topic the latest value and a ring of messages to resume from."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from investlab.live.topics import SUFFIX, matches
from investlab.schemas.live import LastSeen, LiveMessage, MessageKind

RING_MESSAGES = 64


class Encoded:
    """A message and its JSON text, made once however many connections it goes to."""

    def __init__(self, message: LiveMessage) -> None:
        self.message = message
        self.text = message.model_dump_json()

    @cached_property
    def snapshot(self) -> "Encoded":
        """Return the same value as a snapshot."""
        if self.message.kind is MessageKind.SNAPSHOT:
            return self
        return Encoded(self.message.model_copy(update={"kind": MessageKind.SNAPSHOT}))


@dataclass(slots=True)
class _Topic:
    epoch: str
    ring: deque[Encoded]


class Rings:
    """The latest messages by topic; holds at most `size` for each.

    Publishers number a topic by (epoch, seq). Messages are kept in that order, and one that is already held is
    dropped: at-least-once delivery therefore shows every message once.
    """

    def __init__(self, size: int = RING_MESSAGES) -> None:
        self._size = size
        self._topics: dict[str, _Topic] = {}

    def add(self, message: LiveMessage) -> Encoded | None:
        """Keep a message and return it encoded; None when it, or a later one of its epoch, is held already.

        The first message of another epoch becomes a snapshot, because its numbers do not continue those before.
        """
        found = self._topics.get(message.topic)
        if found is None:
            encoded = Encoded(message)
            self._topics[message.topic] = _Topic(message.epoch, deque([encoded], maxlen=self._size))
            return encoded
        if found.epoch != message.epoch:
            encoded = Encoded(message).snapshot
            found.epoch = message.epoch
            found.ring = deque([encoded], maxlen=self._size)
            return encoded
        if message.seq <= found.ring[-1].message.seq:
            return None
        encoded = Encoded(message)
        found.ring.append(encoded)
        return encoded

    def latest(self, topic: str) -> LiveMessage | None:
        """Return the latest message of a topic, None before the first."""
        found = self._topics.get(topic)
        return found.ring[-1].message if found else None

    def topics(self, pattern: str) -> Iterator[str]:
        """Give the topics with a value that a topic or pattern means, in order of their first message."""
        if not pattern.endswith(SUFFIX):
            if pattern in self._topics:
                yield pattern
            return
        yield from (topic for topic in self._topics if matches(pattern, topic))

    def since(self, topic: str, last: LastSeen | None) -> list[Encoded] | None:
        """Return what a client that has `last` missed, oldest first; None when it needs a snapshot instead.

        It does when it has nothing, has another epoch's message, or missed more than the ring holds.
        """
        found = self._topics[topic]
        if last is None or last.epoch != found.epoch or last.seq > found.ring[-1].message.seq:
            return None
        missed = [encoded for encoded in found.ring if encoded.message.seq > last.seq]
        if missed and missed[0].message.seq != last.seq + 1:
            return None
        return missed

    def snapshot(self, topic: str) -> Encoded:
        """Return the latest value of a topic that has one, as a snapshot."""
        return self._topics[topic].ring[-1].snapshot
