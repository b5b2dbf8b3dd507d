"""Whatever defects are planted, wherever, and in whatever order the bars come: each is found, counted and named."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from investlab.market.calendars import sessions_between
from investlab.market.quality import check_bars
from investlab.schemas.quality import Severity

SESSIONS = sessions_between("XNYS", pd.Timestamp("2018-01-02").date(), pd.Timestamp("2021-12-31").date())
LENGTH = len(SESSIONS)
PRICES = ["open", "high", "low", "close"]
SYMBOLS = ("CCC", "AAA", "BBB")


def clean(seed: int) -> pd.DataFrame:
    """Return bars without a defect, by instrument and session."""
    random = np.random.default_rng(seed)
    close = np.round(80 * np.exp(np.clip(random.normal(0, 0.01, (len(SYMBOLS), LENGTH)), -0.04, 0.04)), 4)
    opened = np.round(close * np.exp(random.normal(0, 0.002, close.shape)), 4)
    return pd.DataFrame(
        {
            "symbol": np.repeat(SYMBOLS, LENGTH),
            "session": np.tile(SESSIONS.astype("datetime64[s]"), len(SYMBOLS)),
            "open": opened.ravel(),
            "high": (np.maximum(opened, close) * 1.001).ravel(),
            "low": (np.minimum(opened, close) * 0.999).ravel(),
            "close": close.ravel(),
            "volume": random.integers(1, 10_000, close.size).astype(float),
        }
    )


def set_field(name: str, value: float) -> Callable[[pd.DataFrame, list[int]], pd.DataFrame]:
    def plant(bars: pd.DataFrame, rows: list[int]) -> pd.DataFrame:
        bars.loc[rows, name] = value
        return bars

    return plant


def swap_high_and_low(bars: pd.DataFrame, rows: list[int]) -> pd.DataFrame:
    bars.loc[rows, ["high", "low"]] = bars.loc[rows, ["low", "high"]].to_numpy()
    return bars


def close_above(bars: pd.DataFrame, rows: list[int]) -> pd.DataFrame:
    bars.loc[rows, "close"] = bars.loc[rows, "high"] * 1.01
    return bars


def leave_out(bars: pd.DataFrame, rows: list[int]) -> pd.DataFrame:
    return bars.drop(index=rows)


def repeat(bars: pd.DataFrame, rows: list[int]) -> pd.DataFrame:
    return pd.concat([bars, bars.loc[rows]])


def contradict(bars: pd.DataFrame, rows: list[int]) -> pd.DataFrame:
    return pd.concat([bars, bars.loc[rows].assign(volume=0.5)])


def add_weekends(bars: pd.DataFrame, rows: list[int]) -> pd.DataFrame:
    added = bars.loc[rows]
    days = added["session"] + pd.to_timedelta(5 - added["session"].dt.day_of_week, unit="D")
    return pd.concat([bars, added.assign(session=days)]).drop_duplicates(["symbol", "session"])


PLANTED = {
    "price_not_positive": (set_field("low", -0.01), Severity.QUARANTINE),
    "high_below_low": (swap_high_and_low, Severity.QUARANTINE),
    "close_outside_bar": (close_above, Severity.QUARANTINE),
    "negative_volume": (set_field("volume", np.nan), Severity.QUARANTINE),
    "zero_volume": (set_field("volume", 0.0), Severity.WARN),
    "missing_sessions": (leave_out, Severity.WARN),
    "repeated_bars": (repeat, Severity.WARN),
    "conflicting_bars": (contradict, Severity.REJECT),
}
inner_rows = st.sets(
    st.tuples(st.integers(0, len(SYMBOLS) - 1), st.integers(1, LENGTH - 2)), min_size=1, max_size=12
).map(lambda places: sorted(symbol * LENGTH + session for symbol, session in places))
seeds = st.integers(0, 2**20)


def shuffled(bars: pd.DataFrame, seed: int, *, categorical: bool) -> pd.DataFrame:
    """Return the bars in a random order that keeps the first of equal keys first."""
    order = np.random.default_rng(seed).permutation(len(bars))
    mixed = bars.iloc[order].reset_index(drop=True)
    return mixed.astype({"symbol": "category"}) if categorical else mixed


@given(seeds, st.booleans())
@settings(max_examples=10, deadline=None)
def test_clean_bars_have_no_finding_in_any_order(seed: int, categorical: bool) -> None:
    checked = check_bars(shuffled(clean(seed), seed, categorical=categorical), SESSIONS)
    assert checked.report.findings == ()
    assert checked.keep.all()


@pytest.mark.parametrize("defect", sorted(PLANTED))
@given(seeds, inner_rows, st.booleans())
@settings(max_examples=12, deadline=None)
def test_planted_defects_are_found_with_their_number_and_place(
    defect: str, seed: int, rows: list[int], categorical: bool
) -> None:
    plant, severity = PLANTED[defect]
    bars = clean(seed)
    keys = {f"{bars.symbol[row]} {bars.session[row]:%Y-%m-%d}" for row in rows}
    planted = shuffled(plant(bars, rows), seed, categorical=categorical)
    checked = check_bars(planted, SESSIONS)
    (finding,) = checked.report.findings
    assert (finding.check, finding.severity, finding.count) == (defect, severity, len(rows))
    if defect != "missing_sessions":
        assert set(finding.examples) <= keys
    assert len(finding.examples) == min(3, len(rows)) or defect == "missing_sessions"
    assert finding.instruments == len({row // LENGTH for row in rows})
    assert sum(finding.by_period.values()) == sum(tally.count for tally in finding.tallies) == len(rows)
    marked = planted.loc[checked.quarantined]
    if severity is Severity.QUARANTINE:
        assert {f"{row.symbol} {row.session:%Y-%m-%d}" for row in marked.itertuples()} == keys
    left_out = 0 if severity is Severity.WARN and defect != "repeated_bars" else len(rows)
    assert int((~checked.keep).sum()) == left_out


@given(seeds, inner_rows)
@settings(max_examples=10, deadline=None)
def test_bars_on_saturdays_are_extra(seed: int, rows: list[int]) -> None:
    bars = clean(seed)
    planted = add_weekends(bars, rows)
    added = len(planted) - len(bars)
    report = check_bars(planted.reset_index(drop=True), SESSIONS).report
    assert [(finding.check, finding.count) for finding in report.findings] == [("extra_sessions", added)]


@given(seeds, inner_rows)
@settings(max_examples=10, deadline=None)
def test_an_order_changes_nothing_that_is_found(seed: int, rows: list[int]) -> None:
    bars = swap_high_and_low(clean(seed), rows).drop(index=rows[0])
    plain = check_bars(bars.reset_index(drop=True), SESSIONS)
    mixed = bars.sample(frac=1, random_state=seed)
    other = check_bars(mixed.reset_index(drop=True), SESSIONS)
    assert [(f.check, f.count, f.by_period, f.tallies) for f in plain.report.findings] == [
        (f.check, f.count, f.by_period, f.tallies) for f in other.report.findings
    ]
    assert set(bars.index[plain.quarantined]) == set(mixed.index[other.quarantined])
