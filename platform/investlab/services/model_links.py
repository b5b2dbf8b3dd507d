"""Links of models: from a prediction to its model version, the training run and the panel it stands on."""

from investlab.schemas.registry import ModelVersionInfo, Scorecard
from investlab.schemas.serving import PredictionRecord
from investlab.schemas.trace import TraceLink
from investlab.services.lineage_links import code_link, moment, pairs, panel_link, span, step_links, version_links
from investlab.store.database import Session
from investlab.store.repositories import datasets, registry, training

SHOWN_SCORES = 5


def prediction_links(session: Session, prediction: PredictionRecord) -> list[TraceLink]:
    """Return the links from a prediction over its model version to the provider."""
    ordered = sorted(prediction.scores, key=lambda score: -score.score)
    best = ", ".join(f"{s.symbol or f'row {s.row}'} {s.score:.4g}" for s in ordered[:SHOWN_SCORES])
    known = f"{prediction.dataset}@{prediction.dataset_version}" if prediction.dataset else "features the caller gave"
    link = TraceLink(
        kind="prediction",
        record_id=prediction.prediction_id,
        facts=(
            ("made", f"{moment(prediction.at)} by {prediction.model}@{prediction.model_version}"),
            ("source", prediction.source if prediction.pass_id is None else f"replay, pass {prediction.pass_id}"),
            ("session", str(prediction.session) if prediction.session else "none: the caller gave the features"),
            ("as of", moment(prediction.as_of) if prediction.session else "as the caller says"),
            ("data", known),
            ("request", prediction.request_id),
            ("scores", f"{len(prediction.scores)}, best {best}"),
            ("horizon", f"{prediction.horizon_sessions} sessions"),
        ),
    )
    return [link, *version_id_links(session, prediction.version_id)]


def version_id_links(session: Session, version_id: str) -> list[TraceLink]:
    """Return the links from a model version, named by its id, to the provider."""
    return _version_links(session, registry.version_by_id(session, version_id))


def labelled_version_links(session: Session, model: str, number: int) -> list[TraceLink]:
    """Return the links from a model version, named by model and number, to the provider."""
    return _version_links(session, registry.version(session, model, number))


def training_links(session: Session, run_id: str) -> list[TraceLink]:
    """Return the links from a training run to the provider."""
    record = training.training_record(session, run_id)
    run, lineage = record.info, record.info.lineage
    spec = run.spec
    link = TraceLink(
        kind="training run",
        record_id=run.run_id,
        facts=(
            ("learner", f"{spec.learner} {pairs(spec.parameters)}".strip()),
            ("features", f"{len(spec.features)}: {', '.join(spec.features)}"),
            ("terms", _terms(run.spec.horizon_sessions, spec.folds, spec.sample_every_sessions, spec.seed)),
            ("status", run.status if run.error is None else f"{run.status}: {run.error}"),
            ("out of sample", "none" if run.scorecard is None else _card(run.scorecard)),
            ("artifact", f"{run.artifact_format} sha256 {run.artifact_sha256}" if run.artifact_sha256 else "none"),
            ("computed", span(run.started_at, run.ended_at)),
        ),
    )
    code = code_link(
        lineage.code_identity, lineage.lock_hash, lineage.platform_version, ("learner", record.learner_identity)
    )
    step = step_links(session, lineage.pipeline_step) if lineage.pipeline_step else []
    basis = datasets.dataset(session, lineage.dataset).price_basis
    panel = panel_link(lineage.panel_id, record.panel, basis, lineage.as_of)
    return [link, code, *step, panel, *version_links(session, lineage.dataset, lineage.dataset_version)]


def training_panel_links(session: Session, panel_id: str) -> list[TraceLink]:
    """Return the links from the panel of the latest training run on it; none where there is no such run."""
    run = training.find_by_panel(session, panel_id)
    if run is None:
        return []
    links = training_links(session, run.run_id)
    return links[[link.kind for link in links].index("panel") :]


def _version_links(session: Session, version: ModelVersionInfo) -> list[TraceLink]:
    link = TraceLink(
        kind="model version",
        record_id=version.version_id,
        facts=(
            ("version", f"{version.label}{f' ({", ".join(version.aliases)})' if version.aliases else ''}"),
            ("content hash", version.content_hash),
            ("artifact", f"{version.artifact_format} sha256 {version.artifact_sha256}"),
            ("takes", ", ".join(version.signature.features)),
            ("out of sample", _card(version.scorecard)),
            ("registered at", moment(version.created_at)),
        ),
    )
    return [link, *training_links(session, version.lineage.training_run)]


def _terms(horizon_sessions: int, folds: int, every: int, seed: int) -> str:
    return f"horizon {horizon_sessions} sessions, {folds} folds, sampled every {every} sessions, seed {seed}"


def _card(card: Scorecard) -> str:
    return (
        f"information coefficient {card.information_coefficient:.4f} "
        f"[{card.interval_low:.4f}, {card.interval_high:.4f}] on {card.observations} sessions"
    )
