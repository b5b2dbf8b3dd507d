"""What a kernel computed, before it is shown."""

from dataclasses import dataclass

import numpy as np

from investlab.backtest.fills import SIGNAL_CAUSE
from investlab.backtest.kernels import METRICS, Book, measure
from investlab.backtest.portfolio_state import PortfolioState
from investlab.backtest.terms import TradingTerms
from investlab.market.panel import PricePanel


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """What a kernel computed: the book, positions and prices (sessions × instruments), fills, metrics, remarks.

    The first row of all is the panel's session number `first`. `carry` is what accrued (sessions × interest, financing
    and borrow), None where nothing can; `final_state` is where the portfolio stands at the end, where that is known;
    `opening` the market values of positions taken over from an initial state. `cause` is the reason of fills that the
    log gives no other.
    """

    book: Book
    quantities: np.ndarray
    prices: np.ndarray
    log: np.ndarray
    metrics: np.ndarray
    notes: tuple[str, ...]
    first: int = 0
    carry: np.ndarray | None = None
    final_state: PortfolioState | None = None
    cause: str = SIGNAL_CAUSE
    opening: np.ndarray | None = None


def empty_book(sessions: int) -> Book:
    """Return a book without entries."""
    return Book(*(np.zeros(sessions) for _ in Book._fields))


def measured(panel: PricePanel, terms: TradingTerms, book: Book, paid: float) -> np.ndarray:
    """Return the metrics of a book in the order of `METRICS`."""
    metrics = np.empty(len(METRICS))
    measure(book, paid, terms.initial_cash, float(panel.source.sessions_per_year), metrics)
    return metrics
