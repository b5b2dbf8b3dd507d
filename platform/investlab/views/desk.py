"""What a dashboard page is given."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from investlab.services.workspace import Workspace
from investlab.views.keeper import Keeper
from investlab.views.market import DrawnMarket


@dataclass(frozen=True, slots=True)
class Desk:
    """The workspace, and the market as it stands; one desk serves every visitor."""

    workspace: Workspace
    market: Keeper[DrawnMarket]

    def market_page(self) -> Any:
        """Return the market page as it stands, for one visitor.

        Raises:
            InvestlabError: The market cannot be read.
        """
        return self.market.fresh().page(self.workspace.context.settings.gateway_url)


Page = Callable[[Desk], Any]
"""Makes one visitor's page: any Panel object."""
