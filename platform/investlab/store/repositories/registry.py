"""Model versions and their aliases: versions are only ever added, aliases move between them.

An alias moves only in a unit that also appends the event that tells of it: see `investlab.services.registry`.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from investlab.core.clock import require_aware
from investlab.core.errors import Conflict, NotFound
from investlab.core.hashing import hash_json
from investlab.models import core as rows
from investlab.schemas.ledger import RunStatus
from investlab.schemas.registry import Alias, InputSignature, ModelVersionInfo, Scorecard
from investlab.store.repositories.lookup import row_by_uid, save
from investlab.store.repositories.training import lineage, training_rows


def add_version(session: Session, model: str, run_id: str, *, at: datetime) -> tuple[ModelVersionInfo, bool]:
    """Return the version of a model that a completed training run gave, and whether it was added just now.

    Numbers count up by one from 1. Equal content again is the version that exists.

    Raises:
        NotFound: There is no such training run.
        Conflict: It did not complete.
    """
    run = row_by_uid(session, rows.TrainingRun, run_id, "training run")
    if run.status is not RunStatus.COMPLETED:
        raise Conflict(f"Training run {run.uid!r} gave no model: it is {run.status}.", remedy="Train it again.")
    row = rows.ModelVersion(
        model=model,
        training_run_id=run.id,
        learner=run.learner,
        signature=run.signature,
        artifact_format=run.artifact_format,
        artifact_sha256=run.artifact_sha256,
        evaluation_sha256=run.evaluation_sha256,
        scorecard=run.scorecard,
        created_at=require_aware(at),
    )
    row.content_hash = _content_hash(session, row)
    existing = session.scalar(
        select(rows.ModelVersion.uid).where(
            rows.ModelVersion.model == model, rows.ModelVersion.content_hash == row.content_hash
        )
    )
    if existing is not None:
        return version_by_id(session, existing), False
    row.uid = f"mv-{row.content_hash[:12]}"
    last = session.scalar(select(func.max(rows.ModelVersion.number)).where(rows.ModelVersion.model == model))
    row.number = (last or 0) + 1
    save(session, row)
    return version_by_id(session, row.uid), True


def version(session: Session, model: str, number: int) -> ModelVersionInfo:
    """Return one version of a model.

    Raises:
        NotFound: There is no such model or version.
    """
    found = _found(session, rows.ModelVersion.model == model, rows.ModelVersion.number == number)
    if found:
        return found[0]
    known = models(session)
    if model not in known:
        raise NotFound.named("model", model, known, remedy="`investlab model list` shows every model.")
    last = max(info.number for info in versions(session, model))
    raise NotFound(f"Model {model!r} has no version {number}.", remedy=f"Its versions are 1 to {last}.")


def version_by_id(session: Session, version_id: str) -> ModelVersionInfo:
    """Return a version by its id or a unique beginning of it.

    Raises:
        NotFound: No version matches.
        Conflict: Several do.
    """
    row = row_by_uid(session, rows.ModelVersion, version_id, "model version")
    return _found(session, rows.ModelVersion.id == row.id)[0]


def versions(session: Session, model: str | None = None) -> list[ModelVersionInfo]:
    """List the versions of one model, or of all, ordered by model and number; none where there is no such model."""
    return _found(session) if model is None else _found(session, rows.ModelVersion.model == model)


def models(session: Session) -> list[str]:
    """List the names of all models, ordered."""
    return sorted(session.scalars(select(rows.ModelVersion.model).distinct()))


def aliased(session: Session, model: str, alias: Alias) -> ModelVersionInfo | None:
    """Return the version that an alias names; None where it names none."""
    version_id = session.scalar(
        select(rows.ModelAlias.version_id).where(rows.ModelAlias.model == model, rows.ModelAlias.alias == alias)
    )
    return None if version_id is None else _found(session, rows.ModelVersion.id == version_id)[0]


def aliases(session: Session, model: str) -> dict[Alias, int]:
    """Return the number of the version that each alias of a model names."""
    query = (
        select(rows.ModelAlias.alias, rows.ModelVersion.number)
        .join(rows.ModelVersion, rows.ModelVersion.id == rows.ModelAlias.version_id)
        .where(rows.ModelAlias.model == model)
        .order_by(rows.ModelAlias.alias)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def move_alias(session: Session, model: str, alias: Alias, number: int | None, *, at: datetime) -> None:
    """Let an alias name a version, or none; append the event that tells of it in the same unit.

    An alias that names it already stays as it is.

    Raises:
        NotFound: There is no such version.
    """
    row = session.scalar(select(rows.ModelAlias).where(rows.ModelAlias.model == model, rows.ModelAlias.alias == alias))
    if number is None:
        if row is not None:
            session.delete(row)
            session.flush()
        return
    named = version(session, model, number).version_id
    version_id = session.scalars(select(rows.ModelVersion.id).where(rows.ModelVersion.uid == named)).one()
    if row is None:
        row = rows.ModelAlias(model=model, alias=alias)
    elif row.version_id == version_id:
        return
    row.version_id, row.moved_at = version_id, require_aware(at)
    save(session, row)


def alias_table(session: Session) -> dict[str, dict[Alias, int]]:
    """Return every alias of every model as the table holds it, also where the model has no version of its own."""
    query = select(rows.ModelAlias.model, rows.ModelAlias.alias, rows.ModelVersion.number).join(
        rows.ModelVersion, rows.ModelVersion.id == rows.ModelAlias.version_id
    )
    found: dict[str, dict[Alias, int]] = {}
    for model, alias, number in session.execute(query):
        found.setdefault(model, {})[alias] = number
    return found


def recomputed_hash(session: Session, version_id: str) -> str:
    """Return the hash that a version's rows have now; it equals `content_hash` unless someone edited them.

    Raises:
        NotFound: There is no such version.
    """
    return _content_hash(session, row_by_uid(session, rows.ModelVersion, version_id, "model version"))


def _content_hash(session: Session, row: rows.ModelVersion) -> str:
    """Hash what the rows hold, not what today's schemas read from them: a later schema changes no hash."""
    run, dataset, number = session.execute(training_rows().where(rows.TrainingRun.id == row.training_run_id)).one()
    return hash_json(
        {
            "model": row.model,
            "learner": row.learner,
            "signature": row.signature,
            "artifact_format": row.artifact_format,
            "artifact_sha256": row.artifact_sha256,
            "evaluation_sha256": row.evaluation_sha256,
            "scorecard": row.scorecard,
            "training_run": run.uid,
            "spec": run.spec,
            "panel": run.panel,
            "panel_id": run.panel_id,
            "dataset": [dataset, number],
            "as_of": run.as_of,
            "pipeline_step": run.pipeline_step_uid,
            "code": [run.code_identity, run.learner_identity, run.lock_hash, run.platform_version],
        }
    )


def _found(session: Session, *conditions: ColumnElement[bool]) -> list[ModelVersionInfo]:
    query = _versions().where(*conditions).order_by(rows.ModelVersion.model, rows.ModelVersion.number)
    named: dict[int, list[Alias]] = {}
    for version_id, alias in session.execute(select(rows.ModelAlias.version_id, rows.ModelAlias.alias)):
        named.setdefault(version_id, []).append(alias)
    return [
        _info(row, run, dataset, number, tuple(sorted(named.get(row.id, []))))
        for row, run, dataset, number in session.execute(query)
    ]


def _versions() -> Select[rows.ModelVersion, rows.TrainingRun, str, int]:
    return (
        select(rows.ModelVersion, rows.TrainingRun, rows.Dataset.name, rows.DatasetVersion.number)
        .join(rows.TrainingRun, rows.TrainingRun.id == rows.ModelVersion.training_run_id)
        .join(rows.DatasetVersion, rows.DatasetVersion.id == rows.TrainingRun.dataset_version_id)
        .join(rows.Dataset, rows.Dataset.id == rows.DatasetVersion.dataset_id)
    )


def _info(
    row: rows.ModelVersion, run: rows.TrainingRun, dataset: str, number: int, named: tuple[Alias, ...]
) -> ModelVersionInfo:
    return ModelVersionInfo(
        version_id=row.uid,
        model=row.model,
        number=row.number,
        learner=row.learner,
        signature=InputSignature.model_validate(row.signature),
        artifact_format=row.artifact_format,
        artifact_sha256=row.artifact_sha256,
        evaluation_sha256=row.evaluation_sha256,
        scorecard=Scorecard.model_validate(row.scorecard),
        lineage=lineage(run, dataset, number),
        content_hash=row.content_hash,
        created_at=row.created_at,
        aliases=named,
    )
