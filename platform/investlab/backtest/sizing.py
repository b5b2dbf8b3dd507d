"""How large a position is that a signal opens."""

from dataclasses import dataclass

from investlab.backtest.parameters import require_number, require_whole
from investlab.core.errors import InvalidInput
from investlab.schemas.positions import SizingKind, SizingSpec


@dataclass(frozen=True, slots=True)
class Sizing:
    """The budget of a new position; its value and commission together cost at most that.

    The equity of an instrument's part is its cash when nothing is held. Nothing is borrowed: a budget is at most that
    equity. Make one with `Sizing.all_in()`, `.fraction(…)`, `.cash(…)` or `.volatility(…)`; `amount` is the fraction,
    the currency or the volatility a year, `window` the sessions that a volatility looks back.

    Raises:
        InvalidInput: The kind is unknown, or the amount or the window is out of range.
    """

    kind: SizingKind = SizingKind.ALL_IN
    amount: float = 1.0
    window: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in list(SizingKind):
            raise InvalidInput(f"Unknown sizing {self.kind!r}.", remedy="Use Sizing.fraction(0.5) or the like.")
        object.__setattr__(self, "kind", SizingKind(self.kind))
        require_number(self, "amount", 0.0)
        if self.kind in (SizingKind.ALL_IN, SizingKind.FRACTION) and self.amount > 1.0:
            raise InvalidInput(f"The fraction is {self.amount!r}.", remedy="Give at most 1: nothing can be borrowed.")
        if self.kind is SizingKind.VOLATILITY:
            require_whole(self, "window", 2)

    @classmethod
    def all_in(cls) -> "Sizing":
        """Return the whole equity of the part."""
        return cls()

    @classmethod
    def fraction(cls, share: float) -> "Sizing":
        """Return a fixed fraction (above 0, at most 1) of the part's equity at the fill."""
        return cls(SizingKind.FRACTION, share)

    @classmethod
    def cash(cls, amount: float) -> "Sizing":
        """Return a fixed amount of currency, or the part's equity where that is less."""
        return cls(SizingKind.CASH, amount)

    @classmethod
    def volatility(cls, target: float, window: int = 63) -> "Sizing":
        """Return the fraction target ÷ trailing volatility of the part's equity, at most 1.

        The volatility is the sample standard deviation (ddof 1) of the last `window` returns of adjusted closes known
        at the decision, times √(sessions per year). An entry decided before there are so many returns is dropped.
        """
        return cls(SizingKind.VOLATILITY, target, window)

    @classmethod
    def from_spec(cls, spec: SizingSpec) -> "Sizing":
        """Return the sizing that a spec describes."""
        return cls(spec.kind, spec.amount, spec.window)

    def to_spec(self) -> SizingSpec:
        """Return the spec that describes this sizing."""
        return SizingSpec(kind=self.kind, amount=self.amount, window=self.window)

    def describe(self) -> str:
        """Return one sentence that says how large a position is."""
        sentences = {
            SizingKind.ALL_IN: "Size: all of the part's equity.",
            SizingKind.FRACTION: f"Size: {self.amount:g} of the part's equity.",
            SizingKind.CASH: f"Size: {self.amount:g} in currency, at most the part's equity.",
            SizingKind.VOLATILITY: (
                f"Size: {self.amount:g} ÷ the volatility a year of the last {self.window} returns, at most 1, of the "
                "part's equity."
            ),
        }
        return sentences[self.kind]


ALL_IN = Sizing.all_in()
"""The whole equity of the part."""
