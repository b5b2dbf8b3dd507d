"""What closes a position besides a signal: stated prices and a stated time."""

from dataclasses import dataclass, fields

from investlab.backtest.parameters import require_number, require_whole
from investlab.schemas.positions import StopSpec


@dataclass(frozen=True, slots=True)
class Stops:
    """Levels that close a position, as fractions: 0.05 is 5 %; None is no such stop.

    Long, with fill price E of the entry and highest price H since it (short: signs turned, lowest price): `stop_loss`
    closes at E(1 − stop_loss), `take_profit` at E(1 + take_profit), `trailing` at H(1 − trailing). `time` gives the
    order to close at the close of that many sessions after the entry's. Where a level is crossed, and at what price
    that fills, is in docs/conventions.md.

    Raises:
        InvalidInput: A fraction is not above 0 (below 1 for a loss), or the time no positive whole number.
    """

    stop_loss: float | None = None
    take_profit: float | None = None
    trailing: float | None = None
    time: int | None = None

    def __post_init__(self) -> None:
        for name in ("stop_loss", "trailing"):
            if getattr(self, name) is not None:
                require_number(self, name, 0.0, 1.0)
        if self.take_profit is not None:
            require_number(self, "take_profit", 0.0)
        if self.time is not None:
            require_whole(self, "time", 1)

    @classmethod
    def from_spec(cls, spec: StopSpec) -> "Stops":
        """Return the stops that a spec describes."""
        return cls(spec.stop_loss, spec.take_profit, spec.trailing, spec.time)

    def to_spec(self) -> StopSpec:
        """Return the spec that describes these stops."""
        return StopSpec(stop_loss=self.stop_loss, take_profit=self.take_profit, trailing=self.trailing, time=self.time)

    @property
    def has_levels(self) -> bool:
        """Say whether any stop is a price."""
        return not (self.stop_loss is None and self.take_profit is None and self.trailing is None)

    def describe(self, *, intraday: bool) -> tuple[str, ...]:
        """Return sentences that say which stops there are and where they fill; none without a stop."""
        given = [field.name for field in fields(self) if getattr(self, field.name) is not None]
        if not given:
            return ()
        named = ", ".join(f"{name.replace('_', ' ')} {getattr(self, name):g}" for name in given)
        sentences = [f"Stops: {named}{' sessions' if given[-1] == 'time' else ''}; levels ignore cash dividends."]
        if self.has_levels:
            sentences.append(
                "Stops fill at their level, at the open where that lies beyond it; a loss is taken before a profit."
                if intraday
                else "Stops are checked against closes and fill as signals do: the panel lacks open, high or low."
            )
        return tuple(sentences)


NO_STOPS = Stops()
"""No stop."""
