"""Finding rows by the names and ids that people use."""

from sqlalchemy import ColumnElement, and_, false, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from investlab.core.errors import Conflict, InvalidInput, NotFound
from investlab.models.core import (
    BacktestRun,
    Base,
    Dataset,
    DatasetVersion,
    IngestRun,
    ModelVersion,
    PipelineRun,
    PipelineStep,
    ReplayPass,
    TrainingRun,
    Venue,
)

SHORTEST_PREFIX = 4
_SHOWN = 5

WithUid = IngestRun | BacktestRun | PipelineRun | PipelineStep | TrainingRun | ModelVersion | ReplayPass


def dataset_row(session: Session, name: str) -> Dataset:
    """Return the dataset of that name.

    Raises:
        NotFound: There is none; near matches are named.
    """
    row = session.scalar(select(Dataset).where(Dataset.name == name))
    if row is None:
        raise NotFound.named(
            "dataset", name, session.scalars(select(Dataset.name)), remedy="`investlab data list` shows every dataset."
        )
    return row


def version_row(session: Session, dataset: str, number: int) -> DatasetVersion:
    """Return a version of a dataset.

    Raises:
        NotFound: There is no such dataset or version.
    """
    owner = dataset_row(session, dataset)
    found = session.scalar(
        select(DatasetVersion).where(DatasetVersion.dataset_id == owner.id, DatasetVersion.number == number)
    )
    if found is None:
        raise NotFound(f"Dataset {dataset!r} has no version {number}.")
    return found


def venue_row(session: Session, mic: str) -> Venue:
    """Return the venue of that MIC.

    Raises:
        NotFound: There is none.
    """
    row = session.scalar(select(Venue).where(Venue.mic == mic))
    if row is None:
        raise NotFound.named("venue", mic, session.scalars(select(Venue.mic)))
    return row


def uid_equals[Uid: WithUid](session: Session, table: type[Uid], given: str) -> bool:
    """Say whether a record has just this id."""
    return session.scalar(select(table.id).where(table.uid == given)) is not None


def uid_matches[Uid: WithUid](session: Session, table: type[Uid], given: str) -> list[str]:
    """List the ids that equal `given`, else up to six that begin with it, ordered.

    Raises:
        InvalidInput: A beginning is too short to mean anything.
    """
    if uid_equals(session, table, given):
        return [given]
    if len(given) < SHORTEST_PREFIX:
        raise InvalidInput(f"The id {given!r} is too short.", remedy=f"Give at least {SHORTEST_PREFIX} characters.")
    query = select(table.uid).where(begins_with(table.uid, given)).order_by(table.uid).limit(_SHOWN + 1)
    return list(session.scalars(query))


def begins_with(column: InstrumentedAttribute[str], beginning: str) -> ColumnElement[bool]:
    """Return the condition that an id begins like this, as a range: an index serves it, unlike LIKE.

    It holds for columns ordered by bytes (`IdText`), and for ids, which are ASCII.
    """
    if not beginning.isascii():
        return false()
    return and_(column >= beginning, column < beginning[:-1] + chr(ord(beginning[-1]) + 1))


def row_by_uid[Uid: WithUid](session: Session, table: type[Uid], given: str, kind: str) -> Uid:
    """Return the row whose id is `given` or is the only one that begins with it.

    Raises:
        NotFound: No id matches.
        Conflict: Several ids begin with it.
    """
    uid = the_only(uid_matches(session, table, given), given, kind)
    return session.scalars(select(table).where(table.uid == uid)).one()


def the_only(matches: list[str], given: str, kind: str) -> str:
    """Return the single match.

    Raises:
        NotFound: There is no match.
        Conflict: There are several.
    """
    if not matches:
        raise NotFound(f"There is no {kind} {given!r}.", remedy="Check the id.")
    if len(matches) > 1:
        shown = ", ".join(matches[:_SHOWN]) + (", …" if len(matches) > _SHOWN else "")
        raise Conflict(f"Several ids begin with {given!r}: {shown}.", remedy="Give more of its characters.")
    return matches[0]


def save(session: Session, row: Base) -> None:
    """Write a row and read it back, so that it holds what the database gives to everyone."""
    session.add(row)
    session.flush()
    session.refresh(row)


def require_step(session: Session, step_id: str | None) -> None:
    """Check that a pipeline step exists, when one is named at all.

    Raises:
        NotFound: There is no such step.
    """
    if step_id is None or session.scalar(select(PipelineStep.id).where(PipelineStep.uid == step_id)) is not None:
        return
    raise NotFound(
        f"There is no pipeline step {step_id!r}.", remedy="Unset INVESTLAB_PIPELINE_STEP outside of pipelines."
    )
