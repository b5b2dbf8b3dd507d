"""Refused requests in the audit chain: few enough that nobody can flood it."""

import logging
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from investlab.core.clock import Clock
from investlab.core.errors import InvestlabError
from investlab.services.context import SYSTEM_OWNER
from investlab.store.database import Database, Session
from investlab.store.repositories import audit

ACTION = "auth.refused"
WINDOW = timedelta(minutes=1)
MOST_PER_WINDOW = 30
"""Events of all clients together, for addresses are cheap."""
CLIENTS_REMEMBERED = 4096
LONGEST_PATH = 200
UNKNOWN = "unknown"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that was refused for its credential or origin; `path` is without query and token."""

    client: str | None
    path: str
    status: int


Note = Callable[[Refused], None]
"""Takes note of a refused request; returns at once."""


class RefusalLog:
    """Writes refused requests as audit events: at most one for each client and minute, and thirty a minute in all.

    An event says how many of its client's requests were refused since the one before it. Writing happens on a thread
    of its own; what cannot be written is logged and lost. `note` belongs to one thread.
    """

    def __init__(self, database: Database, clock: Clock, *, server: str) -> None:
        self._database = database
        self._clock = clock
        self._server = server
        self._last: OrderedDict[str, tuple[datetime, int]] = OrderedDict()
        self._recent: list[datetime] = []
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="refusals")

    def note(self, refused: Refused) -> None:
        """Take note of a refused request; returns at once."""
        now, client = self._clock.now(), refused.client or UNKNOWN
        last, unwritten = self._last.get(client, (None, 0))
        self._recent = [at for at in self._recent if now - at < WINDOW]
        if (last is not None and now - last < WINDOW) or len(self._recent) >= MOST_PER_WINDOW:
            self._remember(client, last or now - WINDOW, unwritten + 1)
            return
        self._recent.append(now)
        self._remember(client, now, 0)
        details: dict[str, str | int] = {
            "server": self._server,
            "path": refused.path.encode("unicode_escape").decode("ascii")[:LONGEST_PATH],
            "status": refused.status,
            "more_before": unwritten,
        }
        with suppress(RuntimeError):  # the server has ended
            self._writer.submit(self._write, client, details, now)

    def close(self) -> None:
        """Write what was noted, then end."""
        self._writer.shutdown(wait=True)

    def _remember(self, client: str, at: datetime, unwritten: int) -> None:
        self._last[client] = (at, unwritten)
        self._last.move_to_end(client)
        if len(self._last) > CLIENTS_REMEMBERED:
            self._last.popitem(last=False)

    def _write(self, client: str, details: dict[str, str | int], at: datetime) -> None:
        def unit(session: Session) -> None:
            audit.append_event(session, SYSTEM_OWNER, ACTION, client, details, at=at)

        try:
            self._database.write(unit)
        except InvestlabError as error:
            _log.warning("A refused request could not be recorded: %s", error.sentence)
