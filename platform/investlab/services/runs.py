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
from investlab.backtest.position_rules import PLAIN, PositionRules
from investlab.backtest.result import BacktestResult
from investlab.backtest.strategies import Strategy, StrategyDescription, describe_strategy
from investlab.backtest.sweep import estimate_seconds, sweep
from investlab.backtest.sweep_result import SweepResult
from investlab.backtest.terms import agree_terms
from investlab.core.errors import Conflict, InvalidInput
from investlab.core.executor import Progress
from investlab.core.hashing import canonical_json, hash_json
from investlab.core.identity import code_identity, identity_of, lock_hash, source_version
from investlab.market.panel import PricePanel
from investlab.schemas.backtest import BacktestSpec, Execution, RunSummary
from investlab.schemas.ledger import RunKind, RunOutcome, RunStart
from investlab.services.context import Context
from investlab.services.executors import choose_executor
from investlab.services.prices import request_of
from investlab.services.recording import failures_recorded
from investlab.store.repositories import audit, backtests, outbox
from investlab.store.results import decode_result, encode_result


@dataclass(frozen=True, slots=True)
class BacktestRequest:
    """One backtest: a strategy on a panel, on stated terms; `rules` say what its signals may open."""

    strategy: Strategy
    panel: PricePanel
    costs: Costs
    execution: Execution
    initial_cash: float
    whole_shares: bool = False
    rules: PositionRules = PLAIN


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

    Raises:
        UnknownParameter: The strategy has no such parameter; near matches are named.
        InvalidInput: The panel has no recorded data, or no combination can be traded on these terms.
        WorkerLost: Workers died and their work could not be completed elsewhere.
    """
    described = describe_strategy(request.strategy)
    planned = _plan(context, RunKind.SWEEP, request.strategy, described, request, request.grid)
    recorded = _recorded(context, planned)
    if recorded is not None:
        return cast("SweepResult", recorded)
    terms: dict[str, Any] = {
        "costs": request.costs,
        "execution": request.execution,
        "initial_cash": request.initial_cash,
    }

    def estimate() -> float:
        return estimate_seconds(request.strategy, request.grid, request.panel, **terms)

    def compute() -> tuple[SweepResult, RunOutcome]:
        with choose_executor(context.settings, request.executor, estimate) as executor:
            result = sweep(request.strategy, request.grid, request.panel, executor=executor, progress=progress, **terms)
        signed = result.recorded(planned.start.run_id, planned.start.code_identity, _remarks(planned))
        return signed, _sweep_outcome(context, signed)

    result, summary = _execute(context, planned, compute)
    return replace(result, cumulative_trials=summary.cumulative_trials)


def load_run(context: Context, run_id: str) -> BacktestResult | SweepResult:
    """Return the stored result of a completed run, named by its id or a unique beginning.

    Raises:
        NotFound: There is no such run, or it left no result.
        Corrupt: The stored result is damaged.
    """
    with context.database.read() as session:
        summary = backtests.run(session, run_id)
        record = backtests.run_record(session, summary.run_id)
    if record.artifact_sha256 is None:
        raise Conflict(
            f"Run {summary.run_id} has no result: it is {summary.status}.",
            remedy=summary.error or "Run it again.",
        )
    result = decode_result(context.artifacts.get(record.artifact_sha256))
    if isinstance(result, SweepResult):
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
    whole_shares = isinstance(request, BacktestRequest) and request.whole_shares
    asked = request_of(panel)
    agree_terms(panel, request.costs, request.execution, request.initial_cash, whole_shares)
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


def _recorded(context: Context, planned: _Planned) -> BacktestResult | SweepResult | None:
    with context.database.read() as session:
        found = backtests.find_by_key(session, planned.start.key)
    return None if found is None else load_run(context, found.run_id)


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


def _execute[R: BacktestResult | SweepResult](
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
