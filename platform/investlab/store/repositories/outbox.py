"""The outbox: messages written in a unit of work, relayed by the hub afterwards."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from investlab.models import core as rows
from investlab.schemas.audit import OutboxMessage
from investlab.store.repositories.lookup import save


def enqueue(session: Session, topic: str, payload: Mapping[str, Any], *, at: datetime) -> OutboxMessage:
    """Put a message in the outbox; it goes out only if the unit commits."""
    row = rows.OutboxMessage(topic=topic, payload=rows.plain_document(dict(payload)), created_at=at)
    save(session, row)
    return _message(row)


def pending(session: Session, limit: int = 100) -> list[OutboxMessage]:
    """List the messages that were not relayed yet, oldest first."""
    query = (
        select(rows.OutboxMessage)
        .where(rows.OutboxMessage.relayed_at.is_(None))
        .order_by(rows.OutboxMessage.id)
        .limit(limit)
    )
    return [_message(row) for row in session.scalars(query)]


def mark_relayed(session: Session, message_ids: Collection[int], *, at: datetime) -> int:
    """Mark messages as relayed and return how many were not marked before."""
    marked = 0
    for message_id in sorted(set(message_ids)):
        row = session.get(rows.OutboxMessage, message_id)
        if row is not None and row.relayed_at is None:
            row.relayed_at = at
            marked += 1
    session.flush()
    return marked


def _message(row: rows.OutboxMessage) -> OutboxMessage:
    return OutboxMessage(message_id=row.id, topic=row.topic, payload=row.payload, created_at=row.created_at)
