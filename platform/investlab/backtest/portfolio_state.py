"""Where a portfolio stands at a session's close, so that another run can go on from there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from math import isfinite

import numpy as np
import pandas as pd

from investlab.core.errors import InvalidInput, NotFound
from investlab.market.panel import PricePanel
from investlab.schemas.backtest import PortfolioStateSpec


@dataclass(frozen=True, slots=True)
class PortfolioState:
    """Cash and quantities by symbol at the close of the session `as_of`.

    `orders` are the target quantities still to be filled, by symbol (0 for one not named), None where nothing is
    pending; `decided` is the session that gave them. `delisted` instruments trade no more.

    Raises:
        InvalidInput: Cash or a quantity is not finite, or orders come without the session that decided them.
    """

    cash: float
    quantities: Mapping[str, float]
    as_of: date
    orders: Mapping[str, float] | None = None
    decided: date | None = None
    delisted: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not isfinite(self.cash) or not all(isfinite(value) for value in self.quantities.values()):
            raise InvalidInput("The state holds numbers that are not finite.", remedy="Give cash and quantities.")
        if (self.orders is None) != (self.decided is None):
            raise InvalidInput(
                "Pending orders and the session that decided them belong together.", remedy="Give both or neither."
            )
        object.__setattr__(self, "as_of", pd.Timestamp(self.as_of).date())

    @classmethod
    def from_spec(cls, spec: PortfolioStateSpec) -> "PortfolioState":
        """Return the state that a spec describes."""
        return cls(spec.cash, spec.quantities, spec.as_of, spec.orders, spec.decided, spec.delisted)

    def to_spec(self) -> PortfolioStateSpec:
        """Return the spec that describes this state."""
        return PortfolioStateSpec(
            cash=self.cash,
            quantities=dict(self.quantities),
            as_of=self.as_of,
            orders=None if self.orders is None else dict(self.orders),
            decided=self.decided,
            delisted=self.delisted,
        )

    def row(self, panel: PricePanel) -> int:
        """Return the number of the session whose close this is.

        Raises:
            InvalidInput: The panel does not hold that session, or nothing after it.
            NotFound: A symbol is not in the panel; near matches are named.
        """
        day = np.datetime64(self.as_of, "D")
        place = int(np.searchsorted(panel.sessions, day))
        if place >= len(panel.sessions) - 1 or panel.sessions[place] != day:
            raise InvalidInput(
                f"The state is of {self.as_of}; the panel runs from {panel.first_session} to {panel.last_session}.",
                remedy="Let the panel begin at the state's session or before, and end after it.",
            )
        for symbol in (*self.quantities, *(self.orders or {}), *self.delisted):
            if symbol not in panel.symbols:
                raise NotFound.named("symbol", symbol, panel.symbols, remedy="The state holds it.")
        return place


def by_column(panel: PricePanel, values: Mapping[str, float]) -> np.ndarray:
    """Return values by symbol in column order, 0 where there is none."""
    return np.array([values.get(symbol, 0.0) for symbol in panel.symbols], dtype=np.float64)


def by_symbol(panel: PricePanel, values: np.ndarray) -> dict[str, float]:
    """Return the values that are not 0 by symbol."""
    symbols = panel.symbols
    return {symbols[column]: float(values[column]) for column in np.flatnonzero(values)}
