"""Walk-forward: parameters are chosen on the past alone, window after window, and traded on what follows.

Source: Pardo, "The Evaluation and Optimization of Trading Strategies", 2nd edition, Wiley 2008, chapter 11.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import pandas as pd

from investlab.analytics.out_of_sample import WalkForwardPlan
from investlab.backtest.costs import FREE, Costs
from investlab.backtest.grid import Combinations, expand_grid
from investlab.backtest.joined_path import Leg, joined_result
from investlab.backtest.parameter_stability import choice_steps
from investlab.backtest.result import BacktestResult
from investlab.backtest.strategies import Strategy, describe_strategy
from investlab.backtest.sweep import SweepTask
from investlab.backtest.sweep_result import UNCOUNTED
from investlab.backtest.terms import agree_terms
from investlab.backtest.walk_forward_result import Computation, WalkForwardResult
from investlab.backtest.walk_forward_windows import WindowChoices, windows_table
from investlab.backtest.window_measures import MEASURES, Criterion, lay_out, parse_criterion
from investlab.backtest.window_trials import WindowTask, WindowTrials, measure_trials
from investlab.core.executor import Executor, Progress, SerialExecutor, no_progress
from investlab.market.panel import PricePanel
from investlab.schemas.backtest import Execution


@dataclass(frozen=True, slots=True, eq=False)
class WalkForwardTask:
    """A walk-forward on agreed terms."""

    sweep: SweepTask
    grid: Mapping[str, Sequence[Any]]
    plan: WalkForwardPlan
    criterion: Criterion


def walk_forward(
    strategy: type[Strategy],
    grid: Mapping[str, Sequence[Any]],
    panel: PricePanel,
    *,
    train: int,
    test: int,
    anchored: bool = False,
    purge: int = 0,
    embargo: int = 0,
    criterion: Criterion | str = Criterion.SHARPE,
    costs: Costs = FREE,
    execution: Execution | str = Execution.NEXT_OPEN,
    initial_cash: float = 100_000.0,
    executor: Executor | None = None,
    progress: Progress = no_progress,
) -> WalkForwardResult:
    """Return what parameters chosen on `train` sessions would have earned on the `test` sessions that follow.

    Every combination runs once over the whole panel, so that indicators are warm; a window's training numbers are
    those of the run's returns within its training sessions, which end `purge` + `embargo` sessions before the test.
    The combination with the highest `criterion` is traded in the test. Windows follow each other, so that the tests
    make up one account; `anchored` ones train from the first session on. `progress` counts combinations.

    Raises:
        UnknownParameter: The strategy has no such parameter; near matches are named.
        InvalidInput: The panel is too short for one window or cannot be traded on these terms, no combination is left,
            or the criterion is unknown.
    """
    plan = WalkForwardPlan(train, test, anchored, purge, embargo)
    task = WalkForwardTask(
        SweepTask(strategy, panel, agree_terms(panel, costs, execution, initial_cash)),
        grid,
        plan,
        parse_criterion(criterion),
    )
    return run_walk_forward(task, executor or SerialExecutor(), progress)


def run_walk_forward(task: WalkForwardTask, executor: Executor, progress: Progress = no_progress) -> WalkForwardResult:
    """Return the walk-forward of a checked task; the executor changes no bit of it.

    Raises:
        UnknownParameter: The strategy has no such parameter.
        InvalidInput: The panel is too short for one window, or no combination is left.
    """
    started = perf_counter()
    panel = task.sweep.panel
    combinations = expand_grid(task.sweep.strategy, task.grid)
    folds = task.plan.folds(len(panel.sessions))
    tested = range(folds[0].test.start, folds[-1].test.stop)
    windows = [[fold.train] for fold in folds] + [[fold.test] for fold in folds] + [[tested]]
    trials = measure_trials(WindowTask(task.sweep, lay_out(windows), tested), combinations.valid, executor, progress)
    best = trials.best(task.criterion.column)
    chosen, fixed = [int(place) for place in best[: len(folds)]], int(best[-1])
    stability = choice_steps([combinations.valid[place] for place in chosen], task.grid)
    account = _account(task, combinations, [(place, fold.test) for place, fold in zip(chosen, folds, strict=True)])
    return WalkForwardResult(
        windows=windows_table(WindowChoices(folds, chosen, trials.measures, task.criterion), stability, account, panel),
        stability=stability,
        trials=_trials_table(combinations, trials),
        plan=task.plan,
        criterion=task.criterion,
        parameters=tuple(task.grid),
        leftover=task.plan.leftover(len(panel.sessions)),
        out_of_sample=replace(account, notes=(*account.notes, *_notes(task, combinations, len(folds)))),
        hindsight=_account(task, combinations, [(fixed, tested)]),
        hindsight_parameters=combinations.valid[fixed],
        block_moments=trials.block_moments,
        computation=Computation(trials.executor, trials.worker_pids, trials.reason, perf_counter() - started),
    )


def _account(task: WalkForwardTask, combinations: Combinations, choices: Sequence[tuple[int, range]]) -> BacktestResult:
    """Return the account that is traded through choices (trial, sessions) in turn."""
    strategy, terms = task.sweep.strategy, task.sweep.terms
    legs = [Leg(strategy(**combinations.valid[trial]), sessions, trial) for trial, sessions in choices]
    described = describe_strategy(legs[0].strategy if len(legs) == 1 else strategy)
    return joined_result(task.sweep.panel, terms, legs, described)


def _trials_table(combinations: Combinations, trials: WindowTrials) -> pd.DataFrame:
    columns: dict[str, Any] = {**combinations.valid.columns()}
    columns |= {name: trials.measures[:, -1, place] for place, name in enumerate(MEASURES)}
    return pd.DataFrame(columns, index=pd.RangeIndex(len(combinations.valid), name="trial"))


def _notes(task: WalkForwardTask, combinations: Combinations, windows: int) -> tuple[str, ...]:
    plan, sessions = task.plan, len(task.sweep.panel.sessions)
    kind = "from the first session on" if plan.anchored else f"on {plan.train} sessions"
    left = plan.leftover(sessions)
    notes = [
        f"{windows} windows train {kind} and are tested on {plan.test}; training ends {plan.gap} sessions before "
        f"the test (purge {plan.purge}, embargo {plan.embargo}). Chosen by {task.criterion.replace('_', ' ')}.",
        f"{left} {'session' if left == 1 else 'sessions'} at the end are too few for a window and are not tested.",
        "Training numbers are those of each combination's run over the whole panel, within the training sessions.",
        UNCOUNTED,
    ]
    if combinations.invalid:
        total = combinations.invalid + len(combinations.valid)
        notes.append(f"{combinations.invalid} of {total} combinations were left out: the strategy refuses them.")
    return tuple(notes)
