"""Costs of trading: what a fill costs beyond its reference price."""

from dataclasses import dataclass, fields
from math import isfinite
from numbers import Real

from investlab.core.errors import InvalidInput
from investlab.schemas.backtest import CostSpec

BPS = 10_000.0


@dataclass(frozen=True, slots=True)
class Costs:
    """Slippage moves the fill price against the order; commission comes on top of it.

    A fill of quantity q at reference price p happens at p(1 ± slippage) and costs a commission of
    max(minimum, fixed + rate × |q| × fill price). `commission_bps` and `slippage_bps` are basis points, `fixed` and
    `minimum` currency per fill.

    Raises:
        InvalidInput: A part is negative or not finite, or reaches 10,000 basis points.
    """

    commission_bps: float = 0.0
    slippage_bps: float = 0.0
    fixed: float = 0.0
    minimum: float = 0.0

    def __post_init__(self) -> None:
        for part in fields(self):
            value: float = getattr(self, part.name)
            if isinstance(value, bool) or not isinstance(value, Real) or not isfinite(value) or value < 0:
                raise InvalidInput(f"{part.name} is {value!r}.", remedy="Give a finite number that is at least 0.")
            if part.name.endswith("_bps") and value >= BPS:
                raise InvalidInput(f"{part.name} is {value}, the whole price.", remedy="Give less than 10000.")
            object.__setattr__(self, part.name, float(value))

    @classmethod
    def free(cls) -> "Costs":
        """Return costs of nothing."""
        return cls()

    @classmethod
    def bps(cls, commission: float, slippage: float = 0.0) -> "Costs":
        """Return proportional costs in basis points."""
        return cls(commission_bps=commission, slippage_bps=slippage)

    @classmethod
    def per_fill(cls, fixed: float, minimum: float = 0.0) -> "Costs":
        """Return a commission in currency for each fill, whatever its size."""
        return cls(fixed=fixed, minimum=minimum)

    @classmethod
    def from_spec(cls, spec: CostSpec) -> "Costs":
        """Return the costs that a spec describes."""
        return cls(spec.commission_bps, spec.slippage_bps, spec.fixed, spec.minimum)

    def to_spec(self) -> CostSpec:
        """Return the spec that describes these costs."""
        return CostSpec(
            commission_bps=self.commission_bps,
            slippage_bps=self.slippage_bps,
            fixed=self.fixed,
            minimum=self.minimum,
        )

    def describe(self) -> str:
        """Return one sentence that says what a fill costs."""
        parts = []
        if self.commission_bps:
            parts.append(f"{self.commission_bps:g} bps commission")
        if self.fixed:
            parts.append(f"{self.fixed:g} commission per fill")
        if self.minimum:
            parts.append(f"at least {self.minimum:g} commission per fill")
        if self.slippage_bps:
            parts.append(f"{self.slippage_bps:g} bps slippage")
        return f"Costs: {', '.join(parts)}." if parts else "Costs: none."


FREE = Costs.free()
"""Costs of nothing."""
