"""What the gateway runs beside requests: the watch over the registry, the hub, the outbox relay and the replay."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Self

from investlab.api.watching import tend, watch
from investlab.core.config import Settings
from investlab.core.errors import InvestlabError
from investlab.live.bus import LocalBus
from investlab.live.hub import Hub, boot_name
from investlab.live.outbox import OutboxRelay
from investlab.services.model_host import ModelHost
from investlab.services.model_sources import RegistrySource
from investlab.services.refusals import RefusalLog
from investlab.services.replay import ReplayEngine
from investlab.services.serving import PredictionService
from investlab.services.symbol_features import SymbolFeatures
from investlab.services.workspace import Workspace, open_workspace, silent_progress
from investlab.store.prediction_spools import PredictionSpool

AGAIN_SECONDS = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class GatewayRuntime:
    """The parts of a running gateway, made once from its settings and passed to whoever needs them."""

    workspace: Workspace
    host: ModelHost
    spool: PredictionSpool
    predictions: PredictionService
    bus: LocalBus
    hub: Hub
    relay: OutboxRelay
    replay: ReplayEngine
    refusals: RefusalLog

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open the workspace and build the parts; the champion is loaded, if it can be.

        Raises:
            StorageUnavailable: The home or its database cannot be written.
        """
        workspace = open_workspace(settings=settings, progress=silent_progress)
        context = workspace.context
        host = ModelHost(RegistrySource(context, settings.model))
        spool = context.predictions.spool()
        bus = LocalBus()
        hub = Hub(bus, context.clock, boot=boot_name(context.clock))
        tend(host, spool)
        return cls(
            workspace=workspace,
            host=host,
            spool=spool,
            predictions=PredictionService(host, spool, context.clock, SymbolFeatures(context)),
            bus=bus,
            hub=hub,
            relay=OutboxRelay(context.database, hub.publish, context.clock),
            replay=ReplayEngine(context, host, hub),
            refusals=RefusalLog(context.database, context.clock, server="gateway"),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run everything until the block ends, then close what is open."""
        await self.hub.start()
        works: dict[str, Callable[[], Awaitable[None]]] = {
            "model watch": lambda: watch(self.host, self.spool),
            "hub": self.hub.run,
            "outbox relay": self.relay.run,
            "replay": self.replay.run,
        }
        tasks = [asyncio.create_task(_kept_going(name, work), name=name) for name, work in works.items()]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._close()

    async def _close(self) -> None:
        await self.hub.close()
        await self.bus.close()
        with suppress(InvestlabError):  # what was recorded is in the files; only the last flush may fail here
            self.replay.close()
        with suppress(InvestlabError):
            self.spool.close()
        self.refusals.close()
        self.workspace.close()


async def _kept_going(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run work that never ends by itself; when it fails all the same, say so and begin it again."""
    while True:
        try:
            await work()
        except Exception:  # noqa: BLE001 - nothing that fails here may end what the others do
            _log.exception("The %s failed and is started again.", name)
        await asyncio.sleep(AGAIN_SECONDS)
