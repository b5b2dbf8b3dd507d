"""Value at risk and conditional value at risk of one session, as returns: a loss is negative.

Three ways: `historical` takes the observed quantile, `normal` that of a normal distribution with the sample's mean and
deviation (ddof 1), `cornish_fisher` corrects the normal quantile for skewness S and excess kurtosis K (moments, not
corrected for bias). With z the normal quantile of the tail, φ its density and p the tail's probability:

    quantile   q = z + (z² − 1) S/6 + (z³ − 3z) K/24 − (2z³ − 5z) S²/36
    mean of the tail   −φ(z)/p × (1 + z S/6 + (z² − 1) K/24 − (2z² − 1) S²/36)

Far from the normal distribution the expansion folds back, and outcomes outside the tail fall below q(z). Then the
result is NaN: q(z) is the quantile only where q(x) lies below it for x < z and above it for x > z, that is where the
quadratic (q(x) − q(z)) ÷ (x − z) is positive. This is asked of all x within five deviations (all but 6 in 10 million).

Sources: Cornish and Fisher, "Moments and Cumulants in the Specification of Distributions", Revue de l'Institut
International de Statistique 5(4), 1938; Favre and Galeano, "Mean-Modified Value-at-Risk Optimization with Hedge Funds",
Journal of Alternative Investments 5(2), 2002; Maillard, "A User's Guide to the Cornish Fisher Expansion", 2012, for the
mean of the tail, which is the integral of q over the tail's probabilities; Rockafellar and Uryasev, "Optimization of
Conditional Value-at-Risk", Journal of Risk 2(3), 2000.
"""

from enum import StrEnum
from math import exp, nan, pi, sqrt
from statistics import NormalDist

import numpy as np

from investlab.analytics.performance import standardised
from investlab.analytics.series import Returns, checked_returns
from investlab.core.errors import InvalidInput

REACH = 5.0
"""Deviations of the normal variable within which the corrected quantiles must keep their order."""


class TailMethod(StrEnum):
    """How the tail of a distribution is estimated."""

    HISTORICAL = "historical"
    NORMAL = "normal"
    CORNISH_FISHER = "cornish_fisher"


def value_at_risk(
    returns: Returns, confidence: float = 0.95, method: TailMethod | str = TailMethod.HISTORICAL
) -> float:
    """Return the return that one session falls below with probability 1 − confidence; a loss is negative.

    The historical quantile is interpolated linearly between observations.

    Raises:
        InvalidInput: The confidence, the method or the returns cannot be used.
    """
    values, probability, way = _tail(returns, confidence, method)
    if way is TailMethod.HISTORICAL:
        return float(np.quantile(values, probability))
    z = NormalDist().inv_cdf(probability)
    cubic, square, linear = _expansion(values, way, z)
    return _scaled(values, cubic * z**3 + square * (z**2 - 1) + linear * z)


def conditional_value_at_risk(
    returns: Returns, confidence: float = 0.95, method: TailMethod | str = TailMethod.HISTORICAL
) -> float:
    """Return the mean return of the sessions that are at or below the value at risk; a loss is negative.

    Raises:
        InvalidInput: The confidence, the method or the returns cannot be used.
    """
    values, probability, way = _tail(returns, confidence, method)
    if way is TailMethod.HISTORICAL:
        return float(np.mean(values[values <= np.quantile(values, probability)]))
    z = NormalDist().inv_cdf(probability)
    cubic, square, linear = _expansion(values, way, z)
    density = exp(-z * z / 2) / sqrt(2 * pi)
    return _scaled(values, -density / probability * (cubic * (z**2 + 2) + square * z + linear))


def _tail(returns: Returns, confidence: float, method: TailMethod | str) -> tuple[np.ndarray, float, TailMethod]:
    values = checked_returns(returns)
    if method not in list(TailMethod):
        raise InvalidInput(f"Unknown method {method!r}.", remedy=f"Use one of {', '.join(TailMethod)}.")
    if len(values) < 2 or not 0.5 < confidence < 1.0:
        raise InvalidInput(
            f"{len(values)} returns and a confidence of {confidence} have no tail.",
            remedy="Give at least two returns and a confidence between 0.5 and 1, such as 0.95.",
        )
    return values, 1.0 - confidence, TailMethod(method)


def _expansion(values: np.ndarray, method: TailMethod, z: float) -> tuple[float, float, float]:
    """Return a, b, c of the standardised quantile q = a z³ + b (z² − 1) + c z; NaN where q(z) is not the quantile."""
    scaled = standardised(values)
    if method is TailMethod.NORMAL or not scaled.any():
        return 0.0, 0.0, 1.0
    skew, kurtosis = float(np.mean(scaled**3)), float(np.mean(scaled**4) - 3.0)
    a, b, c = kurtosis / 24 - skew**2 / 18, skew / 6, 1 - kurtosis / 8 + 5 * skew**2 / 36
    slope, level = a * z + b, a * z**2 + b * z + c
    lowest = min(max(-slope / (2 * a), -REACH), REACH) if a > 0.0 else REACH
    ordered = all(a * x**2 + slope * x + level > 0.0 for x in (-REACH, lowest, REACH))
    return (a, b, c) if ordered else (nan, nan, nan)


def _scaled(values: np.ndarray, standardised_result: float) -> float:
    return float(np.mean(values) + np.std(values, ddof=1) * standardised_result)
