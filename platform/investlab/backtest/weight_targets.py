"""Compiled decisions of target weights: caps, bands, and the quantities that are wanted."""

from typing import NamedTuple

import numpy as np

from investlab.analytics.compiled import compiled
from investlab.backtest.kernels import TOLERANCE, WHOLE

ACCOUNT = 3
CASH, PAID, TRADED = range(ACCOUNT)
"""Places in an account: the cash, costs paid so far, and the reference value of a session's fills."""

COUNTS = 7
LAPSED, UNPAID, CUT, CLIPPED, NETTED, SCALED, FORCED = range(COUNTS)
"""Places in the counts: orders without a price, orders not paid, orders cut to the volume, weights clipped, decisions
scaled to the net and to the gross cap, fills without an order."""


class Rules(NamedTuple):
    """Limits in the form kernels take: caps (infinite for none), and what follows from them.

    `capped` says that there is a cap, `measured` that buying power follows from gross exposure, `borrows` that cash may
    fall below 0.
    """

    gross: float
    net: float
    weight: float
    band: float
    participation: float
    capped: bool
    measured: bool
    borrows: bool


class Holdings(NamedTuple):
    """What is held and wanted of each instrument, and whether it was delisted; the account, and counts of what befell.

    Kernels change all of these in place. `account` has the places CASH, PAID and TRADED, `counts` those above.
    """

    quantity: np.ndarray
    target: np.ndarray
    gone: np.ndarray
    account: np.ndarray
    counts: np.ndarray


@compiled
def whole(quantity: float) -> float:
    """Return a quantity without its fraction of a share, toward 0."""
    rounded: float = np.floor(quantity * WHOLE) if quantity >= 0.0 else -np.floor(-quantity * WHOLE)
    return rounded


@compiled
def cap_weights(weights: np.ndarray, rules: Rules, capped: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the weights within the caps: each is clipped, then the larger side is scaled, then all are."""
    long, short = 0.0, 0.0
    for column in range(len(weights)):
        weight = weights[column]
        if abs(weight) > rules.weight:
            weight = rules.weight if weight > 0.0 else -rules.weight
            counts[CLIPPED] += 1
        capped[column] = weight
        if weight > 0.0:
            long += weight
        else:
            short -= weight
    up, down = 1.0, 1.0
    if abs(long - short) > rules.net * (1.0 + TOLERANCE) + TOLERANCE:
        counts[NETTED] += 1
        if long > short:
            up = (short + rules.net) / long
        else:
            down = (long + rules.net) / short
    gross = long * up + short * down
    if gross > rules.gross * (1.0 + TOLERANCE):
        counts[SCALED] += 1
        up *= rules.gross / gross
        down *= rules.gross / gross
    if up != 1.0 or down != 1.0:
        for column in range(len(capped)):
            capped[column] *= up if capped[column] > 0.0 else down
    return capped


@compiled
def within_band(held: float, price: float, nav: float, weight: float, band: float) -> bool:
    """Say whether a position that stays may be left as it is."""
    return held != 0.0 and abs(held * price / nav - weight) <= band * (1.0 + TOLERANCE)


@compiled
def set_targets(
    weights: np.ndarray, holdings: Holdings, known: np.ndarray, nav: float, band: float, whole_shares: bool
) -> int:
    """Fix the target quantities; return the first column that has a weight but no price, or -1."""
    for column in range(len(weights)):
        weight = weights[column]
        target = 0.0
        if weight != 0.0:
            price = known[column]
            if np.isnan(price):
                return column
            target = weight * nav / price
            if whole_shares:
                target = whole(target)
            if band > 0.0 and within_band(holdings.quantity[column], price, nav, weight, band):
                target = holdings.quantity[column]
        holdings.target[column] = target
    return -1
