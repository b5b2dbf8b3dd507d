"""Recorded training: a model is found by its key or trained, and stored with its evaluation and lineage."""

from importlib.metadata import PackageNotFoundError, version

from investlab.core.errors import Conflict, InvalidInput
from investlab.core.executor import Progress, no_progress
from investlab.core.extensions import LEARNERS, extensions, load_extension
from investlab.core.hashing import hash_json
from investlab.core.identity import code_identity, lock_hash, source_version
from investlab.market.panel import PricePanel
from investlab.ml.evaluation import Evaluation
from investlab.ml.trained import TrainedModel
from investlab.ml.training import TrainingOutcome, train
from investlab.schemas.registry import ArtifactFormat, TrainingRunInfo, TrainingSpec
from investlab.schemas.training import TrainingEnd, TrainingStart
from investlab.services.context import Context
from investlab.services.prices import request_of
from investlab.services.recording import failures_recorded
from investlab.store.database import Session
from investlab.store.repositories import audit, outbox, training

TRAINING_PREFIX = "tr-"
"""What ids of training runs begin with."""


def run_training(
    context: Context, spec: TrainingSpec, panel: PricePanel, progress: Progress = no_progress
) -> TrainedModel:
    """Return the model that a learner trains on a panel, trained now or found by the run that has its key.

    Raises:
        InvalidInput: The panel has no recorded data, or the learner gives no model in a safe format.
        NotFound: Learner or feature is unknown; near matches are named.
    """
    start = _plan(context, spec, panel)
    with context.database.read() as session:
        found = training.find_by_key(session, start.key)
    if found is not None:
        return load_training(context, found.run_id)
    context.database.write(lambda session: training.start_training(session, start))
    try:
        with failures_recorded(
            context, lambda session, reason, at: training.fail_training(session, start.run_id, error=reason, at=at)
        ):
            outcome = train(spec, panel, progress)
            end = _end(context, outcome)
            info = context.database.write(lambda session: _complete(session, start, end))
    except Conflict as error:
        winner = error.details.get("run_id")  # another process trained the same meanwhile; this run is recorded failed
        if not isinstance(winner, str):
            raise
        return load_training(context, winner)
    return TrainedModel(info, outcome.evaluation)


def load_training(context: Context, run_id: str) -> TrainedModel:
    """Return the outcome of a completed training run, named by its id or a unique beginning.

    Raises:
        NotFound: There is no such run.
        Conflict: It did not complete.
        Corrupt: Its stored evaluation is damaged.
    """
    with context.database.read() as session:
        info = training.training_run(session, run_id)
    if info.evaluation_sha256 is None:
        raise Conflict(
            f"Training run {info.run_id} has no model: it is {info.status}.", remedy=info.error or "Train it again."
        )
    return TrainedModel(info, Evaluation.from_bytes(context.artifacts.get(info.evaluation_sha256)))


def learner_identity(name: str) -> str | None:
    """Return a hash of where a learner is defined and of its distribution's version; None where that has none.

    The learner itself is not loaded, for its library may take seconds; `code_identity` covers investlab's own.

    Raises:
        NotFound: There is no such learner; near matches are named.
    """
    declared = [extension for extension in extensions(LEARNERS) if extension.name == name]
    if not declared:
        load_extension(LEARNERS, name)
    try:
        return hash_json([(found.target, found.distribution, version(found.distribution)) for found in declared])
    except PackageNotFoundError:
        return None


def _plan(context: Context, spec: TrainingSpec, panel: PricePanel) -> TrainingStart:
    asked = request_of(panel)
    identity = learner_identity(spec.learner)
    content = ["training", code_identity(), identity, spec.model_dump(mode="json"), panel.id, lock_hash()]
    run_id = context.new_id(TRAINING_PREFIX.rstrip("-"), *content)
    return TrainingStart(
        run_id=run_id,
        key=hash_json(content if identity else [*content, run_id]),
        owner=context.owner,
        spec=spec,
        learner_identity=identity,
        panel=asked,
        panel_id=panel.id,
        dataset_version=asked.dataset_version or 0,
        code_identity=code_identity(),
        lock_hash=lock_hash(),
        platform_version=source_version(),
        started_at=context.clock.now(),
        pipeline_step=context.settings.pipeline_step,
    )


def _end(context: Context, outcome: TrainingOutcome) -> TrainingEnd:
    return TrainingEnd(
        signature=outcome.signature,
        artifact_format=_safe_format(outcome.artifact_format),
        artifact_sha256=context.artifacts.put(outcome.artifact),
        evaluation_sha256=context.artifacts.put(outcome.evaluation.to_bytes()),
        scorecard=outcome.evaluation.scorecard,
        ended_at=context.clock.now(),
    )


def _safe_format(given: str) -> ArtifactFormat:
    try:
        return ArtifactFormat(given)
    except ValueError as error:
        raise InvalidInput(
            f"The learner gave its model as {given!r}, which is no safe format.",
            remedy=f"Models are kept as {', '.join(ArtifactFormat)}: none of them can run code when it is read.",
        ) from error


def _complete(session: Session, start: TrainingStart, end: TrainingEnd) -> TrainingRunInfo:
    """Record the end with its event and message in one unit."""
    info = training.complete_training(session, start.run_id, end)
    details = {
        "learner": start.spec.learner,
        "artifact_sha256": end.artifact_sha256,
        "evaluation_sha256": end.evaluation_sha256,
        "panel_id": start.panel_id,
    }
    audit.append_event(session, start.owner, "run.completed", start.run_id, details, at=end.ended_at)
    outbox.enqueue(session, "run.completed", {"run_id": start.run_id, **details}, at=end.ended_at)
    return info
