"""Finding runs by their ids, and naming, tagging, noting and archiving them."""

from collections.abc import Sequence
from difflib import get_close_matches

from pydantic import ValidationError

from investlab.core.errors import InvalidInput, NotFound
from investlab.schemas.backtest import RunSummary
from investlab.schemas.ledger import RunStart
from investlab.schemas.run_labels import RunLabels
from investlab.services.context import Context
from investlab.store.database import Session
from investlab.store.repositories import audit, backtests, run_labels

_CUTOFF = 0.6


def parse_labels(
    name: str | None = None, tags: Sequence[str] | str | None = None, note: str | None = None
) -> RunLabels:
    """Return labels; a single text is one tag.

    Raises:
        InvalidInput: A tag is no single word, or a text is too long.
    """
    listed = (tags,) if isinstance(tags, str) else tags
    try:
        return RunLabels(name=name, tags=None if listed is None else tuple(listed), note=note)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InvalidInput(
            f"The {str(first['loc'][0]).rstrip('s')} {first['input']!r} cannot be used: {first['msg']}.",
            remedy="A tag is one word without comma, colon or quotation mark; a name has at most 200 characters.",
        ) from error


def labels_of(start: RunStart) -> RunLabels:
    """Return the labels that a run is started with."""
    return RunLabels(name=start.name, tags=start.tags, note=start.note)


def label_run(context: Context, run_id: str, labels: RunLabels) -> None:
    """Set what is given of a run's name, tags and note, with an audit event; nothing given changes nothing.

    Raises:
        NotFound: There is no such run; near matches are named.
    """
    if not labels.given:
        return
    uid = find_run(context, run_id).run_id
    at = context.clock.now()

    def unit(session: Session) -> None:
        run_labels.label_run(session, uid, labels)
        audit.append_event(session, context.owner, "run.labelled", uid, labels.given, at=at)

    context.database.write(unit)


def archive_run(context: Context, run_id: str, *, archived: bool) -> None:
    """Put a run into the archive, or take it out, with an audit event; its trials stay counted.

    Raises:
        NotFound: There is no such run; near matches are named.
    """
    uid = find_run(context, run_id).run_id
    at = context.clock.now()

    def unit(session: Session) -> None:
        run_labels.archive_run(session, uid, at=at if archived else None)
        event = "run.archived" if archived else "run.unarchived"
        audit.append_event(session, context.owner, event, uid, {}, at=at)

    context.database.write(unit)


def find_run(context: Context, run_id: str) -> RunSummary:
    """Return the run with this id, or the only one whose id begins like this.

    Raises:
        NotFound: There is none; the nearest ids are named.
        Conflict: Several ids begin like this.
        InvalidInput: The beginning is too short.
    """
    with context.database.read() as session:
        try:
            return backtests.run(session, run_id)
        except NotFound as error:
            near = get_close_matches(run_id, run_labels.latest_ids(session), n=3, cutoff=_CUTOFF)
            if not near:
                raise
            raise NotFound(error.detail, remedy=f"Did you mean {', '.join(near)}?", details={"near": near}) from error
