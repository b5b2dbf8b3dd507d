"""The REST app of the gateway. It answers no errors by itself: the edge around it does."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from investlab.api.declarations import as_problems
from investlab.api.routes.models import add_models
from investlab.api.routes.predictions import add_predictions
from investlab.api.routes.probes import add_probes
from investlab.api.routes.problems import add_problems
from investlab.api.routes.records import add_records
from investlab.api.routes.replay import add_replay
from investlab.api.services import GatewayServices
from investlab.core.version import platform_version

TITLE = "investlab"


def build_app(services: GatewayServices, routers: Sequence[APIRouter] = ()) -> FastAPI:
    """Return the REST app; `routers`, such as the stream's, are added to its routes as they are."""
    app = FastAPI(
        title=TITLE,
        version=platform_version(),
        docs_url=None,  # both kinds of page load scripts from another host
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
    )
    add_probes(app, services)
    add_problems(app)
    add_models(app, services)
    add_records(app, services)
    add_predictions(app, services)
    add_replay(app, services)
    for router in routers:
        app.router.routes.extend(router.routes)
    _describe(app)
    return app


def _describe(app: FastAPI) -> None:
    """Let `/openapi.json` name the media type that errors are sent with."""

    def schema() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = as_problems(get_openapi(title=app.title, version=app.version, routes=app.routes))
        return app.openapi_schema

    app.openapi = schema  # type: ignore[method-assign]  # FastAPI's documented way
