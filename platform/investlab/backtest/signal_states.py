"""Laying the parts of a state of signals out for the kernels, and reading how they end."""

from math import isnan
from typing import NamedTuple

import numpy as np

from investlab.backtest.kernels import ORDER, REASONS
from investlab.backtest.part_state import PartState
from investlab.backtest.portfolio_state import PortfolioState
from investlab.backtest.position_state import NONE, Parts
from investlab.core.errors import InvalidInput
from investlab.market.panel import PricePanel

NOTHING = -1


class Standing(NamedTuple):
    """One part's row of `Parts`."""

    quantity: float
    cash: float
    entry: float
    best: float
    opened: int
    ruined: bool
    target: int
    decided: int
    reason: int
    share: float
    gone: bool


def parts_in_cash(count: int, initial_cash: float) -> Parts:
    """Return parts that begin at the first session, each with its even share of the cash."""
    return Parts(
        quantity=np.zeros(count),
        cash=np.full(count, initial_cash / count),
        entry=np.full(count, np.nan),
        best=np.full(count, np.nan),
        opened=np.full(count, NOTHING, dtype=np.int64),
        ruined=np.zeros(count, dtype=np.bool_),
        target=np.full(count, NONE, dtype=np.int64),
        decided=np.full(count, NOTHING, dtype=np.int64),
        reason=np.full(count, ORDER, dtype=np.int64),
        share=np.ones(count),
        gone=np.zeros(count, dtype=np.bool_),
        start=0,
    )


def parts_of(panel: PricePanel, state: PortfolioState, known: np.ndarray) -> Parts:
    """Return the parts as a state left them; `known` are the last known prices (sessions × instruments).

    A position whose entry the state does not know counts as entered at the state's close.

    Raises:
        InvalidInput: The state has no parts, or a pending order was decided before the panel begins.
    """
    if state.parts is None:
        raise InvalidInput(
            "The state has no parts: it is of target weights, and signals trade each instrument on its own cash.",
            remedy="Give the final_state of a run of signals, or PortfolioState.of_parts({symbol: PartState(…)}, …).",
        )
    row = state.row(panel)
    parts = parts_in_cash(len(panel.symbols), 0.0)._replace(start=row + 1)
    for column, symbol in enumerate(panel.symbols):
        part = state.parts[symbol]
        parts.cash[column], parts.quantity[column] = part.cash, part.quantity
        parts.ruined[column], parts.gone[column] = part.ruined, symbol in state.delisted
        if part.quantity != 0.0:
            taken = part.entry_price is None
            parts.entry[column] = known[row, column] if taken else part.entry_price
            parts.best[column] = known[row, column] if taken else part.best_price
            parts.opened[column] = row - (part.sessions_held or 0)
        if part.order is not None:
            parts.target[column], parts.decided[column] = part.order, _session_of(panel, symbol, part)
            parts.reason[column] = REASONS.index(part.reason)
            parts.share[column] = np.nan if part.share is None else part.share
    return parts


def closing_state(panel: PricePanel, parts: Parts, *, with_entries: bool) -> PortfolioState:
    """Return where the parts stand after the panel's last session; plain rules know no entries."""
    rows = zip(*(values.tolist() for values in parts[:-1]), strict=True)
    states = {
        symbol: _part_state(panel, Standing(*row), with_entries)
        for symbol, row in zip(panel.symbols, rows, strict=True)
    }
    gone = tuple(panel.symbols[column] for column in np.flatnonzero(parts.gone))
    return PortfolioState.of_parts(states, panel.last_session, gone)


def _part_state(panel: PricePanel, row: Standing, with_entries: bool) -> PartState:
    pending = row.target != NONE
    shown = with_entries and row.quantity != 0.0
    return PartState(
        row.cash,
        row.quantity,
        row.entry if shown else None,
        row.best if shown else None,
        len(panel.sessions) - 1 - row.opened if shown else None,
        row.target if pending else None,
        panel.sessions[row.decided].item() if pending else None,
        REASONS[row.reason if pending else ORDER],
        (None if isnan(row.share) else row.share) if pending else 1.0,
        row.ruined,
    )


def _session_of(panel: PricePanel, symbol: str, part: PartState) -> int:
    """Return the number of the session that decided a part's order."""
    day = np.datetime64(part.decided, "D")
    place = int(np.searchsorted(panel.sessions, day))
    if place == len(panel.sessions) or panel.sessions[place] != day:
        raise InvalidInput(
            f"The pending order of {symbol} was decided on {part.decided}, which is no session of the panel.",
            remedy="Let the panel begin at that session or before.",
        )
    return place
