"""What kind of record an id names."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from investlab.models import core as rows
from investlab.schemas.audit import Located, RecordKind
from investlab.store.repositories.lookup import the_only, uid_matches


def locate(session: Session, given: str) -> Located:
    """Return the record that an id, a unique beginning of one, or a dataset's name stands for.

    Raises:
        NotFound: Nothing matches.
        Conflict: Several records match.
        InvalidInput: A beginning is too short to mean anything.
    """
    if session.scalar(select(rows.Dataset.id).where(rows.Dataset.name == given)) is not None:
        return Located(kind=RecordKind.DATASET, record_id=given)
    found = {
        uid: kind
        for kind, matches in (
            (RecordKind.INGEST_RUN, uid_matches(session, rows.IngestRun, given)),
            (RecordKind.BACKTEST_RUN, uid_matches(session, rows.BacktestRun, given)),
            (RecordKind.PIPELINE_RUN, uid_matches(session, rows.PipelineRun, given)),
            (RecordKind.PIPELINE_STEP, uid_matches(session, rows.PipelineStep, given)),
            (RecordKind.TRAINING_RUN, uid_matches(session, rows.TrainingRun, given)),
            (RecordKind.MODEL_VERSION, uid_matches(session, rows.ModelVersion, given)),
        )
        for uid in matches
    }
    uid = given if given in found else the_only(sorted(found), given, "record")
    return Located(kind=found[uid], record_id=uid)
