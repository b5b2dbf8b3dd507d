"""Compiled moving averages, their crossings, and the fused sweep over pairs of windows."""

import numpy as np

from investlab.analytics.compiled import compiled
from investlab.analytics.symmetric_splits import write_block_moments
from investlab.backtest.kernels import FILL_COLUMNS, METRICS, TOLERANCE, Actions, Book, FillTerms, measure
from investlab.backtest.signal_kernel import Lane, Signals, Trail, own_actions, trade_instrument


@compiled
def moving_averages(prices: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Return simple moving averages (windows × sessions) of one instrument; NaN where a window is not full.

    `windows` ascends. Each average is the direct sum of its window from the newest price to the oldest, so it neither
    drifts nor depends on which other windows are asked for.
    """
    averages = np.empty((len(windows), len(prices)))
    sums = np.zeros(len(prices))
    width = 0
    for place in range(len(windows)):
        while width < windows[place]:
            for t in range(width, len(prices)):
                sums[t] += prices[t - width]
            width += 1
        for t in range(len(prices)):
            averages[place, t] = sums[t] / width if t >= width - 1 else np.nan
    return averages


@compiled
def find_crossings(fast: np.ndarray, slow: np.ndarray, sessions: np.ndarray, upward: np.ndarray) -> int:
    """Write the sessions where the fast average crosses the slow one, and whether upward; return how many.

    Averages within the relative tolerance are a tie: it is no cross and leaves the last state as it was, as does a
    window that is not full. The first state is no cross either.
    """
    side = np.empty(len(fast), dtype=np.int8)
    for t in range(len(fast)):  # a loop of its own, for without branches the machine compares several at a time
        gap = fast[t] - slow[t]
        side[t] = np.int8(gap > TOLERANCE * fast[t]) - np.int8(-gap > TOLERANCE * slow[t])
    count = 0
    state = 0
    for t in range(len(fast)):
        now = side[t]
        if now != 0 and now != state:
            if state != 0:
                sessions[count] = t
                upward[count] = now > 0
                count += 1
            state = now
    return count


@compiled
def crossings_of_pairs(
    prices: np.ndarray, windows: np.ndarray, pairs: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all crossings one after the other: their sessions, whether upward, and where each list ends.

    The lists follow each other by instrument and then by pair; the ends (instruments × pairs) index the first two.
    """
    count, sessions = prices.shape
    when = np.empty(2 * sessions, dtype=np.int64)
    upward = np.empty(2 * sessions, dtype=np.bool_)
    ends = np.empty((count, len(pairs)), dtype=np.int64)
    used = 0
    for column in range(count):
        averages = moving_averages(prices[column], windows)
        for pair in range(len(pairs)):
            if used + sessions > len(when):
                when = np.concatenate((when, np.empty_like(when)))
                upward = np.concatenate((upward, np.empty_like(upward)))
            fast, slow = averages[pairs[pair, 0]], averages[pairs[pair, 1]]
            used += find_crossings(fast, slow, when[used:], upward[used:])
            ends[column, pair] = used
    return when, upward, ends


@compiled
def sweep_crossings(
    prices: np.ndarray,
    windows: np.ndarray,
    pairs: np.ndarray,
    reference: np.ndarray,
    known: np.ndarray,
    actions: Actions,
    terms: FillTerms,
    initial_cash: float,
    sessions_per_year: float,
    blocks: int,
) -> np.ndarray:
    """Return metrics and block moments (pairs × both) of trading each pair of windows on every instrument's part.

    `prices`, `reference` and `known` are instruments × sessions, `pairs` indexes into the ascending `windows`. Only
    crossings are kept for all pairs of the call; the book is one row that each pair writes anew.
    """
    count, sessions = known.shape
    when, upward, ends = crossings_of_pairs(prices, windows, pairs)
    scratch = np.empty(sessions)
    book = Book(np.empty(sessions), scratch, np.empty(sessions), np.empty(sessions), scratch)
    nothing = Trail(np.empty(0), np.empty((0, FILL_COLUMNS)))
    rows = np.empty((len(pairs), len(METRICS) + 2 * blocks))
    for pair in range(len(pairs)):
        book.nav[:] = 0.0
        book.invested[:] = 0.0
        book.traded[:] = 0.0
        paid = 0.0
        for column in range(count):
            stop = ends[column, pair]
            start = ends.flat[column * len(pairs) + pair - 1] if column + pair > 0 else 0
            signals = Signals(when[start:stop], upward[start:stop], ~upward[start:stop])
            lane = Lane(reference[column], known[column])
            own = own_actions(actions, column)
            done = trade_instrument(signals, lane, own, terms, column, initial_cash / count, book, nothing, 0)
            paid += done[1]
        returns = measure(book, paid, initial_cash, sessions_per_year, rows[pair, : len(METRICS)])
        write_block_moments(returns, sessions, rows[pair, len(METRICS) :])
    return rows
