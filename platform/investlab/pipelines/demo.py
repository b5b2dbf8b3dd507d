"""The demo: sample data to executed notebooks, and one table that says what came out."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from investlab.backtest.sweep_result import SweepResult
from investlab.pipelines.launch import Launch, launch_pipeline
from investlab.schemas.backtest import RunSummary
from investlab.schemas.ledger import RunKind, RunQuery, RunStatus
from investlab.schemas.pipelines import PipelineRunInfo
from investlab.schemas.receipts import IngestReceipt
from investlab.services.ingest import IngestRequest, load_provider
from investlab.services.workspace import Workspace

PROVIDER = "sample"
PIPELINE = "research"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """What the demo did: a receipt for each dataset, the pipeline's run, and the best run of each strategy."""

    receipts: tuple[IngestReceipt, ...]
    pipeline: PipelineRunInfo
    sweep: SweepResult
    sweep_run: RunSummary
    momentum_run: RunSummary

    def dataset_rows(self) -> list[dict[str, Any]]:
        """Return a row for each dataset."""
        return [
            {
                "dataset": receipt.label,
                "basis": str(receipt.basis),
                "instruments": receipt.instruments,
                "rows": receipt.rows,
                "new": receipt.counts.new,
                "changed": receipt.counts.changed,
                "warnings": len(receipt.quality.findings),
                "content": receipt.content_hash[:12],
            }
            for receipt in self.receipts
        ]

    def strategy_rows(self) -> list[dict[str, Any]]:
        """Return a row for each strategy, net of costs, beside buy-and-hold of the same instruments."""
        rows = []
        for run, deflated in ((self.sweep_run, self.sweep.deflated_sharpe), (self.momentum_run, None)):
            metrics, parameters = run.metrics, run.best_parameters
            rows.append(
                {
                    "strategy": f"{run.strategy}({', '.join(f'{n}={v}' for n, v in parameters.items())})",
                    "dataset": f"{run.dataset}@{run.dataset_version}",
                    "total return": f"{metrics['total_return']:+,.1%}",
                    "hold": f"{metrics['benchmark_total_return']:+,.1%}",
                    "Sharpe": f"{metrics['sharpe']:.2f}",
                    "hold Sharpe": f"{metrics['benchmark_sharpe']:.2f}",
                    "drawdown": f"{metrics['max_drawdown']:.1%}",
                    "trials": f"{run.trials:,} ({run.cumulative_trials:,} in all)",
                    "deflated": "–" if deflated is None else f"{deflated:.1%}",
                    "executor": f"{run.executor} × {max(len(run.worker_pids), 1)}",
                    "run": run.run_id,
                }
            )
        return rows


def run_demo(workspace: Workspace, say: Say) -> DemoSummary:
    """Ingest the sample datasets, run the research pipeline and return what came out; what is unchanged is skipped.

    Raises:
        ExecutionFailed: A notebook failed.
        StorageUnavailable: The home folder cannot be written.
    """
    names = [description.name for description in load_provider(PROVIDER).datasets()]
    receipts = []
    for number, name in enumerate(names, start=1):
        request = IngestRequest(PROVIDER, name)
        receipt = workspace.ingest_with(request, partial(_numbered, say, f"[{number}/{len(names)}]"))
        skipped = "unchanged, nothing to store" if receipt.counts.new + receipt.counts.changed == 0 else "stored"
        say(f"[{number}/{len(names)}] {receipt.label}: {skipped}")
        receipts.append(receipt)
    record = launch_pipeline(workspace, Launch(PIPELINE), say)
    sweep_run = _latest(workspace, "sma_cross", RunKind.SWEEP)
    result = workspace.load(sweep_run.run_id)
    if not isinstance(result, SweepResult):
        raise TypeError(f"{sweep_run.run_id} is no sweep")
    momentum = _latest(workspace, "monthly_momentum", RunKind.BACKTEST)
    return DemoSummary(tuple(receipts), record, result, sweep_run, momentum)


def _numbered(say: Say, number: str, text: str) -> None:
    say(f"{number} {text}")


def _latest(workspace: Workspace, strategy: str, kind: RunKind) -> RunSummary:
    found = workspace.list_runs(RunQuery(strategy=strategy, status=RunStatus.COMPLETED))
    return next(run for run in found if run.kind == kind)
