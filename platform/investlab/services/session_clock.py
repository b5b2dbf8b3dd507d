"""The session clock: the session that the platform takes for the present, and the age of data against it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np

from investlab.market.calendars import close_times, sessions_between
from investlab.schemas.catalog import DatasetInfo, DatasetVersionInfo
from investlab.schemas.serving import ClockState, Freshness
from investlab.services import prices
from investlab.services.context import Context
from investlab.store.repositories import replays

_LOOK_BACK = timedelta(days=15)
"""Longer than any closure of a market in the calendars."""
FRESH_SESSIONS = 1
"""Data may be this many sessions old and still count as live: a provider brings a session after its close."""


@dataclass(frozen=True, slots=True)
class SessionClock:
    """A reading of the session clock for a dataset: `session` is the last one whose close the clock has seen.

    In a replay the clock stands between the close of `session` and the next one; `pass_id` names the walk.
    """

    info: DatasetInfo
    version: DatasetVersionInfo
    state: ClockState
    session: date
    now: datetime
    pass_id: str | None = None

    def freshness(self, data_session: date) -> Freshness:
        """Return how old data of a session is against the clock."""
        age = len(sessions_between(self.info.calendar, data_session, self.session)) - 1
        return Freshness(
            state=self.state, clock_session=self.session, data_session=data_session, age_sessions=max(0, age)
        )


def read_session_clock(context: Context, dataset: str) -> SessionClock:
    """Read the clock: the replay's session while a pass of the dataset is current, else the market's last close.

    Raises:
        NotFound: There is no such dataset, or it has no bars yet.
    """
    info, version = prices.dataset_version(context, dataset)
    now = context.clock.now()
    with context.database.read() as session:
        current = replays.current_pass(session, dataset)
    if current is not None:
        seen = current.session or session_before(info.calendar, current.first_session)
        return SessionClock(info, version, ClockState.REPLAY, seen, now, current.pass_id)
    closed = last_closed_session(info.calendar, now, info.lag_seconds)
    newest = version.last_session
    behind = len(sessions_between(info.calendar, newest, closed)) - 1 if newest is not None else None
    stale = behind is None or behind > FRESH_SESSIONS
    return SessionClock(info, version, ClockState.STALE if stale else ClockState.LIVE, closed, now)


def session_before(calendar: str, day: date) -> date:
    """Return the last session before a day."""
    found: date = sessions_between(calendar, day - _LOOK_BACK, day - timedelta(days=1))[-1].item()
    return found


def last_closed_session(calendar: str, moment: datetime, lag_seconds: int = 0) -> date:
    """Return the last session whose close, and a provider's lag after it, lies at or before a moment."""
    day = moment.astimezone(UTC).date()
    sessions = sessions_between(calendar, day - _LOOK_BACK, day + timedelta(days=1))
    closed = sum(close <= moment for close in close_times(calendar, sessions, lag_seconds))
    found: date = sessions[closed - 1].item()
    return found


@lru_cache(maxsize=1024)
def close_of(calendar: str, session: date, lag_seconds: int = 0) -> datetime:
    """Return when a session's close is known, as an aware UTC time."""
    moment: datetime = close_times(calendar, np.array([session], dtype="datetime64[D]"), lag_seconds)[0].to_pydatetime()
    return moment
