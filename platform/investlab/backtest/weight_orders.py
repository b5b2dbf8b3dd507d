"""Compiled orders of target weights: sales first, then buys by value, cut to buying power and to the volume."""

from typing import NamedTuple

import numpy as np

from investlab.analytics.compiled import compiled
from investlab.backtest.kernels import TOLERANCE, WHOLE, FillTerms, buy, commission_of, sell, write_fill
from investlab.backtest.weight_accounts import Shown, buying_power
from investlab.backtest.weight_targets import CASH, CUT, LAPSED, PAID, TRADED, UNPAID, Holdings, Rules

COVERS = -1.0
"""Comes before all values: what covers short positions is bought first, in column order."""

RUN = 12
"""Places that an insertion sort orders before merging."""


class Desk(NamedTuple):
    """Room for the buys of one session: their columns, quantities and values, and places in two orders."""

    columns: np.ndarray
    wanted: np.ndarray
    values: np.ndarray
    places: np.ndarray
    spare: np.ndarray


class Conditions(NamedTuple):
    """On which terms and within which limits orders fill."""

    terms: FillTerms
    rules: Rules


@compiled
def merge(values: np.ndarray, source: np.ndarray, target: np.ndarray, start: int, middle: int, stop: int) -> None:
    """Merge two neighbouring runs of places, each ascending by value, into one; equals keep their order."""
    left, right = start, middle
    for place in range(start, stop):
        if left < middle and (right >= stop or values[source[left]] <= values[source[right]]):
            target[place] = source[left]
            left += 1
        else:
            target[place] = source[right]
            right += 1


@compiled
def sort_places(values: np.ndarray, count: int, places: np.ndarray, spare: np.ndarray) -> np.ndarray:
    """Return the places of the first `count` values in ascending order, in one of two arrays; equals keep places."""
    for start in range(0, count, RUN):
        for place in range(start, min(start + RUN, count)):
            value, hole = values[place], place
            while hole > start and values[places[hole - 1]] > value:
                places[hole] = places[hole - 1]
                hole -= 1
            places[hole] = place
    source, target = places, spare
    width = RUN
    while width < count:
        for start in range(0, count, 2 * width):
            merge(values, source, target, start, min(start + width, count), min(start + 2 * width, count))
        source, target = target, source
        width *= 2
    return source


@compiled
def ascending(values: np.ndarray, count: int, places: np.ndarray, spare: np.ndarray) -> np.ndarray:
    """Return the places of values in ascending order; values within the tolerance of the next lower one keep places.

    New positions of equal weight are bought for the same value but for rounding, which must not decide their order.
    """
    order = sort_places(values, count, places, spare)
    start = 0
    for end in range(1, count + 1):
        if end == count or values[order[end]] - values[order[end - 1]] > TOLERANCE * values[order[end]]:
            if end - start > 1:
                order[start:end] = np.sort(order[start:end])
            start = end
    return order


@compiled
def cut_to_volume(wanted: float, capacity: float, counts: np.ndarray, whole_shares: bool) -> float:
    """Return the part of an order that the volume allows, counting the orders that it cuts."""
    if wanted <= capacity:
        return wanted
    counts[CUT] += 1
    return np.floor(capacity * WHOLE) if whole_shares else capacity


@compiled
def sell_one(
    holdings: Holdings,
    column: int,
    wanted: float,
    price: float,
    conditions: Conditions,
    when: tuple[int, int],
    log: np.ndarray,
    used: int,
) -> int:
    """Sell up to a quantity, if its commission can be paid; return the fills in the log."""
    account, borrows = holdings.account, conditions.rules.borrows
    cash, held, target = account[CASH], holdings.quantity[column], holdings.target[column]
    filled, paid_price, commission = sell(wanted, price, np.inf if borrows else cash, conditions.terms)
    if not filled > 0.0:
        holdings.counts[UNPAID] += 1
        return used
    cash = cash + filled * paid_price - commission
    account[CASH] = cash if borrows else max(cash, 0.0)
    holdings.quantity[column] = target if filled == held - target else held - filled
    account[TRADED] += filled * price
    account[PAID] += commission + filled * abs(paid_price - price)
    return write_fill(log, used, (when[0], column, when[1]), -filled, (price, paid_price), commission)


@compiled
def sell_down(
    holdings: Holdings,
    reference: np.ndarray,
    shown: Shown,
    desk: Desk,
    conditions: Conditions,
    when: tuple[int, int],
    log: np.ndarray,
    used: int,
) -> tuple[int, int]:
    """Make the sales in column order and collect the buys; return (buys collected, fills in the log)."""
    buys = 0
    limited = len(shown.capacity) > 0
    for column in range(len(reference)):
        held = holdings.quantity[column]
        target = holdings.target[column]
        wanted = abs(target - held)
        if wanted <= TOLERANCE * max(abs(target), abs(held)):
            continue
        price = reference[column]
        if np.isnan(price) or holdings.gone[column]:
            holdings.target[column] = held
            holdings.counts[LAPSED] += 1
            continue
        if limited:
            wanted = cut_to_volume(wanted, shown.capacity[column], holdings.counts, conditions.terms.whole_shares)
        if target < held and wanted > 0.0:
            used = sell_one(holdings, column, wanted, price, conditions, when, log, used)
        elif wanted > 0.0:
            desk.columns[buys] = column
            desk.wanted[buys] = wanted
            desk.values[buys] = COVERS if held < 0.0 else wanted * price
            buys += 1
    return buys, used


@compiled
def buy_up(
    buys: int,
    holdings: Holdings,
    reference: np.ndarray,
    desk: Desk,
    power: float,
    conditions: Conditions,
    when: tuple[int, int],
    log: np.ndarray,
    used: int,
) -> int:
    """Make the buys in their order, each cut to what is left of the buying power; return the fills in the log.

    Covering a short position is never cut: it lowers the exposure and so adds to the buying power.
    """
    account, terms, borrows = holdings.account, conditions.terms, conditions.rules.borrows
    for place in ascending(desk.values, buys, desk.places, desk.spare)[:buys]:
        column, wanted = desk.columns[place], desk.wanted[place]
        held, price = holdings.quantity[column], reference[column]
        cover = min(wanted, -held) if held < 0.0 else 0.0
        freed = 2.0 * cover * (price * (1.0 + terms.slippage))
        filled, paid_price, commission = buy(wanted, price, power + freed, terms)
        if filled < cover:
            filled, commission = cover, commission_of(cover * paid_price, terms)
        if not filled > 0.0:
            holdings.counts[UNPAID] += 1
            continue
        cash = account[CASH] - filled * paid_price - commission
        power = power + freed - filled * paid_price - commission
        account[CASH] = cash if borrows else max(cash, 0.0)
        power = power if borrows else max(power, 0.0)
        holdings.quantity[column] = held + filled
        account[TRADED] += filled * price
        account[PAID] += commission + filled * abs(paid_price - price)
        used = write_fill(log, used, (when[0], column, when[1]), filled, (price, paid_price), commission)
    return used


@compiled
def rebalance(
    holdings: Holdings,
    reference: np.ndarray,
    shown: Shown,
    desk: Desk,
    conditions: Conditions,
    when: tuple[int, int],
    log: np.ndarray,
    used: int,
) -> tuple[int, int]:
    """Move holdings toward their targets; `when` is (session, decided).

    Return (the session whose orders are still pending, or -1; fills in the log): orders stay pending while the volume
    cuts one of them.
    """
    cuts, paid = holdings.counts[CUT], holdings.account[PAID]
    holdings.account[PAID] = 0.0
    buys, used = sell_down(holdings, reference, shown, desk, conditions, when, log, used)
    power = holdings.account[CASH]
    if conditions.rules.measured and buys > 0:
        power = buying_power(holdings.quantity, reference, shown.prices, power, conditions.rules.gross)
    used = buy_up(buys, holdings, reference, desk, power, conditions, when, log, used)
    holdings.account[PAID] = paid + holdings.account[PAID]
    return when[1] if holdings.counts[CUT] > cuts else -1, used
