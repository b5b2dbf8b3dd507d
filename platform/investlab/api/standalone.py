"""The prediction service on its own: `bentoml serve` in a checkout, and a built bento anywhere."""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self

from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from investlab.api.edge import Edge
from investlab.api.policy import EdgePolicy
from investlab.api.scoring import quiet_bentoml
from investlab.api.watching import tend, watch
from investlab.core.clock import SystemClock
from investlab.core.config import Settings, load_settings
from investlab.core.credentials import new_token
from investlab.core.logging import configure_logging
from investlab.services.model_host import ModelHost
from investlab.services.model_sources import ModelSource, PackagedSource, RegistrySource
from investlab.services.serving import PredictionService
from investlab.services.symbol_features import SymbolFeatures
from investlab.services.workspace import Workspace, open_workspace
from investlab.store.prediction_spools import PredictionSpool
from investlab.store.predictions import PredictionStore


class Standalone:
    """A prediction service and what keeps it going; `start` and `stop` belong to one event loop."""

    def __init__(self, predictions: PredictionService, spool: PredictionSpool, workspace: Workspace | None) -> None:
        self.predictions = predictions
        self._spool = spool
        self._workspace = workspace
        self._watch: asyncio.Task[None] | None = None

    @classmethod
    def open(cls, service_folder: Path, packaged: Path | None) -> Self:
        """Open the model in the folder `packaged` of a built bento, else the registry of the home.

        Raises:
            Corrupt: The packaged model is damaged.
            StorageUnavailable: Home or packaged model cannot be read, or predictions cannot be recorded.
        """
        quiet_bentoml()
        if packaged is not None:
            settings = load_settings()
            configure_logging(settings)
            store = PredictionStore(_bento_home() / "predictions", lock_timeout_seconds=settings.lock_timeout_seconds)
            return cls._assemble(PackagedSource.open(packaged), store, None)
        settings = _checkout_settings(service_folder)
        workspace = open_workspace(settings=settings)
        return cls._assemble(
            RegistrySource(workspace.context, settings.model), workspace.context.predictions, workspace
        )

    @classmethod
    def _assemble(cls, source: ModelSource, store: PredictionStore, workspace: Workspace | None) -> Self:
        host, spool = ModelHost(source), store.spool()
        symbols = SymbolFeatures(workspace.context) if workspace is not None else None
        clock = workspace.context.clock if workspace is not None else SystemClock()
        tend(host, spool)
        return cls(PredictionService(host, spool, clock, symbols), spool, workspace)

    async def start(self) -> None:
        """Follow the registry from now on."""
        self._watch = asyncio.create_task(watch(self.predictions.host, self._spool))

    async def stop(self) -> None:
        """End the watch and close what is open."""
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        self._spool.close()
        if self._workspace is not None:
            self._workspace.close()


class StandaloneEdge:
    """The edge as BentoML's own server builds it: by class, without arguments, in the worker that serves.

    It takes the access token from INVESTLAB_TOKEN, and makes and prints one where there is none.
    """

    def __init__(self, app: ASGIApp) -> None:
        settings = load_settings()
        if settings.token is None:
            token = new_token()
            sys.stderr.write(f"Access token of this service: {token} (set INVESTLAB_TOKEN to choose it)\n")
            sys.stderr.flush()
            settings = settings.model_copy(update={"token": SecretStr(token)})
        self._edge = Edge(app, policy=EdgePolicy.of(settings))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through the edge."""
        await self._edge(scope, receive, send)


def _checkout_settings(service_folder: Path) -> Settings:
    """Return the settings with the home taken from the project's folder: BentoML changes the working directory."""
    settings = load_settings()
    return settings.model_copy(update={"home": service_folder.parents[1] / settings.home.expanduser()})


def _bento_home() -> Path:
    """Return where a built bento keeps its predictions: the home that is set, else a folder beside BentoML's stores."""
    given = os.environ.get("INVESTLAB_HOME")
    if given:
        return Path(given).expanduser().absolute()
    return Path(os.environ.get("BENTOML_HOME") or Path.home() / "bentoml").expanduser().absolute() / "investlab"
