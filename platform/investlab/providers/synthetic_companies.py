"""The companies of a synthetic market: what they are, and from when to when each is listed."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from investlab.providers.synthetic_names import numbered_symbol

SESSIONS_BETWEEN_MEETINGS = 63
FIRST_MEETING = 20
QUIET_BEFORE_END = 60
"""No meeting is held in the last sessions of a company: a merger's terms would have to be restated."""


class Role(StrEnum):
    """What a company is there for; each role but the first is given to a share of the places, at least to one."""

    ORDINARY = "ordinary"
    BANKRUPT = "goes bankrupt"
    BOUGHT_FOR_CASH = "is bought for cash"
    BOUGHT_FOR_SHARES = "is bought for shares"
    PARENT = "hands out a subsidiary"
    RENAMED = "is renamed"
    DEAR = "is dear, so it splits its shares"
    CHEAP = "is cheap, so it consolidates its shares"
    PAYS_IN_SHARES = "pays in shares"
    HALTED = "is not traded at times"


@dataclass(frozen=True, slots=True)
class MarketSize:
    """How large a synthetic market is; `places` companies are listed at a time, and a new one follows one that ends.

    `series` keeps the words of markets apart, `payers` is the share of companies that pay cash dividends, and
    `payments` how many of them a year: 1, 2 or 4.
    """

    name: str
    prefix: str
    series: int
    places: int
    first: date
    last: date
    payers: float
    payments: int

    def symbol(self, number: int) -> str:
        """Return the symbol with which a company is first listed, unless it takes over another's."""
        return numbered_symbol(self.prefix, number)


@dataclass(frozen=True, slots=True)
class Company:
    """One company: positions count sessions of the market, and both `first` and `last` have bars.

    `symbols` are its names with the position from which each holds; `price` is its level before the first session;
    `partner` is the number of its buyer, or of the subsidiary that it hands out at the position `pivot`; `halts` are
    the first position without trading and the first one with trading again.
    """

    number: int
    role: Role
    first: int
    last: int
    symbols: tuple[tuple[str, int], ...]
    venue: str
    sector: int
    price: float
    pays: bool
    partner: int | None = None
    pivot: int | None = None
    halts: tuple[tuple[int, int], ...] = ()

    @property
    def symbol(self) -> str:
        """Return the last symbol it had."""
        return self.symbols[-1][0]

    @property
    def meetings(self) -> range:
        """Return the positions at which something may be done to its shares, four times a year."""
        first = self.first + FIRST_MEETING + self.number * 37 % (SESSIONS_BETWEEN_MEETINGS - FIRST_MEETING)
        return range(first, self.last - QUIET_BEFORE_END, SESSIONS_BETWEEN_MEETINGS)

    @property
    def bars(self) -> int:
        """Return how many bars it has."""
        return self.last - self.first + 1 - sum(end - start for start, end in self.halts)
