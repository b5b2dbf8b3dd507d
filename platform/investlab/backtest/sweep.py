"""Sweeps: one strategy over a grid of parameters, on any executor with the same result to the bit."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from investlab.analytics.overfitting import ReturnMoments
from investlab.analytics.returns import returns_since
from investlab.analytics.symmetric_splits import BLOCKS, write_block_moments
from investlab.backtest.costs import FREE, Costs
from investlab.backtest.engine import run_strategy, simulate
from investlab.backtest.grid import Combinations, GridPoints, expand_grid
from investlab.backtest.kernels import METRICS, Actions, FillTerms
from investlab.backtest.orders import signal_arrays
from investlab.backtest.position_rules import rules_of
from investlab.backtest.signal_sweep import Market, market_of, measure_signals
from investlab.backtest.sma_kernel import sweep_crossings
from investlab.backtest.strategies import SignalStrategy, SmaCross, Strategy, describe_strategy
from investlab.backtest.sweep_result import UNCOUNTED, SweepResult
from investlab.backtest.sweep_work import NoLog, SweepJob, SweepLog, SweepWork
from investlab.backtest.terms import TradingTerms, agree_terms, by_instrument, terms_notes
from investlab.core.executor import Executor, Progress, in_process, no_progress, processors
from investlab.market.adjustment import point_in_time_prices
from investlab.market.panel import PricePanel
from investlab.schemas.backtest import Execution

FUSED_CHUNK = 256
"""Combinations in one unit of work of the fused kernel at most."""

FUSED_LANES = 100_000
"""Combinations times instruments in one unit of work of the fused kernel at most; bounds its memory."""

SINGLE_CHUNK = 16
"""Combinations in one unit of work of any other strategy."""

CROSS_VALIDATED = 2_000
"""Trials whose returns by block a sweep keeps at most; of more it keeps a fixed random choice of so many."""

CrossingInputs = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, Actions, FillTerms, float]

PLAIN_SIGNALS = 2
"""Arrays that a strategy gives which has no signals of its own for short positions: entries and exits."""


@dataclass(frozen=True)
class SweepTask:
    """What every unit of work of a sweep shares."""

    strategy: type[Strategy]
    panel: PricePanel
    terms: TradingTerms

    @cached_property
    def market(self) -> Market:
        """Return the panel and the terms as the kernels of signals take them, made once in each process."""
        return market_of(self.panel, self.terms)

    @cached_property
    def closes(self) -> np.ndarray:
        """Return the adjusted closes that strategies see (instruments × sessions), made once in each process."""
        return by_instrument(point_in_time_prices(self.panel))

    def __reduce__(self) -> tuple[type["SweepTask"], tuple[Any, ...]]:
        return SweepTask, (self.strategy, self.panel, self.terms)  # what was made of them is made anew there


@dataclass(frozen=True, slots=True, eq=False)
class SweepPart:
    """One unit of work: combinations, and the places of those whose returns by block are kept."""

    combinations: GridPoints
    kept: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class PlannedSweep:
    """A sweep whose combinations and terms are checked; `work` holds what is computed of it already."""

    task: SweepTask
    combinations: GridPoints
    invalid: int
    work: SweepWork

    @property
    def threads(self) -> int:
        """Return how many threads of this process its units can keep busy: one where Python computes them."""
        return processors() if self.task.strategy is SmaCross else 1

    def measure(self) -> float:
        """Compute a first piece here, and return the seconds that one worker needs for the rest."""
        return self.work.measure()

    def run(self, executor: Executor, progress: Progress = no_progress, unit_size: int | None = None) -> SweepResult:
        """Compute what is missing and return the sweep; neither executor nor unit size changes a bit of it."""
        pids = self.work.run(executor, progress, unit_size) or (os.getpid(),)
        return _result(self, executor, pids)


def sweep(
    strategy: type[Strategy],
    grid: Mapping[str, Sequence[Any]],
    panel: PricePanel,
    *,
    costs: Costs = FREE,
    execution: Execution | str = Execution.NEXT_OPEN,
    initial_cash: float = 100_000.0,
    executor: Executor | None = None,
    progress: Progress = no_progress,
) -> SweepResult:
    """Return every combination of the grid that the strategy accepts, with its metrics, in grid order.

    `strategy` is a class, `grid` maps its parameters to the values tried. Combinations that its validation refuses
    (such as fast ≥ slow) are left out and counted. `progress` counts combinations. Without an executor the work is
    timed and stays in this process, on threads where they help.

    Raises:
        UnknownParameter: The strategy has no such parameter; near matches are named.
        InvalidInput: No combination is left, or the panel cannot be traded on these terms.
    """
    task = SweepTask(strategy, panel, agree_terms(panel, costs, execution, initial_cash))
    planned = plan_sweep(task, expand_grid(strategy, grid))
    return planned.run(executor or _stay_here(planned), progress)


def plan_sweep(task: SweepTask, combinations: Combinations, log: SweepLog | None = None) -> PlannedSweep:
    """Return a sweep ready to run, with what earlier attempts left in the log."""
    points = combinations.valid
    kept, block = kept_trials(len(points)), chunk_size_of(task)

    def cut(start: int, stop: int) -> SweepPart:
        first, last = np.searchsorted(kept, (start, stop))
        return SweepPart(points[start:stop], kept[first:last] - start)

    job = SweepJob(
        count=len(points),
        kept=kept,
        widths=(len(METRICS), 2 * BLOCKS),
        cut=cut,
        compute=sweep_part,
        shared=task,
        block=block,
        first=block if task.strategy is SmaCross else 1,
    )
    return PlannedSweep(task, points, combinations.invalid, SweepWork(job, log or NoLog()))


def _stay_here(planned: PlannedSweep) -> Executor:
    seconds = planned.measure()
    return in_process(seconds, planned.threads, f"auto: about {seconds:.1f} s of work")


def _result(planned: PlannedSweep, executor: Executor, pids: tuple[int, ...]) -> SweepResult:
    task, combinations, work = planned.task, planned.combinations, planned.work
    table = _table(combinations, work.metrics)
    best = combinations[int(work.metrics[:, METRICS.index("sharpe")].argmax())]
    terms, panel = task.terms, task.panel
    best_result = run_strategy(
        task.strategy(**best),
        panel,
        costs=terms.costs,
        execution=terms.execution,
        initial_cash=terms.initial_cash,
    )
    notes = [*terms_notes(panel, terms), UNCOUNTED]
    if planned.invalid:
        total = planned.invalid + len(combinations)
        notes.append(f"{planned.invalid} of {total} combinations were left out: the strategy refuses them.")
    return SweepResult(
        table=table,
        parameters=tuple(best),
        invalid=planned.invalid,
        best_result=best_result,
        best_moments=ReturnMoments.of(best_result.returns.to_numpy()),
        block_moments=work.moments,
        strategy=describe_strategy(task.strategy),
        costs=terms.costs,
        execution=terms.execution,
        initial_cash=terms.initial_cash,
        basis=panel.basis,
        panel_id=panel.id,
        source=panel.source,
        instruments=best_result.instruments,
        notes=tuple(notes),
        executor=executor.name,
        worker_pids=pids,
        reason=executor.reason,
        elapsed_seconds=work.seconds,
        resumed_trials=work.from_log,
    )


def chunk_size_of(task: SweepTask) -> int:
    """Return how many combinations one unit of work takes; it depends on strategy and panel, never on the executor."""
    if task.strategy is not SmaCross:
        return SINGLE_CHUNK
    return max(1, min(FUSED_CHUNK, FUSED_LANES // len(task.panel.symbols)))


def kept_trials(count: int) -> np.ndarray:
    """Return the ascending numbers of the trials whose returns by block are kept: a function of their number alone."""
    if count > CROSS_VALIDATED:
        return np.sort(np.random.default_rng(0).permutation(count)[:CROSS_VALIDATED])
    return np.arange(count)


def split_sweep(combinations: GridPoints, size: int) -> list[SweepPart]:
    """Return the units of work in grid order; which trials are kept depends on their number alone."""
    count = len(combinations)
    kept, starts = kept_trials(count), range(0, count, size)
    edges = np.searchsorted(kept, [*starts, count])
    return [
        SweepPart(combinations[start : start + size], kept[edges[place] : edges[place + 1]] - start)
        for place, start in enumerate(starts)
    ]


def sweep_part(task: SweepTask, part: SweepPart) -> tuple[np.ndarray, np.ndarray]:
    """Return the metrics (combinations × metrics) and the block moments of the trials that are kept."""
    count, size = len(part.combinations), chunk_size_of(task)
    metrics, moments = np.empty((count, len(METRICS))), np.empty((len(part.kept), 2 * BLOCKS))
    for start in range(0, count, size):
        rows = sweep_chunk(task, part.combinations[start : start + size])
        metrics[start : start + size] = rows[:, : len(METRICS)]
        first, last = np.searchsorted(part.kept, (start, start + size))
        moments[first:last] = rows[part.kept[first:last] - start, len(METRICS) :]
    return metrics, moments


def sweep_chunk(task: SweepTask, chunk: GridPoints) -> np.ndarray:
    """Return each combination's metrics and then its sums of returns and of squares by block, one row each."""
    return fused_chunk(task, chunk) if task.strategy is SmaCross else generic_chunk(task, chunk)


def generic_chunk(task: SweepTask, chunk: GridPoints) -> np.ndarray:
    """Return the rows of any strategy's combinations, one after the other."""
    rows = np.empty((len(chunk), len(METRICS) + 2 * BLOCKS))
    for row, one in zip(rows, chunk, strict=True):
        _write_row(task, task.strategy(**one), row)
    return rows


def _write_row(task: SweepTask, strategy: Strategy, row: np.ndarray) -> None:
    """Write one combination's metrics and block moments; plain signals need no whole simulation for them."""
    panel, terms = task.panel, task.terms
    if isinstance(strategy, SignalStrategy) and terms.are_plain and rules_of(strategy, terms.rules).is_plain:
        signals = signal_arrays(panel, strategy.signals(panel))
        if len(signals) == PLAIN_SIGNALS:
            entries, exits = signals
            measure_signals(entries, exits, task.market, row)
            return
    done = simulate(strategy, panel, terms)
    row[: len(METRICS)] = done.metrics
    returns = returns_since(done.book.nav, terms.initial_cash)
    write_block_moments(returns, len(done.book.nav), row[len(METRICS) :])


def window_pairs(chunk: GridPoints) -> tuple[np.ndarray, np.ndarray]:
    """Return the ascending windows of checked pairs of moving averages, and the places of each pair's two in them."""
    usual = SmaCross()
    pairs = np.column_stack((chunk.numbers("fast", usual.fast), chunk.numbers("slow", usual.slow)))
    windows = np.unique(pairs)
    return windows, np.searchsorted(windows, pairs)


def fused_chunk(task: SweepTask, chunk: GridPoints) -> np.ndarray:
    """Return the rows of pairs of moving averages from the fused kernel."""
    return sweep_crossings(*crossing_inputs(task, chunk), task.market.sessions_per_year, BLOCKS)


def crossing_inputs(task: SweepTask, chunk: GridPoints) -> CrossingInputs:
    """Return what kernels of pairs take first: adjusted closes, windows, pairs, then the market up to the cash."""
    windows, pairs = window_pairs(chunk)
    return task.closes, windows, pairs, *task.market[:-1]


def _table(combinations: GridPoints, metrics: np.ndarray) -> pd.DataFrame:
    columns: dict[str, Any] = {**combinations.columns()}
    columns |= {name: metrics[:, place] for place, name in enumerate(METRICS)}
    return pd.DataFrame(columns, index=pd.RangeIndex(len(combinations), name="trial"), copy=False)
