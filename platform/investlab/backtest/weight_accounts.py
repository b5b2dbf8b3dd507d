"""Compiled accounts of target weights: interest, corporate actions, delistings, and what positions are worth."""

from typing import NamedTuple

import numpy as np

from investlab.analytics.compiled import compiled
from investlab.backtest.kernels import DELISTED, Actions, settle, take_action, write_fill
from investlab.backtest.weight_targets import CASH, FORCED, TRADED, Holdings, whole

CARRY = ("interest", "financing", "borrow")
"""What accrues, in the order of its columns: earned on cash, paid on borrowed cash and on borrowed shares."""


class Accruals(NamedTuple):
    """What one unit of a balance gets or pays at each session for the time since the one before; empty for none."""

    cash: np.ndarray
    financing: np.ndarray
    borrow: np.ndarray


class Shown(NamedTuple):
    """What is known of each instrument before a session's fills: how much may be filled, and its last price.

    Either is empty where nothing depends on it.
    """

    capacity: np.ndarray
    prices: np.ndarray


@compiled
def accrue(accruals: Accruals, session: int, holdings: Holdings, known: np.ndarray, carry: np.ndarray) -> None:
    """Book interest, financing and borrow fees of one session; `known` are the prices of the close before."""
    quantity, cash = holdings.quantity, holdings.account[CASH]
    if cash >= 0.0:
        carry[0] = accruals.cash[session] * cash
    else:
        carry[1] = accruals.financing[session] * cash
    if accruals.borrow[session] > 0.0:
        short = 0.0
        for column in range(len(quantity)):
            if quantity[column] < 0.0:
                short += quantity[column] * known[column]
        carry[2] = accruals.borrow[session] * short
    holdings.account[CASH] = cash + (carry[0] + carry[1] + carry[2])


@compiled
def apply_actions(
    holdings: Holdings,
    actions: Actions,
    ahead: int,
    session: int,
    known: np.ndarray,
    shown: Shown,
    whole_shares: bool,
    log: np.ndarray,
    used: int,
) -> tuple[int, float, int]:
    """Apply the session's delistings, splits and dividends; return (next action, cash received, fills in the log).

    `known` are the prices of the close before; splits restate `shown`.
    """
    income = 0.0
    while ahead < len(actions.session) and actions.session[ahead] == session:
        column = actions.column[ahead]
        held = holdings.quantity[column]
        if not np.isnan(actions.settlement[ahead]):
            price, _ = settle(held, known[column], actions.settlement[ahead])
            used = leave(holdings, column, price, (session, DELISTED), log, used)
            holdings.gone[column] = True
        else:
            ratio = actions.ratio[ahead]
            quantity, received = take_action(held, known[column], ratio, actions.dividend[ahead], whole_shares)
            target = holdings.target[column] * ratio
            holdings.quantity[column] = quantity
            holdings.target[column] = whole(target) if whole_shares else target
            if len(shown.capacity) > 0:
                shown.capacity[column] *= ratio
            if len(shown.prices) > 0:
                shown.prices[column] /= ratio
            income += received
        ahead += 1
    return ahead, income, used


@compiled
def leave(holdings: Holdings, column: int, price: float, why: tuple[int, int], log: np.ndarray, used: int) -> int:
    """Close a position at a price, free of costs; `why` is (session, reason). Return the fills in the log."""
    held = holdings.quantity[column]
    if held == 0.0:
        return used
    holdings.quantity[column] = 0.0
    holdings.counts[FORCED] += 1
    holdings.account[CASH] += held * price
    holdings.account[TRADED] += abs(held) * price
    return write_fill(log, used, (why[0], column, why[0]), -held, (price, price), 0.0, why[1])


@compiled
def invested_value(quantity: np.ndarray, known: np.ndarray) -> float:
    """Return the value of all positions at their last known prices, in column order; short ones count below 0."""
    total = 0.0
    for column in range(len(quantity)):
        if quantity[column] != 0.0:
            total += quantity[column] * known[column]
    return total


@compiled
def buying_power(quantity: np.ndarray, prices: np.ndarray, fallback: np.ndarray, cash: float, gross: float) -> float:
    """Return how much gross exposure may still grow: gross × NAV − Σ|q|·p, at fill prices, else the last known ones."""
    total, short = 0.0, 0.0
    for column in range(len(quantity)):
        held = quantity[column]
        if held != 0.0:
            price = prices[column]
            if np.isnan(price):
                price = fallback[column]
            total += held * price
            if held < 0.0:
                short -= held * price
    return cash - 2.0 * short + (gross - 1.0) * (cash + total)


@compiled
def reset_capacity(capacity: np.ndarray, volume: np.ndarray, participation: float) -> None:
    """Write how much of each instrument a session's fills may take; a missing volume is none."""
    for column in range(len(capacity)):
        known = volume[column]
        capacity[column] = 0.0 if np.isnan(known) else participation * known
