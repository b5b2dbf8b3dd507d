"""What kind of record an id names."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from investlab.models import core as rows
from investlab.schemas.audit import Located, RecordKind
from investlab.store.repositories.lookup import WithUid, the_only, uid_equals, uid_matches


def locate(session: Session, given: str) -> Located:
    """Return the record that an id, a unique beginning of one, or a dataset's name stands for.

    Raises:
        NotFound: Nothing matches.
        Conflict: Several records match.
        InvalidInput: A beginning is too short to mean anything.
    """
    if session.scalar(select(rows.Dataset.id).where(rows.Dataset.name == given)) is not None:
        return Located(kind=RecordKind.DATASET, record_id=given)
    for kind, table in _TABLES.items():
        if uid_equals(session, table, given):
            return Located(kind=kind, record_id=given)
    found = {uid: kind for kind, table in _TABLES.items() for uid in uid_matches(session, table, given)}
    uid = the_only(sorted(found), given, "record")
    return Located(kind=found[uid], record_id=uid)


_TABLES: dict[RecordKind, type[WithUid]] = {
    RecordKind.INGEST_RUN: rows.IngestRun,
    RecordKind.BACKTEST_RUN: rows.BacktestRun,
    RecordKind.PIPELINE_RUN: rows.PipelineRun,
    RecordKind.PIPELINE_STEP: rows.PipelineStep,
    RecordKind.TRAINING_RUN: rows.TrainingRun,
    RecordKind.MODEL_VERSION: rows.ModelVersion,
}
