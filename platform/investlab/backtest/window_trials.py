"""Every combination of a grid, run once over the whole panel and measured within windows of sessions."""

from dataclasses import dataclass

import numpy as np

from investlab.analytics.compiled import compiled
from investlab.analytics.returns import simple_returns
from investlab.analytics.symmetric_splits import BLOCKS, write_block_moments
from investlab.backtest.engine import simulate
from investlab.backtest.grid import GridPoints
from investlab.backtest.kernels import FILL_COLUMNS, Actions, Book, FillTerms
from investlab.backtest.signal_kernel import Lane, Signals, Trail, own_actions, trade_instrument
from investlab.backtest.sma_kernel import crossings_of_pairs
from investlab.backtest.strategies import SmaCross
from investlab.backtest.sweep import SweepPart, SweepTask, chunk_size_of, crossing_inputs, split_sweep
from investlab.backtest.window_measures import MEASURES, Windows, measure_windows
from investlab.core.executor import Executor, Outcome, Progress


@dataclass(frozen=True, slots=True, eq=False)
class WindowTask:
    """What every unit of work shares: the sweep, the windows, and the sessions whose returns by block are kept."""

    sweep: SweepTask
    windows: Windows
    blocks: range


@dataclass(frozen=True, slots=True, eq=False)
class WindowTrials:
    """The measures of every combination in every window (trials × windows × measures), in grid order.

    `block_moments` are the rows of `write_block_moments` over the task's `blocks`, of all trials or of a fixed random
    choice of them.
    """

    measures: np.ndarray
    block_moments: np.ndarray
    executor: str
    worker_pids: tuple[int, ...]
    reason: str

    def best(self, column: int) -> np.ndarray:
        """Return the trial with the highest value of a measure in each window, the first of equals."""
        best: np.ndarray = self.measures[:, :, column].argmax(axis=0)
        return best


def measure_trials(task: WindowTask, combinations: GridPoints, executor: Executor, progress: Progress) -> WindowTrials:
    """Return all combinations measured; neither executor nor chunk size changes a bit of it."""
    size = chunk_size_of(task.sweep)
    outcome: Outcome[tuple[np.ndarray, np.ndarray]] = executor.map(
        measure_part,
        task,
        split_sweep(combinations, size),
        lambda done, total: progress(min(done * size, len(combinations)), len(combinations)),
    )
    return WindowTrials(
        measures=np.concatenate([measures for measures, _ in outcome.results]),
        block_moments=np.concatenate([moments for _, moments in outcome.results]),
        executor=outcome.executor,
        worker_pids=outcome.worker_pids,
        reason=outcome.reason,
    )


def measure_part(task: WindowTask, part: SweepPart) -> tuple[np.ndarray, np.ndarray]:
    """Return one unit of work: its measures, and the block moments of the trials that are kept."""
    panel = task.sweep.panel
    chunk = part.combinations
    navs = navs_of(task.sweep, chunk)
    measures = np.empty((len(navs), task.windows.total, len(MEASURES)))
    moments = np.empty((len(navs), 2 * BLOCKS))
    for place, nav in enumerate(navs):
        returns = session_returns(nav)
        measures[place] = measure_windows(returns, task.windows, float(panel.source.sessions_per_year))
        span = returns[task.blocks.start : task.blocks.stop]
        write_block_moments(span, len(span), moments[place])
    return measures, moments[part.kept]


def session_returns(nav: np.ndarray) -> np.ndarray:
    """Return the simple return of each session; 0 for the first, which has none."""
    return np.concatenate([np.zeros(1), simple_returns(nav)])


def navs_of(task: SweepTask, chunk: GridPoints) -> np.ndarray:
    """Return the NAVs (combinations × sessions) of a chunk of combinations."""
    return crossing_navs(task, chunk) if task.strategy is SmaCross else plain_navs(task, chunk)


def plain_navs(task: SweepTask, chunk: GridPoints) -> np.ndarray:
    """Return the NAVs (combinations × sessions) of any strategy, one simulation after the other."""
    return np.stack([simulate(task.strategy(**one), task.panel, task.terms).book.nav for one in chunk])


def crossing_navs(task: SweepTask, chunk: GridPoints) -> np.ndarray:
    """Return the NAVs (combinations × sessions) of pairs of moving averages, whose averages are computed once."""
    return trade_pairs(*crossing_inputs(task, chunk))


@compiled
def trade_pairs(
    prices: np.ndarray,
    windows: np.ndarray,
    pairs: np.ndarray,
    reference: np.ndarray,
    known: np.ndarray,
    actions: Actions,
    terms: FillTerms,
    initial_cash: float,
) -> np.ndarray:
    """Return the NAVs (pairs × sessions) of trading each pair of windows; arguments as of `sweep_crossings`."""
    count, sessions = known.shape
    when, upward, ends = crossings_of_pairs(prices, windows, pairs)
    scratch = np.empty(sessions)
    navs = np.zeros((len(pairs), sessions))
    nothing = Trail(np.empty(0), np.empty((0, FILL_COLUMNS)))
    for pair in range(len(pairs)):
        book = Book(navs[pair], scratch, scratch, scratch, scratch)
        for column in range(count):
            stop = ends[column, pair]
            start = ends.flat[column * len(pairs) + pair - 1] if column + pair > 0 else 0
            signals = Signals(when[start:stop], upward[start:stop], ~upward[start:stop])
            lane = Lane(reference[column], known[column])
            own = own_actions(actions, column)
            trade_instrument(signals, lane, own, terms, column, initial_cash / count, book, nothing, 0)
    return navs
