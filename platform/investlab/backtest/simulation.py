"""What a kernel computed, before it is shown."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from investlab.backtest.fills import SIGNAL_CAUSE
from investlab.backtest.kernels import METRICS, Book, measure
from investlab.backtest.portfolio_state import PortfolioState
from investlab.backtest.terms import TradingTerms
from investlab.market.panel import PricePanel


@dataclass(frozen=True, slots=True, eq=False)
class Quantities:
    """Quantities held at each close: `rows` (each × instruments) and which of them holds at each session.

    They are kept once for all sessions over which they stay as they are, since most strategies trade seldom.
    """

    rows: np.ndarray
    row: np.ndarray

    @classmethod
    def of(cls, quantities: np.ndarray) -> "Quantities":
        """Return quantities that are given for every session."""
        return cls(quantities, np.arange(len(quantities)))

    def by_session(self) -> np.ndarray:
        """Return the quantities (sessions × instruments)."""
        every = len(self.rows) == len(self.row) and bool((self.row == np.arange(len(self.row))).all())
        return self.rows if every else self.rows[self.row]

    def within(self, sessions: slice) -> "Quantities":
        """Return those of some sessions."""
        return Quantities(self.rows, self.row[sessions])


class PositionTable:
    """The quantities of a simulation, made into a frame (sessions × symbols) when they are first asked for."""

    def __init__(self, index: pd.Index, symbols: pd.Index, held: Quantities) -> None:
        self._index, self._symbols, self._held = index, symbols, held

    def __call__(self) -> pd.DataFrame:
        """Return the frame, which cannot be written to."""
        values = self._held.by_session()
        values.flags.writeable = False
        return pd.DataFrame(values, index=self._index, columns=self._symbols, copy=False)


@dataclass(frozen=True, eq=False)
class Simulation:
    """What a kernel computed: the book, what is held, prices (sessions × instruments), fills, metrics, remarks.

    The first row of all is the panel's session number `first`. `carry` is what accrued (sessions × interest, financing
    and borrow), None where nothing can; `final_state` is where the portfolio stands at the end, where that is known;
    `opening` the market values of positions taken over from an initial state. `cause` is the reason of fills that the
    log gives no other.
    """

    book: Book
    held: Quantities
    prices: np.ndarray
    log: np.ndarray
    metrics: np.ndarray
    notes: tuple[str, ...]
    first: int = 0
    carry: np.ndarray | None = None
    final_state: PortfolioState | None = None
    cause: str = SIGNAL_CAUSE
    opening: np.ndarray | None = None

    @cached_property
    def quantities(self) -> np.ndarray:
        """Return the quantities held at each close (sessions × instruments)."""
        return self.held.by_session()


def empty_book(sessions: int) -> Book:
    """Return a book without entries."""
    return Book(*(np.zeros(sessions) for _ in Book._fields))


def measured(panel: PricePanel, terms: TradingTerms, book: Book, paid: float) -> np.ndarray:
    """Return the metrics of a book in the order of `METRICS`."""
    metrics = np.empty(len(METRICS))
    measure(book, paid, terms.initial_cash, float(panel.source.sessions_per_year), metrics)
    return metrics
