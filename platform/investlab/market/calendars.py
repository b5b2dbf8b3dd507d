"""Trading calendars: which days are sessions and when each closes."""

from datetime import date, timedelta, tzinfo
from functools import lru_cache

import exchange_calendars
import numpy as np
import pandas as pd

from investlab.core.errors import InvalidInput, NotFound
from investlab.market.panel import SESSIONS_PER_YEAR

FIRST_SESSION = date(1985, 1, 2)
LAST_DAY = date(2199, 12, 31)


@lru_cache(maxsize=4)
def _calendar(name: str, end_year: int) -> exchange_calendars.ExchangeCalendar:
    if name not in SESSIONS_PER_YEAR:
        raise NotFound.named("calendar", name, SESSIONS_PER_YEAR)
    return exchange_calendars.get_calendar(name, start=FIRST_SESSION.isoformat(), end=f"{end_year}-12-31")


@lru_cache(maxsize=16)
def calendar_zone(name: str) -> tzinfo:
    """Return the time zone in which the calendar's exchange stands.

    Raises:
        NotFound: The calendar is not known.
    """
    if name not in SESSIONS_PER_YEAR:
        raise NotFound.named("calendar", name, SESSIONS_PER_YEAR)
    zone: tzinfo = exchange_calendars.get_calendar(name, start="2020-01-01", end="2020-12-31").tz
    return zone


def sessions_between(calendar: str, start: date, end: date) -> np.ndarray:
    """Return the calendar's sessions from `start` to `end` inclusive as increasing datetime64[D].

    Raises:
        NotFound: The calendar is not known.
        InvalidInput: It does not reach so far.
    """
    if start < FIRST_SESSION or end > LAST_DAY:
        raise InvalidInput(
            f"Sessions of {calendar} are known from {FIRST_SESSION} to {LAST_DAY}, not from {start} to {end}.",
            remedy=f"Ask for a period within, such as --start {FIRST_SESSION}; correct dates beyond it.",
        )
    every = _calendar(calendar, end.year).sessions
    # A range may begin before the first session known, or end on a holiday after the last.
    found: pd.DatetimeIndex = every[every.slice_indexer(pd.Timestamp(start), pd.Timestamp(end))]
    return found.to_numpy("datetime64[D]")


def close_times(calendar: str, sessions: np.ndarray, lag_seconds: int = 0) -> pd.DatetimeIndex:
    """Return when the market closed on each session plus a provider's lag, as aware UTC times in the given order.

    Sessions must belong to the calendar.
    """
    last: date = sessions.max().item()
    return _moments(_calendar(calendar, last.year).closes, sessions) + timedelta(seconds=lag_seconds)


def open_times(calendar: str, sessions: np.ndarray) -> pd.DatetimeIndex:
    """Return when the market opened on each session as aware UTC times in the given order."""
    last: date = sessions.max().item()
    return _moments(_calendar(calendar, last.year).opens, sessions)


def _moments(by_session: pd.Series, sessions: np.ndarray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(by_session.loc[pd.DatetimeIndex(sessions.astype("datetime64[ns]"))].array).as_unit("us")
