"""Compiled simulation of target weights: all instruments share the cash."""

from typing import NamedTuple

import numpy as np

from investlab.analytics.compiled import compiled
from investlab.backtest.kernels import FILL_COLUMNS, RUINED, Actions, Book
from investlab.backtest.weight_accounts import (
    Accruals,
    Shown,
    accrue,
    apply_actions,
    invested_value,
    leave,
    reset_capacity,
)
from investlab.backtest.weight_orders import Conditions, Desk, rebalance
from investlab.backtest.weight_targets import CASH, TRADED, Holdings, cap_weights, set_targets

FIRST_LOG = 2**23
"""Fills that a log has room for from the start (512 MiB at most, taken up only as it is written); more make it grow."""


class Targets(NamedTuple):
    """Weights (rebalances × instruments) and the row that each session decides on, -1 where it holds."""

    weights: np.ndarray
    row: np.ndarray


class Tape(NamedTuple):
    """What happens (sessions × instruments): fill prices, last known prices, volume where it limits, events."""

    reference: np.ndarray
    known: np.ndarray
    volume: np.ndarray
    actions: Actions
    accruals: Accruals


class Start(NamedTuple):
    """Where trading begins: the first session, and the session that decided pending orders, else -1."""

    session: int
    decided: int


class Record(NamedTuple):
    """What kernels write by session: the book, what is held, and what accrued.

    `quantities` gets a row only where they change; `row` says which of them holds at each session.
    """

    book: Book
    quantities: np.ndarray
    row: np.ndarray
    carry: np.ndarray


class Ending(NamedTuple):
    """How a simulation ended: the fill log, and the session whose orders are still pending, or -1.

    `session` and `column` name a weight on an instrument without a price, or are -1.
    """

    log: np.ndarray
    decided: int
    session: int
    column: int


@compiled
def room(log: np.ndarray, used: int, more: int) -> np.ndarray:
    """Return the log, moved to a larger array when it has no room for `more` fills."""
    if used + more <= len(log):
        return log
    larger = np.empty((2 * (used + more), FILL_COLUMNS))
    larger[:used] = log[:used]
    return larger


@compiled
def keep(record: Record, quantity: np.ndarray, row: int, held: np.ndarray) -> int:
    """Write a row of quantities, and the columns that are held; return how many those are."""
    count = 0
    for column in range(len(quantity)):
        record.quantities[row, column] = quantity[column]
        if quantity[column] != 0.0:
            held[count] = column
            count += 1
    return count


@compiled
def mark(record: Record, holdings: Holdings, known: np.ndarray, session: int, held: np.ndarray) -> float:
    """Write a session's close into the book and return the NAV; `held` are the columns with a position."""
    book, cash = record.book, holdings.account[CASH]
    value = 0.0
    for column in held:
        value += holdings.quantity[column] * known[column]
    book.cash[session] = cash
    book.invested[session] = value
    book.traded[session] = holdings.account[TRADED]
    book.nav[session] = cash + value
    nav: float = book.nav[session]
    return nav


@compiled
def ruin(record: Record, holdings: Holdings, known: np.ndarray, session: int, log: np.ndarray, used: int) -> int:
    """Close everything at the last known prices and write the rest of the path, which is flat; return the fills."""
    for column in range(len(known)):
        used = leave(holdings, column, known[column], (session, RUINED), log, used)
    row = record.row[session]
    if session > 0 and record.row[session - 1] == row:  # it is that of sessions before, which held something
        row += 1
    book, cash = record.book, holdings.account[CASH]
    book.traded[session] = holdings.account[TRADED]
    book.invested[session] = 0.0
    book.cash[session:] = cash
    book.nav[session:] = cash
    record.quantities[row] = 0.0
    record.row[session:] = row
    return used


@compiled
def open_session(
    t: int,
    tape: Tape,
    ahead: int,
    holdings: Holdings,
    shown: Shown,
    conditions: Conditions,
    record: Record,
    log: np.ndarray,
    used: int,
) -> tuple[int, int]:
    """Book what accrued and what befell the instruments before the open; return (next action, fills in the log).

    The volume that limits fills is that of the session before, and with same_close the session's own.
    """
    before = max(t - 1, 0)
    known, at_close = tape.known[before], conditions.terms.same_close
    holdings.account[TRADED] = 0.0
    if len(tape.accruals.cash) > 0:
        accrue(tape.accruals, t, holdings, known, record.carry[t])
    if conditions.rules.measured:
        shown.prices[:] = known
    if conditions.rules.participation > 0.0:
        reset_capacity(shown.capacity, tape.volume[before], conditions.rules.participation)
    ahead, income, used = apply_actions(
        holdings, tape.actions, ahead, t, known, shown, conditions.terms.whole_shares, log, used
    )
    holdings.account[CASH] += income
    record.book.income[t] = income
    if at_close and conditions.rules.measured:
        shown.prices[:] = tape.known[t]
    if at_close and conditions.rules.participation > 0.0:
        reset_capacity(shown.capacity, tape.volume[t], conditions.rules.participation)
    return ahead, used


@compiled
def decide(
    weights: np.ndarray, holdings: Holdings, known: np.ndarray, conditions: Conditions, capped: np.ndarray
) -> tuple[bool, int]:
    """Fix what is wanted at a close; return (whether anything is left to decide on, a column without a price or -1)."""
    nav = holdings.account[CASH] + invested_value(holdings.quantity, known)
    if not nav > 0.0:
        return False, -1
    rules = conditions.rules
    wanted = cap_weights(weights, rules, capped, holdings.counts) if rules.capped else weights
    return True, set_targets(wanted, holdings, known, nav, rules.band, conditions.terms.whole_shares)


@compiled
def trade_weights(
    targets: Targets, tape: Tape, conditions: Conditions, start: Start, holdings: Holdings, record: Record
) -> Ending:
    """Trade target weights from a session on; holdings and record are changed in place."""
    sessions, count = tape.known.shape
    rules, at_close = conditions.rules, conditions.terms.same_close
    shown = Shown(np.zeros(count if rules.participation > 0.0 else 0), np.empty(count if rules.measured else 0))
    places = np.empty(count, dtype=np.int64)
    desk = Desk(np.empty(count, dtype=np.int64), np.empty(count), np.empty(count), places, np.empty_like(places))
    capped = np.empty(count if rules.capped else 0)
    rows = min((np.count_nonzero(targets.row >= 0) + 4) * count, max(FIRST_LOG, 4 * count))
    log = np.empty((rows, FILL_COLUMNS))
    used, decided = 0, start.decided
    held, holding, row_kept = np.empty(count, dtype=np.int64), 0, -1
    ahead = int(np.searchsorted(tape.actions.session, start.session))
    for t in range(start.session, sessions):
        log = room(log, used, 4 * count)
        before = (ahead, used)
        ahead, used = open_session(t, tape, ahead, holdings, shown, conditions, record, log, used)
        row = targets.row[t]
        if decided >= 0 and not (at_close and row >= 0):
            when = (t, decided)
            decided, used = rebalance(holdings, tape.reference[t], shown, desk, conditions, when, log, used)
        if row >= 0:
            solvent, unknown = decide(targets.weights[row], holdings, tape.known[t], conditions, capped)
            if unknown >= 0:
                return Ending(log[:used], decided, t, unknown)
            decided = t if solvent else -1
            if at_close and solvent:
                decided, used = rebalance(holdings, tape.reference[t], shown, desk, conditions, (t, t), log, used)
        if row_kept < 0 or before != (ahead, used):
            row_kept += 1
            holding = keep(record, holdings.quantity, row_kept, held)
        record.row[t] = row_kept
        if not mark(record, holdings, tape.known[t], t, held[:holding]) > 0.0:
            used = ruin(record, holdings, tape.known[t], t, log, used)
            return Ending(log[:used], -1, -1, -1)
    return Ending(log[:used], decided, -1, -1)
