"""Simulating signals, target weights and strategies on a price panel."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from investlab.backtest.costs import FREE, Costs
from investlab.backtest.fills_frame import fills_frame
from investlab.backtest.kernels import METRICS, Book, measure
from investlab.backtest.orders import signal_array, signal_arrays, weight_rows
from investlab.backtest.position_rules import PLAIN, PositionRules, SignalArrays, rules_of
from investlab.backtest.position_state import SIGNAL_CAUSE, TARGET_CAUSE
from investlab.backtest.result import BacktestResult
from investlab.backtest.signal_runs import trade_by_signals
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
    kernel_actions,
    last_known_prices,
    terms_notes,
    unwritable,
)
from investlab.backtest.weight_kernel import Targets, trade_weights
from investlab.core.errors import InvalidInput
from investlab.market.panel import PricePanel
from investlab.schemas.backtest import Execution
from investlab.schemas.positions import Direction

OLD_PRICE_SESSIONS = 21
NAMED = 5
"""Instruments that a note names at most."""

SIGNALS = StrategyDescription("signals", "signals", {}, "Entries and exits given by the caller.")
WEIGHTS = StrategyDescription("weights", "weights", {}, "Target weights given by the caller.")


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """What a kernel computed: the book, positions and prices (sessions × instruments), fills, metrics, remarks.

    `cause` is the reason of fills that the log gives no other.
    """

    book: Book
    quantities: np.ndarray
    prices: np.ndarray
    log: np.ndarray
    metrics: np.ndarray
    notes: tuple[str, ...]
    cause: str = SIGNAL_CAUSE


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
) -> BacktestResult:
    """Return the backtest of entries and exits (bool, sessions × symbols), each instrument on its own part of the cash.

    A signal at a session's close gives an order that waits until its fill price exists; the opposite signal cancels
    it. With both at once, the exit wins in position and the entry out of it. An order that cash cannot pay is dropped.

    `direction` says which side entries and exits trade; with short entries or exits, entries and exits are those of
    longs. `sizing` says how much of its part a position takes, `stops` what closes it besides a signal.

    Raises:
        InvalidInput: The signals do not fit the panel or the panel cannot be traded on these terms.
        NotFound: A symbol is not in the panel; near matches are named.
    """
    rules = PositionRules(direction, sizing, stops)
    terms = replace(agree_terms(panel, costs, execution, initial_cash, whole_shares), rules=rules)
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
) -> BacktestResult:
    """Return the backtest of target weights (rebalance sessions × symbols) with shared cash.

    A session without a row, or with a row of NaN, holds; a symbol without a column has weight 0. Quantities are fixed
    at the close that decides them; sells fill first, then buys ascending by value, cut to the cash left. An order whose
    fill price is missing lapses, one that cash cannot pay is dropped, and the notes count both.

    Raises:
        InvalidInput: A row is no session of the panel, has a negative weight, sums to more than 1 or weights an
            instrument that has no price yet; or the panel cannot be traded on these terms.
        NotFound: A symbol is not in the panel; near matches are named.
    """
    terms = agree_terms(panel, costs, execution, initial_cash, whole_shares)
    return build_result(panel, terms, WEIGHTS, run_weights(panel, weight_rows(panel, weights), terms))


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
) -> BacktestResult:
    """Return the backtest of a strategy, with buy-and-hold on the same terms as its benchmark.

    `direction`, `sizing` and `stops` are for strategies that give signals (`simulate_signals`); the benchmark is long,
    all in, and has none. A strategy may carry them itself: `rules_of`.

    Raises:
        InvalidInput: The strategy gives neither signals nor weights, or the panel cannot be traded on these terms.
    """
    rules = PositionRules(direction, sizing, stops)
    terms = replace(agree_terms(panel, costs, execution, initial_cash, whole_shares), rules=rules)
    done = simulate(strategy, panel, terms)
    benchmark = None
    if not isinstance(strategy, BuyAndHold):
        held = simulate(BuyAndHold(), panel, replace(terms, rules=PLAIN))
        benchmark = _series(panel, held.book.nav, "benchmark")
    return build_result(panel, terms, describe_strategy(strategy), done, benchmark)


def simulate(strategy: Strategy, panel: PricePanel, terms: TradingTerms) -> Simulation:
    """Run a strategy on agreed terms.

    Raises:
        InvalidInput: The strategy gives neither signals nor weights, or weights with rules that are for signals.
    """
    if isinstance(strategy, SignalStrategy):
        own = replace(terms, rules=rules_of(strategy, terms.rules))
        return run_signals(panel, signal_arrays(panel, strategy.signals(panel)), own)
    if isinstance(strategy, WeightStrategy):
        if not terms.rules.is_plain:
            raise InvalidInput(
                "Direction, sizing and stops are for signals, and this strategy gives weights.",
                remedy="Leave them out: the weights say which side and how much.",
            )
        return run_weights(panel, weight_rows(panel, strategy.weights(panel)), terms)
    raise InvalidInput(
        f"{type(strategy).__name__} is no strategy.",
        remedy="Give it name, family, and either signals(panel) or weights(panel).",
    )


def run_signals(panel: PricePanel, signals: SignalArrays, terms: TradingTerms) -> Simulation:
    """Simulate two or four arrays of signals that fit the panel.

    Raises:
        InvalidInput: The arrays do not fit the direction.
    """
    book = _empty_book(len(panel.sessions))
    done = trade_by_signals(panel, signals, terms, book)
    metrics = _measure(panel, terms, book, done.paid)
    remarks = (*done.notes, *_remarks(0, done.unpaid))
    return Simulation(book, done.quantities, done.prices, done.log, metrics, remarks)


def run_weights(panel: PricePanel, weights: tuple[np.ndarray, np.ndarray], terms: TradingTerms) -> Simulation:
    """Simulate checked weights given as (rows, row of each session).

    Raises:
        InvalidInput: A weight falls on an instrument that has no price yet.
    """
    book = _empty_book(len(panel.sessions))
    quantities = np.empty(panel.shape)
    prices = last_known_prices(panel, terms)
    log, paid, lapsed, unpaid, session, column = trade_weights(
        Targets(*weights),
        unwritable(terms.reference_prices(panel)),
        prices,
        kernel_actions(panel, by_column=False),
        terms.for_kernels(),
        terms.initial_cash,
        book,
        quantities,
    )
    if session >= 0:
        raise InvalidInput(
            f"The weights of {panel.sessions[session]} include {panel.symbols[column]}, which has no price yet.",
            remedy="Give it weight 0 until its first close.",
        )
    metrics = _measure(panel, terms, book, paid)
    return Simulation(book, quantities, prices, log, metrics, _remarks(lapsed, unpaid), TARGET_CAUSE)


def build_result(
    panel: PricePanel,
    terms: TradingTerms,
    strategy: StrategyDescription,
    done: Simulation,
    benchmark: pd.Series | None = None,
) -> BacktestResult:
    """Return a simulation as people see it."""
    return BacktestResult(
        nav=_series(panel, done.book.nav, "nav"),
        cash=_series(panel, done.book.cash, "cash"),
        income=_series(panel, done.book.income, "income"),
        positions=_frame(panel, done.quantities),
        prices=_frame(panel, done.prices),
        fills=fills_frame(panel, done.log, done.cause),
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
        notes=(*terms_notes(panel, terms), *done.notes, *_old_prices(panel, terms, done.quantities)),
        benchmark=benchmark,
    )


def _empty_book(sessions: int) -> Book:
    return Book(*(np.zeros(sessions) for _ in Book._fields))


def _measure(panel: PricePanel, terms: TradingTerms, book: Book, paid: float) -> np.ndarray:
    metrics = np.empty(len(METRICS))
    measure(book, paid, terms.initial_cash, float(panel.source.sessions_per_year), metrics)
    return metrics


def _remarks(lapsed: int, unpaid: int) -> tuple[str, ...]:
    notes = []
    if lapsed:
        notes.append(f"{lapsed} {'order' if lapsed == 1 else 'orders'} lapsed because the fill price was missing.")
    if unpaid:
        notes.append(f"{unpaid} {'order was' if unpaid == 1 else 'orders were'} dropped because cash could not pay.")
    return tuple(notes)


def _old_prices(panel: PricePanel, terms: TradingTerms, quantities: np.ndarray) -> tuple[str, ...]:
    """Return a note about positions that were marked at an old price, as those of a delisted instrument are."""
    close = panel.values("close")
    if not np.isnan(close).any():
        return ()
    priced = ~(np.isnan(close) & np.isnan(terms.reference_prices(panel)))
    rows = np.arange(len(close))[:, np.newaxis]
    age = rows - np.maximum.accumulate(np.where(priced, rows, -1), axis=0)
    found = np.flatnonzero(((quantities != 0.0) & (age > OLD_PRICE_SESSIONS)).any(axis=0))
    if not len(found):
        return ()
    named = ", ".join(panel.symbols[column] for column in found[:NAMED]) + (", …" if len(found) > NAMED else "")
    return (
        f"{len(found)} {'instrument was' if len(found) == 1 else 'instruments were'} held at a last price more than "
        f"{OLD_PRICE_SESSIONS} sessions old ({named}): delistings are not settled.",
    )


def _series(panel: PricePanel, values: np.ndarray, name: str) -> pd.Series:
    values.flags.writeable = False
    return pd.Series(values, index=panel.index, name=name, copy=False)


def _frame(panel: PricePanel, values: np.ndarray) -> pd.DataFrame:
    values.flags.writeable = False
    return pd.DataFrame(values, index=panel.index, columns=pd.Index(panel.symbols, name="symbol"), copy=False)
