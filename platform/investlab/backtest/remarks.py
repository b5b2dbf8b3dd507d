"""What befell a simulation, in sentences: orders that did not fill, caps that held, delistings, ruin."""

import numpy as np

from investlab.analytics.compiled import compiled
from investlab.backtest.kernels import DELISTED, RUINED
from investlab.backtest.simulation import Simulation
from investlab.backtest.terms import TradingTerms, unwritable
from investlab.backtest.weight_targets import CLIPPED, CUT, LAPSED, NETTED, SCALED, UNPAID
from investlab.market.panel import PricePanel

OLD_PRICE_SESSIONS = 21
NAMED = 5
"""Instruments that a note names at most."""


def unfilled_orders(panel: PricePanel, lapsed: int, unpaid: int) -> list[str]:
    """Return sentences about orders that did not fill."""
    notes = []
    if lapsed:
        ended = " or the listing had ended" if len(panel.delistings) else ""
        notes.append(f"{_orders(lapsed)} lapsed because the fill price was missing{ended}.")
    if unpaid:
        notes.append(f"{_orders(unpaid)} {_was(unpaid)} dropped because cash could not pay.")
    return notes


def limits_met(panel: PricePanel, counts: np.ndarray) -> list[str]:
    """Return sentences about what weights, orders and limits did to each other."""
    notes = unfilled_orders(panel, int(counts[LAPSED]), int(counts[UNPAID]))
    told = (
        (CLIPPED, "weight", "clipped to the cap on one instrument"),
        (NETTED, "decision", "scaled to the cap on net exposure"),
        (SCALED, "decision", "scaled to the cap on gross exposure"),
        (CUT, "order", "cut to the participation limit"),
    )
    for place, noun, what in told:
        count = int(counts[place])
        if count:
            notes.append(f"{count} {noun}{'' if count == 1 else 's'} {_was(count)} {what}.")
    return notes


def forced_fills(panel: PricePanel, log: np.ndarray) -> list[str]:
    """Return sentences about positions that were closed without an order."""
    notes = []
    settled = log[log[:, 7] == DELISTED]
    if len(settled):
        unknown = panel.delistings.column[np.isnan(panel.delistings.returns)]
        untold = int(np.isin(settled[:, 1], unknown).sum())
        at_last = f", {untold} of them at the last price because the return is not known" if untold else ""
        notes.append(f"{len(settled)} {_positions(len(settled))} settled by a delisting{at_last}.")
    ruined = log[log[:, 7] == RUINED]
    if len(ruined):
        session = panel.sessions[int(ruined[0, 0])]
        notes.append(f"The portfolio was ruined on {session}: all was closed at that session's prices, for good.")
    return notes


def old_prices(panel: PricePanel, terms: TradingTerms, done: Simulation) -> tuple[str, ...]:
    """Return a note about positions that were marked at an old price, in a simulation of the panel's last sessions.

    Where every close is known, its prices are the closes themselves.
    """
    close = panel.values("close")
    if np.may_share_memory(done.prices, close):
        return ()
    reference = terms.reference_prices(panel)
    held = held_at_old_price(unwritable(close), unwritable(reference), unwritable(done.quantities), OLD_PRICE_SESSIONS)
    found = np.flatnonzero(held)
    if not len(found):
        return ()
    named = ", ".join(panel.symbols[column] for column in found[:NAMED]) + (", …" if len(found) > NAMED else "")
    return (
        f"{len(found)} {'instrument was' if len(found) == 1 else 'instruments were'} held at a last price more than "
        f"{OLD_PRICE_SESSIONS} sessions old ({named}): delistings are not settled where none is recorded.",
    )


@compiled
def held_at_old_price(close: np.ndarray, reference: np.ndarray, quantities: np.ndarray, sessions: int) -> np.ndarray:
    """Say of each instrument whether it was held when its last price was more than some sessions old."""
    age = np.arange(close.shape[1]) * 0
    found = np.zeros(close.shape[1], dtype=np.bool_)
    first = len(close) - len(quantities)
    for t in range(len(close)):
        for column in range(close.shape[1]):
            priced = not (np.isnan(close[t, column]) and np.isnan(reference[t, column]))
            age[column] = 0 if priced else age[column] + 1
            if t >= first and age[column] > sessions and quantities[t - first, column] != 0.0:
                found[column] = True
    return found


def _orders(count: int) -> str:
    return f"{count} {'order' if count == 1 else 'orders'}"


def _positions(count: int) -> str:
    return "position was" if count == 1 else "positions were"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"
