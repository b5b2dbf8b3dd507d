"""The bus: carries numbered messages from publishers to hubs."""

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from investlab.core.errors import Conflict
from investlab.schemas.live import LiveMessage

Receive = Callable[[LiveMessage], None]
Leave = Callable[[], Awaitable[None]]

logger = logging.getLogger(__name__)


class Bus(Protocol):
    """Carries every published message to every subscriber, each publisher's in the order published.

    A message may arrive twice after trouble on the way, never altered: its number tells. Subscribers are called on the
    event loop, must not block, and one that raises disturbs no other.
    """

    async def publish(self, message: LiveMessage) -> None:
        """Send a message to every subscriber there is.

        Raises:
            Conflict: The bus is closed.
        """
        ...

    async def subscribe(self, receive: Receive) -> Leave:
        """Have `receive` called with every message from now on; return what ends that.

        Raises:
            Conflict: The bus is closed.
        """
        ...

    async def close(self) -> None:
        """Stop carrying; closing twice does nothing more."""
        ...


class LocalBus:
    """The bus within one process: a message has reached every subscriber when `publish` returns."""

    def __init__(self) -> None:
        self._receivers: dict[object, Receive] = {}
        self._is_closed = False

    async def publish(self, message: LiveMessage) -> None:
        """Send a message to every subscriber there is.

        Raises:
            Conflict: The bus is closed.
        """
        self._require_open()
        for receive in list(self._receivers.values()):
            try:
                receive(message)
            except Exception:  # one subscriber's failure must not keep the message from the others
                logger.exception("A subscriber of the bus failed on topic %s.", message.topic)

    async def subscribe(self, receive: Receive) -> Leave:
        """Have `receive` called with every message from now on; return what ends that.

        Raises:
            Conflict: The bus is closed.
        """
        self._require_open()
        key = object()
        self._receivers[key] = receive

        async def leave() -> None:
            self._receivers.pop(key, None)

        return leave

    async def close(self) -> None:
        """Stop carrying; closing twice does nothing more."""
        self._is_closed = True
        self._receivers.clear()

    def _require_open(self) -> None:
        if self._is_closed:
            raise Conflict("The bus is closed.", remedy="Publish before the process stops.")
