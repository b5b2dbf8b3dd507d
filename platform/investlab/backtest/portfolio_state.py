"""Where a portfolio stands at a session's close, so that another run can go on from there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from math import fsum, isfinite

import numpy as np
import pandas as pd

from investlab.backtest.part_state import PartState
from investlab.backtest.weight_accounts import invested_value
from investlab.core.errors import InvalidInput, NotFound
from investlab.market.panel import PricePanel
from investlab.schemas.backtest import PortfolioStateSpec


@dataclass(frozen=True, slots=True)
class PortfolioState:
    """Cash and quantities by symbol at the close of the session `as_of`.

    `orders` are the target quantities still to be filled, by symbol (0 for one not named), None where nothing is
    pending; `decided` is the session that gave them. `delisted` instruments trade no more.

    `parts` are those of signals, one for each instrument of the panel: cash and quantities are then what the parts
    hold, and the orders are theirs (`of_parts`). None belongs to target weights.

    Raises:
        InvalidInput: Cash or a quantity is not finite, orders come without the session that decided them, or cash,
            quantities and orders are not those of the parts.
    """

    cash: float
    quantities: Mapping[str, float]
    as_of: date
    orders: Mapping[str, float] | None = None
    decided: date | None = None
    delisted: tuple[str, ...] = field(default=())
    parts: Mapping[str, PartState] | None = None

    def __post_init__(self) -> None:
        if not isfinite(self.cash) or not all(isfinite(value) for value in self.quantities.values()):
            raise InvalidInput("The state holds numbers that are not finite.", remedy="Give cash and quantities.")
        if (self.orders is None) != (self.decided is None):
            raise InvalidInput(
                "Pending orders and the session that decided them belong together.", remedy="Give both or neither."
            )
        if self.parts is not None and (self.orders, self.cash, dict(self.quantities)) != (None, *_held(self.parts)):
            raise InvalidInput(
                "Cash, quantities or orders are not those of the parts.",
                remedy="Make it by PortfolioState.of_parts(…).",
            )
        object.__setattr__(self, "as_of", pd.Timestamp(self.as_of).date())

    @classmethod
    def of_parts(cls, parts: Mapping[str, PartState], as_of: date, delisted: tuple[str, ...] = ()) -> "PortfolioState":
        """Return the state of signals whose parts by symbol stand so at the close of the session `as_of`."""
        cash, quantities = _held(parts)
        return cls(cash, quantities, as_of, delisted=delisted, parts=dict(parts))

    @classmethod
    def from_spec(cls, spec: PortfolioStateSpec) -> "PortfolioState":
        """Return the state that a spec describes."""
        given = spec.parts
        parts = None if given is None else {symbol: PartState.from_spec(part) for symbol, part in given.items()}
        return cls(spec.cash, spec.quantities, spec.as_of, spec.orders, spec.decided, spec.delisted, parts)

    def to_spec(self) -> PortfolioStateSpec:
        """Return the spec that describes this state."""
        return PortfolioStateSpec(
            cash=self.cash,
            quantities=dict(self.quantities),
            as_of=self.as_of,
            orders=None if self.orders is None else dict(self.orders),
            decided=self.decided,
            delisted=self.delisted,
            parts=None if self.parts is None else {symbol: part.to_spec() for symbol, part in self.parts.items()},
        )

    def row(self, panel: PricePanel) -> int:
        """Return the number of the session whose close this is.

        Raises:
            InvalidInput: The panel does not hold that session, or nothing after it, or an instrument without a part.
            NotFound: A symbol is not in the panel; near matches are named.
        """
        day = np.datetime64(self.as_of, "D")
        place = int(np.searchsorted(panel.sessions, day))
        if place >= len(panel.sessions) - 1 or panel.sessions[place] != day:
            raise InvalidInput(
                f"The state is of {self.as_of}; the panel runs from {panel.first_session} to {panel.last_session}.",
                remedy="Let the panel begin at the state's session or before, and end after it.",
            )
        for symbol in (*self.quantities, *(self.orders or {}), *self.delisted, *(self.parts or {})):
            if symbol not in panel.symbols:
                raise NotFound.named("symbol", symbol, panel.symbols, remedy="The state holds it.")
        lacking = [symbol for symbol in panel.symbols if self.parts is not None and symbol not in self.parts]
        if lacking:
            raise InvalidInput(
                f"The state has no part for {lacking[0]}.",
                remedy="Let the panel have the state's symbols and no others.",
            )
        return place

    def worth(self, panel: PricePanel, known: np.ndarray) -> float:
        """Return the NAV at the last known prices (one for each instrument), added up as a simulation does."""
        if self.parts is None:
            return self.cash + invested_value(by_column(panel, self.quantities), known)
        worth = 0.0
        for column, symbol in enumerate(panel.symbols):
            part = self.parts[symbol]
            worth += part.cash + part.quantity * float(known[column]) if part.quantity != 0.0 else part.cash
        return worth


def _held(parts: Mapping[str, PartState]) -> tuple[float, dict[str, float]]:
    """Return the cash of all parts and what they hold by symbol; the sum does not depend on their order."""
    quantities = {symbol: part.quantity for symbol, part in parts.items() if part.quantity != 0.0}
    return fsum(part.cash for part in parts.values()), quantities


def opening_values(panel: PricePanel, state: PortfolioState, known: np.ndarray) -> np.ndarray:
    """Return the market value of each position that is taken over, 0 where there is none."""
    quantity = by_column(panel, state.quantities)
    return np.where(quantity != 0.0, quantity * np.where(quantity != 0.0, known, 0.0), 0.0)


def by_column(panel: PricePanel, values: Mapping[str, float]) -> np.ndarray:
    """Return values by symbol in column order, 0 where there is none."""
    return np.array([values.get(symbol, 0.0) for symbol in panel.symbols], dtype=np.float64)


def by_symbol(panel: PricePanel, values: np.ndarray) -> dict[str, float]:
    """Return the values that are not 0 by symbol."""
    symbols = panel.symbols
    return {symbols[column]: float(values[column]) for column in np.flatnonzero(values)}
