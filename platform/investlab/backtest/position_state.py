"""What the simulation of positions keeps of one instrument's part: its account, its order, and where it writes."""

from typing import NamedTuple

import numpy as np

from investlab.analytics.compiled import compiled
from investlab.backtest.kernels import ORDER, Book

NONE = 2
"""The target of an order that does not stand; others are the wanted side: 1 long, 0 flat, −1 short."""

TALLY = 5
"""Length of a tally."""

FILLS, PAID, UNPAID, UNSIZED, SPENT = range(TALLY)
"""Places in a tally: fills in the log, costs paid, orders cash could not pay, entries without a size, parts ruined."""


class Quotes(NamedTuple):
    """One instrument's prices by session: of the bar, for fills, and last known."""

    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    reference: np.ndarray
    known: np.ndarray


class Wishes(NamedTuple):
    """One instrument's signals by session, and the share of the equity that an entry decided there may use."""

    entry: np.ndarray
    leave: np.ndarray
    short_entry: np.ndarray
    short_leave: np.ndarray
    share: np.ndarray


class Levels(NamedTuple):
    """Stops as numbers (infinite where there is none), where they are watched, and the most an entry may use.

    `intraday` watches open, high and low instead of the close; `at_open` says that orders fill at the open.
    """

    stop_loss: float
    take_profit: float
    trailing: float
    time: int
    intraday: bool
    at_open: bool
    most: float


class Account(NamedTuple):
    """A part: its cash and quantity, and of the position the entry's fill price, best price since and session."""

    quantity: float
    cash: float
    entry: float
    best: float
    opened: int
    ruined: bool


class Order(NamedTuple):
    """The side that is wanted, the session that decided it, why, and the share of the equity for an entry."""

    target: int
    decided: int
    reason: int
    share: float


class Ledger(NamedTuple):
    """Where one instrument's fills and marks go."""

    book: Book
    quantity: np.ndarray
    log: np.ndarray
    tally: np.ndarray


@compiled
def idle() -> Order:
    """Return the order that does not stand."""
    return Order(NONE, -1, ORDER, 1.0)


@compiled
def side_of(account: Account) -> int:
    """Return 1 for a long, −1 for a short, 0 for no position."""
    if account.quantity > 0.0:
        return 1
    return -1 if account.quantity < 0.0 else 0
