"""The usual ratios worked by hand, and at the edges where there is nothing to divide by."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from investlab.analytics.performance import (
    excess_kurtosis,
    hit_rate,
    omega,
    performance,
    skewness,
    sortino,
    tail_ratio,
    total_return,
)
from investlab.analytics.ratios import sharpe
from investlab.analytics.relative import relative_performance
from investlab.analytics.rolling import rolling_beta, rolling_sharpe, rolling_volatility
from investlab.analytics.series import return_per_session
from investlab.core.errors import InvalidInput
from tests.support.panels import examples

RETURNS = st.lists(st.floats(-0.2, 0.2), min_size=4, max_size=40).map(np.array)
SESSIONS = pd.bdate_range("2021-03-01", periods=6)
UP_AND_DOWN = pd.Series([0.1, -0.5, 0.2, -0.1, 0.05, 0.0], SESSIONS)


def test_drawdown_indices_by_hand() -> None:
    """1 → 1.1 → 0.55 → 0.66: drawdowns 0, −½, −0.4."""
    measured = performance(UP_AND_DOWN[:3], 3.0)
    assert measured.total_return == pytest.approx(-0.34)
    assert measured.cagr == pytest.approx(-0.34)
    assert measured.pain_index == pytest.approx(0.3)
    assert measured.ulcer_index == pytest.approx(np.sqrt(0.41 / 3))
    assert measured.calmar == pytest.approx(-0.68)
    assert measured.pain_ratio == pytest.approx(-0.34 / 0.3)
    assert measured.ulcer_performance_index == pytest.approx(-0.34 / np.sqrt(0.41 / 3))
    assert (measured.best, measured.worst, measured.sessions) == (0.2, -0.5, 3)


def test_a_first_loss_is_a_drawdown() -> None:
    assert performance(np.array([-0.2, 0.1]), 252.0).max_drawdown == pytest.approx(-0.2)


def test_omega_hit_rate_and_sortino_by_hand() -> None:
    assert omega(UP_AND_DOWN) == pytest.approx(0.35 / 0.6)
    assert omega(UP_AND_DOWN, 0.1) == pytest.approx(0.1 / (0.6 + 0.2 + 0.05 + 0.1))
    assert hit_rate(UP_AND_DOWN) == pytest.approx(3 / 5)
    assert sortino(UP_AND_DOWN, 4.0) == pytest.approx((-0.25 / 6) * 2 / np.sqrt(0.26 / 6))


def test_a_risk_free_series_is_taken_off_session_by_session() -> None:
    rates = pd.Series([0.1, 0.0, 0.1, 0.0, 0.05, 0.0], SESSIONS)
    expected = (UP_AND_DOWN - rates).to_numpy()
    assert performance(UP_AND_DOWN, 252.0, rates).sharpe == sharpe(expected, 252.0)


def test_an_annual_rate_compounds_from_its_sessions() -> None:
    assert (1 + return_per_session(0.05, 252.0)) ** 252 == pytest.approx(1.05)


def test_ratios_without_a_denominator_are_unknown() -> None:
    rising = performance(np.array([0.01, 0.02, 0.03, 0.04]), 252.0)
    assert np.isnan([rising.sortino, rising.calmar, rising.omega, rising.pain_ratio]).all()
    flat = performance(np.zeros(5), 252.0)
    assert np.isnan([flat.hit_rate, flat.tail_ratio]).all()
    assert (flat.sharpe, flat.skewness, flat.excess_kurtosis) == (0.0, 0.0, 0.0)


def test_few_returns_have_no_shape() -> None:
    assert np.isnan([skewness(np.array([0.1, 0.2])), excess_kurtosis(np.array([0.1, 0.2, 0.1]))]).all()
    assert np.isnan([tail_ratio(np.array([])), sortino(np.array([0.1]), 252.0)]).all()
    assert total_return(np.array([])) == 0.0


@pytest.mark.parametrize("wrong", [[0.1, np.nan], [0.1, np.inf], [-1.1, 0.0], [[0.1], [0.2]], []])
def test_what_is_no_series_of_returns_is_refused(wrong: list[float]) -> None:
    with pytest.raises(InvalidInput):
        performance(np.array(wrong), 252.0)


@pytest.mark.parametrize("other", [UP_AND_DOWN[1:], UP_AND_DOWN.shift(1, freq="D")])
def test_other_sessions_are_refused(other: pd.Series) -> None:
    with pytest.raises(InvalidInput, match="sessions"):
        performance(UP_AND_DOWN, 252.0, other)
    with pytest.raises(InvalidInput, match="sessions"):
        relative_performance(UP_AND_DOWN, other, 252.0)


@given(RETURNS)
@examples(40)
def test_twice_the_benchmark_has_a_beta_of_two(benchmark: np.ndarray) -> None:
    if benchmark.std() < 1e-6:
        return
    relative = relative_performance(2.0 * benchmark, benchmark, 252.0)
    np.testing.assert_allclose([relative.beta, relative.correlation], [2.0, 1.0], rtol=1e-9)
    np.testing.assert_allclose(relative.alpha, 0.0, atol=1e-9)


def test_captures_by_hand() -> None:
    """Up sessions: own 0.1 and 0.1 against 0.2 and 0.2; down session: −0.3 against −0.1; two sessions a year."""
    own, market = np.array([0.1, -0.3, 0.1]), np.array([0.2, -0.1, 0.2])
    relative = relative_performance(own, market, 2.0)
    assert relative.up_capture == pytest.approx(0.21 / 0.44)
    assert relative.down_capture == pytest.approx((0.49 - 1) / (0.81 - 1))
    assert relative.active_return == pytest.approx((1.21 * 0.7) ** (2 / 3) - (1.44 * 0.9) ** (2 / 3))


def test_a_benchmark_that_stands_still_has_no_beta() -> None:
    relative = relative_performance(UP_AND_DOWN, pd.Series(0.0, SESSIONS), 252.0)
    assert np.isnan([relative.beta, relative.correlation, relative.up_capture, relative.down_capture]).all()


def test_rolling_measures_are_those_of_their_window_to_the_bit() -> None:
    values = UP_AND_DOWN.to_numpy()
    ratios = rolling_sharpe(UP_AND_DOWN, 4, 252.0)
    assert np.isnan(ratios[:3]).all()
    assert ratios[3:].tolist() == [sharpe(values[first : first + 4], 252.0) for first in range(3)]


def test_rolling_by_hand() -> None:
    own, market = pd.Series([0.1, 0.3, 0.3], SESSIONS[:3]), pd.Series([0.1, 0.2, 0.2], SESSIONS[:3])
    np.testing.assert_allclose(rolling_beta(own, market, 2), [np.nan, 2.0, np.nan])
    np.testing.assert_allclose(rolling_volatility(own, 2, 2.0), [np.nan, 0.2, 0.0], atol=1e-15)


def test_a_window_longer_than_the_series_gives_nothing() -> None:
    assert rolling_volatility(UP_AND_DOWN, 7, 252.0).isna().all()


def test_a_window_of_one_is_refused() -> None:
    with pytest.raises(InvalidInput, match="window"):
        rolling_sharpe(UP_AND_DOWN, 1, 252.0)
