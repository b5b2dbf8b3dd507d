"""Compiled simulation of signals: each instrument is all in or out with its own part of the cash."""

from typing import NamedTuple

import numpy as np

from investlab.analytics.compiled import compiled
from investlab.backtest.kernels import DELISTED, Actions, Book, FillTerms, buy, sell, settle, take_action, write_fill
from investlab.backtest.position_state import Parts


class Lane(NamedTuple):
    """One instrument's reference prices for fills and its last known prices."""

    reference: np.ndarray
    known: np.ndarray


class Signals(NamedTuple):
    """The sessions that have a signal, ascending, and whether each is an entry, an exit or both."""

    session: np.ndarray
    entry: np.ndarray
    leave: np.ndarray


class Standing(NamedTuple):
    """Where one instrument's part stands after the last fill: `order` as in `decide`, `decided` by which session."""

    quantity: float
    cash: float
    order: int
    decided: int
    gone: bool


class Trail(NamedTuple):
    """One instrument's quantities and the fill log of all; empty arrays record nothing."""

    quantity: np.ndarray
    log: np.ndarray


@compiled
def decide(order: int, held: bool, entry: bool, leave: bool) -> int:
    """Return the order (1 buy, -1 sell, 0 none) that stands after a session's signals.

    In position an exit wins over an entry, out of it the entry wins. A signal for what is already held or not held
    cancels the opposite order.
    """
    if leave and held:
        return -1
    if entry:
        return 0 if held else 1
    return 0 if leave else order


@compiled
def next_to_act_on(signals: Signals, signal: int, held: bool, before: int) -> int:
    """Return the next signal that matters while no order stands; after a session `before` each may.

    In position an entry asks for nothing, out of it an exit, until a corporate action may have changed the position.
    """
    wanted = signals.leave if held else signals.entry
    while signal < len(wanted) and not wanted[signal] and signals.session[signal] < before:
        signal += 1
    return signal


@compiled
def fill(order: int, quantity: float, reference: float, cash: float, terms: FillTerms) -> tuple[float, float, float]:
    """Return (change of quantity, fill price, commission) of buying with all cash or selling all."""
    if order > 0:
        return buy(np.inf, reference, cash, terms)
    sold, price, commission = sell(quantity, reference, cash, terms)
    return -sold, price, commission


@compiled
def hold(start: int, stop: int, quantity: float, cash: float, lane: Lane, book: Book, trail: Trail) -> None:
    """Add what is held over some sessions to the book."""
    span = range(np.uintp(start), np.uintp(stop))
    if quantity > 0.0:
        for t in span:
            value = quantity * lane.known[t]
            book.nav[t] += cash + value
            book.invested[t] += value
    else:
        for t in span:
            book.nav[t] += cash
    if len(trail.quantity) > 0:
        for t in span:
            book.cash[t] += cash
            trail.quantity[t] = quantity


@compiled
def end_listing(
    settlement: float,
    at: tuple[int, int],
    quantity: float,
    cash: float,
    lane: Lane,
    book: Book,
    log: np.ndarray,
    used: int,
) -> tuple[float, int]:
    """Settle what is held at a delisting's session and column; return (cash, fills in the log)."""
    if quantity == 0.0:
        return cash, used
    price, proceeds = settle(quantity, lane.known[at[0] - 1], settlement)
    book.traded[at[0]] += abs(proceeds)
    used = write_fill(log, used, (at[0], at[1], at[0]), -quantity, (price, price), 0.0, DELISTED)
    return cash + proceeds, used


@compiled
def trade_instrument(
    signals: Signals,
    lane: Lane,
    actions: Actions,
    terms: FillTerms,
    column: int,
    cash: float,
    book: Book,
    trail: Trail,
    used: int,
) -> tuple[int, float, int, Standing]:
    """Trade one instrument, add it to the book: (fills in the log, costs paid, orders cash could not pay, its end).

    `actions` are this instrument's. An order waits until its fill price exists. Between the sessions where something
    may happen nothing but the price changes. A delisting settles what is held and ends all trading.
    """
    lag = 0 if terms.same_close else 1
    sessions = len(lane.known)
    quantity, paid = 0.0, 0.0
    order, decided, ahead, unpaid, signal, t = 0, -1, 0, 0, 0, -1
    gone = False
    while True:
        acting = actions.session[ahead] if ahead < len(actions.session) else sessions
        if order == 0:
            signal = next_to_act_on(signals, signal, quantity > 0.0, acting - lag)
        following = signals.session[signal] + lag if signal < len(signals.session) else sessions
        event = t + 1 if order != 0 else min(following, acting, sessions)
        hold(max(t, 0), event, quantity, cash, lane, book, trail)
        t = event
        if t == sessions:
            break
        held = quantity > 0.0
        if acting == t and not np.isnan(actions.settlement[ahead]):
            cash, used = end_listing(
                actions.settlement[ahead], (t, column), quantity, cash, lane, book, trail.log, used
            )
            hold(t, sessions, 0.0, cash, lane, book, trail)
            quantity, order, gone = 0.0, 0, True
            break
        if acting == t:
            quantity, income = take_action(
                quantity, lane.known[t - 1], actions.ratio[ahead], actions.dividend[ahead], terms.whole_shares
            )
            cash += income
            book.income[t] += income
            ahead += 1
        if following == t:
            held = quantity > 0.0 if terms.same_close else held
            standing = decide(order, held, signals.entry[signal], signals.leave[signal])
            decided = decided if standing == order else t - lag
            order = standing
            signal += 1
        reference = lane.reference[t]
        if order != 0 and not np.isnan(reference):
            change, price, commission = fill(order, quantity, reference, cash, terms)
            order = 0
            unpaid += change == 0.0
            if change != 0.0:
                cash = max(cash - change * price - commission, 0.0)
                quantity += change
                paid += commission + abs(change) * abs(price - reference)
                book.traded[t] += abs(change) * reference
                used = write_fill(trail.log, used, (t, column, decided), change, (reference, price), commission)
    return used, paid, unpaid, Standing(quantity, cash, order, decided, gone)


@compiled
def keep_standing(
    parts: Parts, column: int, standing: Standing, entry: bool, leave: bool, session: int, same_close: bool
) -> None:
    """Write down how one part ends; where orders wait for a next session the last one's signals are still to decide."""
    order = standing.order
    if not same_close and not standing.gone:
        order = decide(order, standing.quantity > 0.0, entry, leave)
    parts.quantity[column] = standing.quantity
    parts.cash[column] = standing.cash
    parts.gone[column] = standing.gone
    if order != 0:
        parts.target[column] = max(order, 0)
        parts.decided[column] = standing.decided if order == standing.order else session


@compiled
def trade_signals(
    entries: np.ndarray,
    exits: np.ndarray,
    reference: np.ndarray,
    known: np.ndarray,
    actions: Actions,
    terms: FillTerms,
    parts: Parts,
    book: Book,
    trail: Trail,
) -> tuple[int, float, int]:
    """Trade every instrument (all arrays instruments × sessions) and return (fills, costs paid, orders unpaid).

    Each part begins with its cash alone, at the first session; `parts` takes how it ends.
    """
    last = known.shape[1] - 1
    used = 0
    paid = 0.0
    unpaid = 0
    for column in range(len(known)):
        when = np.flatnonzero(entries[column] | exits[column])
        signals = Signals(when, entries[column][when], exits[column][when])
        lane = Lane(reference[column], known[column])
        own = own_actions(actions, column)
        rows = Trail(trail.quantity[column], trail.log)
        used, spent, failed, standing = trade_instrument(
            signals, lane, own, terms, column, parts.cash[column], book, rows, used
        )
        leaves = exits[column, last]
        keep_standing(parts, column, standing, entries[column, last], leaves, last, terms.same_close)
        paid += spent
        unpaid += failed
    return used, paid, unpaid


@compiled
def own_actions(actions: Actions, column: int) -> Actions:
    """Return one instrument's actions from actions ordered by (column, session)."""
    start = np.searchsorted(actions.column, column)
    stop = np.searchsorted(actions.column, column, side="right")
    return Actions(
        actions.session[start:stop],
        actions.column[start:stop],
        actions.ratio[start:stop],
        actions.dividend[start:stop],
        actions.settlement[start:stop],
    )
