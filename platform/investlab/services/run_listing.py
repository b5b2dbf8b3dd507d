"""Recorded runs as the frame that notebooks and commands show."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from investlab.schemas.backtest import RunSummary
from investlab.schemas.ledger import RunKind

METRICS = ("total_return", "cagr", "sharpe", "max_drawdown")
"""The metrics that a listing shows; conditions may name any other."""

COLUMNS = (
    *("run", "kind", "name", "strategy", "dataset", "as_of", "start", "end", "trials", "status"),
    *METRICS,
    *("tags", "owner", "created_at", "archived_at"),
)


def runs_frame(found: Sequence[RunSummary]) -> pd.DataFrame:
    """Return runs in the order given, indexed by run id.

    Columns: kind, name, strategy (with its parameters; of a sweep, those of the best trial), dataset (with its
    version), as_of, start, end, trials, status, the key metrics as fractions and the Sharpe ratio, tags, owner,
    created_at, and archived_at.
    """
    return pd.DataFrame([run_row(run) for run in found], columns=list(COLUMNS)).set_index("run")


def run_row(run: RunSummary) -> dict[str, Any]:
    """Return one run as a row of the listing."""
    return {
        "run": run.run_id,
        "kind": run.kind,
        "name": run.name or "",
        "strategy": described(run),
        "dataset": f"{run.dataset}@{run.dataset_version}",
        "as_of": run.as_of,
        "start": run.first_session,
        "end": run.last_session,
        "trials": run.trials,
        "status": run.status,
        **{name: run.metrics.get(name) for name in METRICS},
        "tags": ", ".join(run.tags),
        "owner": run.owner,
        "created_at": run.started_at.replace(microsecond=0),
        "archived_at": run.archived_at,
    }


def described(run: RunSummary) -> str:
    """Return a run's strategy with its parameters; of a sweep, with how many trials there were and the best."""
    given = ", ".join(f"{name}={value}" for name, value in run.best_parameters.items())
    if run.kind != RunKind.SWEEP:
        return f"{run.strategy}({given})"
    return f"{run.strategy}, best of {run.trials:,}: {given}" if given else run.strategy
