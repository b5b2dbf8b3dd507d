"""Recorded runs: a backtest or sweep is found by its key or computed, stored with its lineage, and counted."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from investlab.analytics.drawdowns import drawdowns
from investlab.analytics.ratios import sharpe
from investlab.analytics.returns import peak_before, returns_since
from investlab.backtest.costs import Costs
from investlab.backtest.engine import run_strategy
from investlab.backtest.grid import expand_grid
from investlab.backtest.limits import UNLIMITED, Limits
from investlab.backtest.portfolio_state import PortfolioState
from investlab.backtest.position_rules import PLAIN, PositionRules
from investlab.backtest.rates import NO_RATES, Rates
from investlab.backtest.result import BacktestResult
from investlab.backtest.strategies import Strategy, StrategyDescription, describe_strategy
from investlab.backtest.sweep import SweepTask, plan_sweep
from investlab.backtest.sweep_result import SweepResult
from investlab.backtest.terms import agree_terms
from investlab.core.errors import Conflict, InvalidInput
from investlab.core.executor import Executor, Progress
from investlab.core.hashing import canonical_json, hash_json
from investlab.core.identity import code_identity, identity_of, lock_hash, source_version
from investlab.market.panel import PricePanel
from investlab.schemas.backtest import BacktestSpec, Execution, OutOfSampleSpec, RunSummary
from investlab.schemas.ledger import RunKind, RunOutcome, RunStart
from investlab.schemas.run_labels import UNLABELLED, RunLabels
from investlab.services.context import Context
from investlab.services.executors import choose_executor
from investlab.services.prices import request_of
from investlab.services.recording import failures_recorded
from investlab.services.run_labels import find_run, label_run, labels_of
from investlab.services.sweeping import discard, noted, resumable, take_over
from investlab.store.evaluations import Evaluation, decode_run, encode_evaluation
from investlab.store.repositories import audit, backtests, outbox
from investlab.store.results import encode_result
from investlab.store.sweep_chunks import SweepChunks


@dataclass(frozen=True, slots=True)
class BacktestRequest:
    """One backtest: a strategy on a panel, on stated terms; `rules` say what its signals may open."""

    strategy: Strategy
    panel: PricePanel
    costs: Costs
    execution: Execution
    initial_cash: float
    whole_shares: bool = False
    limits: Limits = UNLIMITED
    rates: Rates = NO_RATES
    initial_state: PortfolioState | None = None
    labels: RunLabels = UNLABELLED
    rules: PositionRules = PLAIN

    @property
    def beyond_costs(self) -> dict[str, Any]:
        """Return limits, rates and initial state by keyword."""
        return {"limits": self.limits, "rates": self.rates, "initial_state": self.initial_state}


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """One sweep: a strategy class over a grid on a panel, on stated terms, by the named executor."""

    strategy: type[Strategy]
    grid: Mapping[str, Sequence[Any]]
    panel: PricePanel
    costs: Costs
    execution: Execution
    initial_cash: float
    executor: str = "auto"
    labels: RunLabels = UNLABELLED


@dataclass(frozen=True, slots=True)
class _Planned:
    """A run before it is computed; `uncached` lists what of the strategy's code could not be determined."""

    start: RunStart
    uncached: tuple[str, ...]


def run_backtest(context: Context, request: BacktestRequest) -> BacktestResult:
    """Return the backtest, computed or from the run that has its key, with `run_id` and `code_identity` set.

    Raises:
        InvalidInput: The panel has no recorded data or cannot be traded on these terms.
    """
    described = describe_strategy(request.strategy)
    planned = _plan(context, RunKind.BACKTEST, request.strategy, described, request, None)
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
            notes=(*result.notes, *_remarks(planned)),
        )
        return signed, _backtest_outcome(context, signed)

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
    planned = _plan(context, RunKind.SWEEP, request.strategy, described, request, request.grid)
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
    context: Context, planned: _Planned, request: SweepRequest, chunks: SweepChunks | None, progress: Progress
) -> SweepResult:
    start = planned.start
    terms = agree_terms(request.panel, request.costs, request.execution, request.initial_cash)

    def compute() -> tuple[SweepResult, RunOutcome]:
        combinations = expand_grid(request.strategy, request.grid)
        work = plan_sweep(SweepTask(request.strategy, request.panel, terms), combinations, chunks)
        with choose_executor(context.settings, request.executor, work.measure, work.threads) as executor:
            result = work.run(executor, noted(context, start.run_id, progress))
        signed = result.recorded(start.run_id, start.code_identity, _remarks(planned))
        return signed, _sweep_outcome(context, signed)

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


def _plan(
    context: Context,
    kind: RunKind,
    strategy: Strategy | type[Strategy],
    described: StrategyDescription,
    request: BacktestRequest | SweepRequest,
    grid: Mapping[str, Sequence[Any]] | None,
) -> _Planned:
    panel = request.panel
    single = request if isinstance(request, BacktestRequest) else None
    whole_shares = single is not None and single.whole_shares
    asked = request_of(panel)
    beyond_costs = single.beyond_costs if single else {}
    agree_terms(panel, request.costs, request.execution, request.initial_cash, whole_shares, **beyond_costs)
    identity = identity_of(strategy)
    spec = BacktestSpec(
        panel=asked,
        strategy=described.name,
        strategy_identity=identity.hash,
        parameters=_plain(described.parameters),
        grid=None if grid is None else _plain({name: list(values) for name, values in grid.items()}),
        execution=request.execution,
        costs=request.costs.to_spec(),
        initial_cash=request.initial_cash,
        whole_shares=whole_shares,
        **{name: value.to_spec() for name, value in beyond_costs.items() if value is not None},
        positions=(request.rules if isinstance(request, BacktestRequest) else PLAIN).to_spec(),
    )
    terms = spec.model_dump(mode="json", exclude={"panel"})
    content = [kind, code_identity(), terms, panel.id, spec.seed, lock_hash()]
    run_id = context.new_id("bt", *content)
    start = RunStart(
        run_id=run_id,
        key=hash_json(content if identity.hash else [*content, run_id]),
        kind=kind,
        owner=context.owner,
        strategy=described.name,
        family=described.family,
        dataset=panel.source.dataset,
        dataset_version=cast("int", panel.source.dataset_version),
        as_of=panel.source.as_of,
        panel_id=panel.id,
        basis=panel.basis,
        spec=spec,
        seed=spec.seed,
        code_identity=code_identity(),
        lock_hash=lock_hash(),
        platform_version=source_version(),
        started_at=context.clock.now(),
        pipeline_step=context.settings.pipeline_step,
        **request.labels.given,
    )
    return _Planned(start, () if identity.hash else identity.undetermined)


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as the plain JSON values that a record can hold.

    Raises:
        InvalidInput: A parameter is no number, text, boolean, or list or mapping of those.
    """
    plain = {}
    for name, value in parameters.items():
        try:
            plain[name] = json.loads(canonical_json(value))
        except (TypeError, ValueError) as error:
            raise InvalidInput(
                f"The parameter {name} is a {type(value).__name__}, which cannot be recorded.",
                remedy="Give numbers, texts, booleans, or lists and mappings of those.",
            ) from error
    return plain


def _remarks(planned: _Planned) -> tuple[str, ...]:
    if not planned.uncached:
        return ()
    return (f"Not cached: what the strategy's code reaches could not be determined ({', '.join(planned.uncached)}).",)


def _recorded(context: Context, planned: _Planned) -> BacktestResult | SweepResult | Evaluation | None:
    with context.database.read() as session:
        found = backtests.find_by_key(session, planned.start.key)
    if found is None:
        return None
    label_run(context, found.run_id, labels_of(planned.start))
    return load_run(context, found.run_id)


def _backtest_outcome(context: Context, result: BacktestResult) -> RunOutcome:
    return RunOutcome(
        executor="serial",
        metrics=_metrics(result),
        best_parameters=dict(result.strategy.parameters),
        result_hash=result.hash,
        artifact_sha256=context.artifacts.put(encode_result(result)),
        sharpe_mean=float(result.metrics["sharpe"]),
        sharpe_variance=0.0,
        ended_at=context.clock.now(),
    )


def _sweep_outcome(context: Context, result: SweepResult) -> RunOutcome:
    sharpes = result.table["sharpe"]
    return RunOutcome(
        executor=result.executor,
        worker_pids=result.worker_pids,
        trials=result.trials,
        metrics={**_metrics(result.best_result), "combos_per_second": result.combos_per_second},
        best_parameters=result.best_parameters,
        result_hash=result.hash,
        artifact_sha256=context.artifacts.put(encode_result(result)),
        sharpe_mean=float(sharpes.mean()),
        sharpe_variance=float(sharpes.var(ddof=0)),
        ended_at=context.clock.now(),
    )


def _metrics(result: BacktestResult) -> dict[str, float]:
    """Return the result's metrics, and buy-and-hold's return, Sharpe ratio and drawdown beside them."""
    metrics = {name: float(value) for name, value in result.metrics.items()}
    if result.benchmark is not None:
        nav = result.benchmark.to_numpy()
        returns = returns_since(nav, result.initial_cash)
        metrics["benchmark_total_return"] = float(result.benchmark.iloc[-1] / result.initial_cash - 1.0)
        metrics["benchmark_sharpe"] = sharpe(returns, result.source.sessions_per_year)
        metrics["benchmark_max_drawdown"] = float(drawdowns(nav, peak_before(nav, result.initial_cash)).min())
    return metrics


def _execute[R: BacktestResult | SweepResult | Evaluation](
    context: Context, planned: _Planned, compute: Callable[[], tuple[R, RunOutcome]]
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


def run_evaluation[E: Evaluation](
    context: Context, request: SweepRequest, spec: OutOfSampleSpec, evaluate: Callable[[Executor], E]
) -> E:
    """Return an out-of-sample evaluation of a grid, computed or from its run; its trials are counted as a sweep's.

    Raises:
        InvalidInput: The panel has no recorded data, or no combination can be traded on these terms.
        WorkerLost: Workers died and their work could not be completed elsewhere.
    """
    described = describe_strategy(request.strategy)
    swept = _plan(context, RunKind.SWEEP, request.strategy, described, request, request.grid)
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
        signed = cast("E", result.recorded(planned.start.run_id, planned.start.code_identity, _remarks(planned)))
        return signed, _evaluation_outcome(context, signed)

    result, summary = _execute(context, planned, compute)
    return replace(result, cumulative_trials=summary.cumulative_trials)


def _evaluation_outcome(context: Context, result: Evaluation) -> RunOutcome:
    return RunOutcome(
        executor=result.computation.executor,
        worker_pids=result.computation.worker_pids,
        trials=len(result.trial_sharpes),
        metrics=result.metrics,
        result_hash=result.hash,
        artifact_sha256=context.artifacts.put(encode_evaluation(result)),
        sharpe_mean=float(result.trial_sharpes.mean()),
        sharpe_variance=float(result.trial_sharpes.var(ddof=0)),
        ended_at=context.clock.now(),
    )
