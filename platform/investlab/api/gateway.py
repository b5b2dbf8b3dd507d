"""The gateway's application: a BentoML service with the REST app mounted in it, and the edge around both.

This is the one module that touches BentoML's private surface; tests/contract/test_bentoml_surface.py pins every part
of it that is used here. BentoML allows one `to_asgi` in a process, so there is one gateway in a process.
"""

import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import bentoml
from starlette.applications import Starlette
from starlette.types import ASGIApp

from investlab.api.app import build_app
from investlab.api.edge import Edge
from investlab.api.policy import EdgePolicy
from investlab.api.runtime import GatewayRuntime
from investlab.api.scoring import quiet_bentoml
from investlab.api.services import GatewayServices
from investlab.api.stream import stream_router
from investlab.core.config import Settings
from investlab.core.errors import Conflict, NotFound
from investlab.services.serving import PredictionService

SERVICE_FILE = Path("ranker") / "service.py"
SERVICE_NAME = "Ranker"
REMOVED_MIDDLEWARE = frozenset(
    {
        "OpenTelemetryMiddleware",  # a span for each request and each WebSocket frame: more than half of the time
        "TimeoutMiddleware",  # deadlines and limits belong to the edge, which answers in our shape
        "MaxConcurrencyMiddleware",  # counts an open WebSocket for life
        "RunnerTrafficMetricsMiddleware",  # labels raw paths
        "AccessLogMiddleware",
    }
)
REMOVED_ROUTES = frozenset(
    {"index", "assets", "static_content", "openapi-spec", "schema", "metrics", "livez", "healthz", "readyz"}
)
"""BentoML's own pages and probes; the REST app answers `/livez` and describes the API."""

Lifespan = Callable[[], AbstractAsyncContextManager[None]]


def gateway_app(settings: Settings, runtime: GatewayRuntime) -> Edge:
    """Return the whole gateway: the edge outermost, the ranker's service below it, the REST app mounted there.

    Raises:
        InvalidSettings: No access token is set.
        NotFound: The folder of the bentos holds no service.
        Conflict: This process has built its gateway before.
    """
    policy = EdgePolicy.of(settings)
    context = runtime.workspace.context
    services = GatewayServices(context, runtime.host, runtime.replay, context.clock)
    rest = build_app(services, [stream_router(runtime.hub.connections)])
    app = bento_app(settings.bentos, runtime.predictions, rest, runtime.running)
    return Edge(app, policy=policy, note_refused=runtime.refusals.note)


def bento_app(bentos: Path, predictions: PredictionService, rest: ASGIApp, running: Lifespan) -> Starlette:
    """Return the ranker's service as an ASGI app, with `rest` mounted in it.

    `predictions` is the hook by which the service scores with the gateway's own model host; `running` is entered when
    the app starts and left when it stops.

    Raises:
        NotFound: There is no service in the folder.
        Conflict: This process has built the app before.
    """
    quiet_bentoml()
    service = _load_service(bentos)
    service.inner.hosted = predictions
    service.middlewares.clear()
    service.mount_asgi_app(rest, name="rest")
    app = cast("Starlette", service.to_asgi(is_main=True))
    app.user_middleware = [m for m in app.user_middleware if _name_of(m.cls) not in REMOVED_MIDDLEWARE]
    app.router.routes = [r for r in app.router.routes if getattr(r, "name", "") not in REMOVED_ROUTES]
    app.router.redirect_slashes = False  # another address is another address
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(owner: Starlette) -> AsyncIterator[Any]:
        async with running(), inner(owner) as state:
            yield state

    app.router.lifespan_context = lifespan
    return app


def prepare_bentoml(home: Path) -> None:
    """Set what BentoML reads from the environment: no usage reports, and a fresh folder for its metrics' files."""
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"
    metrics = home / "cache" / "bentoml-metrics"
    shutil.rmtree(metrics, ignore_errors=True)
    metrics.mkdir(parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)


def _load_service(bentos: Path) -> "bentoml.Service[Any]":
    folder = (bentos.expanduser().absolute() / SERVICE_FILE).parent
    if not (folder / SERVICE_FILE.name).exists():
        raise NotFound(
            f"There is no BentoML service at {folder / SERVICE_FILE.name}.",
            remedy="Start it in the project's folder, or set INVESTLAB_BENTOS to the folder of the bentos.",
        )
    service = bentoml.load(f"{SERVICE_FILE.name}:{SERVICE_NAME}", working_dir=str(folder))
    if service.mount_apps:
        raise Conflict("This process has built its gateway before.", remedy="Start another process for another one.")
    return service


def _name_of(middleware: object) -> str:
    return getattr(middleware, "__name__", type(middleware).__name__)
