"""The watch over the registry: a running process follows promotions and writes its predictions through."""

import asyncio
import logging
from typing import Protocol

from investlab.core.errors import InvestlabError
from investlab.services.model_host import ModelHost

REFRESH_SECONDS = 1.0
"""A promotion is served within two of these."""

_log = logging.getLogger(__name__)


class Syncing(Protocol):
    """Something that writes what it holds through to the disk."""

    def sync(self) -> None:
        """Write through."""
        ...


async def watch(host: ModelHost, spool: Syncing) -> None:
    """Refresh the host and sync the spool each second, until cancelled; trouble is told and waited out."""
    while True:
        await asyncio.sleep(REFRESH_SECONDS)
        await asyncio.to_thread(tend, host, spool)


def tend(host: ModelHost, spool: Syncing) -> None:
    """Do once what the watch does each second."""
    host.refresh()
    try:
        spool.sync()
    except (InvestlabError, OSError) as error:
        _log.warning("The predictions' spool could not be synced: %s", error)
