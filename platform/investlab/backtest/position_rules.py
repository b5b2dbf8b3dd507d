"""Direction, size and stops of the positions that signals open, and signals laid out by side."""

from dataclasses import dataclass

import numpy as np

from investlab.backtest.sizing import ALL_IN, Sizing
from investlab.backtest.stops import NO_STOPS, Stops
from investlab.core.errors import InvalidInput
from investlab.schemas.positions import Direction, PositionSpec

SignalArrays = tuple[np.ndarray, ...]
"""(entries, exits), or these and (short entries, short exits): bool, sessions × instruments."""

_DIRECTIONS = {
    Direction.LONG: "Long only: an entry buys, an exit sells.",
    Direction.SHORT: "Short only: an entry sells short, an exit covers.",
    Direction.BOTH: "Long and short: an entry turns long, an exit turns short.",
}
_FOUR = "Long and short, each with its own entries and exits."
_SHORT = "A short sale credits cash, its holder pays dividends, and borrowing costs nothing."


@dataclass(frozen=True, slots=True)
class PositionRules:
    """What signals trade: which side (`long`, `short` or `both`), how much of the part's equity, and until when.

    Raises:
        InvalidInput: The direction is unknown, or sizing or stops are none.
    """

    direction: Direction | str = Direction.LONG
    sizing: Sizing = ALL_IN
    stops: Stops = NO_STOPS

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "direction", Direction(self.direction))
        except ValueError as error:
            raise InvalidInput(
                f"Unknown direction {self.direction!r}.", remedy=f"Use one of {', '.join(Direction)}."
            ) from error
        if not isinstance(self.sizing, Sizing):
            raise InvalidInput(
                f"{self.sizing!r} is no sizing.", remedy="Give Sizing.fraction(0.5), .cash(…) or the like."
            )
        if not isinstance(self.stops, Stops):
            raise InvalidInput(f"{self.stops!r} are no stops.", remedy="Give Stops(stop_loss=0.05, …).")

    @classmethod
    def from_spec(cls, spec: PositionSpec) -> "PositionRules":
        """Return the rules that a spec describes."""
        return cls(spec.direction, Sizing.from_spec(spec.sizing), Stops.from_spec(spec.stops))

    def to_spec(self) -> PositionSpec:
        """Return the spec that describes these rules."""
        return PositionSpec(direction=self.side, sizing=self.sizing.to_spec(), stops=self.stops.to_spec())

    @property
    def side(self) -> Direction:
        """Return the direction as what it is."""
        return Direction(self.direction)

    @property
    def is_plain(self) -> bool:
        """Say whether positions are long, all in, and closed by signals alone."""
        return self == PLAIN

    def sides(self, signals: SignalArrays) -> SignalArrays:
        """Return (entries, exits, short entries, short exits) from two or four arrays.

        Raises:
            InvalidInput: There are neither two nor four arrays, or four with the direction `short`.
        """
        if len(signals) == 4 and self.side is not Direction.SHORT:
            return signals
        if len(signals) != 2:
            raise InvalidInput(
                f"{len(signals)} arrays of signals do not fit the direction {self.direction}.",
                remedy="Give entries and exits, or with these short_entries and short_exits without a direction.",
            )
        entries, exits = signals
        none = np.zeros(entries.shape, dtype=np.bool_)
        if self.side is Direction.LONG:
            return entries, exits, none, none
        if self.side is Direction.SHORT:
            return none, none, entries, exits
        return entries, none, exits, none

    def describe(self, arrays: int, *, intraday: bool) -> tuple[str, ...]:
        """Return the sentences that say which positions these rules open with two or four arrays of signals."""
        sides = [_FOUR] if arrays == 4 else [_DIRECTIONS[self.side]]
        if arrays == 4 or self.side is not Direction.LONG:
            sides.append(_SHORT)
        return (*sides, self.sizing.describe(), *self.stops.describe(intraday=intraday))


PLAIN = PositionRules()
"""Long, all in, and closed by signals alone."""


def rules_of(strategy: object, asked: PositionRules) -> PositionRules:
    """Return the rules that are asked for, or those that a strategy carries as its attribute `rules`.

    Raises:
        InvalidInput: The attribute is something else, or rules are asked for that differ from it.
    """
    own = getattr(strategy, "rules", PLAIN)
    if not isinstance(own, PositionRules):
        raise InvalidInput(f"The strategy's rules are {own!r}.", remedy="Give PositionRules(stops=Stops(…), …).")
    if asked == PLAIN or own in (PLAIN, asked):
        return own if asked == PLAIN else asked
    raise InvalidInput(
        "The strategy carries rules of its own.",
        remedy="Leave direction, sizing and stops out, or take its rules away.",
    )
