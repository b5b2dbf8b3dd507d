"""Compiled simulation of signals with direction, size and stops; each instrument has its own part of the cash."""

import numpy as np

from investlab.analytics.compiled import compiled
from investlab.backtest.kernels import DELISTED, ORDER, RUINED, Actions, Book, FillTerms, settle, take_action
from investlab.backtest.position_fills import fill_order, leave, post
from investlab.backtest.position_state import (
    FILLS,
    NONE,
    PAID,
    TALLY,
    UNPAID,
    UNSIZED,
    Account,
    Ledger,
    Levels,
    Order,
    Parts,
    Quotes,
    Wishes,
    account_of,
    idle,
    keep,
    order_of,
    side_of,
)
from investlab.backtest.position_stops import best_price, stop_at_close, stop_within
from investlab.backtest.signal_kernel import Trail, own_actions


@compiled
def choose(order: int, side: int, entry: bool, out: bool, against: bool, against_out: bool) -> int:
    """Return the target that stands after a session's signals, seen from the side that is held (1 or −1).

    `entry` and `out` are signals for that side, `against` and `against_out` for the other.
    """
    if against:
        return -side
    if out:
        return 0
    if entry:
        return NONE
    return 0 if against_out and order == -side else order


@compiled
def choose_flat(order: int, entry: bool, out: bool, short_entry: bool, short_out: bool) -> int:
    """Return the target that stands after a session's signals when nothing is held."""
    if entry:
        return 1
    if short_entry:
        return -1
    return NONE if (out and order >= 0) or (short_out and order <= 0) else order


@compiled
def decide(account: Account, order: Order, wishes: Wishes, t: int) -> Order:
    """Return the order that stands after a session's signals; entries for both sides at once count as none."""
    entry, short_entry = wishes.entry[t], wishes.short_entry[t]
    if entry and short_entry:
        entry, short_entry = False, False
    out, short_out = wishes.leave[t], wishes.short_leave[t]
    side = side_of(account)
    if side > 0:
        target = choose(order.target, 1, entry, out, short_entry, short_out)
    elif side < 0:
        target = choose(order.target, -1, short_entry, short_out, entry, out)
    else:
        target = choose_flat(order.target, entry, out, short_entry, short_out)
    return order if target == order.target else Order(target, t, ORDER, wishes.share[t])


@compiled
def decide_close(account: Account, order: Order, wishes: Wishes, close: float, t: int, levels: Levels) -> Order:
    """Return the order that stands after a session's close: signals first, then stops that the close gives."""
    order = decide(account, order, wishes, t)
    reason = stop_at_close(account, close, t, levels)
    return Order(0, t, reason, 1.0) if reason != ORDER and order.target == NONE else order


@compiled
def stop_out(
    account: Account,
    order: Order,
    quotes: Quotes,
    place: tuple[int, int],
    terms: FillTerms,
    levels: Levels,
    ledger: Ledger,
) -> tuple[Account, Order]:
    """Return the part and its order after the stops that a session's open, high and low reach."""
    t, column = place
    price, reason = stop_within(account, quotes, t, levels)
    if np.isnan(price):
        return account, order
    after = leave(account, (t, column, t - 1), reason, price, terms, ledger)
    return after, idle() if after.quantity == 0.0 and order.target == 0 else order


@compiled
def act(
    account: Account, last: float, ratio: float, dividend: float, whole_shares: bool, book: Book, t: int
) -> Account:
    """Return the part after a split and then a dividend, which a short pays; levels follow the split alone."""
    quantity, income = take_action(abs(account.quantity), last, ratio, dividend, whole_shares)
    if account.quantity < 0.0:
        quantity, income = -quantity, -income
    book.income[t] += income
    cash = account.cash + income
    return Account(quantity, cash, account.entry / ratio, account.best / ratio, account.opened, account.ruined)


@compiled
def end_session(
    account: Account, quotes: Quotes, place: tuple[int, int], terms: FillTerms, levels: Levels, ledger: Ledger
) -> Account:
    """Return the part after its session, marked in the book; a short whose equity is used up is covered at the close.

    A missing close covers nothing.
    """
    t, column = place
    if account.quantity < 0.0 and account.cash + account.quantity * quotes.close[t] <= 0.0:
        account = leave(account, (t, column, t), RUINED, quotes.close[t], terms, ledger)
    if account.quantity != 0.0:
        best = best_price(account, quotes, t, levels)
        account = Account(account.quantity, account.cash, account.entry, best, account.opened, account.ruined)
        value = account.quantity * quotes.known[t]
        ledger.book.nav[t] += account.cash + value
        ledger.book.invested[t] += value
    else:
        ledger.book.nav[t] += account.cash
    ledger.book.cash[t] += account.cash
    ledger.quantity[t] = account.quantity
    return account


@compiled
def end_listing(account: Account, settlement: float, place: tuple[int, int], quotes: Quotes, ledger: Ledger) -> Account:
    """Return the part after settling at a delisting what it holds; it trades no more."""
    t, column = place
    cash = account.cash
    if account.quantity != 0.0:
        price, proceeds = settle(account.quantity, quotes.known[t - 1], settlement)
        post(ledger, (t, column, t), DELISTED, -account.quantity, (price, price), 0.0)
        cash += proceeds
    return Account(0.0, cash, np.nan, np.nan, -1, account.ruined)


@compiled
def rest(cash: float, t: int, ledger: Ledger) -> None:
    """Mark a part that trades no more from a session up to the last."""
    ledger.book.nav[t:] += cash
    ledger.book.cash[t:] += cash
    ledger.quantity[t:] = 0.0


@compiled
def trade_part(
    wishes: Wishes,
    quotes: Quotes,
    actions: Actions,
    terms: FillTerms,
    levels: Levels,
    column: int,
    parts: Parts,
    ledger: Ledger,
) -> None:
    """Trade one instrument's part from where it stands; `actions` are its own. A delisting ends all trading."""
    account, order = account_of(parts, column), order_of(parts, column)
    if parts.gone[column]:
        rest(account.cash, parts.start, ledger)
        return
    ahead = np.searchsorted(actions.session, parts.start)
    for t in range(len(quotes.known)):  # a range from 0 on indexes faster than one that begins later
        if t < parts.start:
            continue
        place = (t, column)
        acting = ahead < len(actions.session) and actions.session[ahead] == t
        if acting and not np.isnan(actions.settlement[ahead]):
            account, order = end_listing(account, actions.settlement[ahead], place, quotes, ledger), idle()
            parts.gone[column] = True
            rest(account.cash, t, ledger)
            break
        if acting:
            ratio, dividend = actions.ratio[ahead], actions.dividend[ahead]
            account = act(account, quotes.known[t - 1], ratio, dividend, terms.whole_shares, ledger.book, t)
            ahead += 1
        if levels.at_open:
            account, order = fill_order(account, order, place, quotes.reference[t], terms, levels, ledger)
        if levels.intraday:
            account, order = stop_out(account, order, quotes, place, terms, levels, ledger)
        if not levels.at_open and not terms.same_close:
            account, order = fill_order(account, order, place, quotes.reference[t], terms, levels, ledger)
        order = decide_close(account, order, wishes, quotes.close[t], t, levels)
        if terms.same_close:
            account, order = fill_order(account, order, place, quotes.reference[t], terms, levels, ledger)
        account = end_session(account, quotes, place, terms, levels, ledger)
    keep(parts, column, account, order)


@compiled
def trade_positions(
    wishes: Wishes,
    quotes: Quotes,
    actions: Actions,
    terms: FillTerms,
    levels: Levels,
    parts: Parts,
    book: Book,
    trail: Trail,
) -> tuple[int, float, int, int]:
    """Trade every instrument (arrays are instruments × sessions): (fills, costs paid, orders unpaid, entries unsized).

    `parts` takes how each part ends.
    """
    tally = np.zeros(TALLY)
    paid = 0.0
    for column in range(len(quotes.known)):
        own = Wishes(
            wishes.entry[column],
            wishes.leave[column],
            wishes.short_entry[column],
            wishes.short_leave[column],
            wishes.share[column],
        )
        prices = Quotes(
            quotes.open[column],
            quotes.high[column],
            quotes.low[column],
            quotes.close[column],
            quotes.reference[column],
            quotes.known[column],
        )
        ledger = Ledger(book, trail.quantity[column], trail.log, tally)
        tally[PAID] = 0.0
        trade_part(own, prices, own_actions(actions, column), terms, levels, column, parts, ledger)
        paid += tally[PAID]
    return int(tally[FILLS]), paid, int(tally[UNPAID]), int(tally[UNSIZED])
