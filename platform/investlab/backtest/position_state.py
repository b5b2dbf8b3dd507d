"""What the simulation of signals keeps of one instrument's part: its account, its order, and where it writes."""

from typing import NamedTuple

import numpy as np

from investlab.analytics.compiled import compiled
from investlab.backtest.kernels import ORDER, Book

NONE = 2
"""The target of an order that does not stand; others are the wanted side: 1 long, 0 flat, −1 short."""

TALLY = 4
"""Length of a tally."""

FILLS, PAID, UNPAID, UNSIZED = range(TALLY)
"""Places in a tally: fills in the log, costs paid, orders cash could not pay, entries without a size."""


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


class Parts(NamedTuple):
    """Every part's account and order as arrays over the instruments, and whether its listing has ended.

    Kernels trade from the session `start` on, begin with what stands here, and leave here how each part ends.
    """

    quantity: np.ndarray
    cash: np.ndarray
    entry: np.ndarray
    best: np.ndarray
    opened: np.ndarray
    ruined: np.ndarray
    target: np.ndarray
    decided: np.ndarray
    reason: np.ndarray
    share: np.ndarray
    gone: np.ndarray
    start: int


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
def account_of(parts: Parts, column: int) -> Account:
    """Return the account of one part."""
    return Account(
        parts.quantity[column],
        parts.cash[column],
        parts.entry[column],
        parts.best[column],
        parts.opened[column],
        parts.ruined[column],
    )


@compiled
def order_of(parts: Parts, column: int) -> Order:
    """Return the order of one part."""
    return Order(parts.target[column], parts.decided[column], parts.reason[column], parts.share[column])


@compiled
def keep(parts: Parts, column: int, account: Account, order: Order) -> None:
    """Write one part's account and order down."""
    parts.quantity[column] = account.quantity
    parts.cash[column] = account.cash
    parts.entry[column] = account.entry
    parts.best[column] = account.best
    parts.opened[column] = account.opened
    parts.ruined[column] = account.ruined
    parts.target[column] = order.target
    parts.decided[column] = order.decided
    parts.reason[column] = order.reason
    parts.share[column] = order.share


@compiled
def side_of(account: Account) -> int:
    """Return 1 for a long, −1 for a short, 0 for no position."""
    if account.quantity > 0.0:
        return 1
    return -1 if account.quantity < 0.0 else 0
