"""Recorded runs: a backtest or sweep is found by its key or computed, stored with its lineage, and counted."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from investlab.backtest.engine import run_strategy
from investlab.backtest.grid import expand_grid
from investlab.backtest.result import BacktestResult
from investlab.backtest.strategies import describe_strategy
from investlab.backtest.sweep import SweepTask, plan_sweep
from investlab.backtest.sweep_result import SweepResult
from investlab.backtest.terms import agree_terms
from investlab.core.errors import Conflict
from investlab.core.executor import Executor, Progress
from investlab.core.hashing import hash_json
from investlab.schemas.backtest import OutOfSampleSpec, RunSummary
from investlab.schemas.ledger import RunKind, RunOutcome
from investlab.services.context import Context
from investlab.services.executors import choose_executor
from investlab.services.recording import failures_recorded
from investlab.services.run_labels import find_run, label_run, labels_of
from investlab.services.run_outcomes import backtest_outcome, evaluation_outcome, sweep_outcome
from investlab.services.run_planning import BacktestRequest, PlannedRun, SweepRequest, plan_run, remarks
from investlab.services.sweeping import discard, noted, resumable, take_over
from investlab.store.evaluations import Evaluation, decode_run
from investlab.store.repositories import audit, backtests, outbox
from investlab.store.sweep_chunks import SweepChunks


def run_backtest(context: Context, request: BacktestRequest) -> BacktestResult:
    """Return the backtest, computed or from the run that has its key, with `run_id` and `code_identity` set.

    Raises:
        InvalidInput: The panel has no recorded data or cannot be traded on these terms.
    """
    described = describe_strategy(request.strategy)
    planned = plan_run(context, RunKind.BACKTEST, request.strategy, described, request, None)
    recorded = _recorded(context, planned)
    if recorded is not None:
        return cast("BacktestResult", recorded)

    def compute() -> tuple[BacktestResult, RunOutcome]:
        result = run_strategy(
            request.strategy,
            request.panel,
            costs=request.costs,
            execution=request.execution,
            initial_cash=request.initial_cash,
            whole_shares=request.whole_shares,
            **request.beyond_costs,
            direction=request.rules.direction,
            sizing=request.rules.sizing,
            stops=request.rules.stops,
        )
        signed = replace(
            result,
            run_id=planned.start.run_id,
            code_identity=planned.start.code_identity,
            notes=(*result.notes, *remarks(planned)),
        )
        return signed, backtest_outcome(context, signed)

    return _execute(context, planned, compute)[0]


def run_sweep(context: Context, request: SweepRequest, progress: Progress) -> SweepResult:
    """Return the sweep, computed or from the run that has its key; its trials are counted once.

    An earlier attempt that broke off is gone on with: only what it left undone is computed.

    Raises:
        UnknownParameter: The strategy has no such parameter; near matches are named.
        InvalidInput: The panel has no recorded data, or no combination can be traded on these terms.
        WorkerLost: Workers died and their work could not be completed elsewhere.
        Busy: Another process is computing the same sweep.
    """
    described = describe_strategy(request.strategy)
    planned = plan_run(context, RunKind.SWEEP, request.strategy, described, request, request.grid)
    recorded = _recorded(context, planned)
    if recorded is not None:
        discard(context, planned.start.key)
        return cast("SweepResult", recorded)
    with resumable(context, planned.start, is_identified=not planned.uncached) as chunks:
        recorded = _recorded(context, planned)  # by the process that held the chunks until now
        if recorded is None:
            take_over(context, chunks, planned.start.run_id)
            recorded = _computed_sweep(context, planned, request, chunks, progress)
        if chunks is not None:
            chunks.clear()
    return cast("SweepResult", recorded)


def _computed_sweep(
    context: Context, planned: PlannedRun, request: SweepRequest, chunks: SweepChunks | None, progress: Progress
) -> SweepResult:
    start = planned.start
    terms = agree_terms(request.panel, request.costs, request.execution, request.initial_cash)

    def compute() -> tuple[SweepResult, RunOutcome]:
        combinations = expand_grid(request.strategy, request.grid)
        work = plan_sweep(SweepTask(request.strategy, request.panel, terms), combinations, chunks)
        with choose_executor(context.settings, request.executor, work.measure, work.threads) as executor:
            result = work.run(executor, noted(context, start.run_id, progress))
        signed = result.recorded(start.run_id, start.code_identity, remarks(planned))
        return signed, sweep_outcome(context, signed)

    result, summary = _execute(context, planned, compute)
    return replace(result, cumulative_trials=summary.cumulative_trials)


def run_evaluation[E: Evaluation](
    context: Context, request: SweepRequest, spec: OutOfSampleSpec, evaluate: Callable[[Executor], E]
) -> E:
    """Return an out-of-sample evaluation of a grid, computed or from its run; its trials are counted as a sweep's.

    Raises:
        InvalidInput: The panel has no recorded data, or no combination can be traded on these terms.
        WorkerLost: Workers died and their work could not be completed elsewhere.
    """
    described = describe_strategy(request.strategy)
    swept = plan_run(context, RunKind.SWEEP, request.strategy, described, request, request.grid)
    whole = swept.start.spec.model_copy(update={"out_of_sample": spec})
    key = hash_json([swept.start.key, spec.model_dump(mode="json")])
    planned = replace(swept, start=swept.start.model_copy(update={"spec": whole, "key": key}))
    recorded = _recorded(context, planned)
    if recorded is not None:
        return cast("E", recorded)

    terms = agree_terms(request.panel, request.costs, request.execution, request.initial_cash)

    def compute() -> tuple[E, RunOutcome]:
        task = SweepTask(request.strategy, request.panel, terms)
        sample = plan_sweep(task, expand_grid(request.strategy, request.grid))
        with choose_executor(context.settings, request.executor, sample.measure, sample.threads) as executor:
            result = evaluate(executor)
        signed = cast("E", result.recorded(planned.start.run_id, planned.start.code_identity, remarks(planned)))
        return signed, evaluation_outcome(context, signed)

    result, summary = _execute(context, planned, compute)
    return replace(result, cumulative_trials=summary.cumulative_trials)


def load_run(context: Context, run_id: str) -> BacktestResult | SweepResult | Evaluation:
    """Return the stored result of a completed run, named by its id or a unique beginning.

    Raises:
        NotFound: There is no such run; near matches are named.
        Conflict: It left no result.
        Corrupt: The stored result is damaged.
    """
    summary = find_run(context, run_id)
    with context.database.read() as session:
        record = backtests.run_record(session, summary.run_id)
    if record.artifact_sha256 is None:
        raise Conflict(
            f"Run {summary.run_id} has no result: it is {summary.status}.",
            remedy=summary.error or "Run it again.",
        )
    result = decode_run(context.artifacts.get(record.artifact_sha256))
    if not isinstance(result, BacktestResult):
        return replace(result, cumulative_trials=summary.cumulative_trials)
    return result


def _recorded(context: Context, planned: PlannedRun) -> BacktestResult | SweepResult | Evaluation | None:
    with context.database.read() as session:
        found = backtests.find_by_key(session, planned.start.key)
    if found is None:
        return None
    label_run(context, found.run_id, labels_of(planned.start))
    return load_run(context, found.run_id)


def _execute[R: BacktestResult | SweepResult | Evaluation](
    context: Context, planned: PlannedRun, compute: Callable[[], tuple[R, RunOutcome]]
) -> tuple[R, RunSummary]:
    """Record the beginning, compute, and record the end with audit event and message in one unit."""
    start = planned.start
    context.database.write(lambda session: backtests.start_run(session, start))
    with failures_recorded(
        context, lambda session, reason, at: backtests.fail_run(session, start.run_id, error=reason, at=at)
    ):
        result, outcome = compute()

    def complete(session: Any) -> RunSummary:
        summary = backtests.complete_run(session, start.run_id, outcome)
        details = {"result_hash": outcome.result_hash, "trials": outcome.trials, "panel_id": start.panel_id}
        audit.append_event(session, start.owner, "run.completed", start.run_id, details, at=outcome.ended_at)
        outbox.enqueue(session, "run.completed", {"run_id": start.run_id, **details}, at=outcome.ended_at)
        return summary

    return result, context.database.write(complete)
