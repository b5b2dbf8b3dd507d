"""Replay passes: walks of the session clock, at most one running for each dataset."""

from datetime import date, datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from investlab.core.clock import require_aware
from investlab.core.errors import Conflict, InvalidInput
from investlab.core.hashing import hash_json
from investlab.models import core as rows
from investlab.schemas.live import ReplayPass, ReplayStatus
from investlab.store.repositories.lookup import dataset_row, row_by_uid, save


def current_pass(session: Session, dataset: str) -> ReplayPass | None:
    """Return the running pass of a dataset; None when there is none.

    Raises:
        NotFound: There is no dataset of that name.
    """
    owner = dataset_row(session, dataset)
    found = session.execute(
        _passes().where(rows.ReplayPass.dataset_id == owner.id, rows.ReplayPass.status == ReplayStatus.RUNNING)
    ).first()
    return None if found is None else _pass(*found)


def start_pass(session: Session, *, dataset: str, first_session: date, last_session: date, at: datetime) -> ReplayPass:
    """Begin a pass, numbered one after the dataset's last; it has completed no session yet.

    Raises:
        NotFound: There is no dataset of that name.
        InvalidInput: The sessions are reversed.
        Conflict: A pass of this dataset is running (`details["pass_id"]`).
    """
    if first_session > last_session:
        raise InvalidInput(
            f"The first session {first_session} lies after the last, {last_session}.", remedy="Exchange the two."
        )
    running = current_pass(session, dataset)
    if running is not None:
        raise Conflict(
            f"Pass {running.pass_id} of dataset {dataset!r} is running.",
            remedy="Go on with it, or complete it first.",
            details={"pass_id": running.pass_id},
        )
    owner = dataset_row(session, dataset)
    last = session.scalar(select(func.max(rows.ReplayPass.number)).where(rows.ReplayPass.dataset_id == owner.id))
    number = (last or 0) + 1
    row = rows.ReplayPass(
        uid=f"rp-{hash_json(['rp', dataset, number, require_aware(at)])[:12]}",
        number=number,
        dataset_id=owner.id,
        first_session=first_session,
        last_session=last_session,
        session=None,
        status=ReplayStatus.RUNNING,
        started_at=require_aware(at),
        updated_at=require_aware(at),
    )
    save(session, row)
    return _pass(row, owner.name)


def advance_pass(session: Session, pass_id: str, *, expected: date | None, to: date, at: datetime) -> ReplayPass:
    """Record that the pass completed session `to`, if `expected` still is the last one it completed.

    Raises:
        NotFound: There is no such pass.
        Conflict: Another process moved it meanwhile, or it has ended.
        InvalidInput: `to` is no later session of the pass.
    """
    row = _running(session, pass_id)
    if row.session != expected:
        raise Conflict(
            f"Pass {row.uid} stands at {row.session or 'its beginning'}, not at {expected or 'its beginning'}.",
            remedy="Another process walks it; read the pass again.",
        )
    if not row.first_session <= to <= row.last_session or (expected is not None and to <= expected):
        raise InvalidInput(
            f"Pass {row.uid} cannot move from {expected or 'its beginning'} to {to}.",
            remedy=f"Its sessions run from {row.first_session} to {row.last_session}, forwards only.",
        )
    row.session, row.updated_at = to, require_aware(at)
    session.flush()
    return replay_pass(session, row.uid)


def complete_pass(session: Session, pass_id: str, *, at: datetime) -> ReplayPass:
    """Record that a pass ended, whatever session it had reached.

    Raises:
        NotFound: There is no such pass.
        Conflict: It has already ended.
    """
    row = _running(session, pass_id)
    row.status, row.updated_at = ReplayStatus.COMPLETED, require_aware(at)
    session.flush()
    return replay_pass(session, row.uid)


def replay_pass(session: Session, pass_id: str) -> ReplayPass:
    """Return a pass by its id or a unique beginning of it.

    Raises:
        NotFound: No pass matches.
        Conflict: Several do.
    """
    row = row_by_uid(session, rows.ReplayPass, pass_id, "replay pass")
    return _pass(*session.execute(_passes().where(rows.ReplayPass.id == row.id)).one())


def passes(session: Session) -> list[ReplayPass]:
    """List every pass, newest first."""
    return [_pass(*found) for found in session.execute(_passes().order_by(rows.ReplayPass.id.desc()))]


def _running(session: Session, pass_id: str) -> rows.ReplayPass:
    row = row_by_uid(session, rows.ReplayPass, pass_id, "replay pass")
    if row.status is not ReplayStatus.RUNNING:
        raise Conflict(f"Pass {row.uid} has already ended.", remedy="Start a new one.")
    return row


def _passes() -> Select[rows.ReplayPass, str]:
    return select(rows.ReplayPass, rows.Dataset.name).join(rows.Dataset, rows.Dataset.id == rows.ReplayPass.dataset_id)


def _pass(row: rows.ReplayPass, dataset: str) -> ReplayPass:
    return ReplayPass(
        pass_id=row.uid,
        number=row.number,
        dataset=dataset,
        first_session=row.first_session,
        last_session=row.last_session,
        session=row.session,
        status=row.status,
        started_at=row.started_at,
        updated_at=row.updated_at,
    )
