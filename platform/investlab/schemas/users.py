"""Users and their API keys."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from investlab.schemas.market import Frozen


class Role(StrEnum):
    """What a user is to the platform."""

    RESEARCHER = "researcher"
    STAKEHOLDER = "stakeholder"
    APP = "app"
    ADMIN = "admin"


class UserDraft(Frozen):
    """A user to be recorded."""

    name: str = Field(min_length=1)
    role: Role
    email: str | None = None


class UserInfo(UserDraft):
    """A recorded user; one with `disabled_at` may no longer sign in."""

    user_id: int
    created_at: datetime
    disabled_at: datetime | None = None


class KeyDraft(Frozen):
    """A key to be issued to a user; without `expires_at` it holds until it is revoked."""

    user: str
    label: str = Field(min_length=1)
    scopes: tuple[str, ...] = ()
    expires_at: datetime | None = None


class KeyInfo(KeyDraft):
    """A recorded key as it may be shown: by its first characters, never whole."""

    key_id: int
    prefix: str
    created_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class IssuedKey(Frozen):
    """A key just issued; `key` is shown this once and stored nowhere."""

    key: str = Field(repr=False)
    info: KeyInfo
