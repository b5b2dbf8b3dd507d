"""Time as an argument: a clock gives aware UTC datetimes."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Protocol

from investlab.core.errors import InvalidInput


class Clock(Protocol):
    """Gives the present moment."""

    def now(self) -> datetime:
        """Return the present moment as an aware UTC datetime."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the machine's time in UTC."""
        return datetime.now(UTC)


@dataclass(slots=True)
class FixedClock:
    """A clock that stands still until it is set."""

    at: datetime

    def now(self) -> datetime:
        """Return the time the clock was set to."""
        return self.at


def require_aware(at: datetime, name: str = "datetime") -> datetime:
    """Return `at` in UTC; a naive datetime raises `InvalidInput`."""
    if at.tzinfo is None:
        raise InvalidInput(f"{name} {at.isoformat()} has no time zone.", remedy="Give an aware datetime, best in UTC.")
    return at.astimezone(UTC)


def parse_as_of(value: str | date | datetime | None, name: str = "as_of") -> datetime | None:
    """Return an aware UTC moment; a bare date means the end of that day in UTC.

    Raises:
        InvalidInput: The text is no ISO date or datetime, or a datetime has no time zone.
    """
    if value is None:
        return None
    if isinstance(value, datetime):
        return require_aware(value, name)
    if isinstance(value, date):
        return datetime.combine(value, time.max, tzinfo=UTC)
    try:
        if len(value) == len("2021-12-31"):
            return datetime.combine(date.fromisoformat(value), time.max, tzinfo=UTC)
        return require_aware(datetime.fromisoformat(value), name)
    except ValueError as error:
        raise InvalidInput(
            f"{name} {value!r} is no date or time.", remedy="Write it as 2021-12-31 or 2021-12-31T21:00:00Z."
        ) from error


def parse_session(value: str | date | None, name: str) -> date | None:
    """Return a date from ISO text, a date, or None.

    Raises:
        InvalidInput: The text is no ISO date.
    """
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise InvalidInput(f"{name} {value!r} is no date.", remedy="Write it as 2021-12-31.") from error
