"""Universes and their dated members."""

from collections.abc import Collection
from datetime import date, datetime

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from investlab.core.clock import require_aware
from investlab.core.errors import Conflict, NotFound
from investlab.models import core as rows
from investlab.schemas.universes import Membership, UniverseDraft, UniverseInfo
from investlab.store.repositories.lookup import dataset_row, save


def define_universe(session: Session, draft: UniverseDraft, *, at: datetime) -> UniverseInfo:
    """Record a universe, or give the recorded one of that name a new definition, and return it; members stay.

    Raises:
        NotFound: There is no such dataset.
        Conflict: The recorded universe is one of another dataset.
    """
    dataset = dataset_row(session, draft.dataset)
    row = session.scalar(select(rows.Universe).where(rows.Universe.name == draft.name))
    if row is None:
        row = rows.Universe(name=draft.name, dataset_id=dataset.id, created_at=require_aware(at))
    elif row.dataset_id != dataset.id:
        raise Conflict(
            f"The universe {draft.name!r} is one of dataset {universe(session, draft.name).dataset!r}.",
            remedy="Define one of another name.",
        )
    row.definition, row.owner, row.changed_at = draft.definition, draft.owner, require_aware(at)
    save(session, row)
    return _info(row, draft.dataset)


def set_members(session: Session, name: str, instrument_ids: Collection[int], *, on: date) -> None:
    """Let these instruments, and no others, be the members from a day on; what was before the day stays.

    Raises:
        NotFound: There is no such universe.
        Conflict: One of the instruments does not exist.
    """
    row = _row(session, name)
    member = rows.UniverseMember
    later = or_(member.valid_to.is_(None), member.valid_to > on)
    wanted = set(instrument_ids)
    for found in session.scalars(select(member).where(member.universe_id == row.id, later)).all():
        if found.valid_from >= on:
            session.delete(found)
        elif found.instrument_id in wanted:
            found.valid_to = None
            wanted.discard(found.instrument_id)
        else:
            found.valid_to = on
    session.flush()
    session.add_all(member(universe_id=row.id, instrument_id=key, valid_from=on) for key in sorted(wanted))
    session.flush()


def members(session: Session, name: str, *, on: date) -> list[int]:
    """List the ids of the instruments that belong to a universe on a day, ordered.

    Raises:
        NotFound: There is no such universe.
    """
    member = rows.UniverseMember
    query = select(member.instrument_id).where(
        member.universe_id == _row(session, name).id,
        member.valid_from <= on,
        or_(member.valid_to.is_(None), member.valid_to > on),
    )
    return sorted(session.scalars(query))


def memberships(session: Session, name: str) -> list[Membership]:
    """List every period of membership ordered by start and instrument.

    Raises:
        NotFound: There is no such universe.
    """
    query = select(rows.UniverseMember).where(rows.UniverseMember.universe_id == _row(session, name).id)
    found = [
        Membership(instrument_id=row.instrument_id, valid_from=row.valid_from, valid_to=row.valid_to)
        for row in session.scalars(query)
    ]
    return sorted(found, key=lambda member: (member.valid_from, member.instrument_id))


def universe(session: Session, name: str) -> UniverseInfo:
    """Return a universe.

    Raises:
        NotFound: There is none of that name; near matches are named.
    """
    return _info(*session.execute(_universes().where(rows.Universe.id == _row(session, name).id)).one())


def list_universes(session: Session) -> list[UniverseInfo]:
    """List every universe ordered by name."""
    return sorted((_info(*found) for found in session.execute(_universes())), key=lambda info: info.name)


def _row(session: Session, name: str) -> rows.Universe:
    row = session.scalar(select(rows.Universe).where(rows.Universe.name == name))
    if row is None:
        raise NotFound.named("universe", name, session.scalars(select(rows.Universe.name)))
    return row


def _universes() -> Select[rows.Universe, str]:
    return select(rows.Universe, rows.Dataset.name).join(rows.Dataset, rows.Dataset.id == rows.Universe.dataset_id)


def _info(row: rows.Universe, dataset: str) -> UniverseInfo:
    return UniverseInfo(
        name=row.name,
        dataset=dataset,
        definition=row.definition,
        owner=row.owner,
        created_at=row.created_at,
        changed_at=row.changed_at,
    )
