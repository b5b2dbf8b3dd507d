"""Running target weights on a panel: what kernels need, and what they found."""

import numpy as np

from investlab.backtest.fills import TARGET_CAUSE
from investlab.backtest.kernels import Book
from investlab.backtest.portfolio_state import PortfolioState, by_column, by_symbol, opening_values
from investlab.backtest.remarks import forced_fills, limits_met
from investlab.backtest.simulation import Quantities, Simulation, empty_book, measured
from investlab.backtest.terms import TradingTerms, kernel_actions, last_known_prices, unwritable
from investlab.backtest.weight_accounts import CARRY
from investlab.backtest.weight_kernel import Ending, Record, Start, Tape, Targets, trade_weights
from investlab.backtest.weight_orders import Conditions
from investlab.backtest.weight_targets import ACCOUNT, CASH, COUNTS, FORCED, PAID, Holdings
from investlab.core.errors import InvalidInput
from investlab.market.panel import PricePanel

NOTHING = -1


def run_weights(panel: PricePanel, weights: tuple[np.ndarray, np.ndarray], terms: TradingTerms) -> Simulation:
    """Simulate checked weights given as (rows, row of each session).

    Raises:
        InvalidInput: A weight falls on an instrument that has no price yet, or the initial state is one of signals.
    """
    rows, row = weights
    sessions = len(panel.sessions)
    start, holdings = _opening(panel, terms)
    tape = _tape(panel, terms)
    accrues = len(tape.accruals.cash) > 0
    carry = np.zeros((sessions if accrues else 0, len(CARRY)))
    record = Record(empty_book(sessions), np.empty(panel.shape), np.empty(sessions, dtype=np.int64), carry)
    conditions = Conditions(terms.for_kernels(), terms.limits.for_kernels())
    ending = trade_weights(Targets(unwritable(rows), row), tape, conditions, start, holdings, record)
    if ending.session >= 0:
        raise InvalidInput(
            f"The weights of {panel.sessions[ending.session]} include {panel.symbols[ending.column]}, which has no "
            "price yet.",
            remedy="Give it weight 0 until its first close.",
        )
    first = start.session
    opening = None if terms.initial_state is None else opening_values(panel, terms.initial_state, tape.known[first - 1])
    book = Book(*(series[first:] for series in record.book))
    return Simulation(
        book=book,
        held=Quantities(record.quantities[: record.row[-1] + 1], record.row[first:]),
        prices=tape.known[first:],
        log=ending.log,
        metrics=measured(panel, terms, book, float(holdings.account[PAID])),
        notes=(*limits_met(panel, holdings.counts), *_forced(panel, holdings, ending)),
        first=first,
        carry=record.carry[first:] if accrues else None,
        final_state=_closing(panel, holdings, ending),
        cause=TARGET_CAUSE,
        opening=opening,
    )


def _forced(panel: PricePanel, holdings: Holdings, ending: Ending) -> list[str]:
    return forced_fills(panel, ending.log) if holdings.counts[FORCED] else []


def _opening(panel: PricePanel, terms: TradingTerms) -> tuple[Start, Holdings]:
    """Return where trading begins and what is held then."""
    count, state = len(panel.symbols), terms.initial_state
    account, counts = np.zeros(ACCOUNT), np.zeros(COUNTS, dtype=np.int64)
    gone = np.zeros(count, dtype=np.bool_)
    if state is None:
        account[CASH] = terms.initial_cash
        return Start(0, NOTHING), Holdings(np.zeros(count), np.zeros(count), gone, account, counts)
    if state.parts is not None:
        raise InvalidInput(
            "The state is of signals, whose instruments each have their own cash; target weights share theirs.",
            remedy="Give PortfolioState(cash, quantities, as_of), which leaves the parts and their orders behind.",
        )
    account[CASH] = state.cash
    gone[[panel.symbols.index(symbol) for symbol in state.delisted]] = True
    decided = NOTHING
    if state.decided is not None:
        decided = int(np.searchsorted(panel.sessions, np.datetime64(state.decided, "D")))
    target = by_column(panel, state.orders or {})
    held = by_column(panel, state.quantities)
    return Start(state.row(panel) + 1, decided), Holdings(held, target, gone, account, counts)


def _tape(panel: PricePanel, terms: TradingTerms) -> Tape:
    limited = terms.limits.participation is not None
    return Tape(
        unwritable(terms.reference_prices(panel)),
        last_known_prices(panel, terms),
        unwritable(panel.values("volume") if limited else np.empty((0, 0))),
        kernel_actions(panel, by_column=False),
        terms.rates.accruals(panel.sessions),
    )


def _closing(panel: PricePanel, holdings: Holdings, ending: Ending) -> PortfolioState:
    """Return where the portfolio stands after the last session."""
    pending = ending.decided >= 0
    return PortfolioState(
        cash=float(holdings.account[CASH]),
        quantities=by_symbol(panel, holdings.quantity),
        as_of=panel.last_session,
        orders=by_symbol(panel, holdings.target) if pending else None,
        decided=panel.sessions[ending.decided].item() if pending else None,
        delisted=tuple(panel.symbols[column] for column in np.flatnonzero(holdings.gone)),
    )
