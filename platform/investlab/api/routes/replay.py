"""Where the replay stands: session clock, paper portfolio, and how predictions came true."""

from fastapi import FastAPI

from investlab.api.declarations import GUARDED, errors
from investlab.api.services import GatewayServices
from investlab.core.errors import NotFound
from investlab.schemas.live import ModelMonitor, PaperPortfolio, ReplayState

ERRORS = errors(*GUARDED, NotFound)


def add_replay(app: FastAPI, services: GatewayServices) -> None:
    """Add the routes of the replay."""

    @app.get("/v1/replay", responses=ERRORS, tags=["replay"])
    def replay() -> ReplayState:
        """Return where the session clock stands."""
        return _known("replay", services.replay.state() if services.replay else None)

    @app.get("/v1/portfolio", responses=ERRORS, tags=["replay"])
    def portfolio() -> PaperPortfolio:
        """Return the paper portfolio at the latest replayed close."""
        return _known("paper portfolio", services.replay.portfolio() if services.replay else None)

    @app.get("/v1/monitor", responses=ERRORS, tags=["replay"])
    def monitor() -> ModelMonitor:
        """Return how the predictions of this pass came true so far."""
        return _known("monitor", services.replay.monitor() if services.replay else None)


def _known[Value](what: str, value: Value | None) -> Value:
    if value is None:
        raise NotFound(f"There is no {what} yet.", remedy="It comes with the first replayed session.")
    return value
