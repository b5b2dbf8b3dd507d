"""One account traded through windows in turn, each with its own parameters; positions are carried over the borders.

At the close before a window the account is brought to what the window's parameters want, by orders that pay their
costs: for signals the instruments whose state differs are bought or sold, for weights the portfolio that those
parameters would hold by then is the target. Windows that keep the parameters of the one before trade nothing extra.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from investlab.analytics.compiled import compiled
from investlab.backtest.engine import build_result, run_signals
from investlab.backtest.kernels import METRICS, Book, measure
from investlab.backtest.orders import signal_array, weight_rows
from investlab.backtest.position_rules import rules_of
from investlab.backtest.result import BacktestResult
from investlab.backtest.simulation import Simulation
from investlab.backtest.strategies import BuyAndHold, SignalStrategy, Strategy, StrategyDescription, WeightStrategy
from investlab.backtest.terms import TradingTerms
from investlab.backtest.weight_run import run_weights
from investlab.core.errors import InvalidInput
from investlab.market.actions import ActionTable
from investlab.market.delistings import DelistingTable
from investlab.market.panel import PricePanel


@dataclass(frozen=True, slots=True)
class Leg:
    """A strategy and the sessions that it is traded through; `key` names it, so that equal legs are computed once."""

    strategy: Strategy
    sessions: range
    key: int = 0


def join_legs(panel: PricePanel, terms: TradingTerms, legs: Sequence[Leg]) -> Simulation:
    """Return the simulation of legs that follow each other, over the whole panel; nothing is held before the first.

    Raises:
        InvalidInput: A strategy gives neither signals nor weights, or has rules of its positions, which end at borders.
    """
    if isinstance(legs[0].strategy, SignalStrategy):
        _require_plain(legs, terms)
        wanted = _wanted(panel, legs)
        before = np.vstack([np.zeros((1, wanted.shape[1]), dtype=np.bool_), wanted[:-1]])
        return run_signals(panel, (wanted & ~before, before & ~wanted), terms)
    if isinstance(legs[0].strategy, WeightStrategy):
        rows = _joined_weights(panel, terms, legs)
        acts = ~np.isnan(rows).all(axis=1)
        row_of_session = np.where(acts, np.cumsum(acts) - 1, -1).astype(np.int64)
        return run_weights(panel, (np.ascontiguousarray(rows[acts]), row_of_session), terms)
    raise InvalidInput(
        f"{type(legs[0].strategy).__name__} is no strategy.",
        remedy="Give it name, family, and either signals(panel) or weights(panel).",
    )


def _require_plain(legs: Sequence[Leg], terms: TradingTerms) -> None:
    for leg in legs:
        if not rules_of(leg.strategy, terms.rules).is_plain:
            raise InvalidInput(
                f"{type(leg.strategy).__name__} has rules of direction, size or stops, which no account can carry over "
                "the border of two windows.",
                remedy="Test it without those rules, or give weights(panel) instead of signals.",
            )


def joined_result(
    panel: PricePanel, terms: TradingTerms, legs: Sequence[Leg], described: StrategyDescription
) -> BacktestResult:
    """Return the joined account beside buy-and-hold, from the close before the first leg to the end of the last."""
    span = range(legs[0].sessions.start - 1, legs[-1].sessions.stop)
    held = _cut(join_legs(panel, terms, [Leg(BuyAndHold(), range(span.start + 1, span.stop))]), panel, terms, span)
    done = _cut(join_legs(panel, terms, legs), panel, terms, span)
    shown = _shown(panel, span)
    benchmark = pd.Series(held.book.nav, index=shown.index, name="benchmark")
    return build_result(shown, terms, described, done, benchmark)


@compiled
def standing(entries: np.ndarray, exits: np.ndarray) -> np.ndarray:
    """Return whether each instrument is wanted after each session's signals (sessions × instruments).

    What is wanted is left by an exit, what is not is wanted from an entry on, whatever else the session says.
    """
    wanted = np.zeros(entries.shape, dtype=np.bool_)
    for column in range(entries.shape[1]):
        state = False
        for t in range(entries.shape[0]):
            state = not exits[t, column] if state else entries[t, column]
            wanted[t, column] = state
    return wanted


def _wanted(panel: PricePanel, legs: Sequence[Leg]) -> np.ndarray:
    """Return what the joined account wants after each session; what the last but one session wants is kept."""
    states: dict[int, np.ndarray] = {}
    wanted = np.zeros(panel.shape, dtype=np.bool_)
    for leg in legs:
        if leg.key not in states and isinstance(leg.strategy, SignalStrategy):
            entries, exits = leg.strategy.signals(panel)
            given = signal_array(panel, entries, "entries"), signal_array(panel, exits, "exits")
            states[leg.key] = standing(np.ascontiguousarray(given[0]), np.ascontiguousarray(given[1]))
        decided = slice(leg.sessions.start - 1, leg.sessions.stop - 1)
        wanted[decided] = states[leg.key][decided]
    last = legs[-1].sessions.stop - 1
    wanted[last:] = wanted[last - 1]
    return wanted


def _joined_weights(panel: PricePanel, terms: TradingTerms, legs: Sequence[Leg]) -> np.ndarray:
    """Return the joined rows of weights (sessions × instruments), NaN where a session holds."""
    runs: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    joined = np.full(panel.shape, np.nan)
    before: int | None = None
    for leg in legs:
        if leg.key not in runs and isinstance(leg.strategy, WeightStrategy):
            runs[leg.key] = _weights_and_holdings(panel, terms, leg.strategy)
        rows, held = runs[leg.key]
        start = leg.sessions.start - 1
        joined[start : leg.sessions.stop - 1] = rows[start : leg.sessions.stop - 1]
        if leg.key != before and np.isnan(joined[start]).all():
            joined[start] = held[start]
        before = leg.key
    return joined


def _weights_and_holdings(
    panel: PricePanel, terms: TradingTerms, strategy: WeightStrategy
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights a strategy asks for (NaN where it holds), and those it holds at each close."""
    given, place = weight_rows(panel, strategy.weights(panel))
    asked = np.full(panel.shape, np.nan)
    asked[place >= 0] = given
    done = run_weights(panel, (given, place), terms)
    values = np.where(done.quantities != 0.0, done.quantities * done.prices, 0.0)
    return asked, values / done.book.nav[:, np.newaxis]


def _cut(done: Simulation, panel: PricePanel, terms: TradingTerms, span: range) -> Simulation:
    """Return the simulation of some sessions alone, measured anew."""
    rows = slice(span.start, span.stop)
    book = Book(*(values[rows].copy() for values in done.book))
    log = done.log[done.log[:, 0] < span.stop].copy()
    log[:, [0, 2]] -= span.start
    metrics = np.empty(len(METRICS))
    paid = float((log[:, 6] + np.abs(log[:, 3] * (log[:, 5] - log[:, 4]))).sum())
    measure(book, paid, terms.initial_cash, float(panel.source.sessions_per_year), metrics)
    held, prices = done.held.within(rows), done.prices[rows].copy()
    return replace(done, book=book, held=held, prices=prices, log=log, metrics=metrics, final_state=None)


def _shown(panel: PricePanel, span: range) -> PricePanel:
    """Return the panel of some sessions to lay a result out on; it keeps the panel's id and has no events."""
    return replace(
        panel,
        sessions=panel.sessions[span.start : span.stop],
        fields={name: values[span.start : span.stop] for name, values in panel.fields.items()},
        actions=ActionTable.empty(),
        delistings=DelistingTable.empty(),
        id=panel.id,
    )
