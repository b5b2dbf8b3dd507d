"""Sweeps: one strategy over a grid of parameters, on any executor with the same result to the bit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd

from investlab.analytics.overfitting import ReturnMoments
from investlab.analytics.returns import returns_since
from investlab.analytics.symmetric_splits import BLOCKS, write_block_moments
from investlab.backtest.costs import FREE, Costs
from investlab.backtest.engine import run_strategy, simulate
from investlab.backtest.grid import Combination, expand_grid
from investlab.backtest.kernels import METRICS
from investlab.backtest.sma_kernel import sweep_crossings
from investlab.backtest.strategies import SmaCross, Strategy, describe_strategy
from investlab.backtest.sweep_result import UNCOUNTED, SweepResult
from investlab.backtest.terms import (
    TradingTerms,
    agree_terms,
    by_instrument,
    kernel_actions,
    last_known_prices,
    terms_notes,
)
from investlab.core.executor import Executor, Progress, SerialExecutor, no_progress
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

Chunk = tuple[Combination, ...]


@dataclass(frozen=True, slots=True)
class SweepTask:
    """What every unit of work of a sweep shares."""

    strategy: type[Strategy]
    panel: PricePanel
    terms: TradingTerms


@dataclass(frozen=True, slots=True, eq=False)
class SweepPart:
    """One unit of work: combinations, and the places of those whose returns by block are kept."""

    combinations: Chunk
    kept: np.ndarray


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
    (such as fast ≥ slow) are left out and counted. `progress` counts combinations.

    Raises:
        UnknownParameter: The strategy has no such parameter; near matches are named.
        InvalidInput: No combination is left, or the panel cannot be traded on these terms.
    """
    combinations = expand_grid(strategy, grid)
    task = SweepTask(strategy, panel, agree_terms(panel, costs, execution, initial_cash))
    return run_sweep(task, combinations.valid, combinations.invalid, executor or SerialExecutor(), progress)


def run_sweep(
    task: SweepTask,
    combinations: Chunk,
    invalid: int,
    executor: Executor,
    progress: Progress = no_progress,
    chunk_size: int | None = None,
) -> SweepResult:
    """Return the sweep of checked combinations; neither executor nor chunk size changes a bit of it."""
    size = chunk_size or chunk_size_of(task)
    parts = split_sweep(combinations, size)
    started = perf_counter()
    outcome = executor.map(
        sweep_part,
        task,
        parts,
        lambda done, total: progress(min(done * size, len(combinations)), len(combinations)),
    )
    elapsed = perf_counter() - started
    table = _table(combinations, np.concatenate([metrics for metrics, _ in outcome.results]))
    best = combinations[int(table["sharpe"].to_numpy().argmax())]
    terms, panel = task.terms, task.panel
    best_result = run_strategy(
        task.strategy(**best),
        panel,
        costs=terms.costs,
        execution=terms.execution,
        initial_cash=terms.initial_cash,
    )
    notes = [*terms_notes(panel, terms), UNCOUNTED]
    if invalid:
        total = invalid + len(combinations)
        notes.append(f"{invalid} of {total} combinations were left out: the strategy refuses them.")
    return SweepResult(
        table=table,
        parameters=tuple(combinations[0]),
        invalid=invalid,
        best_result=best_result,
        best_moments=ReturnMoments.of(best_result.returns.to_numpy()),
        block_moments=np.concatenate([moments for _, moments in outcome.results]),
        strategy=describe_strategy(task.strategy),
        costs=terms.costs,
        execution=terms.execution,
        initial_cash=terms.initial_cash,
        basis=panel.basis,
        panel_id=panel.id,
        source=panel.source,
        instruments=panel.instruments,
        notes=tuple(notes),
        executor=outcome.executor,
        worker_pids=outcome.worker_pids,
        reason=outcome.reason,
        elapsed_seconds=elapsed,
    )


def chunk_size_of(task: SweepTask) -> int:
    """Return how many combinations one unit of work takes; it depends on strategy and panel, never on the executor."""
    if task.strategy is not SmaCross:
        return SINGLE_CHUNK
    return max(1, min(FUSED_CHUNK, FUSED_LANES // len(task.panel.symbols)))


def split_sweep(combinations: Chunk, size: int) -> list[SweepPart]:
    """Return the units of work in grid order; which trials are kept depends on their number alone."""
    count = len(combinations)
    if count > CROSS_VALIDATED:
        kept = np.sort(np.random.default_rng(0).permutation(count)[:CROSS_VALIDATED])
    else:
        kept = np.arange(count)
    starts = range(0, count, size)
    edges = np.searchsorted(kept, [*starts, count])
    return [
        SweepPart(combinations[start : start + size], kept[edges[place] : edges[place + 1]] - start)
        for place, start in enumerate(starts)
    ]


def sweep_part(task: SweepTask, part: SweepPart) -> tuple[np.ndarray, np.ndarray]:
    """Return the metrics (combinations × metrics) and the block moments of the trials that are kept."""
    rows = sweep_chunk(task, part.combinations)
    return rows[:, : len(METRICS)].copy(), rows[part.kept, len(METRICS) :]


def sweep_chunk(task: SweepTask, chunk: Chunk) -> np.ndarray:
    """Return each combination's metrics and then its sums of returns and of squares by block, one row each."""
    return fused_chunk(task, chunk) if task.strategy is SmaCross else generic_chunk(task, chunk)


def generic_chunk(task: SweepTask, chunk: Chunk) -> np.ndarray:
    """Return the rows of any strategy's combinations, one simulation after the other."""
    rows = np.empty((len(chunk), len(METRICS) + 2 * BLOCKS))
    for row, one in zip(rows, chunk, strict=True):
        done = simulate(task.strategy(**one), task.panel, task.terms)
        row[: len(METRICS)] = done.metrics
        returns = returns_since(done.book.nav, task.terms.initial_cash)
        write_block_moments(returns, len(done.book.nav), row[len(METRICS) :])
    return rows


def fused_chunk(task: SweepTask, chunk: Chunk) -> np.ndarray:
    """Return the rows of pairs of moving averages from the fused kernel."""
    panel, terms = task.panel, task.terms
    strategies = [SmaCross(**one) for one in chunk]
    pairs = np.array([(one.fast, one.slow) for one in strategies], dtype=np.int64)
    windows = np.unique(pairs)
    return sweep_crossings(
        by_instrument(point_in_time_prices(panel)),
        windows,
        np.searchsorted(windows, pairs),
        by_instrument(terms.reference_prices(panel)),
        by_instrument(last_known_prices(panel, terms)),
        kernel_actions(panel, by_column=True),
        terms.for_kernels(),
        terms.initial_cash,
        float(panel.source.sessions_per_year),
        BLOCKS,
    )


def estimate_seconds(
    strategy: type[Strategy],
    grid: Mapping[str, Sequence[Any]],
    panel: PricePanel,
    *,
    costs: Costs = FREE,
    execution: Execution | str = Execution.NEXT_OPEN,
    initial_cash: float = 100_000.0,
) -> float:
    """Return how long a serial sweep would take here, from timing a few of its combinations.

    Raises:
        UnknownParameter: The strategy has no such parameter; near matches are named.
        InvalidInput: No combination is left, or the panel cannot be traded on these terms.
    """
    combinations = expand_grid(strategy, grid).valid
    task = SweepTask(strategy, panel, agree_terms(panel, costs, execution, initial_cash))
    sample = combinations[:: max(1, len(combinations) // (64 if strategy is SmaCross else 2))]
    sweep_chunk(task, sample[:1])
    started = perf_counter()
    sweep_chunk(task, sample)
    return (perf_counter() - started) * len(combinations) / len(sample)


def _table(combinations: Chunk, metrics: np.ndarray) -> pd.DataFrame:
    columns: dict[str, Any] = {name: [one[name] for one in combinations] for name in combinations[0]}
    columns |= {name: metrics[:, place] for place, name in enumerate(METRICS)}
    return pd.DataFrame(columns, index=pd.RangeIndex(len(combinations), name="trial"))
