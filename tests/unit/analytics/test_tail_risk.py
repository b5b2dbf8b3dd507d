"""The tail of returns: by hand, by numerical integration, and only where the expansion is a quantile."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kurtosis, norm, skew

from investlab.analytics.tail_risk import TailMethod, conditional_value_at_risk, value_at_risk
from investlab.core.errors import InvalidInput

HUNDRED = np.arange(-50, 51) / 1000.0
LEFT = np.random.default_rng(3).gamma(6.0, 0.004, 400)[::-1] * -1.0 + 0.02


def _corrected(z: float, returns: np.ndarray) -> float:
    """The expansion as printed by Favre and Galeano (2002)."""
    s, k = skew(returns), kurtosis(returns)
    q = z + (z**2 - 1) * s / 6 + (z**3 - 3 * z) * k / 24 - (2 * z**3 - 5 * z) * s**2 / 36
    return float(returns.mean() + returns.std(ddof=1) * q)


def test_the_historical_tail_by_hand() -> None:
    """Of 101 evenly spaced returns the 5 % quantile is the sixth; the mean of the six worst is their middle."""
    assert value_at_risk(HUNDRED) == pytest.approx(-0.045)
    assert conditional_value_at_risk(HUNDRED) == pytest.approx(-0.0475)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_cornish_fisher_follows_the_published_expansion(confidence: float) -> None:
    expected = _corrected(norm.ppf(1 - confidence), LEFT)
    assert value_at_risk(LEFT, confidence, "cornish_fisher") == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_mean_of_the_corrected_tail_is_the_integral_over_it(confidence: float) -> None:
    tail = 1 - confidence
    area, _ = quad(lambda z: _corrected(z, LEFT) * norm.pdf(z), -12.0, norm.ppf(tail), epsabs=1e-13)
    ours = conditional_value_at_risk(LEFT, confidence, TailMethod.CORNISH_FISHER)
    assert ours == pytest.approx(area / norm.cdf(norm.ppf(tail)), rel=1e-8)


def test_a_tail_that_the_expansion_folds_over_is_unknown() -> None:
    """One gain of 90 % among 300 quiet sessions gives a skewness of 17: the formula alone says a gain for a loss."""
    returns = np.append(np.random.default_rng(1).normal(0.0, 0.01, 300), 0.9)
    assert _corrected(norm.ppf(0.05), returns) > 0.0
    assert np.isnan(value_at_risk(returns, method="cornish_fisher"))
    assert np.isnan(conditional_value_at_risk(returns, method="cornish_fisher"))


@pytest.mark.parametrize("method", list(TailMethod))
def test_returns_that_do_not_vary_have_no_tail(method: TailMethod) -> None:
    assert value_at_risk(np.full(20, 0.001), method=method) == pytest.approx(0.001)
    assert conditional_value_at_risk(np.full(20, 0.001), method=method) == pytest.approx(0.001)


@pytest.mark.parametrize(("confidence", "method"), [(5.0, "normal"), (0.05, "normal"), (0.95, "guess")])
def test_what_names_no_tail_is_refused(confidence: float, method: str) -> None:
    with pytest.raises(InvalidInput):
        value_at_risk(HUNDRED, confidence, method)
