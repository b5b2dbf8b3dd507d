"""Tracing: from any id back to the run, the notebook, the dataset version and the provider it stands on."""

import re
from collections.abc import Mapping
from datetime import datetime

from investlab.core.errors import NotFound
from investlab.core.identity import code_identity, lock_hash
from investlab.schemas.audit import RecordKind
from investlab.schemas.backtest import RunSummary
from investlab.schemas.ledger import RunQuery
from investlab.schemas.pipelines import PipelineRunInfo
from investlab.schemas.trace import Trace, TraceLink
from investlab.services.context import Context
from investlab.store.database import Session
from investlab.store.repositories import backtests, datasets, ingests, pipelines
from investlab.store.repositories.trace import locate

VERSION_LABEL = re.compile(r"(?P<dataset>.+)@(?P<number>\d+)")
Facts = tuple[tuple[str, str], ...]


def trace_record(context: Context, record_id: str) -> Trace:
    """Return what a record stands on, nearest first, ending at the provider and its source.

    `record_id` is the id, or a unique beginning of it, of a backtest, ingest or pipeline run or step, or of a panel
    that a run stands on; a dataset's name; or a dataset version such as `us-close@1`.

    Raises:
        NotFound: Nothing has that id.
        Conflict: Several ids begin with it.
        InvalidInput: The beginning is too short.
    """
    with context.database.read() as session:
        label = VERSION_LABEL.fullmatch(record_id)
        if record_id.startswith("pn-"):
            links = _panel_links(session, record_id)
        elif label:
            links = _version_links(session, label["dataset"], int(label["number"]))
        else:
            found = locate(session, record_id)
            links = _LINKS[found.kind](session, found.record_id)
        return Trace(subject=links[0].record_id, links=tuple(links))


def _run_links(session: Session, run_id: str) -> list[TraceLink]:
    run = backtests.run(session, run_id)
    record = backtests.run_record(session, run_id)
    spec = record.spec
    links = [
        TraceLink(
            kind=run.kind,
            record_id=run.run_id,
            facts=(
                ("strategy", f"{run.strategy} {_pairs(run.best_parameters)}".strip()),
                ("terms", f"{spec.execution}, {_pairs(spec.costs.model_dump())}, cash {spec.initial_cash:,.0f}"),
                ("status", run.status if run.error is None else f"{run.status}: {run.error}"),
                ("trials", f"{run.trials:,} ({run.cumulative_trials:,} in all on this dataset and family)"),
                ("executor", f"{run.executor}, {len(run.worker_pids) or 1} process(es)"),
                ("result hash", run.result_hash or "none"),
                ("computed", _span(run.started_at, run.ended_at)),
            ),
        ),
        _code_link(run, record.platform_version, spec.strategy_identity),
    ]
    if run.pipeline_step:
        links += _step_links(session, run.pipeline_step)
    panel = spec.panel
    links.append(
        TraceLink(
            kind="panel",
            record_id=run.panel_id,
            facts=(
                ("symbols", f"{len(panel.symbols)}: {', '.join(panel.symbols[:8])}{', …' * (len(panel.symbols) > 8)}"),
                ("sessions", f"{panel.start} to {panel.end}"),
                ("fields", f"{', '.join(panel.fields)}; basis {run.basis}, adjusted for {panel.adjust}"),
                ("as of", _moment(run.as_of)),
            ),
        )
    )
    return links + _version_links(session, run.dataset, run.dataset_version)


def _panel_links(session: Session, panel_id: str) -> list[TraceLink]:
    """Return the links from the panel of the latest run on it."""
    for run in backtests.list_runs(session, RunQuery(limit=10_000)):
        if run.panel_id.startswith(panel_id):
            links = _run_links(session, run.run_id)
            kinds = [link.kind for link in links]
            return links[kinds.index("panel") :]
    raise NotFound(f"No recorded run stands on panel {panel_id}.", remedy="A panel is recorded with its first run.")


def _code_link(run: RunSummary, platform_version: str, strategy_identity: str | None) -> TraceLink:
    same_code = "same as now" if run.code_identity == code_identity() else "differs from now"
    same_lock = "same as now" if run.lock_hash == lock_hash() else "differs from now"
    return TraceLink(
        kind="code",
        record_id=run.code_identity[:16],
        facts=(
            ("platform", f"investlab {platform_version}"),
            ("package tree", same_code),
            ("strategy", strategy_identity[:16] if strategy_identity else "could not be determined"),
            ("environment", f"{run.lock_hash[:16]} ({same_lock})"),
        ),
    )


def _step_links(session: Session, step_id: str) -> list[TraceLink]:
    step = pipelines.step(session, step_id)
    link = TraceLink(
        kind="notebook run",
        record_id=step.step_id,
        facts=(
            ("notebook", f"{step.notebook} (sha256 {step.notebook_sha256[:16]})"),
            ("parameters", _pairs(step.parameters) or "none"),
            ("executed", step.notebook_path or "no file"),
            ("status", f"{step.status}{f', stands on {step.reused_from}' if step.reused_from else ''}"),
        ),
    )
    return [link, _pipeline_link(pipelines.run(session, step.run_id))]


def _pipeline_link(run: PipelineRunInfo) -> TraceLink:
    return TraceLink(
        kind="pipeline run",
        record_id=run.run_id,
        facts=(
            ("pipeline", f"{run.pipeline} (spec {run.spec_hash[:16]})"),
            ("as of", _moment(run.as_of)),
            ("status", run.status if run.error is None else f"{run.status}: {run.error}"),
            ("ran", _span(run.started_at, run.ended_at)),
        ),
    )


def _pipeline_links(session: Session, run_id: str) -> list[TraceLink]:
    run = pipelines.run(session, run_id)
    steps = tuple((step.name, f"{step.status} {step.step_id}") for step in run.steps)
    return [_pipeline_link(run).model_copy(update={"facts": (*_pipeline_link(run).facts, *steps)})]


def _version_links(session: Session, dataset: str, number: int) -> list[TraceLink]:
    version = datasets.version(session, dataset, number)
    link = TraceLink(
        kind="dataset version",
        record_id=version.label,
        facts=(
            ("content hash", version.content_hash),
            ("rows", f"{version.rows:,} bars of {version.instruments} instruments"),
            ("sessions", f"{version.first_session} to {version.last_session}"),
            ("ingested at", _moment(version.ingested_at)),
        ),
    )
    return [link, *_ingest_links(session, version.ingest_run_id)]


def _ingest_links(session: Session, run_id: str) -> list[TraceLink]:
    run = ingests.ingest(session, run_id)
    info = datasets.dataset(session, run.dataset)
    step = _step_links(session, run.pipeline_step) if run.pipeline_step else []
    counts = f"{run.rows_new:,} new, {run.rows_changed:,} changed, {run.rows_same:,} same"
    return [
        TraceLink(
            kind="ingest run",
            record_id=run.ingest_run_id,
            facts=(("rows", counts), ("status", run.status), ("ran", _span(run.started_at, run.ended_at))),
        ),
        *step,
        TraceLink(
            kind="provider",
            record_id=run.provider,
            facts=(
                ("source", info.source),
                ("licence", info.licence),
                ("basis", f"{info.price_basis}, {info.currency}, calendar {info.calendar}"),
                ("biases", "; ".join(info.biases) or "none stated"),
            ),
        ),
    ]


def _dataset_links(session: Session, name: str) -> list[TraceLink]:
    latest = datasets.latest_version(session, name)
    if latest is None:
        info = datasets.dataset(session, name)
        return [TraceLink(kind="dataset", record_id=name, facts=(("versions", "none yet"), ("source", info.source)))]
    return _version_links(session, name, latest.number)


_LINKS = {
    RecordKind.BACKTEST_RUN: _run_links,
    RecordKind.INGEST_RUN: _ingest_links,
    RecordKind.PIPELINE_RUN: _pipeline_links,
    RecordKind.PIPELINE_STEP: _step_links,
    RecordKind.DATASET: _dataset_links,
}


def _pairs(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _moment(at: datetime | None) -> str:
    return "latest" if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _span(started: datetime, ended: datetime | None) -> str:
    if ended is None:
        return f"since {_moment(started)}"
    return f"{_moment(started)}, {(ended - started).total_seconds():.1f} s"
