"""The deflated Sharpe ratio gives the numbers of its authors' own examples."""

import math

import numpy as np
import pytest

from investlab.analytics.overfitting import (
    ReturnMoments,
    deflated_sharpe,
    expected_maximum_sharpe,
    minimum_backtest_years,
    minimum_track_record,
    probabilistic_sharpe,
)
from investlab.core.errors import InvalidInput

# Bailey and López de Prado (2014), section "A numerical example": five years of 250 daily returns with an annualised
# Sharpe ratio of 2.5, skewness -3 and kurtosis 10; the trials' annualised Sharpe ratios have variance 1/2.
PAPER = ReturnMoments(2.5 / math.sqrt(250), -3.0, 10.0, 1250)
PAPER_VARIANCE = 0.5 / 250


def test_the_papers_expected_maximum() -> None:
    assert expected_maximum_sharpe(100, PAPER_VARIANCE) == pytest.approx(0.1132, abs=5e-5)


@pytest.mark.parametrize(("trials", "expected"), [(100, 0.9004), (46, 0.9505)])
def test_the_papers_deflated_sharpe_ratio(trials: int, expected: float) -> None:
    assert deflated_sharpe(PAPER, trials, PAPER_VARIANCE) == pytest.approx(expected, abs=5e-5)


def test_the_papers_normal_case_needs_more_trials_for_the_same_doubt() -> None:
    normal = ReturnMoments(PAPER.sharpe, 0.0, 3.0, 1250)
    assert deflated_sharpe(normal, 88, PAPER_VARIANCE) == pytest.approx(0.9505, abs=5e-4)


def test_the_expected_maximum_matches_simulated_trials() -> None:
    rng = np.random.default_rng(0)
    best = rng.normal(0.0, 0.3, (20_000, 50)).max(axis=1).mean()
    assert expected_maximum_sharpe(50, 0.09) == pytest.approx(best, rel=0.02)


def test_a_single_trial_expects_nothing() -> None:
    assert expected_maximum_sharpe(1, 0.5) == 0.0
    assert deflated_sharpe(PAPER, 1, 0.5) == probabilistic_sharpe(PAPER)


def test_more_trials_never_help() -> None:
    ratios = [deflated_sharpe(PAPER, trials, PAPER_VARIANCE) for trials in (1, 2, 10, 100, 10_000)]
    assert ratios == sorted(ratios, reverse=True)


def test_a_sharpe_ratio_at_the_benchmark_is_a_coin_toss() -> None:
    assert probabilistic_sharpe(PAPER, PAPER.sharpe) == pytest.approx(0.5)


def test_moments_by_hand() -> None:
    moments = ReturnMoments.of(np.array([-0.01, 0.0, 0.0, 0.03]))
    assert moments.observations == 4
    assert moments.sharpe == pytest.approx(0.005 / math.sqrt((0.015**2 + 2 * 0.005**2 + 0.025**2) / 3))
    spread = math.sqrt((0.015**2 + 2 * 0.005**2 + 0.025**2) / 4)
    assert moments.skewness == pytest.approx((-(0.015**3) - 2 * 0.005**3 + 0.025**3) / 4 / spread**3)
    assert moments.kurtosis == pytest.approx((0.015**4 + 2 * 0.005**4 + 0.025**4) / 4 / spread**4)


@pytest.mark.parametrize("returns", [[0.0, 0.0, 0.0], [0.01], []])
def test_returns_that_do_not_vary_count_as_normal(returns: list[float]) -> None:
    assert ReturnMoments.of(np.array(returns)) == ReturnMoments(0.0, 0.0, 3.0, len(returns))


def test_an_impossible_spread_falls_back_to_a_comparison() -> None:
    odd = ReturnMoments(1.0, 5.0, 3.0, 100)
    assert probabilistic_sharpe(odd, 0.5) == 1.0
    assert probabilistic_sharpe(odd, 1.5) == 0.0


def test_too_few_returns_or_trials_are_refused() -> None:
    with pytest.raises(InvalidInput, match="two returns"):
        probabilistic_sharpe(ReturnMoments(0.0, 0.0, 3.0, 1))
    for trials, variance in ((0, 0.1), (5, -0.1)):
        with pytest.raises(InvalidInput, match="are no trials"):
            expected_maximum_sharpe(trials, variance)


# Bailey and López de Prado (2012): a hedge fund's 24 monthly returns with an annualised Sharpe ratio of 1.59 (0.458 a
# month), skewness -2.448 and kurtosis 10.164.
@pytest.mark.parametrize(("skewness", "kurtosis", "expected"), [(-2.448, 10.164, 0.913), (0.0, 3.0, 0.982)])
def test_the_papers_probabilistic_sharpe_ratio(skewness: float, kurtosis: float, expected: float) -> None:
    assert probabilistic_sharpe(ReturnMoments(0.458, skewness, kurtosis, 24)) == pytest.approx(expected, abs=1e-3)


# Bailey and López de Prado (2012), minimum track record at 95 % of an annualised Sharpe ratio of 2 against 1: 2.73
# years of daily, 2.83 of weekly, 3.24 of monthly normal returns; 4.99 of a hedge fund's monthly ones (-0.72 and 5.78).
@pytest.mark.parametrize(
    ("per_year", "skewness", "kurtosis", "years"),
    [(252, 0.0, 3.0, 2.73), (52, 0.0, 3.0, 2.83), (12, 0.0, 3.0, 3.24), (12, -0.72, 5.78, 4.99)],
)
def test_the_papers_minimum_track_record(per_year: int, skewness: float, kurtosis: float, years: float) -> None:
    moments = ReturnMoments(2 / math.sqrt(per_year), skewness, kurtosis, 100)
    assert minimum_track_record(moments, 1 / math.sqrt(per_year)) / per_year == pytest.approx(years, abs=5e-3)


def test_a_record_of_the_minimum_length_reaches_the_confidence() -> None:
    needed = minimum_track_record(PAPER, 0.1, 0.99)
    long_enough = ReturnMoments(PAPER.sharpe, PAPER.skewness, PAPER.kurtosis, math.ceil(needed))
    assert probabilistic_sharpe(long_enough, 0.1) == pytest.approx(0.99, abs=1e-4)


def test_no_record_is_long_enough_without_an_edge() -> None:
    assert minimum_track_record(PAPER, PAPER.sharpe) == math.inf
    assert minimum_backtest_years(10, 0.0) == math.inf


# Bailey, Borwein, López de Prado and Zhu (2014): five years bear no more than 45 independent trials before one is
# expected to show an annualised Sharpe ratio of 1; the best of 10 trials over one year is expected to show 1.57.
def test_the_papers_minimum_backtest_length() -> None:
    assert minimum_backtest_years(45, 1.0) <= 5.0 < minimum_backtest_years(46, 1.0)
    assert minimum_backtest_years(10, 1.57) == pytest.approx(1.0, abs=0.01)


def test_a_confidence_that_is_none_is_refused() -> None:
    for confidence in (0.5, 1.0):
        with pytest.raises(InvalidInput, match="is none"):
            minimum_track_record(PAPER, 0.0, confidence)
