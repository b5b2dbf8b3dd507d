"""What cash earns, what borrowed cash costs, and what borrowed shares cost."""

from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from math import inf
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from investlab.backtest.weight_accounts import Accruals
from investlab.core.errors import InvalidInput
from investlab.schemas.backtest import RateSpec

DAYS_PER_YEAR = 365.0
"""Interest is simple within a session, by calendar days over 365 (Actual/365 Fixed)."""

Dated = tuple[tuple[date, float], ...]


@dataclass(frozen=True, slots=True)
class Rates:
    """Annual rates as fractions (0.03 is 3 %), accrued per session on the balances of the close before.

    `cash` is earned on a positive balance, proceeds of short sales included; `financing` is paid on a negative one;
    `borrow` on the market value of short positions. `cash` may be a series by session: each value holds from its
    session's close until the next one. A session is charged rate × balance × calendar days since the session before
    ÷ 365.

    Raises:
        InvalidInput: A rate is no number between −1 and 1, financing or borrow is negative, or the series is not dated.
    """

    cash: float | pd.Series | Dated = 0.0
    financing: float = 0.0
    borrow: float = 0.0

    def __post_init__(self) -> None:
        for name in ("financing", "borrow"):
            value = _rate(name, getattr(self, name))
            if value < 0:
                raise InvalidInput(f"The rate {name} is {value}.", remedy="Give what is paid as a positive number.")
            object.__setattr__(self, name, value)
        given = self.cash
        if isinstance(given, (pd.Series, tuple, list)):
            object.__setattr__(self, "cash", _dated(given))
        else:
            object.__setattr__(self, "cash", _rate("cash", given))

    @property
    def is_free(self) -> bool:
        """Say whether nothing accrues."""
        return self.cash == 0.0 and self.financing == 0.0 and self.borrow == 0.0

    @classmethod
    def from_spec(cls, spec: RateSpec) -> "Rates":
        """Return the rates that a spec describes."""
        return cls(spec.cash, spec.financing, spec.borrow)

    def to_spec(self) -> RateSpec:
        """Return the spec that describes these rates."""
        cash = self.cash
        return RateSpec.model_validate({"cash": cash, "financing": self.financing, "borrow": self.borrow})

    def accruals(self, sessions: np.ndarray) -> Accruals:
        """Return what one unit of each balance gets at each session for the time since the one before.

        Raises:
            InvalidInput: The series of cash rates begins after the first session.
        """
        if self.is_free:
            return Accruals(np.empty(0), np.empty(0), np.empty(0))
        years = np.diff(sessions.astype(np.int64), prepend=sessions[0].astype(np.int64)) / DAYS_PER_YEAR
        return Accruals(self._cash_rates(sessions) * years, self.financing * years, self.borrow * years)

    def describe(self) -> str:
        """Return one sentence that says what accrues."""
        cash = "a series by session" if isinstance(self.cash, tuple) else f"{self.cash:.4%}"
        return (
            f"Rates a year, by calendar days over 365: cash {cash}, financing {self.financing:.4%}, "
            f"borrowed shares {self.borrow:.4%}."
        )

    def _cash_rates(self, sessions: np.ndarray) -> np.ndarray:
        """Return the rate in force over the time before each session, that of the session before."""
        if not isinstance(self.cash, tuple):
            return np.full(len(sessions), self.cash)
        days = np.array([day for day, _ in self.cash], dtype="datetime64[D]")
        values = np.array([value for _, value in self.cash], dtype=np.float64)
        places = np.searchsorted(days, sessions[:-1], side="right") - 1
        if len(places) and int(places[0]) < 0:
            raise InvalidInput(
                f"The cash rates begin on {days[0]}, after the session {sessions[0]}.",
                remedy="Give a rate for the first session or before.",
            )
        rates: np.ndarray = np.concatenate(([0.0], values[places]))
        return rates


def _rate(name: str, value: Any) -> float:
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else inf
    if not abs(number) < 1.0:
        raise InvalidInput(f"The rate {name} is {value!r}.", remedy="Give an annual rate as a fraction: 0.03 for 3 %.")
    return number


def _dated(given: pd.Series | Dated | list[tuple[date, float]]) -> Dated:
    """Return the rates by day, ascending."""
    if isinstance(given, pd.Series):
        if not isinstance(given.index, pd.DatetimeIndex):
            raise InvalidInput("The cash rates have no dates.", remedy="Give a series indexed by sessions.")
        pairs = tuple((day.date(), _rate("cash", value)) for day, value in zip(given.index, given, strict=True))
    else:
        pairs = tuple((pd.Timestamp(day).date(), _rate("cash", value)) for day, value in given)
    days = [day for day, _ in pairs]
    if not days or any(later <= earlier for earlier, later in pairwise(days)):
        raise InvalidInput(
            "The cash rates are not dated in order.", remedy="Sort the series by session, one rate each."
        )
    return pairs


NO_RATES = Rates()
"""Nothing accrues."""
