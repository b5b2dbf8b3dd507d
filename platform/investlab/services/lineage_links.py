"""Links that every trace ends with: code, notebook, panel, dataset version, ingest run and provider."""

from collections.abc import Mapping
from datetime import datetime

from investlab.core.identity import code_identity, lock_hash
from investlab.schemas.backtest import PanelRequest
from investlab.schemas.pipelines import PipelineRunInfo
from investlab.schemas.trace import TraceLink
from investlab.store.database import Session
from investlab.store.repositories import datasets, ingests, pipelines

SHOWN_SYMBOLS = 8


def code_link(code: str, lock: str, platform_version: str, of: tuple[str, str | None]) -> TraceLink:
    """Return the link to the code and environment of a run; `of` names what was run and the hash of its own code."""
    name, own = of
    same_code = "same as now" if code == code_identity() else "differs from now"
    same_lock = "same as now" if lock == lock_hash() else "differs from now"
    return TraceLink(
        kind="code",
        record_id=code[:16],
        facts=(
            ("platform", f"investlab {platform_version}"),
            ("package tree", same_code),
            (name, own[:16] if own else "could not be determined"),
            ("environment", f"{lock[:16]} ({same_lock})"),
        ),
    )


def panel_link(panel_id: str, panel: PanelRequest, basis: str, as_of: datetime | None) -> TraceLink:
    """Return the link to a price panel."""
    more = ", …" if len(panel.symbols) > SHOWN_SYMBOLS else ""
    return TraceLink(
        kind="panel",
        record_id=panel_id,
        facts=(
            ("symbols", f"{len(panel.symbols)}: {', '.join(panel.symbols[:SHOWN_SYMBOLS])}{more}"),
            ("sessions", f"{panel.start} to {panel.end}"),
            ("fields", f"{', '.join(panel.fields)}; basis {basis}, adjusted for {panel.adjust}"),
            ("as of", moment(as_of)),
        ),
    )


def step_links(session: Session, step_id: str) -> list[TraceLink]:
    """Return the links from a notebook run to its pipeline run."""
    step = pipelines.step(session, step_id)
    link = TraceLink(
        kind="notebook run",
        record_id=step.step_id,
        facts=(
            ("notebook", f"{step.notebook} (sha256 {step.notebook_sha256[:16]})"),
            ("parameters", pairs(step.parameters) or "none"),
            ("executed", step.notebook_path or "no file"),
            ("status", f"{step.status}{f', stands on {step.reused_from}' if step.reused_from else ''}"),
        ),
    )
    return [link, pipeline_link(pipelines.run(session, step.run_id))]


def pipeline_link(run: PipelineRunInfo) -> TraceLink:
    """Return the link to a pipeline run."""
    return TraceLink(
        kind="pipeline run",
        record_id=run.run_id,
        facts=(
            ("pipeline", f"{run.pipeline} (spec {run.spec_hash[:16]})"),
            ("as of", moment(run.as_of)),
            ("status", run.status if run.error is None else f"{run.status}: {run.error}"),
            ("ran", span(run.started_at, run.ended_at)),
        ),
    )


def pipeline_links(session: Session, run_id: str) -> list[TraceLink]:
    """Return the link to a pipeline run with its steps."""
    run = pipelines.run(session, run_id)
    steps = tuple((step.name, f"{step.status} {step.step_id}") for step in run.steps)
    return [pipeline_link(run).model_copy(update={"facts": (*pipeline_link(run).facts, *steps)})]


def version_links(session: Session, dataset: str, number: int) -> list[TraceLink]:
    """Return the links from a dataset version to its provider."""
    version = datasets.version(session, dataset, number)
    link = TraceLink(
        kind="dataset version",
        record_id=version.label,
        facts=(
            ("content hash", version.content_hash),
            ("rows", f"{version.rows:,} bars of {version.instruments} instruments"),
            ("sessions", f"{version.first_session} to {version.last_session}"),
            ("ingested at", moment(version.ingested_at)),
        ),
    )
    return [link, *ingest_links(session, version.ingest_run_id)]


def ingest_links(session: Session, run_id: str) -> list[TraceLink]:
    """Return the links from an ingest run to its provider."""
    run = ingests.ingest(session, run_id)
    info = datasets.dataset(session, run.dataset)
    step = step_links(session, run.pipeline_step) if run.pipeline_step else []
    counts = f"{run.rows_new:,} new, {run.rows_changed:,} changed, {run.rows_same:,} same"
    return [
        TraceLink(
            kind="ingest run",
            record_id=run.ingest_run_id,
            facts=(("rows", counts), ("status", run.status), ("ran", span(run.started_at, run.ended_at))),
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


def dataset_links(session: Session, name: str) -> list[TraceLink]:
    """Return the links from the latest version of a dataset to its provider."""
    latest = datasets.latest_version(session, name)
    if latest is None:
        info = datasets.dataset(session, name)
        return [TraceLink(kind="dataset", record_id=name, facts=(("versions", "none yet"), ("source", info.source)))]
    return version_links(session, name, latest.number)


def pairs(values: Mapping[str, object]) -> str:
    """Return names and values as text."""
    return ", ".join(f"{name}={value}" for name, value in values.items())


def moment(at: datetime | None) -> str:
    """Return a time as people read it; None is the latest."""
    return "latest" if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def span(started: datetime, ended: datetime | None) -> str:
    """Return when something began and how long it took."""
    if ended is None:
        return f"since {moment(started)}"
    return f"{moment(started)}, {(ended - started).total_seconds():.1f} s"
