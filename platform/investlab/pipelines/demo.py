"""The demo: sample data to executed notebooks, and one table that says what came out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from investlab.backtest.sweep_result import SweepResult
from investlab.pipelines.launch import Launch, launch_pipeline
from investlab.schemas.backtest import RunSummary
from investlab.schemas.ledger import RunKind, RunQuery, RunStatus
from investlab.schemas.pipelines import PipelineRunInfo
from investlab.schemas.receipts import IngestReceipt
from investlab.schemas.registry import Alias, ModelVersionInfo, PromotionDecision
from investlab.services import registry
from investlab.services.ingest import IngestRequest, load_provider
from investlab.services.workspace import Workspace

PROVIDER = "sample"
PIPELINE = "research"
BENCHMARK = ("benchmark_total_return", "benchmark_sharpe", "benchmark_max_drawdown")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """What the demo did: receipts, the pipeline's run, the best run of each strategy, and who became champion."""

    receipts: tuple[IngestReceipt, ...]
    pipeline: PipelineRunInfo
    sweep: SweepResult
    sweep_run: RunSummary
    momentum_run: RunSummary
    versions: tuple[ModelVersionInfo, ...]
    decision: PromotionDecision

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
        """Return two rows for each strategy: itself net of costs, and buy-and-hold of the same instruments."""
        rows = []
        for run in (self.sweep_run, self.momentum_run):
            metrics = run.metrics
            parameters = ", ".join(f"{name}={value}" for name, value in run.best_parameters.items())
            rows.append(
                _row(f"{run.strategy}({parameters}) on {run.dataset}@{run.dataset_version}", metrics, run.run_id)
            )
            rows.append(_row("   buy and hold", {n.removeprefix("benchmark_"): metrics[n] for n in BENCHMARK}, ""))
        return rows

    def model_rows(self) -> list[dict[str, Any]]:
        """Return a row for each model version of the pipeline's run: its information coefficient out of sample."""
        return [
            {
                "out of sample": f"{version.label} {version.learner}",
                "IC": f"{version.scorecard.information_coefficient:+.4f}",
                "95 % interval": f"{version.scorecard.interval_low:+.4f} to {version.scorecard.interval_high:+.4f}",
                "sessions": version.scorecard.observations,
                "alias": ", ".join(version.aliases),
                "training run": version.lineage.training_run,
            }
            for version in self.versions
        ]

    def sentences(self) -> list[str]:
        """Return what the table must be read with: trials, luck, and who computed."""
        run, sweep = self.sweep_run, self.sweep
        return [
            f"{run.strategy}: the best of {run.trials:,} trials ({run.cumulative_trials:,} in all on this dataset); "
            f"deflated Sharpe ratio {sweep.deflated_sharpe:.1%}; computed by {run.executor} on {len(run.worker_pids)} "
            f"process(es), {sweep.combos_per_second:,.0f} combinations a second.",
            f"{self.momentum_run.strategy}: {self.momentum_run.trials} trial "
            f"({self.momentum_run.cumulative_trials} in all); survivors only, so every return is flattered.",
            f"{self.versions[0].label} ({self.versions[0].learner}) is champion. Of {self.versions[-1].label} the rule "
            f"says: {self.decision.reason}",
        ]


def run_demo(workspace: Workspace, say: Say) -> DemoSummary:
    """Ingest the sample datasets, run the research pipeline and return what came out; what is unchanged is skipped.

    Raises:
        ExecutionFailed: A notebook failed.
        StorageUnavailable: The home folder cannot be written.
    """
    names = [description.name for description in load_provider(PROVIDER, workspace.context.settings).datasets()]
    receipts = []
    for number, name in enumerate(names, start=1):
        request = IngestRequest(PROVIDER, name)
        receipt = workspace.ingest_with(request, partial(_numbered, say, f"[{number}/{len(names)}]"))
        skipped = "unchanged, nothing to store" if receipt.counts.new + receipt.counts.changed == 0 else "stored"
        say(f"[{number}/{len(names)}] {receipt.label}: {skipped}")
        receipts.append(receipt)
    record = launch_pipeline(workspace, Launch(PIPELINE), say)
    sweep_run = _latest(workspace, record, "sma_cross", RunKind.SWEEP)
    result = workspace.load(sweep_run.run_id)
    if not isinstance(result, SweepResult):
        raise TypeError(f"{sweep_run.run_id} is no sweep")
    momentum = _latest(workspace, record, "monthly_momentum", RunKind.BACKTEST)
    versions, decision = _promoted(workspace)
    return DemoSummary(tuple(receipts), record, result, sweep_run, momentum, versions, decision)


def _promoted(workspace: Workspace) -> tuple[tuple[ModelVersionInfo, ...], PromotionDecision]:
    """Return the latest version of each learner, champion first, and what the rule says of the other one."""
    model = workspace.context.settings.model
    latest = {version.learner: version for version in registry.versions(workspace.context, model)}
    ordered = sorted(latest.values(), key=lambda version: Alias.CHAMPION not in version.aliases)
    return tuple(ordered), workspace.assess(ordered[-1])


def _row(label: str, metrics: Mapping[str, float], run_id: str) -> dict[str, Any]:
    return {
        "net of costs": label,
        "total return": f"{metrics['total_return']:+,.1%}",
        "Sharpe": f"{metrics['sharpe']:.2f}",
        "max drawdown": f"{metrics['max_drawdown']:.1%}",
        "run": run_id,
    }


def _numbered(say: Say, number: str, text: str) -> None:
    say(f"{number} {text}")


def _latest(workspace: Workspace, record: PipelineRunInfo, strategy: str, kind: RunKind) -> RunSummary:
    """Return the latest run of a strategy that a step of this pipeline run made or stands on."""
    found = workspace.list_runs(RunQuery(strategy=strategy, status=RunStatus.COMPLETED, limit=1000))
    steps = {step.reused_from or step.step_id for step in record.steps}
    wanted = [run for run in found if run.kind == kind and run.as_of == record.as_of]
    return next((run for run in wanted if run.pipeline_step in steps), wanted[0])
