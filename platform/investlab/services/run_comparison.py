"""Comparing recorded runs by their ids."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from investlab.backtest.comparison import ComparedRun, RunComparison, compare_results
from investlab.backtest.result import BacktestResult
from investlab.backtest.sweep_result import SweepResult
from investlab.backtest.walk_forward_result import WalkForwardResult
from investlab.core.errors import InvalidInput
from investlab.core.hashing import hash_json
from investlab.schemas.backtest import BacktestSpec, RunSummary
from investlab.services.context import Context
from investlab.services.run_labels import find_run
from investlab.services.runs import load_run
from investlab.store.evaluations import Evaluation
from investlab.store.repositories import backtests

_SHORT = 12
_CODE = "strategy code"


def compare_runs(context: Context, run_ids: Sequence[str]) -> RunComparison:
    """Return recorded runs side by side; of a sweep its best trial, of a walk-forward what it traded.

    An id may be a unique beginning.

    Raises:
        NotFound: There is no such run; near matches are named.
        Conflict: A run left no result.
        InvalidInput: There are fewer than two or more than eight different runs, or one is a cross-validation.
    """
    found = [find_run(context, run_id) for run_id in run_ids]
    names = [run.name for run in found]
    compared = [_compared(context, run, unique=names.count(run.name) == 1) for run in found]
    if len({(run.kind, run.strategy, str(run.best_parameters)) for run in found}) > 1:
        # The identity of a strategy covers its parameters: where those differ it says nothing of the code.
        compared = [replace(run, facts={k: v for k, v in run.facts.items() if k != _CODE}) for run in compared]
    return compare_results(compared)


def _compared(context: Context, run: RunSummary, *, unique: bool) -> ComparedRun:
    with context.database.read() as session:
        record = backtests.run_record(session, run.run_id)
    return ComparedRun(
        label=run.name if run.name and unique else run.run_id,
        result=_path(load_run(context, run.run_id)),
        facts=_facts(run, record.spec, record.platform_version),
        trials=run.trials,
    )


def _path(result: BacktestResult | SweepResult | Evaluation) -> BacktestResult:
    """Return the backtest that stands for a result: of a sweep its best trial, of a walk-forward what it traded."""
    if isinstance(result, SweepResult):
        return result.best_result
    if isinstance(result, WalkForwardResult):
        return result.out_of_sample
    if isinstance(result, BacktestResult):
        return result
    raise InvalidInput(
        f"Run {result.run_id} is a cross-validation: it has many paths and no one equity curve.",
        remedy="Compare backtests, sweeps and walk-forward runs.",
    )


def _facts(run: RunSummary, spec: BacktestSpec, platform_version: str) -> dict[str, Any]:
    """Return whatever of a run's spec, data and code may differ from another's, one value per name."""
    told = spec.model_dump(mode="json", exclude={"strategy_identity", "grid", "parameters", "panel"})
    panel = spec.panel.model_dump(mode="json", exclude={"dataset", "dataset_version", "symbols"})
    return {
        "strategy": run.strategy,
        **_flat("parameters", {**spec.parameters, **run.best_parameters}),
        **{name: value for key, part in told.items() if key != "strategy" for name, value in _flat(key, part).items()},
        "data": f"{run.dataset}@{run.dataset_version}",
        "symbols": ", ".join(spec.panel.symbols),
        **{key: value for key, part in panel.items() for key, value in _flat(key, part).items()},
        "basis": str(run.basis),
        "panel": run.panel_id[:_SHORT],
        _CODE: (spec.strategy_identity or "undetermined")[:_SHORT],
        "platform code": f"{platform_version} {run.code_identity[:_SHORT]}",
        "installed packages": run.lock_hash[:_SHORT],
    }


def _flat(name: str, value: Any) -> dict[str, Any]:
    """Return a document's values by dotted names; a long one is named by its hash."""
    if isinstance(value, Mapping):
        return {key: each for part in value for key, each in _flat(f"{name}.{part}", value[part]).items()}
    if isinstance(value, list):
        text = ", ".join(str(each) for each in value)
        return {name: text if len(text) <= _SHORT * _SHORT else f"{len(value)} values, {hash_json(value)[:_SHORT]}"}
    return {name: value}
