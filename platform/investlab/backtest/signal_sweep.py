"""Measuring one combination after the other on signals: what is the same for all of them is made once."""

from typing import NamedTuple

import numpy as np

from investlab.analytics.compiled import compiled
from investlab.analytics.symmetric_splits import write_block_moments
from investlab.backtest.kernels import FILL_COLUMNS, METRICS, Actions, Book, FillTerms, measure
from investlab.backtest.signal_kernel import Lane, Signals, Trail, own_actions, trade_instrument
from investlab.backtest.terms import TradingTerms, by_instrument, kernel_actions, last_known_prices
from investlab.market.panel import PricePanel


class Market(NamedTuple):
    """What every combination trades on: prices as instruments × sessions, actions by column, terms, and the cash."""

    reference: np.ndarray
    known: np.ndarray
    actions: Actions
    terms: FillTerms
    initial_cash: float
    sessions_per_year: float


def market_of(panel: PricePanel, terms: TradingTerms) -> Market:
    """Return a panel and terms as the kernels take them."""
    return Market(
        by_instrument(terms.reference_prices(panel)),
        by_instrument(last_known_prices(panel, terms)),
        kernel_actions(panel, by_column=True),
        terms.for_kernels(),
        terms.initial_cash,
        float(panel.source.sessions_per_year),
    )


@compiled
def measure_signals(entries: np.ndarray, exits: np.ndarray, market: Market, row: np.ndarray) -> None:
    """Write the metrics and the block moments of trading signals (sessions × instruments) into one row.

    The numbers are those of a whole simulation, to the bit; positions and fills are kept nowhere.
    """
    sessions, count = entries.shape
    scratch = np.empty(sessions)
    book = Book(np.zeros(sessions), scratch, np.zeros(sessions), np.zeros(sessions), scratch)
    nothing = Trail(np.empty(0), np.empty((0, FILL_COLUMNS)))
    when = np.empty(sessions, dtype=np.int64)
    entry = np.empty(sessions, dtype=np.bool_)
    leave = np.empty(sessions, dtype=np.bool_)
    paid = 0.0
    for column in range(count):
        used = 0
        for t in range(sessions):
            if entries[t, column] or exits[t, column]:
                when[used] = t
                entry[used] = entries[t, column]
                leave[used] = exits[t, column]
                used += 1
        signals = Signals(when[:used], entry[:used], leave[:used])
        lane = Lane(market.reference[column], market.known[column])
        own = own_actions(market.actions, column)
        part = market.initial_cash / count
        done = trade_instrument(signals, lane, own, market.terms, column, part, book, nothing, 0)
        paid += done[1]
    returns = measure(book, paid, market.initial_cash, market.sessions_per_year, row[: len(METRICS)])
    write_block_moments(returns, sessions, row[len(METRICS) :])
