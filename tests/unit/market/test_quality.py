"""Quality checks find each kind of defect and nothing in sound bars."""

import numpy as np
import pandas as pd
import pytest

from investlab.market.calendars import sessions_between
from investlab.market.quality import check_bars
from investlab.schemas.quality import Severity

SESSIONS = sessions_between("XNYS", pd.Timestamp("2020-01-02").date(), pd.Timestamp("2020-01-31").date())


def sound() -> pd.DataFrame:
    days = pd.DatetimeIndex(SESSIONS.astype("datetime64[s]"))
    frame = pd.DataFrame({"symbol": "AAA", "session": days, "close": 10.0 + np.arange(len(days)) / 100})
    close = frame["close"]
    return frame.assign(open=close, high=close + 0.1, low=close - 0.1, volume=100.0)


def found(bars: pd.DataFrame) -> dict[str, Severity]:
    report = check_bars(bars.reset_index(drop=True), SESSIONS)
    return {finding.check: finding.severity for finding in report.findings}


def test_sound_bars_have_no_finding() -> None:
    report = check_bars(sound(), SESSIONS)
    assert report.is_acceptable
    assert report.findings == ()


@pytest.mark.parametrize(
    ("column", "value", "check"),
    [
        pytest.param("close", np.nan, "price_not_positive", id="missing-price"),
        pytest.param("open", -1.0, "price_not_positive", id="negative-price"),
        pytest.param("high", np.inf, "price_not_positive", id="infinite-price"),
        pytest.param("high", 1.0, "outside_range", id="high-below-close"),
        pytest.param("low", 50.0, "outside_range", id="low-above-close"),
        pytest.param("volume", -1.0, "negative_volume", id="negative-volume"),
        pytest.param("session", pd.Timestamp("2020-01-04"), "no_session", id="a-saturday"),
    ],
)
def test_a_defect_is_an_error(column: str, value: object, check: str) -> None:
    bars = sound()
    bars.loc[3, column] = value
    assert found(bars)[check] is Severity.ERROR
    assert not check_bars(bars, SESSIONS).is_acceptable


def test_a_repeated_bar_is_an_error() -> None:
    assert found(pd.concat([sound(), sound().iloc[[2]]]))["repeated_bars"] is Severity.ERROR


def test_an_absent_session_is_a_warning() -> None:
    report = check_bars(sound().drop(index=[4, 5]).reset_index(drop=True), SESSIONS)
    assert report.is_acceptable
    assert [(f.check, f.count, f.examples) for f in report.findings] == [("absent_sessions", 2, ("AAA: 2",))]


def test_a_jump_is_a_warning_with_its_day() -> None:
    bars = sound()
    bars.loc[5:, ["open", "high", "low", "close"]] *= 2
    report = check_bars(bars, SESSIONS)
    assert [(f.check, f.examples) for f in report.findings] == [("jumps", ("AAA 2020-01-09",))]


def test_coarse_ticks_are_a_warning() -> None:
    bars = sound()[["symbol", "session"]].assign(close=0.15)
    assert found(bars) == {"coarse_ticks": Severity.WARNING}


def test_errors_come_first() -> None:
    bars = sound().drop(index=[4]).reset_index(drop=True)
    bars.loc[3, "volume"] = -1.0
    assert list(found(bars)) == ["negative_volume", "absent_sessions"]
