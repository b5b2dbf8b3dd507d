"""Simulating signals, target weights and strategies on a price panel."""

from dataclasses import replace

import numpy as np
import pandas as pd

from investlab.backtest.costs import FREE, Costs
from investlab.backtest.fills import FillLog
from investlab.backtest.kernels import METRICS, Book
from investlab.backtest.limits import UNLIMITED, Limits
from investlab.backtest.orders import signal_array, signal_arrays, weight_rows
from investlab.backtest.portfolio_state import PortfolioState, opening_values
from investlab.backtest.position_rules import PLAIN, PositionRules, SignalArrays, rules_of
from investlab.backtest.rates import NO_RATES, Rates
from investlab.backtest.remarks import forced_fills, old_prices, unfilled_orders
from investlab.backtest.result import BacktestResult
from investlab.backtest.signal_runs import is_plain, trade_by_signals
from investlab.backtest.signal_states import closing_state
from investlab.backtest.simulation import PositionTable, Quantities, Simulation, empty_book, measured
from investlab.backtest.sizing import ALL_IN, Sizing
from investlab.backtest.stops import NO_STOPS, Stops
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
    terms_notes,
)
from investlab.backtest.weight_accounts import CARRY
from investlab.backtest.weight_run import run_weights
from investlab.core.errors import InvalidInput
from investlab.market.panel import PricePanel
from investlab.market.panel_changes import from_session
from investlab.schemas.backtest import Execution
from investlab.schemas.positions import Direction

SIGNALS = StrategyDescription("signals", "signals", {}, "Entries and exits given by the caller.")
WEIGHTS = StrategyDescription("weights", "weights", {}, "Target weights given by the caller.")


def simulate_signals(
    panel: PricePanel,
    entries: pd.DataFrame | np.ndarray,
    exits: pd.DataFrame | np.ndarray,
    short_entries: pd.DataFrame | np.ndarray | None = None,
    short_exits: pd.DataFrame | np.ndarray | None = None,
    *,
    direction: Direction | str = Direction.LONG,
    sizing: Sizing = ALL_IN,
    stops: Stops = NO_STOPS,
    costs: Costs = FREE,
    execution: Execution | str = Execution.NEXT_OPEN,
    initial_cash: float = 100_000.0,
    whole_shares: bool = False,
    initial_state: PortfolioState | None = None,
) -> BacktestResult:
    """Return the backtest of entries and exits (bool, sessions × symbols), each instrument on its own part of the cash.

    A signal at a session's close gives an order that waits until its fill price exists; the opposite signal cancels
    it. With both at once, the exit wins in position and the entry out of it. An order that cash cannot pay is dropped.

    `direction` says which side entries and exits trade; with short entries or exits, entries and exits are those of
    longs. `sizing` says how much of its part a position takes, `stops` what closes it besides a signal.

    With `initial_state`, the `final_state` of another run of signals whose session is in the panel, the result begins
    at the session after it, and `initial_cash` is the state's NAV.

    Raises:
        InvalidInput: The signals or the state do not fit the panel, or the panel cannot be traded on these terms.
        NotFound: A symbol is not in the panel; near matches are named.
    """
    rules = PositionRules(direction, sizing, stops)
    agreed = agree_terms(panel, costs, execution, initial_cash, whole_shares, initial_state=initial_state)
    terms = replace(agreed, rules=rules)
    given: SignalArrays = signal_array(panel, entries, "entries"), signal_array(panel, exits, "exits")
    if short_entries is not None or short_exits is not None:
        none = np.zeros(panel.shape, dtype=np.bool_)
        shorts = none if short_entries is None else short_entries, none if short_exits is None else short_exits
        given = signal_arrays(panel, (*given, *shorts))
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
    direction: Direction | str = Direction.LONG,
    sizing: Sizing = ALL_IN,
    stops: Stops = NO_STOPS,
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

    `direction`, `sizing` and `stops` are for strategies that give signals (`simulate_signals`); the benchmark is long,
    all in, and has none. A strategy may carry them itself: `rules_of`.

    Raises:
        InvalidInput: The strategy gives neither signals nor weights, or the panel cannot be traded on these terms.
    """
    agreed = agree_terms(
        panel, costs, execution, initial_cash, whole_shares, limits=limits, rates=rates, initial_state=initial_state
    )
    terms = replace(agreed, rules=PositionRules(direction, sizing, stops))
    done = simulate(strategy, panel, terms)
    benchmark = None if isinstance(strategy, BuyAndHold) else _buy_and_hold(panel, terms)
    return build_result(panel, terms, describe_strategy(strategy), done, benchmark)


def simulate(strategy: Strategy, panel: PricePanel, terms: TradingTerms) -> Simulation:
    """Run a strategy on agreed terms.

    Raises:
        InvalidInput: The strategy gives neither signals nor weights, signals with terms that are for weights (limits,
            rates, a state of weights), or weights with terms that are for signals (direction, sizing, stops, a state of
            signals).
    """
    if isinstance(strategy, SignalStrategy):
        if not terms.suit_signals:
            raise InvalidInput(
                f"{type(strategy).__name__} gives signals; limits and rates belong to target weights.",
                remedy="Leave them out, or give a strategy with weights(panel).",
            )
        own = replace(terms, rules=rules_of(strategy, terms.rules))
        return run_signals(panel, signal_arrays(panel, strategy.signals(panel)), own)
    if isinstance(strategy, WeightStrategy):
        if not terms.rules.is_plain:
            raise InvalidInput(
                "Direction, sizing and stops are for signals, and this strategy gives weights.",
                remedy="Leave them out: the weights say which side and how much.",
            )
        return run_weights(panel, weight_rows(panel, strategy.weights(panel), terms.limits), terms)
    raise InvalidInput(
        f"{type(strategy).__name__} is no strategy.",
        remedy="Give it name, family, and either signals(panel) or weights(panel).",
    )


def run_signals(panel: PricePanel, signals: SignalArrays, terms: TradingTerms) -> Simulation:
    """Simulate two or four arrays of signals that fit the panel.

    Raises:
        InvalidInput: The arrays do not fit the direction, or the initial state is none of signals.
    """
    whole, state = empty_book(len(panel.sessions)), terms.initial_state
    done = trade_by_signals(panel, signals, terms, whole)
    first = done.parts.start
    book = Book(*(series[first:] for series in whole))
    forced = forced_fills(panel, done.log) if len(panel.delistings) else ()
    return Simulation(
        book=book,
        held=Quantities.of(done.quantities[first:]),
        prices=done.prices[first:],
        log=done.log,
        metrics=measured(panel, terms, book, done.paid),
        notes=(*done.notes, *unfilled_orders(panel, 0, done.unpaid), *forced),
        first=first,
        final_state=closing_state(panel, done.parts, with_entries=not is_plain(signals, terms)),
        opening=None if state is None else opening_values(panel, state, done.prices[first - 1]),
    )


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
        positions=PositionTable(index, symbols, done.held),
        prices=_frame(index, symbols, done.prices),
        fills=FillLog(panel, done.log, done.cause),
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
        notes=(*terms_notes(panel, terms), *done.notes, *old_prices(panel, terms, done)),
        benchmark=benchmark,
        limits=terms.limits,
        rates=terms.rates,
        carry=carry,
        final_state=done.final_state,
        opening=None if done.opening is None else pd.Series(done.opening, index=symbols, name="opening"),
    )


def _buy_and_hold(panel: PricePanel, terms: TradingTerms) -> pd.Series:
    """Return the NAV of buying and holding with the same cash from the same session on."""
    plain = replace(terms, rules=PLAIN, limits=UNLIMITED, rates=NO_RATES, initial_state=None)
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
