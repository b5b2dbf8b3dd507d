"""The outbox relay: what other processes left in the database's outbox goes out on the stream."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from investlab.core.clock import Clock
from investlab.core.errors import InvestlabError
from investlab.live.hub import Publish
from investlab.live.pacing import Sleep
from investlab.live.topics import SYSTEM
from investlab.schemas.audit import OutboxMessage
from investlab.store.database import Database
from investlab.store.repositories import outbox

POLL_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 1.0
PAGE = 100

logger = logging.getLogger(__name__)


class RelayCondition(StrEnum):
    """Whether the relay reaches its database."""

    RELAYING = "relaying"
    RETRYING = "retrying"


@dataclass(frozen=True, slots=True)
class RelayState:
    """What the relay did so far, and what keeps it from doing more."""

    condition: RelayCondition = RelayCondition.RELAYING
    relayed: int = 0
    failures: int = 0
    detail: str = ""
    last_at: datetime | None = None


class OutboxRelay:
    """Publishes the outbox's messages, each at least once and in their order, and marks them afterwards.

    Reading and marking happen off the event loop. A message that went out and could not be marked is not sent again by
    this process; after a crash it may be, with the same `message_id`.
    """

    def __init__(self, database: Database, publish: Publish, clock: Clock) -> None:
        self._database = database
        self._publish = publish
        self._clock = clock
        self._unmarked: set[int] = set()
        self.state = RelayState()

    async def step(self) -> int:
        """Relay one page of what waits and return how many messages went out.

        Raises:
            InvestlabError: The database could not be read or written.
        """
        waiting = await asyncio.to_thread(self._pending)
        sent = 0
        for message in waiting:
            if message.message_id not in self._unmarked:
                await self._publish(*stream_form(message))
                self._unmarked.add(message.message_id)
                sent += 1
        if self._unmarked:
            marked = frozenset(self._unmarked)
            await asyncio.to_thread(self._mark, marked)
            self._unmarked -= marked
        now = self._clock.now()
        self.state = RelayState(RelayCondition.RELAYING, self.state.relayed + sent, 0, "", now)
        return sent

    async def run(self, sleep: Sleep = asyncio.sleep) -> None:
        """Relay until cancelled; trouble with the database is told in `state` and waited out."""
        while True:
            await sleep(await self.attempt())

    async def attempt(self) -> float:
        """Relay one page and return how many seconds to wait before the next attempt."""
        try:
            sent = await self.step()
        except InvestlabError as error:
            failures = self.state.failures + 1
            if failures == 1:
                logger.warning("The outbox cannot be relayed: %s", error.sentence)
            self.state = RelayState(
                RelayCondition.RETRYING, self.state.relayed, failures, error.sentence, self._clock.now()
            )
            return min(LONGEST_PAUSE_SECONDS, POLL_SECONDS * 2.0 ** min(failures, 8))
        return 0.0 if sent == PAGE else POLL_SECONDS

    def _pending(self) -> list[OutboxMessage]:
        with self._database.read() as session:
            return outbox.pending(session, PAGE)

    def _mark(self, message_ids: frozenset[int]) -> None:
        now = self._clock.now()
        self._database.write(lambda session: outbox.mark_relayed(session, message_ids, at=now))


def stream_form(message: OutboxMessage) -> tuple[str, Mapping[str, Any]]:
    """Return the topic and payload of an outbox message on the stream.

    All go to topic `system`; the outbox's own topic, such as `run.completed`, becomes the payload's `event` unless the
    payload names its event itself.
    """
    payload = {"event": message.topic, **message.payload}
    return SYSTEM, {**payload, "message_id": message.message_id, "created_at": message.created_at.isoformat()}
