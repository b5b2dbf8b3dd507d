"""Ratios, returns and drawdowns agree with numbers worked out by hand and with pandas."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from investlab.analytics.drawdowns import drawdowns, max_drawdown
from investlab.analytics.overfitting import ReturnMoments
from investlab.analytics.ratios import cagr, sharpe, volatility
from investlab.analytics.returns import opening_return, peak_before, returns_since, simple_returns
from tests.support.panels import examples

NAVS = st.lists(st.floats(0.5, 200.0), min_size=3, max_size=40).map(np.array)


def test_returns_by_hand() -> None:
    assert simple_returns(np.array([100.0, 110.0, 99.0])).tolist() == pytest.approx([0.1, -0.1])


def test_returns_of_almost_nothing() -> None:
    assert len(simple_returns(np.array([100.0]))) == 0
    assert simple_returns(np.array([100.0, 0.0, 0.0])).tolist() == [-1.0, 0.0]


def test_volatility_and_sharpe_by_hand() -> None:
    returns = np.array([0.01, 0.02, 0.03])
    assert volatility(returns, 252.0) == pytest.approx(0.01 * np.sqrt(252))
    assert sharpe(returns, 252.0) == pytest.approx(2.0 * np.sqrt(252))


@pytest.mark.parametrize("returns", [[], [0.01], [0.0, 0.0, 0.0]])
def test_the_sharpe_ratio_is_zero_where_returns_do_not_vary(returns: list[float]) -> None:
    assert sharpe(np.array(returns), 252.0) == 0.0
    assert volatility(np.array(returns), 252.0) == 0.0


@pytest.mark.parametrize(
    ("growth", "years", "expected"),
    [(1.21, 2.0, 0.1), (1.1, 1.0, 0.1), (0.5, 1.0, -0.5), (0.0, 3.0, -1.0), (1.5, 0.0, 0.0)],
)
def test_cagr(growth: float, years: float, expected: float) -> None:
    assert cagr(growth, years) == pytest.approx(expected)


@pytest.mark.parametrize("rate", [0.001, -0.0004, 1e-6, 0.0])
def test_returns_that_are_equal_but_for_rounding_have_no_sharpe_ratio(rate: float) -> None:
    """Compounded and measured again, they differ in the last digits, which would give a ratio of about 1e13."""
    returns = simple_returns(100.0 * (1.0 + rate) ** np.arange(500))
    assert sharpe(returns, 252.0) == 0.0
    assert ReturnMoments.of(returns).sharpe == 0.0


def test_small_but_real_variation_keeps_its_sharpe_ratio() -> None:
    returns = 0.001 + 1e-8 * np.tile([1.0, -1.0], 100)
    assert sharpe(returns, 252.0) == pytest.approx(returns.mean() / returns.std(ddof=1) * np.sqrt(252))
    assert ReturnMoments.of(returns).sharpe > 1e4


@pytest.mark.parametrize(("first", "expected"), [(99.9, -0.001), (100.0, 0.0), (100.0 * (1 - 2e-16), 0.0)])
def test_what_the_first_session_cost_is_its_return(first: float, expected: float) -> None:
    nav = first * np.array([1.0, 1.1, 0.99])
    assert opening_return(nav, 100.0) == pytest.approx(expected)
    returns = returns_since(nav, 100.0)
    assert returns.tolist() == pytest.approx([expected, 0.1, -0.1] if expected else [0.1, -0.1])
    assert drawdowns(nav, peak_before(nav, 100.0))[0] == pytest.approx(expected)


def test_drawdowns_by_hand() -> None:
    nav = np.array([100.0, 120.0, 90.0, 130.0, 65.0])
    assert drawdowns(nav).tolist() == pytest.approx([0.0, 0.0, -0.25, 0.0, -0.5])
    assert max_drawdown(nav) == pytest.approx(-0.5)


def test_a_drawdown_of_nothing_is_nothing() -> None:
    assert drawdowns(np.zeros(3)).tolist() == [0.0, 0.0, 0.0]
    assert max_drawdown(np.zeros(3)) == 0.0


@given(NAVS)
@examples(50)
def test_everything_agrees_with_pandas(nav: np.ndarray) -> None:
    series = pd.Series(nav)
    returns = series.pct_change().dropna()
    np.testing.assert_allclose(simple_returns(nav), returns, atol=1e-14)
    np.testing.assert_allclose(volatility(simple_returns(nav), 252.0), returns.std() * np.sqrt(252), atol=1e-9)
    np.testing.assert_allclose(drawdowns(nav), series / series.cummax() - 1, atol=1e-14)
    assert max_drawdown(nav) == drawdowns(nav).min()
    if returns.std() > 1e-6:
        np.testing.assert_allclose(
            sharpe(simple_returns(nav), 252.0), returns.mean() / returns.std() * np.sqrt(252), rtol=1e-7
        )
