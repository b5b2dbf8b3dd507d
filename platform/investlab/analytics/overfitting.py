"""How much of a Sharpe ratio is luck: probabilistic and deflated Sharpe ratio, and how long a record must be.

Sharpe ratios here are per session, not annualised; kurtosis is not in excess (3 for a normal distribution).
Sources: Bailey and López de Prado, "The Sharpe Ratio Efficient Frontier", Journal of Risk 15(2), 2012; and "The
Deflated Sharpe Ratio", Journal of Portfolio Management 40(5), 2014. The minimum backtest length is from Bailey,
Borwein, López de Prado and Zhu, "Pseudo-Mathematics and Financial Charlatanism", Notices of the AMS 61(5), 2014.
"""

from dataclasses import dataclass
from math import e, inf, sqrt
from statistics import NormalDist

import numpy as np

from investlab.analytics.ratios import UNVARYING
from investlab.core.errors import InvalidInput

_NORMAL = NormalDist()
_EULER_MASCHERONI = 0.5772156649015329


@dataclass(frozen=True, slots=True)
class ReturnMoments:
    """What the ratios need to know about returns: Sharpe ratio per session, skewness, kurtosis, number of returns."""

    sharpe: float
    skewness: float
    kurtosis: float
    observations: int

    @classmethod
    def of(cls, returns: np.ndarray) -> "ReturnMoments":
        """Measure returns per session; returns equal but for rounding count as normal with a Sharpe ratio of 0."""
        count = len(returns)
        spread, mean = (float(np.std(returns)), float(np.mean(returns))) if count > 1 else (0.0, 0.0)
        if spread <= UNVARYING * abs(mean):
            return cls(0.0, 0.0, 3.0, count)
        scaled = (returns - np.mean(returns)) / spread
        ratio = float(np.mean(returns) / np.std(returns, ddof=1))
        return cls(ratio, float(np.mean(scaled**3)), float(np.mean(scaled**4)), count)


def probabilistic_sharpe(moments: ReturnMoments, benchmark_sharpe: float = 0.0) -> float:
    """Return the probability that the true Sharpe ratio exceeds a benchmark (2012, equation 11).

    Raises:
        InvalidInput: There are fewer than two returns.
    """
    if moments.observations < 2:
        raise InvalidInput("A probabilistic Sharpe ratio needs at least two returns.", remedy="Use a longer panel.")
    ratio = moments.sharpe
    spread = 1.0 - moments.skewness * ratio + (moments.kurtosis - 1.0) / 4.0 * ratio**2
    if spread <= 0.0:
        return float(ratio > benchmark_sharpe)
    return _NORMAL.cdf((ratio - benchmark_sharpe) * sqrt(moments.observations - 1) / sqrt(spread))


def expected_maximum_sharpe(trials: int, trial_variance: float) -> float:
    """Return the Sharpe ratio that the best of so many trials without skill is expected to show (2014).

    `trial_variance` is the variance of the trials' Sharpe ratios per session. A single trial is expected to show 0.

    Raises:
        InvalidInput: There is no trial or the variance is negative.
    """
    if trials < 1 or trial_variance < 0.0:
        raise InvalidInput(
            f"{trials} trials with variance {trial_variance} are no trials.",
            remedy="Give at least one trial and a variance of at least 0.",
        )
    if trials == 1:
        return 0.0
    usual = _NORMAL.inv_cdf(1.0 - 1.0 / trials)
    rare = _NORMAL.inv_cdf(1.0 - 1.0 / (trials * e))
    return sqrt(trial_variance) * ((1.0 - _EULER_MASCHERONI) * usual + _EULER_MASCHERONI * rare)


def deflated_sharpe(moments: ReturnMoments, trials: int, trial_variance: float) -> float:
    """Return the probability that the best trial's Sharpe ratio exceeds what luck alone would show (2014)."""
    return probabilistic_sharpe(moments, expected_maximum_sharpe(trials, trial_variance))


def minimum_track_record(moments: ReturnMoments, benchmark_sharpe: float = 0.0, confidence: float = 0.95) -> float:
    """Return how many returns it takes until the Sharpe ratio exceeds a benchmark at this confidence (2012, MinTRL).

    It is infinite where the Sharpe ratio does not exceed the benchmark, and 1 at the least.

    Raises:
        InvalidInput: The confidence does not lie between 0.5 and 1.
    """
    if not 0.5 < confidence < 1.0:
        raise InvalidInput(f"A confidence of {confidence} is none.", remedy="Give one between 0.5 and 1.")
    ratio = moments.sharpe
    if ratio <= benchmark_sharpe:
        return inf
    spread = 1.0 - moments.skewness * ratio + (moments.kurtosis - 1.0) / 4.0 * ratio**2
    return 1.0 + max(spread, 0.0) * (_NORMAL.inv_cdf(confidence) / (ratio - benchmark_sharpe)) ** 2


def minimum_backtest_years(trials: int, sharpe: float) -> float:
    """Return the years below which luck alone lets the best trial show this annualised Sharpe ratio (2014, MinBTL).

    It takes the trials for independent and their true Sharpe ratios for 0; infinite where `sharpe` is not above 0.

    Raises:
        InvalidInput: There is no trial.
    """
    expected = expected_maximum_sharpe(trials, 1.0)
    return (expected / sharpe) ** 2 if sharpe > 0.0 else inf
