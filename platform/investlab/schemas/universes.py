"""Universes: named choices of a dataset's instruments, whose membership is dated."""

from datetime import date, datetime
from typing import Any

from pydantic import Field

from investlab.schemas.market import Frozen


class UniverseDraft(Frozen):
    """A universe to be recorded; `definition` says how its members are chosen, in plain JSON values."""

    name: str = Field(min_length=1)
    dataset: str
    definition: dict[str, Any] = Field(default_factory=dict)
    owner: str


class UniverseInfo(UniverseDraft):
    """A recorded universe; `changed_at` is when it was defined last."""

    created_at: datetime
    changed_at: datetime


class Membership(Frozen):
    """An instrument's time in a universe: from `valid_from` up to, not including, `valid_to`."""

    instrument_id: int
    valid_from: date
    valid_to: date | None = None
