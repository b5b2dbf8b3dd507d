"""Probes: whether the process runs, and whether it can answer."""

from fastapi import FastAPI

from investlab.api.declarations import OPEN, errors
from investlab.api.services import GatewayServices
from investlab.core.errors import InvestlabError, ModelUnavailable
from investlab.schemas.gateway import Liveness, Readiness
from investlab.store.repositories import datasets


def add_probes(app: FastAPI, services: GatewayServices) -> None:
    """Add the routes of the probes."""

    @app.get("/livez", responses=errors(*OPEN), tags=["probes"])
    async def livez() -> Liveness:
        """Say that the process runs."""
        return Liveness()

    @app.get("/readyz", responses=errors(*OPEN), tags=["probes"])
    def readyz() -> Readiness:
        """Say that predictions can be made, and which parts cannot do all they should."""
        degraded = _degraded(services)
        health = services.host.health() if services.host is not None else None
        if health is None or health.status == "unavailable":
            raise ModelUnavailable(
                health.detail if health else "This process serves no model.", details={"degraded": degraded}
            )
        return Readiness(degraded=degraded)


def _degraded(services: GatewayServices) -> dict[str, str]:
    found = {}
    health = services.host.health() if services.host is not None else None
    if health is None:
        found["model"] = "This process serves no model."
    elif health.status != "ok":
        found["model"] = health.detail or health.status
    if services.replay is None:
        found["replay"] = "This process runs no replay."
    try:
        with services.context.database.read() as session:
            datasets.list_datasets(session)
    except InvestlabError as error:
        found["database"] = error.title
    return found
