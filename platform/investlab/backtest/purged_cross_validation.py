"""Combinatorial purged cross-validation: many out-of-sample paths through one history, each with its Sharpe ratio.

Source: López de Prado, "Advances in Financial Machine Learning", Wiley 2018, chapter 12.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd

from investlab.analytics.out_of_sample import CombinatorialPlan
from investlab.backtest.costs import FREE, Costs
from investlab.backtest.grid import GridPoints, expand_grid
from investlab.backtest.purged_result import CrossValidationResult
from investlab.backtest.strategies import Strategy, describe_strategy
from investlab.backtest.sweep import SweepTask
from investlab.backtest.sweep_result import UNCOUNTED
from investlab.backtest.terms import agree_terms, terms_notes
from investlab.backtest.walk_forward_result import Computation
from investlab.backtest.window_measures import Criterion, lay_out, measure_windows, parse_criterion
from investlab.backtest.window_trials import WindowTask, measure_trials, navs_of, session_returns
from investlab.core.executor import Executor, Progress, SerialExecutor, no_progress
from investlab.market.panel import PricePanel
from investlab.schemas.backtest import Execution

UNCHARGED = "What it costs to change parameters between groups is not charged; il.walk_forward charges it."
PURGED = "Training numbers are those of each combination's run over the whole panel, within the training sessions."


@dataclass(frozen=True, slots=True, eq=False)
class CrossValidationTask:
    """A cross-validation on agreed terms."""

    sweep: SweepTask
    grid: Mapping[str, Sequence[Any]]
    plan: CombinatorialPlan
    criterion: Criterion


def purged_cross_validation(
    strategy: type[Strategy],
    grid: Mapping[str, Sequence[Any]],
    panel: PricePanel,
    *,
    groups: int = 6,
    test_groups: int = 2,
    purge: int = 0,
    embargo: int = 0,
    criterion: Criterion | str = Criterion.SHARPE,
    costs: Costs = FREE,
    execution: Execution | str = Execution.NEXT_OPEN,
    initial_cash: float = 100_000.0,
    executor: Executor | None = None,
    progress: Progress = no_progress,
) -> CrossValidationResult:
    """Return the distribution of out-of-sample Sharpe ratios over the paths that all splits of the sessions make up.

    The sessions are cut into `groups`; each way of taking `test_groups` of them is a split, which chooses the
    combination with the highest `criterion` on the other groups, less `purge` sessions on either side of a test group
    and `embargo` more after it. Every combination runs once over the whole panel; numbers are those of its returns
    within the sessions. `progress` counts combinations.

    Raises:
        UnknownParameter: The strategy has no such parameter; near matches are named.
        InvalidInput: The sessions cannot be split so, the panel cannot be traded on these terms, no combination is
            left, or the criterion is unknown.
    """
    task = CrossValidationTask(
        SweepTask(strategy, panel, agree_terms(panel, costs, execution, initial_cash)),
        grid,
        CombinatorialPlan(groups, test_groups, purge, embargo),
        parse_criterion(criterion),
    )
    return run_cross_validation(task, executor or SerialExecutor(), progress)


def run_cross_validation(
    task: CrossValidationTask, executor: Executor, progress: Progress = no_progress
) -> CrossValidationResult:
    """Return the cross-validation of a checked task; the executor changes no bit of it.

    Raises:
        UnknownParameter: The strategy has no such parameter.
        InvalidInput: The sessions cannot be split so, or no combination is left.
    """
    started = perf_counter()
    panel, plan = task.sweep.panel, task.plan
    sessions = len(panel.sessions)
    combinations = expand_grid(task.sweep.strategy, task.grid)
    trainings = [plan.training(sessions, tested) for tested in plan.tested()]
    windows = [*trainings, (range(sessions),)]
    work = WindowTask(task.sweep, lay_out(windows), range(sessions))
    trials = measure_trials(work, combinations.valid, executor, progress)
    chosen = trials.best(task.criterion.column)[: plan.splits]
    returns = _returns_of(task.sweep, combinations.valid, chosen)
    invalid = (f"{combinations.invalid} combinations were left out: the strategy refuses them.",)
    return CrossValidationResult(
        splits=_splits_table(task, combinations.valid, chosen, (trials.measures, returns)),
        paths=_paths(plan, sessions, chosen, returns, panel.index),
        trial_sharpes=trials.measures[:, -1, 0].copy(),
        plan=plan,
        criterion=task.criterion,
        parameters=tuple(task.grid),
        strategy=describe_strategy(task.sweep.strategy),
        costs=task.sweep.terms.costs,
        execution=task.sweep.terms.execution,
        panel_id=panel.id,
        source=panel.source,
        notes=(
            *terms_notes(panel, task.sweep.terms),
            PURGED,
            UNCHARGED,
            UNCOUNTED,
            *(invalid if combinations.invalid else ()),
        ),
        computation=Computation(trials.executor, trials.worker_pids, trials.reason, perf_counter() - started),
    )


def _returns_of(task: SweepTask, combinations: GridPoints, chosen: np.ndarray) -> dict[int, np.ndarray]:
    """Return the returns by session of every combination that some split chose."""
    return {
        int(place): session_returns(navs_of(task, combinations[place : place + 1])[0]) for place in np.unique(chosen)
    }


def _splits_table(
    task: CrossValidationTask,
    combinations: GridPoints,
    chosen: np.ndarray,
    numbers: tuple[np.ndarray, Mapping[int, np.ndarray]],
) -> pd.DataFrame:
    plan, panel, column = task.plan, task.sweep.panel, task.criterion.column
    groups = plan.borders(len(panel.sessions))
    measures, returns = numbers
    rows = []
    for split, tested in enumerate(plan.tested()):
        stretches = [groups[group] for group in tested]
        year = float(panel.source.sessions_per_year)
        outside = measure_windows(returns[int(chosen[split])], lay_out([stretches]), year)[0]
        rows.append(
            {
                "tested": ", ".join(str(group + 1) for group in tested),
                "train_sessions": sum(map(len, plan.training(len(panel.sessions), tested))),
                "test_sessions": sum(map(len, stretches)),
                **combinations[chosen[split]],
                f"train_{task.criterion}": measures[chosen[split], split, column],
                f"test_{task.criterion}": outside[column],
            }
        )
    return pd.DataFrame(rows, index=pd.RangeIndex(1, plan.splits + 1, name="split"))


def _paths(
    plan: CombinatorialPlan,
    sessions: int,
    chosen: np.ndarray,
    returns: Mapping[int, np.ndarray],
    index: pd.DatetimeIndex,
) -> pd.DataFrame:
    """Return the returns of each path (sessions × paths): in each group those of the choice of the path's split."""
    groups = plan.borders(sessions)
    joined = np.empty((sessions, plan.paths))
    for path, splits in enumerate(plan.path_splits()):
        for group, split in zip(groups, splits, strict=True):
            rows = slice(group.start, group.stop)
            joined[rows, path] = returns[int(chosen[split])][rows]
    return pd.DataFrame(joined, index=index, columns=pd.RangeIndex(1, plan.paths + 1, name="path"))
