"""Tracing: from any id back to the run, the notebook, the dataset version and the provider it stands on."""

import re

from investlab.core.errors import NotFound
from investlab.schemas.audit import RecordKind
from investlab.schemas.trace import Trace, TraceLink
from investlab.services.context import Context
from investlab.services.lineage_links import (
    code_link,
    dataset_links,
    ingest_links,
    pairs,
    panel_link,
    pipeline_links,
    span,
    step_links,
    version_links,
)
from investlab.services.model_links import (
    labelled_version_links,
    prediction_links,
    training_links,
    training_panel_links,
    version_id_links,
)
from investlab.store.database import Session
from investlab.store.repositories import backtests, datasets, registry
from investlab.store.repositories.trace import locate

VERSION_LABEL = re.compile(r"(?P<name>.+)@(?P<number>\d+)")


def trace_record(context: Context, record_id: str) -> Trace:
    """Return what a record stands on, nearest first, ending at the provider and its source.

    `record_id` is the id, or a unique beginning of it, of a prediction, a model version, a training, backtest, ingest
    or pipeline run or step, or of a panel that a run stands on; a dataset's name; or a version of a dataset or model
    such as `us-close@1` or `us-ranker@2`, which means the dataset where both exist.

    Raises:
        NotFound: Nothing has that id.
        Conflict: Several ids begin with it.
        InvalidInput: The beginning is too short.
    """
    prediction = context.predictions.find(record_id) if record_id.startswith("pd-") else None
    with context.database.read() as session:
        label = VERSION_LABEL.fullmatch(record_id)
        if prediction is not None:
            links = prediction_links(session, prediction)
        elif record_id.startswith("pn-"):
            links = _panel_links(session, record_id)
        elif label:
            links = _labelled_links(session, label["name"], int(label["number"]))
        else:
            found = locate(session, record_id)
            links = _LINKS[found.kind](session, found.record_id)
        return Trace(subject=links[0].record_id, links=tuple(links))


def _labelled_links(session: Session, name: str, number: int) -> list[TraceLink]:
    is_dataset = name in {info.name for info in datasets.list_datasets(session)}
    if not is_dataset and name in registry.models(session):
        return labelled_version_links(session, name, number)
    return version_links(session, name, number)


def _run_links(session: Session, run_id: str) -> list[TraceLink]:
    run = backtests.run(session, run_id)
    record = backtests.run_record(session, run_id)
    spec = record.spec
    links = [
        TraceLink(
            kind=run.kind,
            record_id=run.run_id,
            facts=(
                ("strategy", f"{run.strategy} {pairs(run.best_parameters)}".strip()),
                ("terms", f"{spec.execution}, {pairs(spec.costs.model_dump())}, cash {spec.initial_cash:,.0f}"),
                ("status", run.status if run.error is None else f"{run.status}: {run.error}"),
                ("trials", f"{run.trials:,} ({run.cumulative_trials:,} in all on this dataset and family)"),
                ("executor", f"{run.executor}, {len(run.worker_pids) or 1} process(es)"),
                ("result hash", run.result_hash or "none"),
                ("computed", span(run.started_at, run.ended_at)),
            ),
        ),
        code_link(run.code_identity, run.lock_hash, record.platform_version, ("strategy", spec.strategy_identity)),
    ]
    if run.pipeline_step:
        links += step_links(session, run.pipeline_step)
    links.append(panel_link(run.panel_id, spec.panel, run.basis, run.as_of))
    return links + version_links(session, run.dataset, run.dataset_version)


def _panel_links(session: Session, panel_id: str) -> list[TraceLink]:
    """Return the links from the panel of the latest backtest on it, else of the latest training run."""
    run_id = backtests.find_by_panel(session, panel_id)
    if run_id is not None:
        links = _run_links(session, run_id)
        kinds = [link.kind for link in links]
        return links[kinds.index("panel") :]
    trained = training_panel_links(session, panel_id)
    if trained:
        return trained
    raise NotFound(f"No recorded run stands on panel {panel_id}.", remedy="A panel is recorded with its first run.")


_LINKS = {
    RecordKind.BACKTEST_RUN: _run_links,
    RecordKind.INGEST_RUN: ingest_links,
    RecordKind.PIPELINE_RUN: pipeline_links,
    RecordKind.PIPELINE_STEP: step_links,
    RecordKind.DATASET: dataset_links,
    RecordKind.TRAINING_RUN: training_links,
    RecordKind.MODEL_VERSION: version_id_links,
}
