"""Compiled simulation of target weights: all instruments share the cash."""

from typing import NamedTuple

import numpy as np

from investlab.analytics.compiled import compiled
from investlab.backtest.kernels import (
    FILL_COLUMNS,
    TOLERANCE,
    WHOLE,
    Actions,
    Book,
    FillTerms,
    buy,
    sell,
    take_action,
    write_fill,
)


class Targets(NamedTuple):
    """Weights (rebalances × instruments) and the row that each session decides on, -1 where it holds."""

    weights: np.ndarray
    row: np.ndarray


class Holdings(NamedTuple):
    """What is held and wanted of each instrument; kernels change these in place."""

    quantity: np.ndarray
    target: np.ndarray


@compiled
def set_targets(weights: np.ndarray, holdings: Holdings, known: np.ndarray, nav: float, whole_shares: bool) -> int:
    """Fix the target quantities; return the first column that has a weight but no price, or -1."""
    for column in range(len(weights)):
        weight = weights[column]
        holdings.target[column] = 0.0
        if weight > 0.0:
            if np.isnan(known[column]):
                return column
            target = weight * nav / known[column]
            holdings.target[column] = np.floor(target * WHOLE) if whole_shares else target
    return -1


@compiled
def ascending(values: np.ndarray) -> np.ndarray:
    """Return the places of values in ascending order; values within the tolerance of the next lower one keep places.

    New positions of equal weight are bought for the same value but for rounding, which must not decide their order.
    """
    order = np.argsort(values, kind="mergesort")
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or values[order[end]] - values[order[end - 1]] > TOLERANCE * values[order[end]]:
            order[start:end] = np.sort(order[start:end])
            start = end
    return order


@compiled
def rebalance(
    holdings: Holdings,
    reference: np.ndarray,
    cash: float,
    terms: FillTerms,
    when: tuple[int, int],
    log: np.ndarray,
    used: int,
) -> tuple[float, int, float, float, int, int]:
    """Move holdings to their targets: sells in column order, then buys by value, ties by column.

    `when` is (session, decided). Return (cash, fills in the log, reference value traded, costs paid, orders lapsed for
    want of a price, orders that cash could not pay).
    """
    traded = 0.0
    paid = 0.0
    lapsed = 0
    unpaid = 0
    buys = 0
    columns = np.empty(len(reference), dtype=np.int64)
    values = np.empty(len(reference))
    for column in range(len(reference)):
        held = holdings.quantity[column]
        target = holdings.target[column]
        if abs(target - held) <= TOLERANCE * max(target, held):
            continue
        if np.isnan(reference[column]):
            lapsed += 1
            continue
        if target > held:
            columns[buys] = column
            values[buys] = (target - held) * reference[column]
            buys += 1
            continue
        filled, price, commission = sell(held - target, reference[column], cash, terms)
        if not filled > 0.0:
            unpaid += 1
            continue
        cash = max(cash + filled * price - commission, 0.0)
        holdings.quantity[column] = target
        traded += filled * reference[column]
        paid += commission + filled * abs(price - reference[column])
        used = write_fill(log, used, (when[0], column, when[1]), -filled, (reference[column], price), commission)
    for place in ascending(values[:buys]):
        column = columns[place]
        wanted = holdings.target[column] - holdings.quantity[column]
        filled, price, commission = buy(wanted, reference[column], cash, terms)
        if not filled > 0.0:
            unpaid += 1
            continue
        cash = max(cash - filled * price - commission, 0.0)
        holdings.quantity[column] += filled
        traded += filled * reference[column]
        paid += commission + filled * abs(price - reference[column])
        used = write_fill(log, used, (when[0], column, when[1]), filled, (reference[column], price), commission)
    return cash, used, traded, paid, lapsed, unpaid


@compiled
def room(log: np.ndarray, used: int, more: int) -> np.ndarray:
    """Return the log, moved to a larger array when it has no room for `more` fills."""
    if used + more <= len(log):
        return log
    larger = np.empty((2 * (used + more), FILL_COLUMNS))
    larger[:used] = log[:used]
    return larger


@compiled
def apply_actions(
    holdings: Holdings, actions: Actions, ahead: int, session: int, known: np.ndarray, whole_shares: bool
) -> tuple[int, float]:
    """Apply the session's actions to holdings and pending targets; return (next action, cash received)."""
    income = 0.0
    while ahead < len(actions.session) and actions.session[ahead] == session:
        column = actions.column[ahead]
        ratio = actions.ratio[ahead]
        quantity, received = take_action(
            holdings.quantity[column], known[session - 1, column], ratio, actions.dividend[ahead], whole_shares
        )
        target = holdings.target[column] * ratio
        holdings.quantity[column] = quantity
        holdings.target[column] = np.floor(target * WHOLE) if whole_shares else target
        income += received
        ahead += 1
    return ahead, income


@compiled
def invested_value(holdings: Holdings, known: np.ndarray) -> float:
    """Return the value of all positions at their last known prices, summed in column order."""
    total = 0.0
    for column in range(len(holdings.quantity)):
        if holdings.quantity[column] > 0.0:
            total += holdings.quantity[column] * known[column]
    return total


@compiled
def trade_weights(
    targets: Targets,
    reference: np.ndarray,
    known: np.ndarray,
    actions: Actions,
    terms: FillTerms,
    initial_cash: float,
    book: Book,
    quantities: np.ndarray,
) -> tuple[np.ndarray, float, int, int, int, int]:
    """Trade target weights (all arrays sessions × instruments).

    Return (fill log, costs paid, orders lapsed, orders unpaid, session, column); the last two name a weight on an
    instrument without a price, or are -1.
    """
    count = known.shape[1]
    holdings = Holdings(np.zeros(count), np.zeros(count))
    log = np.empty((4 * count, FILL_COLUMNS))
    cash = initial_cash
    used = 0
    paid = 0.0
    lapsed = 0
    unpaid = 0
    ahead = 0
    decided = -1
    for t in range(len(known)):
        ahead, income = apply_actions(holdings, actions, ahead, t, known, terms.whole_shares)
        cash += income
        book.income[t] = income
        if decided >= 0:
            log = room(log, used, count)
            cash, used, traded, spent, missing, failed = rebalance(
                holdings, reference[t], cash, terms, (t, decided), log, used
            )
            book.traded[t] += traded
            paid += spent
            lapsed += missing
            unpaid += failed
            decided = -1
        if targets.row[t] >= 0:
            nav = cash + invested_value(holdings, known[t])
            unknown = set_targets(targets.weights[targets.row[t]], holdings, known[t], nav, terms.whole_shares)
            if unknown >= 0:
                return log[:used], paid, lapsed, unpaid, t, unknown
            if terms.same_close:
                log = room(log, used, count)
                cash, used, traded, spent, missing, failed = rebalance(
                    holdings, reference[t], cash, terms, (t, t), log, used
                )
                book.traded[t] += traded
                paid += spent
                lapsed += missing
                unpaid += failed
            else:
                decided = t
        value = invested_value(holdings, known[t])
        book.cash[t] = cash
        book.invested[t] = value
        book.nav[t] = cash + value
        quantities[t] = holdings.quantity
    return log[:used], paid, lapsed, unpaid, -1, -1
