"""What the REST app needs of the process it runs in."""

from dataclasses import dataclass
from typing import Protocol

from investlab.core.clock import Clock
from investlab.schemas.live import ModelMonitor, PaperPortfolio, ReplayState
from investlab.schemas.serving import Health
from investlab.services.context import Context


class ServedModel(Protocol):
    """The model that this process serves; a `ModelHost` is one."""

    def health(self) -> Health:
        """Say whether predictions can be made, and with which version."""
        ...


class ReplayView(Protocol):
    """The latest of what the replay publishes; None until there is any."""

    def state(self) -> ReplayState | None:
        """Return where the session clock stands."""
        ...

    def portfolio(self) -> PaperPortfolio | None:
        """Return the paper portfolio."""
        ...

    def monitor(self) -> ModelMonitor | None:
        """Return how the predictions came true so far."""
        ...


@dataclass(frozen=True, slots=True)
class GatewayServices:
    """The parts that the routes ask; `host` and `replay` are None where this process has none."""

    context: Context
    host: ServedModel | None
    replay: ReplayView | None
    clock: Clock
