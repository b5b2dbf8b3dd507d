"""Calendars say which days are sessions and when they close."""

from datetime import date

import numpy as np
import pytest

from investlab.core.errors import NotFound
from investlab.market.calendars import close_times, open_times, sessions_between
from investlab.market.panel import SESSIONS_PER_YEAR


def test_holidays_and_weekends_are_no_sessions() -> None:
    found = sessions_between("XNYS", date(2001, 9, 7), date(2001, 9, 18))
    assert found.tolist() == [date(2001, 9, 7), date(2001, 9, 10), date(2001, 9, 17), date(2001, 9, 18)]


def test_close_times_are_utc_and_follow_daylight_saving_and_half_days() -> None:
    days = np.array(["2020-01-02", "2020-07-01", "2020-11-27"], dtype="datetime64[D]")
    assert close_times("XNYS", days).strftime("%H:%M %Z").tolist() == ["21:00 UTC", "20:00 UTC", "18:00 UTC"]
    assert close_times("XNYS", days, lag_seconds=900)[0].strftime("%H:%M") == "21:15"
    assert open_times("XNYS", days)[0].strftime("%H:%M") == "14:30"


@pytest.mark.slow
@pytest.mark.parametrize("calendar", SESSIONS_PER_YEAR)
def test_years_have_as_many_sessions_as_stated(calendar: str) -> None:
    found = sessions_between(calendar, date(2000, 1, 1), date(2024, 12, 31))
    assert round(len(found) / 25) == SESSIONS_PER_YEAR[calendar]
    assert close_times(calendar, found[-1:]).tz is not None


def test_an_unknown_calendar_is_named() -> None:
    with pytest.raises(NotFound, match="XNYZ.*XNYS"):
        sessions_between("XNYZ", date(2020, 1, 1), date(2020, 1, 2))
