"""Walk-forward and cross-validation as recorded runs, and building one again from its record."""

from collections.abc import Mapping, Sequence
from typing import Any

from investlab.analytics.out_of_sample import CombinatorialPlan, WalkForwardPlan
from investlab.backtest.purged_cross_validation import CrossValidationTask, run_cross_validation
from investlab.backtest.purged_result import CrossValidationResult
from investlab.backtest.sweep import SweepTask
from investlab.backtest.terms import agree_terms
from investlab.backtest.walk_forward import WalkForwardTask, run_walk_forward
from investlab.backtest.walk_forward_result import WalkForwardResult
from investlab.backtest.window_measures import parse_criterion
from investlab.core.executor import Executor, Progress
from investlab.schemas.backtest import CrossValidationSpec, OutOfSampleSpec, WalkForwardSpec
from investlab.services.context import Context
from investlab.services.run_planning import SweepRequest
from investlab.services.runs import run_evaluation
from investlab.store.evaluations import Evaluation


def record_walk_forward(
    context: Context, request: SweepRequest, spec: WalkForwardSpec, progress: Progress
) -> WalkForwardResult:
    """Return the walk-forward, computed or from the run that has its key; its trials are counted once.

    Raises:
        UnknownParameter: The strategy has no such parameter; near matches are named.
        InvalidInput: The panel has no recorded data or is too short, or no combination can be traded on these terms.
    """
    task = _walk_task(request, spec)
    task.plan.folds(len(request.panel.sessions))
    return run_evaluation(context, request, spec, lambda executor: run_walk_forward(task, executor, progress))


def record_cross_validation(
    context: Context, request: SweepRequest, spec: CrossValidationSpec, progress: Progress
) -> CrossValidationResult:
    """Return the cross-validation, computed or from the run that has its key; its trials are counted once.

    Raises:
        UnknownParameter: The strategy has no such parameter; near matches are named.
        InvalidInput: The panel has no recorded data or is too short, or no combination can be traded on these terms.
    """
    task = _cross_task(request, spec)
    task.plan.borders(len(request.panel.sessions))
    return run_evaluation(context, request, spec, lambda executor: run_cross_validation(task, executor, progress))


def evaluate_again(request: SweepRequest, spec: OutOfSampleSpec, executor: Executor, progress: Progress) -> Evaluation:
    """Return an evaluation computed from its record's request; nothing is recorded and no trial counted."""
    if isinstance(spec, WalkForwardSpec):
        return run_walk_forward(_walk_task(request, spec), executor, progress)
    return run_cross_validation(_cross_task(request, spec), executor, progress)


def _walk_task(request: SweepRequest, spec: WalkForwardSpec) -> WalkForwardTask:
    plan = WalkForwardPlan(spec.train, spec.test, spec.anchored, spec.purge, spec.embargo)
    return WalkForwardTask(_sweep_task(request), _listed(request.grid), plan, parse_criterion(spec.criterion))


def _cross_task(request: SweepRequest, spec: CrossValidationSpec) -> CrossValidationTask:
    plan = CombinatorialPlan(spec.groups, spec.test_groups, spec.purge, spec.embargo)
    return CrossValidationTask(_sweep_task(request), _listed(request.grid), plan, parse_criterion(spec.criterion))


def _sweep_task(request: SweepRequest) -> SweepTask:
    terms = agree_terms(request.panel, request.costs, request.execution, request.initial_cash)
    return SweepTask(request.strategy, request.panel, terms)


def _listed(grid: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    return {name: list(values) for name, values in grid.items()}
