"""The audit chain: events are only appended, and each holds the hash of the one before it."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from investlab.core.clock import require_aware
from investlab.core.hashing import hash_json
from investlab.models import core as rows
from investlab.schemas.audit import AuditEvent, ChainReport
from investlab.store.repositories.lookup import save

GENESIS = "0" * 64
_PAGE = 1000


def append_event(
    session: Session, actor: str, action: str, subject: str, details: Mapping[str, Any], *, at: datetime
) -> AuditEvent:
    """Append an event to the chain, in the unit that does what it tells of."""
    row = rows.AuditEvent(
        at=require_aware(at),
        actor=actor,
        action=action,
        subject=subject,
        details=rows.plain_document(dict(details)),
        previous_hash=_head(session),
    )
    row.hash = _hash(row)
    save(session, row)
    return _event(row)


def verify_chain(session: Session, *, expected_head: str | None = None) -> ChainReport:
    """Check every event from the first on and name the first that does not follow.

    An edited, deleted, inserted or moved event is found. Events cut from the end are found when `expected_head`, a
    hash noted earlier and kept elsewhere, is given.
    """
    previous, count, expected_seen = GENESIS, 0, expected_head in {None, GENESIS}
    query = select(rows.AuditEvent).order_by(rows.AuditEvent.id).execution_options(yield_per=_PAGE)
    for row in session.scalars(query):
        reason = _fault(row, previous)
        if reason:
            return ChainReport(events=count, head=previous, intact=False, broken_at=row.id, reason=reason)
        previous, count = row.hash, count + 1
        expected_seen = expected_seen or previous == expected_head
    if not expected_seen:
        return ChainReport(events=count, head=previous, intact=False, reason="events are missing from the end")
    return ChainReport(events=count, head=previous, intact=True)


def list_events(session: Session, *, subject: str | None = None, limit: int = 100) -> list[AuditEvent]:
    """List events, newest first."""
    query = select(rows.AuditEvent).order_by(rows.AuditEvent.id.desc()).limit(limit)
    if subject is not None:
        query = query.where(rows.AuditEvent.subject == subject)
    return [_event(row) for row in session.scalars(query)]


def events_of(session: Session, actions: Collection[str], *, subject: str | None = None) -> list[AuditEvent]:
    """List every event with one of these actions, oldest first."""
    query = select(rows.AuditEvent).where(rows.AuditEvent.action.in_(sorted(actions))).order_by(rows.AuditEvent.id)
    if subject is not None:
        query = query.where(rows.AuditEvent.subject == subject)
    return [_event(row) for row in session.scalars(query)]


def is_known(session: Session, subject: str) -> bool:
    """Say whether any event is about a subject; far quicker than listing its events."""
    return session.scalar(select(rows.AuditEvent.id).where(rows.AuditEvent.subject == subject).limit(1)) is not None


def _head(session: Session) -> str:
    last = session.scalar(select(rows.AuditEvent.hash).order_by(rows.AuditEvent.id.desc()).limit(1))
    return GENESIS if last is None else last


def _fault(row: rows.AuditEvent, previous: str) -> str:
    if row.previous_hash != previous:
        return "the event does not follow the one before it: one was deleted, inserted or moved"
    if row.hash != _hash(row):
        return "the event was edited"
    return ""


def _hash(row: rows.AuditEvent) -> str:
    return hash_json(
        {
            "at": row.at.isoformat(),
            "actor": row.actor,
            "action": row.action,
            "subject": row.subject,
            "details": row.details,
            "previous_hash": row.previous_hash,
        }
    )


def _event(row: rows.AuditEvent) -> AuditEvent:
    return AuditEvent(
        number=row.id,
        at=row.at,
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        details=row.details,
        previous_hash=row.previous_hash,
        hash=row.hash,
    )
