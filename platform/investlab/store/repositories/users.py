"""Users and their API keys; of a key only its hash is kept."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from investlab.core.clock import require_aware
from investlab.core.errors import Conflict, NotFound
from investlab.models import core as rows
from investlab.schemas.users import IssuedKey, KeyDraft, KeyInfo, UserDraft, UserInfo
from investlab.store.repositories.lookup import save

MARKER = "il_"
PREFIX_CHARACTERS = 11
SECRET_BYTES = 32


def create_user(session: Session, draft: UserDraft, *, at: datetime) -> UserInfo:
    """Record a user.

    Raises:
        Conflict: There is one of that name.
    """
    if session.scalar(select(rows.User.id).where(rows.User.name == draft.name)) is not None:
        raise Conflict(f"There is a user {draft.name!r} already.", remedy="Choose another name.")
    row = rows.User(name=draft.name, email=draft.email, role=draft.role, created_at=require_aware(at))
    save(session, row)
    return _user(row)


def disable_user(session: Session, name: str, *, at: datetime) -> UserInfo:
    """Take from a user, and so from every key of theirs, the right to sign in; again changes nothing.

    Raises:
        NotFound: There is no such user.
    """
    row = _user_row(session, name)
    row.disabled_at = row.disabled_at or require_aware(at)
    save(session, row)
    return _user(row)


def user(session: Session, name: str) -> UserInfo:
    """Return a user.

    Raises:
        NotFound: There is none of that name; near matches are named.
    """
    return _user(_user_row(session, name))


def list_users(session: Session) -> list[UserInfo]:
    """List every user ordered by name."""
    return sorted((_user(row) for row in session.scalars(select(rows.User))), key=lambda user: user.name)


def issue_key(
    session: Session, draft: KeyDraft, *, at: datetime, random: Callable[[int], str] = secrets.token_urlsafe
) -> IssuedKey:
    """Issue a key to a user and return it, the only time it can be seen.

    Raises:
        NotFound: There is no such user.
        Conflict: The user is disabled.
    """
    owner = _user_row(session, draft.user)
    if owner.disabled_at is not None:
        raise Conflict(f"The user {owner.name!r} is disabled.", remedy="Issue the key to another user.")
    key = f"{MARKER}{random(SECRET_BYTES)}"
    row = rows.ApiKey(
        user_id=owner.id,
        label=draft.label,
        prefix=key[:PREFIX_CHARACTERS],
        key_sha256=_hash(key),
        scopes=list(draft.scopes),
        created_at=require_aware(at),
        expires_at=draft.expires_at,
    )
    save(session, row)
    return IssuedKey(key=key, info=_key(row, owner.name))


def find_user_by_key(session: Session, key: str, *, at: datetime) -> tuple[UserInfo, KeyInfo] | None:
    """Return whose key this is; None for one that is unknown, expired, revoked, or of a disabled user.

    Hashes are compared in constant time.
    """
    given, moment = _hash(key), require_aware(at)
    for row, owner in session.execute(_keys().where(rows.ApiKey.prefix == key[:PREFIX_CHARACTERS])):
        if hmac.compare_digest(row.key_sha256, given):
            is_over = row.expires_at is not None and row.expires_at <= moment
            if is_over or row.revoked_at is not None or owner.disabled_at is not None:
                return None
            return _user(owner), _key(row, owner.name)
    return None


def mark_key_used(session: Session, key_id: int, *, at: datetime) -> None:
    """Note when a key was used last.

    Raises:
        NotFound: There is no such key.
    """
    _key_row(session, key_id).last_used_at = require_aware(at)
    session.flush()


def revoke_key(session: Session, key_id: int, *, at: datetime) -> KeyInfo:
    """Take a key's validity away for good; again changes nothing.

    Raises:
        NotFound: There is no such key.
    """
    row = _key_row(session, key_id)
    row.revoked_at = row.revoked_at or require_aware(at)
    save(session, row)
    return _key(row, session.get_one(rows.User, row.user_id).name)


def list_keys(session: Session, user_name: str | None = None) -> list[KeyInfo]:
    """List the keys of a user, of all unless named, ordered by when they were issued.

    Raises:
        NotFound: There is no such user.
    """
    query = _keys().order_by(rows.ApiKey.id)
    if user_name is not None:
        query = query.where(rows.ApiKey.user_id == _user_row(session, user_name).id)
    return [_key(row, owner.name) for row, owner in session.execute(query)]


def _hash(key: str) -> str:
    """Return what is kept of a key; its 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(key.encode()).hexdigest()


def _user_row(session: Session, name: str) -> rows.User:
    row = session.scalar(select(rows.User).where(rows.User.name == name))
    if row is None:
        raise NotFound.named("user", name, session.scalars(select(rows.User.name)))
    return row


def _key_row(session: Session, key_id: int) -> rows.ApiKey:
    row = session.get(rows.ApiKey, key_id)
    if row is None:
        raise NotFound(f"There is no API key {key_id}.", remedy="Check the number.")
    return row


def _keys() -> Select[rows.ApiKey, rows.User]:
    return select(rows.ApiKey, rows.User).join(rows.User, rows.User.id == rows.ApiKey.user_id)


def _user(row: rows.User) -> UserInfo:
    return UserInfo(
        user_id=row.id,
        name=row.name,
        role=row.role,
        email=row.email,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )


def _key(row: rows.ApiKey, user_name: str) -> KeyInfo:
    return KeyInfo(
        key_id=row.id,
        user=user_name,
        label=row.label,
        scopes=tuple(row.scopes),
        prefix=row.prefix,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
