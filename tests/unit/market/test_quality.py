"""Quality checks find each kind of defect, say what is done about it, and find nothing in sound bars."""

import numpy as np
import pandas as pd
import pytest

from investlab.market.calendars import sessions_between
from investlab.market.quality import CheckedBars, check_bars
from investlab.market.quality_settings import Known, QualitySettings
from investlab.schemas.quality import Finding, Severity

SESSIONS = sessions_between("XNYS", pd.Timestamp("2020-01-02").date(), pd.Timestamp("2020-03-31").date())
PRICES = ["open", "high", "low", "close"]


def sound(symbol: str = "AAA") -> pd.DataFrame:
    days = pd.DatetimeIndex(SESSIONS.astype("datetime64[s]"))
    frame = pd.DataFrame({"symbol": symbol, "session": days, "close": 10.0 + np.arange(len(days)) / 100})
    close = frame["close"]
    return frame.assign(open=close, high=close + 0.1, low=close - 0.1, volume=100.0)


def check(bars: pd.DataFrame, **known: pd.DataFrame) -> CheckedBars:
    return check_bars(bars.reset_index(drop=True), SESSIONS, known=Known(**known))


def severities(bars: pd.DataFrame) -> dict[str, Severity]:
    return {finding.check: finding.severity for finding in check(bars).report.findings}


def the_finding(checked: CheckedBars) -> Finding:
    (finding,) = checked.report.findings
    return finding


def test_sound_bars_have_no_finding() -> None:
    checked = check(pd.concat([sound("AAA"), sound("BBB")]))
    report = checked.report
    assert report.findings == ()
    assert (report.bars, report.instruments, report.quarantined) == (2 * len(SESSIONS), 2, 0)
    assert (str(report.first_session), str(report.last_session)) == ("2020-01-02", "2020-03-31")
    assert checked.keep.all()


def test_no_bars_have_no_finding() -> None:
    assert check(sound().iloc[:0]).report.findings == ()


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        pytest.param("close", np.nan, "price_not_positive", id="missing-price"),
        pytest.param("open", -1.0, "price_not_positive", id="negative-price"),
        pytest.param("low", 0.0, "price_not_positive", id="zero-price"),
        pytest.param("high", np.inf, "price_not_positive", id="infinite-price"),
        pytest.param("high", 9.9, "high_below_low", id="high-below-low"),
        pytest.param("high", 10.0, "close_outside_bar", id="close-above-high"),
        pytest.param("low", 10.06, "close_outside_bar", id="close-below-low"),
        pytest.param("open", 10.5, "open_outside_bar", id="open-above-high"),
        pytest.param("volume", -1.0, "negative_volume", id="negative-volume"),
        pytest.param("volume", np.nan, "negative_volume", id="missing-volume"),
        pytest.param("session", pd.NaT, "unreadable", id="no-session"),
        pytest.param("symbol", None, "unreadable", id="no-symbol"),
    ],
)
def test_a_bar_that_cannot_be_true_is_quarantined(column: str, value: object, expected: str) -> None:
    bars = sound()
    bars.loc[3, column] = value
    checked = check(bars)
    found = {finding.check: finding for finding in checked.report.findings}
    assert (found[expected].severity, found[expected].count) == (Severity.QUARANTINE, 1)
    assert set(found) <= {expected, "missing_sessions"}
    assert np.flatnonzero(~checked.keep).tolist() == [3]
    assert checked.reasons[checked.quarantined].tolist() == [expected]
    assert checked.report.quarantined == 1
    assert checked.report.is_acceptable


def test_a_bar_on_a_saturday_is_quarantined_and_its_session_is_missing() -> None:
    bars = sound()
    bars.loc[2, "session"] = pd.Timestamp("2020-01-04")
    checked = check(bars)
    assert [(f.check, f.count, f.examples) for f in checked.report.findings] == [
        ("extra_sessions", 1, ("AAA 2020-01-04",)),
        ("missing_sessions", 1, ("AAA 2020-01-06",)),
    ]
    assert checked.reasons[2] == "extra_sessions"


def test_a_price_outside_the_bar_by_rounding_alone_is_sound() -> None:
    bars = sound()
    bars["high"] = bars[["open", "close"]].max(axis=1) * (1 - 1e-12)
    assert check(bars).report.findings == ()


def test_a_bar_given_again_collapses_with_a_warning() -> None:
    checked = check(pd.concat([sound(), sound().iloc[[2]]]))
    assert (the_finding(checked).check, the_finding(checked).severity) == ("repeated_bars", Severity.WARN)
    assert np.flatnonzero(~checked.keep).tolist() == [len(SESSIONS)]
    assert not checked.quarantined.any()


def test_bars_that_contradict_each_other_reject_the_delivery() -> None:
    checked = check(pd.concat([sound(), sound().iloc[[2]].assign(volume=7.0)]))
    assert (the_finding(checked).check, the_finding(checked).examples) == ("conflicting_bars", ("AAA 2020-01-06",))
    assert not checked.report.is_acceptable


def test_repeats_with_the_same_gaps_are_equal() -> None:
    bars = sound().assign(adjusted_close=np.nan)
    found = severities(pd.concat([bars, bars.iloc[[2]]]))
    assert found["repeated_bars"] is Severity.WARN
    assert "conflicting_bars" not in found


@pytest.mark.parametrize("days", [pytest.param(-1, id="mondays-on-sunday"), pytest.param(1, id="fridays-on-saturday")])
def test_sessions_shifted_by_a_day_reject_the_delivery(days: int) -> None:
    bars = sound().assign(session=sound()["session"] + pd.Timedelta(days=days))
    checked = check_bars(bars, SESSIONS)
    zone = checked.report.rejections[0]
    assert (zone.check, zone.count) == ("wrong_zone", len(bars))
    assert "shifted by one day" in zone.sentence


def test_one_instrument_in_the_wrong_zone_is_named() -> None:
    moved = sound("BBB").assign(session=sound()["session"] - pd.Timedelta(days=1))
    bars = pd.concat([*(sound(f"A{number:02d}") for number in range(30)), moved], ignore_index=True)
    zone = check(bars).report.rejections[0]
    assert (zone.check, zone.count, zone.instruments) == ("wrong_zone", len(moved), 1)
    assert zone.examples[0] == "BBB 2020-01-01"


def test_sessions_with_a_time_of_day_reject_the_delivery() -> None:
    bars = sound().assign(session=sound()["session"] + pd.Timedelta(hours=5))
    assert check(bars).report.rejections[0].sentence.startswith("sessions with a time of day")


def test_bars_of_every_day_of_the_week_are_no_shift() -> None:
    days = pd.date_range("2020-01-02", "2020-03-31", unit="s")
    bars = pd.DataFrame({"symbol": "AAA", "session": days, "close": 10 + np.arange(len(days)) / 100})
    assert {finding.check for finding in check(bars).report.rejections} == {"refused_share"}


def test_too_many_bars_in_quarantine_reject_the_delivery() -> None:
    bars = pd.concat([sound("AAA"), sound("BBB")], ignore_index=True)
    bars.loc[:19, "close"] = -1.0
    assert {finding.check for finding in check(bars).report.rejections} == {"refused_share"}
    bars.loc[0, "close"] = 10.0
    assert check(bars).report.is_acceptable


def test_a_delivery_of_which_nothing_can_be_stored_is_rejected() -> None:
    assert not check(sound().iloc[:2].assign(close=0.0)).report.is_acceptable


def test_missing_sessions_are_a_warning_with_their_gaps() -> None:
    checked = check(sound().drop(index=[4, 5, 9]))
    finding = the_finding(checked)
    assert (finding.check, finding.count) == ("missing_sessions", 3)
    assert finding.examples == ("AAA 2020-01-08 to 2020-01-09 (2 sessions)", "AAA 2020-01-15")
    assert finding.by_period == {"2020-01": 3}
    assert [(tally.symbol, tally.period, tally.count) for tally in finding.tallies] == [("AAA", "2020-01", 3)]


def test_sessions_missing_since_the_last_stored_bar_count() -> None:
    before = pd.DataFrame({"symbol": ["AAA"], "session": [pd.Timestamp("2020-01-03")], "close": [10.01]})
    finding = the_finding(check(sound().iloc[4:], before=before))
    assert (finding.check, finding.examples) == ("missing_sessions", ("AAA 2020-01-06 to 2020-01-07 (2 sessions)",))


def test_a_close_far_from_the_last_stored_one_is_a_jump() -> None:
    before = pd.DataFrame({"symbol": ["AAA"], "session": [pd.Timestamp("2020-01-07")], "close": [20.08]})
    finding = the_finding(check(sound().iloc[4:], before=before))
    assert finding.examples == ("AAA 2020-01-08 ×0.5, looks like a 2:1 split",)


def scaled(factor: float, start: int = 5, stop: int | None = None) -> pd.DataFrame:
    bars = sound()
    bars.loc[start : len(bars) if stop is None else stop - 1, PRICES] *= factor
    return bars


@pytest.mark.parametrize(
    ("bars", "example"),
    [
        pytest.param(scaled(0.5), "AAA 2020-01-09 ×0.5, looks like a 2:1 split", id="two-for-one"),
        pytest.param(scaled(2 / 3), "AAA 2020-01-09 ×0.667, looks like a 3:2 split", id="three-for-two"),
        pytest.param(scaled(10.0), "AAA 2020-01-09 ×10, looks like a 1:10 reverse split", id="reverse"),
        pytest.param(scaled(0.41), "AAA 2020-01-09 ×0.41", id="a-fall"),
        pytest.param(scaled(3.0, 5, 6), "AAA 2020-01-09 ×3, back the next session", id="a-spike"),
    ],
)
def test_a_jump_is_a_warning_that_says_what_it_looks_like(bars: pd.DataFrame, example: str) -> None:
    finding = the_finding(check(bars))
    assert (finding.check, finding.severity, finding.examples[0]) == ("jumps", Severity.WARN, example)


def test_an_action_explains_the_jump_of_its_ex_date_alone() -> None:
    bars = pd.concat([scaled(0.5), scaled(0.5).assign(symbol="BBB")])
    actions = pd.DataFrame(
        {"symbol": ["AAA", "BBB", "CCC"], "ex_date": pd.to_datetime(["2020-01-09", "2020-01-08", "2020-01-09"])}
    )
    assert the_finding(check(bars, actions=actions)).examples == ("BBB 2020-01-09 ×0.5, looks like a 2:1 split",)


def test_an_action_while_no_bar_was_given_explains_the_jump_after_it() -> None:
    bars = scaled(0.5).drop(index=[5, 6])
    actions = pd.DataFrame({"symbol": ["AAA"], "ex_date": [pd.Timestamp("2020-01-09").date()]})
    assert the_finding(check(bars, actions=actions)).check == "missing_sessions"


def test_an_adjusted_close_that_does_not_jump_explains_the_close() -> None:
    assert check(scaled(0.5).assign(adjusted_close=sound()["close"])).report.findings == ()


def test_an_unchanged_close_is_stale_from_the_stated_sessions_on() -> None:
    bars = sound()
    bars.loc[3:10, PRICES] = 10.03
    finding = the_finding(check(bars))
    assert (finding.check, finding.count) == ("stale_runs", 8)
    assert finding.examples == ("AAA 2020-01-07 to 2020-01-16 (8 sessions)",)
    assert check_bars(bars, SESSIONS, QualitySettings(stale_sessions=9)).report.findings == ()


def test_an_unchanged_close_without_volume_is_not_stale() -> None:
    bars = sound()
    bars.loc[3:10, PRICES] = 10.03
    bars.loc[6, "volume"] = 0.0
    assert the_finding(check(bars)).check == "zero_volume"


def test_nothing_traded_is_a_warning() -> None:
    bars = sound()
    bars.loc[[2, 7], "volume"] = 0.0
    finding = the_finding(check(bars))
    assert (finding.check, finding.count, finding.examples) == ("zero_volume", 2, ("AAA 2020-01-06", "AAA 2020-01-13"))


def test_coarse_ticks_are_a_warning() -> None:
    bars = sound()[["symbol", "session"]].assign(close=np.tile([0.15, 0.16], len(SESSIONS))[: len(SESSIONS)])
    assert severities(bars) == {"coarse_ticks": Severity.WARN}


def test_the_gravest_come_first() -> None:
    bars = sound().drop(index=[4]).reset_index(drop=True)
    bars.loc[3, "volume"] = -1.0
    bars = pd.concat([bars, bars.iloc[[0]].assign(volume=3.0)])
    assert list(severities(bars)) == ["conflicting_bars", "negative_volume", "missing_sessions"]


def test_a_bar_counts_under_the_first_check_it_fails() -> None:
    bars = sound()
    bars.loc[3, ["high", "volume"]] = [-5.0, -1.0]
    assert list(severities(bars)) == ["price_not_positive"]
