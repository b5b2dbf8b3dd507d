"""Screens: rules that choose a universe's members from a dataset as of a date."""

from enum import StrEnum

from pydantic import Field, model_validator

from investlab.schemas.market import Frozen


class Rhythm(StrEnum):
    """How often a universe's members are chosen anew."""

    ONCE = "once"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class Screen(Frozen):
    """Who belongs to a universe on a day; every rule given must hold, and only bars known on that day count.

    `min_dollar_volume` is the median of close × volume over the last `lookback_sessions`, in the dataset's currency;
    `top` keeps that many of the most liquid. `min_sessions` is how many sessions with a close an instrument needs up
    to the day; `sectors` names those allowed. A member has a close in the last `lookback_sessions`.
    """

    min_dollar_volume: float | None = Field(default=None, gt=0)
    top: int | None = Field(default=None, ge=1)
    min_sessions: int = Field(default=1, ge=1)
    sectors: tuple[str, ...] = ()
    lookback_sessions: int = Field(default=63, ge=1)

    @property
    def needs_volume(self) -> bool:
        """Say whether the screen looks at liquidity."""
        return self.min_dollar_volume is not None or self.top is not None

    @model_validator(mode="after")
    def _sectors_are_named(self) -> "Screen":
        if any(not name.strip() for name in self.sectors):
            raise ValueError("a sector must have a name")
        return self
