"""What is recorded of a run when it is complete: metrics, trials, hash, and where its result lies."""

from investlab.analytics.drawdowns import drawdowns
from investlab.analytics.ratios import sharpe
from investlab.analytics.returns import peak_before, returns_since
from investlab.backtest.result import BacktestResult
from investlab.backtest.sweep_result import SweepResult
from investlab.schemas.ledger import RunOutcome
from investlab.services.context import Context
from investlab.store.evaluations import Evaluation, encode_evaluation
from investlab.store.results import encoded_result


def backtest_outcome(context: Context, result: BacktestResult) -> RunOutcome:
    """Store a backtest and return what its record says."""
    return RunOutcome(
        executor="serial",
        metrics=_metrics(result),
        best_parameters=dict(result.strategy.parameters),
        result_hash=result.hash,
        artifact_sha256=context.artifacts.put_pieces(encoded_result(result)),
        sharpe_mean=float(result.metrics["sharpe"]),
        sharpe_variance=0.0,
        ended_at=context.clock.now(),
    )


def sweep_outcome(context: Context, result: SweepResult) -> RunOutcome:
    """Store a sweep and return what its record says; the metrics are those of its best trial."""
    sharpes = result.table["sharpe"]
    return RunOutcome(
        executor=result.executor,
        worker_pids=result.worker_pids,
        trials=result.trials,
        metrics={**_metrics(result.best_result), "combos_per_second": result.combos_per_second},
        best_parameters=result.best_parameters,
        result_hash=result.hash,
        artifact_sha256=context.artifacts.put_pieces(encoded_result(result)),
        sharpe_mean=float(sharpes.mean()),
        sharpe_variance=float(sharpes.var(ddof=0)),
        ended_at=context.clock.now(),
    )


def evaluation_outcome(context: Context, result: Evaluation) -> RunOutcome:
    """Store an evaluation out of sample and return what its record says."""
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
