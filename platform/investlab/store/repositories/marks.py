"""Marks of change: what tells readers, in every process, that something they hold in memory is out of date."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from investlab.core.hashing import hash_json
from investlab.models import core as rows

_LENGTH = 32


def mark_changed(session: Session, subject: str, change: object) -> None:
    """Give a subject a new mark, in the unit that changes it.

    The mark is the hash of the mark before and of the change: equal marks mean equal histories, also where a backup
    was restored and changed in another way.
    """
    row = session.scalar(select(rows.ChangeMark).where(rows.ChangeMark.subject == subject))
    if row is None:
        row = rows.ChangeMark(subject=subject, mark="")
        session.add(row)
    row.mark = hash_json([row.mark, change])[:_LENGTH]
    session.flush()
