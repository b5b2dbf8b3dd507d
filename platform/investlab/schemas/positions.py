"""Which positions signals may open, how large they are, and what closes them besides signals."""

from datetime import date
from enum import StrEnum

from pydantic import Field

from investlab.schemas.market import Frozen


class Direction(StrEnum):
    """Which side entries and exits trade.

    `long`: an entry buys, an exit sells. `short`: an entry sells short, an exit covers. `both`: an entry turns long, an
    exit turns short.
    """

    LONG = "long"
    SHORT = "short"
    BOTH = "both"


class SizingKind(StrEnum):
    """What fixes the size of a position."""

    ALL_IN = "all_in"
    FRACTION = "fraction"
    CASH = "cash"
    VOLATILITY = "volatility"


class SizingSpec(Frozen):
    """The size of a position: a fraction of the part's equity, currency, or volatility a year, by kind."""

    kind: SizingKind = SizingKind.ALL_IN
    amount: float = Field(1.0, gt=0)
    window: int | None = None


class StopSpec(Frozen):
    """Stops as fractions of a price, and the sessions after which a position is closed; None is no such stop."""

    stop_loss: float | None = None
    take_profit: float | None = None
    trailing: float | None = None
    time: int | None = None


class PositionSpec(Frozen):
    """Direction, size and stops of the positions that signals open."""

    direction: Direction = Direction.LONG
    sizing: SizingSpec = SizingSpec()
    stops: StopSpec = StopSpec()


class PartStateSpec(Frozen):
    """One instrument's part at a session's close: cash, quantity, what its stops know, and its pending order."""

    cash: float
    quantity: float = 0.0
    entry_price: float | None = None
    best_price: float | None = None
    sessions_held: int | None = None
    order: int | None = None
    decided: date | None = None
    reason: str = "order"
    share: float | None = 1.0
    ruined: bool = False
