"""Simulating signals, target weights and strategies on a price panel."""

from dataclasses import replace

import numpy as np
import pandas as pd

from investlab.backtest.costs import FREE, Costs
from investlab.backtest.fills import FillLog
from investlab.backtest.kernels import FILL_COLUMNS, METRICS
from investlab.backtest.limits import UNLIMITED, Limits
from investlab.backtest.orders import signal_array, weight_rows
from investlab.backtest.portfolio_state import PortfolioState
from investlab.backtest.rates import NO_RATES, Rates
from investlab.backtest.remarks import forced_fills, old_prices, unfilled_orders
from investlab.backtest.result import BacktestResult
from investlab.backtest.signal_kernel import Trail, trade_signals
from investlab.backtest.simulation import Simulation, empty_book, measured
from investlab.backtest.strategies import (
    BuyAndHold,
    SignalStrategy,
    Strategy,
    StrategyDescription,
    WeightStrategy,
    describe_strategy,
)
from investlab.backtest.terms import (
    TradingTerms,
    agree_terms,
    by_instrument,
    kernel_actions,
    last_known_prices,
    terms_notes,
)
from investlab.backtest.weight_accounts import CARRY
from investlab.backtest.weight_run import run_weights
from investlab.core.errors import InvalidInput
from investlab.market.panel import PricePanel
from investlab.market.panel_changes import from_session
from investlab.schemas.backtest import Execution

SIGNALS = StrategyDescription("signals", "signals", {}, "Entries and exits given by the caller.")
WEIGHTS = StrategyDescription("weights", "weights", {}, "Target weights given by the caller.")


def simulate_signals(
    panel: PricePanel,
    entries: pd.DataFrame | np.ndarray,
    exits: pd.DataFrame | np.ndarray,
    *,
    costs: Costs = FREE,
    execution: Execution | str = Execution.NEXT_OPEN,
    initial_cash: float = 100_000.0,
    whole_shares: bool = False,
) -> BacktestResult:
    """Return the backtest of entries and exits (bool, sessions × symbols), each instrument on its own part of the cash.

    A signal at a session's close gives an order that waits until its fill price exists; the opposite signal cancels
    it. With both at once, the exit wins in position and the entry out of it. An order that cash cannot pay is dropped.

    Raises:
        InvalidInput: The signals do not fit the panel or the panel cannot be traded on these terms.
        NotFound: A symbol is not in the panel; near matches are named.
    """
    terms = agree_terms(panel, costs, execution, initial_cash, whole_shares)
    given = signal_array(panel, entries, "entries"), signal_array(panel, exits, "exits")
    return build_result(panel, terms, SIGNALS, run_signals(panel, given, terms))


def simulate_weights(
    panel: PricePanel,
    weights: pd.DataFrame | np.ndarray,
    *,
    costs: Costs = FREE,
    execution: Execution | str = Execution.NEXT_OPEN,
    initial_cash: float = 100_000.0,
    whole_shares: bool = False,
    limits: Limits = UNLIMITED,
    rates: Rates = NO_RATES,
    initial_state: PortfolioState | None = None,
) -> BacktestResult:
    """Return the backtest of target weights (rebalance sessions × symbols) with shared cash.

    A session without a row, or with a row of NaN, holds; a symbol without a column has weight 0. Quantities are fixed
    at the close that decides them; sells fill first, then buys ascending by value, cut to the cash left. An order whose
    fill price is missing lapses, one that cash cannot pay is dropped, and the notes count both. `limits` allow short
    positions and borrowing, and cap exposure and volume; `rates` accrue. With `initial_state`, whose session is in the
    panel, the result begins at the session after it, and `initial_cash` is the state's NAV.

    Raises:
        InvalidInput: A row is no session of the panel, goes beyond what the limits allow, or weights an instrument that
            has no price yet; or the panel cannot be traded on these terms.
        NotFound: A symbol is not in the panel; near matches are named.
    """
    terms = agree_terms(
        panel, costs, execution, initial_cash, whole_shares, limits=limits, rates=rates, initial_state=initial_state
    )
    return build_result(panel, terms, WEIGHTS, run_weights(panel, weight_rows(panel, weights, limits), terms))


def run_strategy(
    strategy: Strategy,
    panel: PricePanel,
    *,
    costs: Costs = FREE,
    execution: Execution | str = Execution.NEXT_OPEN,
    initial_cash: float = 100_000.0,
    whole_shares: bool = False,
    limits: Limits = UNLIMITED,
    rates: Rates = NO_RATES,
    initial_state: PortfolioState | None = None,
) -> BacktestResult:
    """Return the backtest of a strategy, with buy-and-hold as its benchmark.

    The benchmark has the same costs, execution and start, but neither limits nor rates. With `initial_state` a strategy
    sees the whole panel and trades from the session after the state's.

    Raises:
        InvalidInput: The strategy gives neither signals nor weights, or the panel cannot be traded on these terms.
    """
    terms = agree_terms(
        panel, costs, execution, initial_cash, whole_shares, limits=limits, rates=rates, initial_state=initial_state
    )
    done = simulate(strategy, panel, terms)
    benchmark = None if isinstance(strategy, BuyAndHold) else _buy_and_hold(panel, terms)
    return build_result(panel, terms, describe_strategy(strategy), done, benchmark)


def simulate(strategy: Strategy, panel: PricePanel, terms: TradingTerms) -> Simulation:
    """Run a strategy on agreed terms.

    Raises:
        InvalidInput: The strategy gives neither signals nor weights, or it gives signals and the terms have limits,
            rates or an initial state.
    """
    if isinstance(strategy, SignalStrategy):
        if not terms.are_plain:
            raise InvalidInput(
                f"{type(strategy).__name__} gives signals; limits, rates and initial states belong to target weights.",
                remedy="Leave them out, or give a strategy with weights(panel).",
            )
        entries, exits = strategy.signals(panel)
        given = signal_array(panel, entries, "entries"), signal_array(panel, exits, "exits")
        return run_signals(panel, given, terms)
    if isinstance(strategy, WeightStrategy):
        return run_weights(panel, weight_rows(panel, strategy.weights(panel), terms.limits), terms)
    raise InvalidInput(
        f"{type(strategy).__name__} is no strategy.",
        remedy="Give it name, family, and either signals(panel) or weights(panel).",
    )


def run_signals(panel: PricePanel, signals: tuple[np.ndarray, np.ndarray], terms: TradingTerms) -> Simulation:
    """Simulate entries and exits that fit the panel."""
    sessions, count = panel.shape
    entries, exits = (by_instrument(given) for given in signals)
    book = empty_book(sessions)
    most_fills = int(np.count_nonzero(entries | exits)) + len(panel.delistings)
    trail = Trail(np.zeros((count, sessions)), np.empty((most_fills, FILL_COLUMNS)))
    prices = last_known_prices(panel, terms)
    used, paid, unpaid = trade_signals(
        entries,
        exits,
        by_instrument(terms.reference_prices(panel)),
        by_instrument(prices),
        kernel_actions(panel, by_column=True),
        terms.for_kernels(),
        terms.initial_cash,
        book,
        trail,
    )
    log = trail.log[:used]
    log = log[np.argsort(log[:, 0], kind="stable")]
    metrics = measured(panel, terms, book, paid)
    notes = (*unfilled_orders(panel, 0, unpaid), *(forced_fills(panel, log) if len(panel.delistings) else ()))
    return Simulation(book, trail.quantity.T, prices, log, metrics, notes)


def build_result(
    panel: PricePanel,
    terms: TradingTerms,
    strategy: StrategyDescription,
    done: Simulation,
    benchmark: pd.Series | None = None,
) -> BacktestResult:
    """Return a simulation as people see it."""
    index, symbols = panel.index[done.first :], pd.Index(panel.symbols, name="symbol")
    carry = None if done.carry is None else _frame(index, pd.Index(CARRY), done.carry)
    return BacktestResult(
        nav=_series(index, done.book.nav, "nav"),
        cash=_series(index, done.book.cash, "cash"),
        income=_series(index, done.book.income, "income"),
        positions=_frame(index, symbols, done.quantities),
        prices=_frame(index, symbols, done.prices),
        fills=FillLog(panel, done.log),
        metrics={name: float(value) for name, value in zip(METRICS, done.metrics, strict=True)},
        strategy=strategy,
        costs=terms.costs,
        execution=terms.execution,
        initial_cash=terms.initial_cash,
        whole_shares=terms.whole_shares,
        basis=panel.basis,
        panel_id=panel.id,
        source=panel.source,
        instruments=panel.instruments,
        notes=(*terms_notes(panel, terms), *done.notes, *old_prices(panel, terms, done.prices, done.quantities)),
        benchmark=benchmark,
        limits=terms.limits,
        rates=terms.rates,
        carry=carry,
        final_state=done.final_state,
        opening=None if done.opening is None else pd.Series(done.opening, index=symbols, name="opening"),
    )


def _buy_and_hold(panel: PricePanel, terms: TradingTerms) -> pd.Series:
    """Return the NAV of buying and holding with the same cash from the same session on."""
    plain = replace(terms, limits=UNLIMITED, rates=NO_RATES, initial_state=None)
    if terms.initial_state is None:
        return _series(panel.index, simulate(BuyAndHold(), panel, plain).book.nav, "benchmark")
    tail = from_session(panel, terms.initial_state.row(panel))
    return _series(tail.index[1:], simulate(BuyAndHold(), tail, plain).book.nav[1:], "benchmark")


def _series(index: pd.Index, values: np.ndarray, name: str) -> pd.Series:
    values.flags.writeable = False
    return pd.Series(values, index=index, name=name, copy=False)


def _frame(index: pd.Index, columns: pd.Index, values: np.ndarray) -> pd.DataFrame:
    values.flags.writeable = False
    return pd.DataFrame(values, index=index, columns=columns, copy=False)
