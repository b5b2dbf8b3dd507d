"""What a portfolio of target weights may hold and trade."""

from dataclasses import asdict, dataclass
from math import inf, isfinite
from numbers import Real
from typing import Any

from investlab.backtest.weight_targets import Rules
from investlab.core.errors import InvalidInput
from investlab.schemas.backtest import LimitSpec


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on target weights; the default is long only with nothing borrowed, and refuses what goes beyond.

    `gross` caps Σ|w| (above 1 it borrows), `net` caps |Σw|, `weight` caps each |w|; a decision beyond a cap is cut to
    it: first each weight is clipped, then the larger side is scaled to the net cap, then all to the gross cap. None is
    no cap, but without `gross` weights whose |w| sum to more than 1 are refused. `short` allows weights below 0.
    `participation` is the part of a session's volume that one instrument's fill may take. An instrument whose held
    weight lies within `band` of its target is not traded, unless it is entered or left.

    Raises:
        InvalidInput: A limit is not positive and finite, `participation` exceeds 1, or `band` is not in [0, 1).
    """

    gross: float | None = None
    net: float | None = None
    weight: float | None = None
    short: bool = False
    participation: float | None = None
    band: float = 0.0

    def __post_init__(self) -> None:
        for name in ("gross", "net", "weight", "participation"):
            value = getattr(self, name)
            if value is None:
                continue
            if not _is_number(value) or value < 0 or (value == 0 and name != "net"):
                raise InvalidInput(
                    f"The limit {name} is {value!r}.", remedy="Give a positive number, or None for none."
                )
            object.__setattr__(self, name, float(value))
        if self.participation is not None and self.participation > 1:
            raise InvalidInput(f"participation is {self.participation}.", remedy="Give a fraction of the volume: 0.1.")
        if not _is_number(self.band) or not 0 <= self.band < 1:
            raise InvalidInput(f"band is {self.band!r}.", remedy="Give a difference of weights such as 0.02.")
        if not isinstance(self.short, bool):
            raise InvalidInput(f"short is {self.short!r}.", remedy="Give True or False.")
        object.__setattr__(self, "band", float(self.band))

    @property
    def borrows(self) -> bool:
        """Say whether cash may fall below 0."""
        return self.short or (self.gross is not None and self.gross > 1.0)

    @classmethod
    def from_spec(cls, spec: LimitSpec) -> "Limits":
        """Return the limits that a spec describes."""
        return cls(**spec.model_dump())

    def to_spec(self) -> LimitSpec:
        """Return the spec that describes these limits."""
        return LimitSpec(**asdict(self))

    def for_kernels(self) -> Rules:
        """Return the limits in the form kernels take."""
        gross, net, weight = (inf if cap is None else cap for cap in (self.gross, self.net, self.weight))
        return Rules(
            1.0 if self.gross is None else gross,
            net,
            weight,
            self.band,
            self.participation or 0.0,
            min(gross, net, weight) < inf,
            self.short or self.gross is not None,
            self.borrows,
        )

    def describe(self) -> list[str]:
        """Return sentences that say which limits there are; none for the default."""
        told = []
        if self.short:
            told.append("Short positions are allowed: a short sale credits cash, its holder pays the dividends.")
        caps = {"gross exposure": self.gross, "net exposure": self.net, "weight of an instrument": self.weight}
        given = [f"{name} {cap:g}" for name, cap in caps.items() if cap is not None]
        if given:
            told.append(f"Caps at each decision: {', '.join(given)}.")
        if self.participation is not None:
            told.append(
                f"A fill takes at most {self.participation:.4g} of an instrument's last known session volume; the rest "
                "carries over until the next decision."
            )
        if self.band:
            told.append(f"An instrument within {self.band:g} of its target weight is not traded.")
        return told


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and isfinite(value)


UNLIMITED = Limits()
"""The default: long only, nothing borrowed, no cap."""
