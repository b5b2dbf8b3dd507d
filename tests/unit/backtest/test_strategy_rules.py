"""Each rule on prices small enough to follow by hand; ties decide nothing, and missing prices do what is said."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from investlab.backtest.rebalancing import opening_sessions, past_returns
from investlab.backtest.reversion_strategies import BollingerReversion, RsiReversion
from investlab.backtest.strategies import SignalStrategy
from investlab.backtest.trend_strategies import DonchianBreakout, EmaCross, Macd, TimeSeriesMomentum, crossings
from investlab.backtest.weight_strategies import ConstantWeights, EqualWeight, InverseVolatility, LowVolatility
from investlab.core.errors import NotFound
from investlab.market.panel import PricePanel
from tests.support.panels import make_panel, session_index

NAN = float("nan")
FEBRUARY = 23
"""The number of the session 2020-02-03 in a panel of business days from 2020-01-01."""


def acts(strategy: SignalStrategy, close: list[float]) -> tuple[list[int], list[int]]:
    """Return the session numbers of entries and exits on one instrument."""
    entries, exits = strategy.signals(make_panel({"A": close}))
    return np.flatnonzero(entries[:, 0]).tolist(), np.flatnonzero(exits[:, 0]).tolist()


def decided(wanted: np.ndarray) -> list[int]:
    """Return the numbers of the sessions that renew weights."""
    return np.flatnonzero(~np.isnan(wanted).any(axis=1)).tolist()


@pytest.mark.parametrize(
    ("close", "entries", "exits"),
    [
        # A window of 3 has α = 1/2; the average of 1 is the close. Averages: 10, 9, 8.5, 10.25, 8.125.
        pytest.param([10, 8, 8, 12, 6], [3], [4], id="crosses"),
        pytest.param([10, 11, 12, 13], [], [], id="the-first-state-is-no-cross"),
        pytest.param([10, 8, 8, 8.5, 8.5 - 1e-8], [], [], id="a-tie-is-no-cross"),
        pytest.param([10, 8, 8, 8.5 * (1 + 1e-10), 8], [], [], id="within-the-tolerance-is-a-tie"),
        pytest.param([10, 8, 8, 8.5 * (1 + 1e-8), 8], [3], [4], id="outside-the-tolerance-is-none"),
        pytest.param([10, 8, NAN, 8, 12, 6], [4], [5], id="a-missing-close-is-passed-over"),
        pytest.param([10, 8], [], [], id="too-short"),
    ],
)
def test_ema_cross(close: list[float], entries: list[int], exits: list[int]) -> None:
    assert acts(EmaCross(1, 3), close) == (entries, exits)


def test_macd_by_hand() -> None:
    """Line (1 less 3): 0, -1, -0.5, 1.75, -2.125 from the third on; signal (3): -0.5, 0.625, -0.75 from the fifth on.

    With a signal of 1 session the two lines are one and never cross; with 2, α = 2/3, it is -0.5, 1, -1.083.
    """
    close = [10.0, 8.0, 8.0, 12.0, 6.0, 12.0]
    assert acts(Macd(1, 3, 1), close) == ([], [])
    assert acts(Macd(1, 3, 2), close) == ([5], [4])


@pytest.mark.parametrize(("gap", "entries"), [(0.9e-7, []), (1.1e-7, [1])])
def test_a_gap_is_a_tie_up_to_a_billionth_of_the_prices_size(gap: float, entries: list[int]) -> None:
    found, _ = crossings(np.array([[-1.0, gap]]), np.array([[100.0, 100.0]]))
    assert np.flatnonzero(found[:, 0]).tolist() == entries


@pytest.mark.parametrize(
    ("close", "entries", "exits"),
    [
        pytest.param([10, 11, 12, 11, 10.5, 9], [2], [4], id="break-and-fall"),
        pytest.param([10, 11, 11, 11], [], [], id="the-highest-itself-is-no-break"),
        pytest.param([10, 11, 11 * (1 + 1e-10)], [], [], id="within-the-tolerance-is-no-break"),
        pytest.param([10, 11, 11 * (1 + 1e-8)], [2], [], id="outside-the-tolerance-is-one"),
        pytest.param([10, NAN, 12, 13, 14], [4], [], id="a-channel-with-a-missing-close-is-none"),
        pytest.param([10, 11, 12, 13], [2], [], id="one-entry-for-one-rise"),
        pytest.param([13, 12, 11], [], [], id="nothing-to-leave"),
    ],
)
def test_donchian_breakout(close: list[float], entries: list[int], exits: list[int]) -> None:
    assert acts(DonchianBreakout(2, 2), close) == (entries, exits)


def test_donchian_channels_are_highs_and_lows_where_the_panel_has_them() -> None:
    frame = pd.DataFrame({"A": [10.0, 10.0, 11.0, 12.5, 9.4, 8.9]}, index=session_index(6))
    panel = PricePanel.from_frames(close=frame, high=frame + 1.0, low=frame - 0.5, basis="total_return")
    entries, exits = DonchianBreakout(2, 2).signals(panel)
    assert np.flatnonzero(entries[:, 0]).tolist() == [3]
    assert np.flatnonzero(exits[:, 0]).tolist() == [4]


@pytest.mark.parametrize(
    ("close", "entries", "exits"),
    [
        # Window 2. Changes -1, -1: index 0. Then +4: U = 2, D = 0.5: 80.
        pytest.param([10, 9, 8, 12], [2], [3], id="oversold-then-overbought"),
        pytest.param([10, 11, 12], [], [], id="overbought-without-a-position"),
        pytest.param([10, 10, 10], [], [], id="nothing-moved"),
        # Changes -3, +1: U = 0.5, D = 1.5: exactly 25.
        pytest.param([10, 7, 8], [], [], id="the-level-itself-is-not-passed"),
        pytest.param([10, NAN, 9, NAN, 8, 12], [4], [5], id="missing-closes-are-passed-over"),
    ],
)
def test_rsi_reversion(close: list[float], entries: list[int], exits: list[int]) -> None:
    assert acts(RsiReversion(2, 25.0, 75.0), close) == (entries, exits)


@pytest.mark.parametrize(
    ("close", "entries", "exits"),
    [
        # Window 4 of 10, 10, 10, 6: mean 9, deviation √3, band 9 - √3 = 7.27. Then 10, 10, 6, 9: mean 8.75.
        pytest.param([10, 10, 10, 6, 9], [3], [4], id="under-the-band-and-back"),
        # 10, 10, 10, 9.99999 falls √3 deviations under the mean too: the size does not count.
        pytest.param([10, 10, 10, 9.9999, 9.9999], [3], [], id="on-the-way-back"),
        pytest.param([10, 10, 10, 10], [], [], id="a-flat-price-lies-on-its-band"),
        pytest.param([10, 10, 10, 10 - 1e-9], [], [], id="within-the-tolerance-is-on-the-band"),
        pytest.param([10, NAN, 10, 10, 6], [], [], id="a-window-with-a-missing-close-is-none"),
    ],
)
def test_bollinger_reversion(close: list[float], entries: list[int], exits: list[int]) -> None:
    assert acts(BollingerReversion(4, 1.0), close) == (entries, exits)


def test_time_series_momentum_decides_on_months_first_sessions() -> None:
    close = np.full(70, 10.0)
    close[20:40] = 11.0
    close[43:] = 9.0  # 2020-03-02 is session 43
    assert acts(TimeSeriesMomentum(20), close.tolist()) == ([FEBRUARY], [43])


@pytest.mark.parametrize("now", [pytest.param(10.0, id="tie"), pytest.param(NAN, id="missing")])
def test_time_series_momentum_leaves_things_as_they_are_on(now: float) -> None:
    close = np.full(70, 10.0)
    close[FEBRUARY:43] = 11.0
    close[43] = now
    close[43 - 20] = 11.0 if np.isnan(now) else now
    entries, exits = acts(TimeSeriesMomentum(20), close.tolist())
    assert exits == []
    assert entries == ([FEBRUARY] if np.isnan(now) else [])


@pytest.mark.parametrize(
    ("period", "days"),
    [
        ("session", ["2020-03-30", "2020-03-31", "2020-04-01", "2020-04-02", "2020-04-03", "2020-04-06"]),
        ("week", ["2020-03-30", "2020-04-06"]),
        ("month", ["2020-04-01"]),
        ("quarter", ["2020-04-01"]),
        ("year", []),
    ],
)
def test_periods_open_where_a_session_before_shows_it(period: str, days: list[str]) -> None:
    sessions = np.arange("2020-03-27", "2020-04-07", dtype="datetime64[D]")
    sessions = sessions[np.is_busday(sessions)]
    assert sessions[opening_sessions(sessions, period)].astype(str).tolist() == days


def test_past_returns_need_both_ends_nine_tenths_of_the_closes_and_a_move() -> None:
    rng = np.random.default_rng(1)
    prices = 10.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, (21, 6)), axis=0))
    prices[0, 1] = NAN
    prices[20, 2] = NAN
    prices[[5, 6, 7], 3] = NAN
    prices[:, 4] = 10.0
    prices[5, 5] = NAN
    past = past_returns(prices, 20, 20)
    assert past.columns.tolist() == [0, 5]
    np.testing.assert_array_equal(past.returns[0], prices[1:, 0] / prices[:-1, 0] - 1.0)
    assert past.returns[1, 4] == 0.0
    assert past.returns[1, 5] == prices[6, 5] / prices[4, 5] - 1.0
    np.testing.assert_allclose(past.deviations, past.returns.std(axis=1, ddof=1), rtol=1e-12)


def test_equal_weight_counts_what_has_a_close() -> None:
    sessions = FEBRUARY + 1
    late = [NAN] * 10 + [10.0] * (sessions - 10)
    wanted = EqualWeight().weights(make_panel({"A": [10.0] * sessions, "B": late}))
    assert decided(wanted) == [0, FEBRUARY]
    assert wanted[[0, FEBRUARY]].tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_equal_weight_holds_where_nothing_has_a_close() -> None:
    assert decided(EqualWeight("session").weights(make_panel({"A": [NAN, 10.0, NAN]}))) == [1]


def test_constant_weights_wait_for_a_first_close_and_keep_their_weight_without_a_later_one() -> None:
    strategy = ConstantWeights({"B": 0.6, "A": 0.3})
    wanted = strategy.weights(make_panel({"A": [10, 10, NAN], "B": [NAN, 10, 10], "C": [10, 10, 10]}))
    assert wanted.tolist() == [[0.3, 0.0, 0.0], [0.3, 0.6, 0.0], [0.3, 0.6, 0.0]]


def test_constant_weights_name_a_symbol_that_the_panel_lacks() -> None:
    with pytest.raises(NotFound, match="AAPL"):
        ConstantWeights({"AAPL": 1.0}).weights(make_panel({"A": [10.0]}))


def test_constant_weights_do_not_change_with_the_mapping_they_were_given() -> None:
    mix = {"A": 1.0}
    strategy = ConstantWeights(mix)
    mix["A"] = 0.5
    assert strategy.mix == {"A": 1.0}


def swinging(*sizes: float) -> PricePanel:
    """Return instruments that go up and down by turns, each by its own size, until the first session of February."""
    turns = np.arange(FEBRUARY + 1) % 2
    return make_panel({f"S{place}": 100.0 * (1.0 + size * turns) for place, size in enumerate(sizes)})


@pytest.mark.parametrize(
    ("strategy", "sizes", "wanted"),
    [
        pytest.param(LowVolatility(2, 20), (0.03, 0.01, 0.02), [0.0, 0.5, 0.5], id="the-two-that-vary-least"),
        pytest.param(LowVolatility(1, 20), (0.02, 0.01, 0.01), [0.0, 1.0, 0.0], id="ties-rank-by-column"),
        pytest.param(LowVolatility(4, 20), (0.02, 0.0, 0.01), [0.25, 0.0, 0.25], id="what-does-not-move-is-left-out"),
        pytest.param(InverseVolatility(20), (0.01, 0.01), [0.5, 0.5], id="equal-risk"),
        pytest.param(InverseVolatility(20), (0.0, 0.01), [0.0, 1.0], id="alone"),
        pytest.param(InverseVolatility(20), (0.0, 0.0), [0.0, 0.0], id="all-cash"),
    ],
)
def test_weights_by_volatility(strategy: Any, sizes: tuple[float, ...], wanted: list[float]) -> None:
    found = strategy.weights(swinging(*sizes))
    assert decided(found) == [FEBRUARY]
    assert found[FEBRUARY].tolist() == wanted


def test_inverse_volatility_is_one_over_the_deviation_scaled_to_one() -> None:
    panel = swinging(0.01, 0.03)
    found = InverseVolatility(20).weights(panel)[FEBRUARY]
    returns = panel.close.pct_change().iloc[-20:]
    inverse = 1.0 / returns.std()
    np.testing.assert_allclose(found, (inverse / inverse.sum()).to_numpy(), rtol=1e-12)
