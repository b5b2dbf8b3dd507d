"""The strategies that come with the platform decide as their descriptions say."""

import numpy as np
import pytest

from investlab.backtest.engine import run_strategy
from investlab.backtest.strategies import (
    BuyAndHold,
    MonthlyMomentum,
    SignalStrategy,
    SmaCross,
    WeightStrategy,
    describe_strategy,
    strongest,
)
from investlab.core.extensions import STRATEGIES, extensions
from tests.support.panels import make_panel, random_panel

NAN = float("nan")


def crossings(close: list[float], fast: int = 1, slow: int = 2) -> tuple[list[int], list[int]]:
    """Return the session numbers of entries and exits on one instrument."""
    entries, exits = SmaCross(fast, slow).signals(make_panel({"A": close}))
    return np.flatnonzero(entries[:, 0]).tolist(), np.flatnonzero(exits[:, 0]).tolist()


@pytest.mark.parametrize(
    ("close", "entries", "exits"),
    [
        pytest.param([10, 9, 8, 9, 10], [3], [], id="up"),
        pytest.param([10, 11, 12, 11], [], [3], id="down"),
        pytest.param([10, 11, 12, 13], [], [], id="the-first-state-is-no-cross"),
        pytest.param([10, 9, 9, 9, 10], [4], [], id="a-tie-keeps-the-last-state"),
        pytest.param([10, 9, 9, 8, 7], [], [], id="a-tie-is-no-cross"),
        pytest.param([10, 9, 9 * (1 + 1e-9), 8], [], [], id="within-the-tolerance-is-a-tie"),
        pytest.param([10, 9, 9 * (1 + 1e-8), 8], [2], [3], id="outside-the-tolerance-is-none"),
        pytest.param([10, 9, NAN, 11, 12], [4], [], id="a-missing-close-leaves-windows-without-state"),
        pytest.param([10], [], [], id="too-short"),
    ],
)
def test_crossings(close: list[float], entries: list[int], exits: list[int]) -> None:
    assert crossings(close) == (entries, exits)


def test_averages_do_not_drift() -> None:
    """After a price a million times larger the averages of equal prices are again equal: a tie, no cross."""
    close = [10.0, 9.0, 8.0, 9.0, 1e7 + 0.1, *[9.7] * 40]
    assert crossings(close, 2, 5) == ([], [6])


def test_crossings_on_rounded_prices_agree_with_exact_arithmetic() -> None:
    rng = np.random.default_rng(5)
    cents = 1_000 + np.cumsum(rng.integers(-2, 3, 600))
    for fast, slow in [(2, 4), (3, 6), (5, 15)]:
        state, entries, exits = 0, [], []
        for t in range(slow - 1, len(cents)):
            gap = int(cents[t - fast + 1 : t + 1].sum()) * slow - int(cents[t - slow + 1 : t + 1].sum()) * fast
            now = int(np.sign(gap))
            if now and now == -state:
                (entries if now > 0 else exits).append(t)
            state = now or state
        assert crossings((cents / 100).tolist(), fast, slow) == (entries, exits)


def test_a_split_makes_no_cross() -> None:
    close = [10.0, 10.1, 10.2, 5.15, 5.2, 5.25]
    plain = SmaCross(1, 2).signals(make_panel({"A": close}))
    informed = SmaCross(1, 2).signals(make_panel({"A": close}, actions=[(3, "A", "split", 2.0)]))
    assert plain[1].any()
    assert not informed[1].any()


def test_momentum_decides_at_each_months_first_session_with_history() -> None:
    panel = random_panel(0, sessions=120, instruments=3)
    weights = MonthlyMomentum(k=1, lookback_sessions=30, skip_sessions=5).weights(panel)
    acts = panel.index[~np.isnan(weights).all(axis=1)]
    assert acts.strftime("%Y-%m-%d").tolist() == ["2020-03-02", "2020-04-01", "2020-05-01", "2020-06-01"]


def test_momentum_ranks_growth_and_skips_the_last_month() -> None:
    sessions = 45
    rising = np.linspace(10, 20, sessions)
    late = np.where(np.arange(sessions) >= 40, 100.0, 10.0)
    panel = make_panel({"LATE": late, "FLAT": [10.0] * sessions, "RISING": rising})
    weights = MonthlyMomentum(k=1, lookback_sessions=40, skip_sessions=10).weights(panel)
    assert weights[43].tolist() == [0.0, 0.0, 1.0]


def test_momentum_gives_each_a_kth_and_keeps_the_rest_in_cash() -> None:
    sessions = 45
    starts_late = [NAN] * 10 + [10.0] * 35
    panel = make_panel({"A": [10.0] * sessions, "B": starts_late, "C": [10.0] * sessions})
    weights = MonthlyMomentum(k=4, lookback_sessions=40, skip_sessions=10).weights(panel)
    assert weights[43].tolist() == [0.25, 0.0, 0.25]


def test_momentum_sees_dividends_and_splits() -> None:
    sessions = 45
    halved = [20.0] * 30 + [10.0] * 15
    panel = make_panel(
        {"A": [10.0] * sessions, "B": halved}, actions=[(30, "B", "split", 2.0), (31, "B", "dividend", 1)]
    )
    weights = MonthlyMomentum(k=1, lookback_sessions=40, skip_sessions=10).weights(panel)
    assert weights[43].tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("growth", "k", "chosen"),
    [
        pytest.param([1.0, 2.0, 3.0], 2, [2, 1], id="descending"),
        pytest.param([2.0, 1.0, 2.0], 1, [0], id="ties-by-column"),
        pytest.param([2.0, 1.0, 2.0 * (1 + 1e-12)], 1, [0], id="near-ties-by-column"),
        pytest.param([NAN, 1.0, NAN], 2, [1], id="unknown-left-out"),
        pytest.param([NAN, NAN], 2, [], id="none"),
    ],
)
def test_strongest(growth: list[float], k: int, chosen: list[int]) -> None:
    assert strongest(np.array(growth), k) == chosen


def test_buy_and_hold_buys_each_part_at_its_first_fill() -> None:
    panel = make_panel({"A": [10, 10, 20, 20], "B": [NAN, NAN, 10, 15]}, open={"A": [10] * 4, "B": [NAN, NAN, 10, 12]})
    result = run_strategy(BuyAndHold(), panel, initial_cash=1_000)
    assert result.fills["session"].tolist() == [panel.index[1], panel.index[2]]
    assert result.nav.iloc[-1] == 50 * 20 + 50 * 15
    assert result.benchmark is None


def test_a_result_carries_buy_and_hold_on_the_same_terms() -> None:
    panel = random_panel(4, sessions=80)
    result = run_strategy(SmaCross(3, 10), panel, execution="next_close", initial_cash=5_000)
    held = run_strategy(BuyAndHold(), panel, execution="next_close", initial_cash=5_000)
    assert result.benchmark is not None
    assert result.benchmark.tolist() == held.nav.tolist()


def test_descriptions() -> None:
    described = describe_strategy(SmaCross(5, 20))
    assert str(described) == "sma_cross(fast=5, slow=20)"
    assert described.family == "sma_cross"
    assert described.description.startswith("Long while the fast moving average")
    assert describe_strategy(MonthlyMomentum).parameters == {}


def test_contracts_and_extension_names() -> None:
    assert isinstance(SmaCross(), SignalStrategy)
    assert isinstance(MonthlyMomentum(), WeightStrategy)
    declared = {extension.name: extension.target for extension in extensions(STRATEGIES)}
    for strategy in (SmaCross, MonthlyMomentum, BuyAndHold):
        assert declared[strategy.name].endswith(f":{strategy.__name__}")
