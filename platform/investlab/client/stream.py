"""The live stream as an iterator: heartbeats are answered, lost connections are opened again where they broke off."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from investlab.client.failures import error_of_answer, error_of_response, unreachable
from investlab.core.clock import Clock, SystemClock
from investlab.core.errors import ExecutionFailed, InvestlabError, Unauthorized
from investlab.schemas.live import MAX_TOPICS, ClientFrame, ErrorFrame, LastSeen, LiveMessage, MessageKind

OPEN_SECONDS = 10.0
CLOSE_SECONDS = 2.0
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 10.0
MOST_ATTEMPTS = 8
MOST_FRAME_BYTES = 4 * 2**20
LASTING_REFUSAL = 500
"""Refusals below this status would be the same at the next attempt."""

UNAUTHORIZED = 4401
"""The stream's close code where the server could not refuse the handshake."""

PONG = ClientFrame(action="pong").model_dump_json(exclude_defaults=True)
Sleep = Callable[[float], None]


@dataclass(slots=True)
class Stream:
    """Iterates over the messages of some topics; `latency_seconds` is how old the latest one was when it came.

    `last` names the messages that the caller has already: what came after them is sent first, or a snapshot where too
    much was missed.
    """

    url: str
    token: str = field(repr=False)
    topics: Sequence[str]
    last: Mapping[str, LastSeen] = field(default_factory=dict)
    clock: Clock = field(default_factory=SystemClock)
    sleep: Sleep = time.sleep
    latency_seconds: float | None = None
    _seen: dict[str, LastSeen] = field(default_factory=dict, init=False)

    def __iter__(self) -> Iterator[LiveMessage]:
        """Give snapshots and updates as they come; end with the caller.

        Raises:
            Unauthorized: The token is wrong.
            InvalidInput: The hub refused a topic.
            ExecutionFailed: The gateway cannot be reached, several times in a row.
        """
        self._seen = dict(self.last)
        failures = 0
        while True:
            cause: Exception
            try:
                for message in self._connection():
                    failures = 0
                    yield message
            except InvalidStatus as refusal:
                error = error_of_answer(refusal.response.status_code, refusal.response.body or b"")
                if refusal.response.status_code < LASTING_REFUSAL:
                    raise error from refusal
                cause = error
            except (WebSocketException, OSError) as lost:
                if isinstance(lost, ConnectionClosed) and lost.rcvd is not None and lost.rcvd.code == UNAUTHORIZED:
                    raise Unauthorized("The access token is wrong.", remedy="Use the gateway's token.") from lost
                cause = lost
            failures += 1
            if failures >= MOST_ATTEMPTS:
                raise cause if isinstance(cause, InvestlabError) else unreachable(self.url, cause)
            self.sleep(min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (failures - 1)))

    def _connection(self) -> Iterator[LiveMessage]:
        """Give what comes over one connection, until it is lost."""
        with connect(
            self.url,
            additional_headers={"Authorization": f"Bearer {self.token}"},
            open_timeout=OPEN_SECONDS,
            close_timeout=CLOSE_SECONDS,
            compression=None,
            max_size=MOST_FRAME_BYTES,
            proxy=None,
        ) as connection:
            last = dict(list(self._seen.items())[-MAX_TOPICS:])
            asked = ClientFrame(action="subscribe", topics=tuple(self.topics), last=last)
            connection.send(asked.model_dump_json())
            yield from self._messages(connection)

    def _messages(self, connection: ClientConnection) -> Iterator[LiveMessage]:
        for frame in connection:
            message = _parse(frame)
            if isinstance(message, ErrorFrame):
                raise error_of_response(message.error)
            if message.kind is MessageKind.HEARTBEAT:
                connection.send(PONG)
            elif message.kind in (MessageKind.SNAPSHOT, MessageKind.UPDATE):
                self.latency_seconds = (self.clock.now() - message.at).total_seconds()
                self._seen.pop(message.topic, None)
                self._seen[message.topic] = LastSeen(epoch=message.epoch, seq=message.seq)
                yield message
        raise connection.protocol.close_exc


def _parse(frame: Any) -> LiveMessage | ErrorFrame:
    try:
        message = LiveMessage.model_validate_json(frame)
    except ValidationError:
        try:
            return ErrorFrame.model_validate_json(frame)
        except ValidationError as error:
            raise ExecutionFailed(
                "The stream sent a frame that is none of the platform's.", remedy="Check the address of the gateway."
            ) from error
    return message
