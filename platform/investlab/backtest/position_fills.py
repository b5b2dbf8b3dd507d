"""Compiled fills of positions: what opening and closing a long or a short does to a part."""

import numpy as np

from investlab.analytics.compiled import compiled
from investlab.backtest.kernels import WHOLE, FillTerms, affordable_value, buy, commission_of, sell, write_fill
from investlab.backtest.position_state import (
    FILLS,
    NONE,
    PAID,
    UNPAID,
    UNSIZED,
    Account,
    Ledger,
    Levels,
    Order,
    idle,
)

When = tuple[int, int, int]
"""Session, column, session that decided."""


@compiled
def sell_short(reference: float, budget: float, terms: FillTerms) -> tuple[float, float, float]:
    """Return (quantity, fill price, commission) of a short sale whose value and commission cost at most `budget`."""
    price = reference * (1.0 - terms.slippage)
    quantity = affordable_value(budget, terms) / price
    if terms.whole_shares:
        quantity = np.floor(quantity * WHOLE)
    if not quantity > 0.0:
        return 0.0, price, 0.0
    return quantity, price, commission_of(quantity * price, terms)


@compiled
def post(
    ledger: Ledger, when: When, reason: int, change: float, prices: tuple[float, float], commission: float
) -> None:
    """Write one fill to the log, the book and the tally; `prices` are (reference, fill)."""
    reference, price = prices
    used = int(ledger.tally[FILLS])
    ledger.tally[PAID] += commission + abs(change) * abs(price - reference)
    ledger.book.traded[when[0]] += abs(change) * reference
    ledger.tally[FILLS] = write_fill(ledger.log, used, when, change, prices, commission, reason)


@compiled
def leave(account: Account, when: When, reason: int, reference: float, terms: FillTerms, ledger: Ledger) -> Account:
    """Return the part after closing its position; a cover is always made, and ruins a part that it leaves no cash."""
    if account.quantity < 0.0:
        covered = -account.quantity
        price = reference * (1.0 + terms.slippage)
        commission = commission_of(covered * price, terms)
        cash = account.cash - covered * price - commission
        post(ledger, when, reason, covered, (reference, price), commission)
        ruined = cash <= 0.0
        return Account(0.0, cash, np.nan, np.nan, -1, ruined)
    sold, price, commission = sell(account.quantity, reference, account.cash, terms)
    if sold == 0.0:
        ledger.tally[UNPAID] += 1.0
        return account
    cash = max(account.cash + sold * price - commission, 0.0)
    post(ledger, when, reason, -sold, (reference, price), commission)
    return Account(0.0, cash, np.nan, np.nan, -1, False)


@compiled
def enter(
    account: Account, order: Order, when: When, reference: float, terms: FillTerms, most: float, ledger: Ledger
) -> Account:
    """Return the part, which holds nothing, after opening the order's position with its share of the cash."""
    if np.isnan(order.share):
        ledger.tally[UNSIZED] += 1.0
        return account
    budget = min(order.share * account.cash, most)
    if order.target > 0:
        change, price, commission = buy(np.inf, reference, budget, terms)
    else:
        sold, price, commission = sell_short(reference, budget, terms)
        change = -sold
    if change == 0.0:
        ledger.tally[UNPAID] += 1.0
        return account
    cash = max(account.cash - change * price - commission, 0.0)
    post(ledger, when, order.reason, change, (reference, price), commission)
    return Account(change, cash, price, price, when[0], False)


@compiled
def fill_order(
    account: Account,
    order: Order,
    place: tuple[int, int],
    reference: float,
    terms: FillTerms,
    levels: Levels,
    ledger: Ledger,
) -> tuple[Account, Order]:
    """Return the part and its order after filling it at (session, column), if it stands and its price exists.

    Turning a position is two fills: the old side is closed, then the new one opened with what that leaves.
    """
    if order.target == NONE or np.isnan(reference):
        return account, order
    if account.ruined:
        return account, idle()
    when = (place[0], place[1], order.decided)
    if account.quantity != 0.0 or order.target == 0:
        account = leave(account, when, order.reason, reference, terms, ledger)
    if order.target != 0 and account.quantity == 0.0 and not account.ruined:
        account = enter(account, order, when, reference, terms, levels.most, ledger)
    return account, idle()
