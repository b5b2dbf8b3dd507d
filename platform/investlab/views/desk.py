"""What a dashboard page is given."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from investlab.services.workspace import Workspace
from investlab.views.keeper import StateKeeper
from investlab.views.market import FrameKeeper, MarketView


@dataclass(frozen=True, slots=True)
class Desk:
    """The workspace, and the market as it stands; one desk serves every visitor."""

    workspace: Workspace
    keeper: StateKeeper
    frames: FrameKeeper

    def market_page(self) -> Any:
        """Return the market page as it stands, for one visitor."""
        view = MarketView(self.keeper.current(), self.workspace.context.settings.gateway_url)
        return view.page(self.frames.frames)


Page = Callable[[Desk], Any]
"""Makes one visitor's page: any Panel object."""
