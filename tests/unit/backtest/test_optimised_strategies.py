"""Optimised weights: the conformance suite, closed-form solutions, and what happens when the solver fails."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from skfolio.exceptions import OptimizationError
from threadpoolctl import threadpool_limits

from investlab.backtest.optimised_strategies import MeanVariance, MinimumVariance, RiskParity, optimised
from investlab.backtest.strategies import WeightStrategy
from investlab.market.panel import PricePanel
from tests.support.panels import make_panel, random_panel
from tests.support.strategy_conformance import StrategyConformance

pytestmark = pytest.mark.slow  # skfolio takes seconds to load
LOOKBACK = 40
REFUSED = (({"lookback_sessions": 1}, "lookback_sessions"),)


class TestMinimumVariance(StrategyConformance):
    kind = MinimumVariance
    parameters: Mapping[str, Any] = {"lookback_sessions": 30}
    refused = REFUSED
    exact = False


class TestRiskParity(StrategyConformance):
    kind = RiskParity
    parameters: Mapping[str, Any] = {"lookback_sessions": 30}
    refused = REFUSED
    exact = False


class TestMeanVariance(StrategyConformance):
    kind = MeanVariance
    parameters: Mapping[str, Any] = {"lookback_sessions": 30, "risk_aversion": 50.0}
    refused = (*REFUSED, ({"risk_aversion": 0.0}, "risk_aversion"))
    exact = False


def first_decision(strategy: WeightStrategy, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
    """Return the first weights and the returns (sessions × instruments) that they rest on."""
    wanted = strategy.weights(panel)
    t = int(np.flatnonzero(~np.isnan(wanted).any(axis=1))[0])
    closes = panel.values("close")[t - LOOKBACK : t + 1]
    return wanted[t], closes[1:] / closes[:-1] - 1.0


def correlated_panel() -> PricePanel:
    """Return three instruments that move partly together, with deviations of 1, 2 and 3 percent."""
    rng = np.random.default_rng(3)
    moves = 0.3 * rng.normal(size=(90, 1)) + rng.normal(size=(90, 3))
    closes = 100.0 * np.exp(np.cumsum(moves * [0.01, 0.02, 0.03], axis=0))
    return make_panel(dict(zip("ABC", closes.T, strict=True)))


def test_minimum_variance_is_the_closed_form_where_no_bound_binds() -> None:
    """w = Σ⁻¹1 / 1'Σ⁻¹1 (Markowitz)."""
    found, returns = first_decision(MinimumVariance(LOOKBACK), correlated_panel())
    solved = np.linalg.solve(np.cov(returns.T), np.ones(3))
    assert (solved > 0).all()
    np.testing.assert_allclose(found, solved / solved.sum(), atol=1e-5)


def test_risk_parity_equalises_the_contributions_to_variance() -> None:
    found, returns = first_decision(RiskParity(LOOKBACK), correlated_panel())
    contributions = found * (np.cov(returns.T) @ found)
    np.testing.assert_allclose(contributions / contributions.sum(), np.full(3, 1 / 3), atol=1e-4)


def test_risk_parity_of_two_instruments_is_inverse_volatility() -> None:
    """Whatever their correlation (Maillard, Roncalli and Teïletche 2010, section 2)."""
    found, returns = first_decision(RiskParity(LOOKBACK), correlated_panel().select(["A", "C"]))
    inverse = 1.0 / returns.std(axis=0, ddof=1)
    np.testing.assert_allclose(found, inverse / inverse.sum(), atol=1e-5)


def test_mean_variance_is_the_closed_form_where_no_bound_binds() -> None:
    """With Σw = 1 and no bound active, w = Σ⁻¹(μ − γ1) / 2λ where γ makes the sum 1."""
    aversion = 200.0
    found, returns = first_decision(MeanVariance(LOOKBACK, aversion), correlated_panel())
    inverse, mean, ones = np.linalg.inv(np.cov(returns.T)), returns.mean(axis=0), np.ones(3)
    price = (ones @ inverse @ mean - 2.0 * aversion) / (ones @ inverse @ ones)
    solved = inverse @ (mean - price * ones) / (2.0 * aversion)
    assert (solved > 0).all()
    np.testing.assert_allclose(found, solved, atol=1e-5)


def test_without_aversion_to_risk_mean_variance_takes_what_grew_most() -> None:
    found, returns = first_decision(MeanVariance(LOOKBACK, 1e-6), correlated_panel())
    assert found.tolist() == np.eye(3)[returns.mean(axis=0).argmax()].tolist()


def test_more_instruments_than_returns_still_give_weights_that_sum_to_one() -> None:
    with pytest.warns(UserWarning, match="not positive definite"):
        found = MinimumVariance(10).weights(random_panel(1, sessions=40, instruments=25))
    rows = found[~np.isnan(found).any(axis=1)]
    assert len(rows)
    np.testing.assert_allclose(rows.sum(axis=1), 1.0, rtol=1e-12)


def test_what_a_solver_leaves_of_zero_becomes_zero() -> None:
    found = MeanVariance(30, 0.5).weights(random_panel(2, sessions=90, instruments=6))
    rows = found[~np.isnan(found).any(axis=1)]
    assert ((rows == 0.0) | (rows >= 1e-6)).all()
    assert (rows == 0.0).any()


@pytest.mark.parametrize("strategy", [MinimumVariance(250), RiskParity(250)], ids=lambda strategy: strategy.name)
def test_the_number_of_threads_changes_no_bit(strategy: WeightStrategy) -> None:
    panel = random_panel(1, sessions=275, instruments=150)  # large enough for threads to be used
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(strategy.weights(panel))
    assert not np.isnan(found[0]).all()
    assert np.array_equal(*found, equal_nan=True)


class Failing:
    """An optimiser that fails at its second fit."""

    def __init__(self) -> None:
        self.weights_ = np.array([0.25, 0.75])
        self.fits = 0

    def fit(self, returns: np.ndarray) -> "Failing":
        self.fits += 1
        if self.fits == 2:
            raise OptimizationError("no solution")
        return self


def test_a_failing_solver_holds_the_last_weights_and_says_so() -> None:
    failing = Failing()
    build: Callable[[], Failing] = lambda: failing  # noqa: E731
    with pytest.warns(UserWarning, match="last weights are held: no solution"):
        found = optimised(random_panel(1, sessions=90, instruments=2), 20, build)
    decided = np.flatnonzero(~np.isnan(found).any(axis=1))
    assert failing.fits == 4
    assert len(decided) == 3
    assert found[decided].tolist() == [[0.25, 0.75]] * 3
