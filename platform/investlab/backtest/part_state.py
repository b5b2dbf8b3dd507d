"""Where one instrument's part of the cash stands at a session's close, when signals trade it."""

from dataclasses import dataclass
from datetime import date
from math import isfinite

from investlab.backtest.kernels import REASONS
from investlab.core.errors import InvalidInput
from investlab.schemas.positions import PartStateSpec


@dataclass(frozen=True, slots=True)
class PartState:
    """Cash and quantity of one part (negative for a short), what its stops know, and its pending order.

    `entry_price` and `best_price` (the best since the entry) are restated for splits since, `sessions_held` counts the
    sessions since the entry; all three are None where nothing is held or the rules that held it asked for none of them.
    `order` is the side that is wanted (1 long, 0 flat, −1 short), None where nothing is pending; `decided` is the
    session that gave it, `reason` why, and `share` the part of the equity an entry may use (None: not known, so that no
    entry is made). A `ruined` part trades no more.

    Raises:
        InvalidInput: A number is not finite, what stops know or the order is not complete, or a name is unknown.
    """

    cash: float
    quantity: float = 0.0
    entry_price: float | None = None
    best_price: float | None = None
    sessions_held: int | None = None
    order: int | None = None
    decided: date | None = None
    reason: str = REASONS[0]
    share: float | None = 1.0
    ruined: bool = False

    def __post_init__(self) -> None:
        numbers = (self.cash, self.quantity, self.entry_price or 0.0, self.best_price or 0.0, self.share or 0.0)
        if not all(map(isfinite, numbers)):
            raise InvalidInput("The state of a part holds numbers that are not finite.", remedy="Leave them out.")
        if not (self.entry_price is None) == (self.best_price is None) == (self.sessions_held is None):
            raise InvalidInput(
                "What stops know of a position belongs together.",
                remedy="Give entry_price, best_price and sessions_held, or none of them.",
            )
        if (self.order is None) != (self.decided is None):
            raise InvalidInput(
                "A pending order and the session that decided it belong together.", remedy="Give both or neither."
            )
        if self.order not in (None, -1, 0, 1) or self.reason not in REASONS:
            raise InvalidInput(
                f"The order {self.order!r} with the reason {self.reason!r} is none.",
                remedy=f"Give 1, 0 or -1 and one of {', '.join(REASONS)}.",
            )

    @classmethod
    def from_spec(cls, spec: PartStateSpec) -> "PartState":
        """Return the state that a spec describes."""
        return cls(**spec.model_dump())

    def to_spec(self) -> PartStateSpec:
        """Return the spec that describes this state."""
        return PartStateSpec(**{name: getattr(self, name) for name in PartStateSpec.model_fields})
