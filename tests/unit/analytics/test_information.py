"""Information coefficients agree with scipy, and intervals of overlapping returns hold what they promise."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from scipy.stats import t as student

from investlab.analytics.information import long_run_variance, mean_interval, rank_ic
from investlab.core.errors import InvalidInput
from tests.support.panels import examples

ROW = st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0]) | st.floats(-5, 5), min_size=6, max_size=6)


@given(ROW, ROW)
@examples(60)
def test_coefficients_match_scipy(scores: list[float], outcomes: list[float]) -> None:
    if len(set(scores)) == 1 or len(set(outcomes)) == 1:
        return
    expected = spearmanr(scores, outcomes).statistic
    assert rank_ic(np.array([scores]), np.array([outcomes]))[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "outcomes", "expected"),
    [
        pytest.param([1, 2, 3], [0.1, 0.2, 0.3], 1.0, id="same-order"),
        pytest.param([1, 2, 3], [0.3, 0.2, 0.1], -1.0, id="opposite-order"),
        pytest.param([1, 2, 3, 4], [0.2, 0.1, 0.4, 0.3], 0.6, id="by-hand"),
        pytest.param([1, 1, 2], [0.1, 0.2, 0.3], math.sqrt(3) / 2, id="ties-share-a-rank"),
        pytest.param([1, np.nan, 3, 2], [0.1, 9.0, 0.3, np.nan], 1.0, id="only-pairs-count"),
        pytest.param([5, 5, 5], [0.1, 0.2, 0.3], 0.0, id="equal-scores-tell-nothing"),
        pytest.param([1, 2, 3], [0.1, 0.1, 0.1], np.nan, id="nothing-to-order"),
        pytest.param([1, np.nan, np.nan], [0.1, 0.2, 0.3], np.nan, id="one-pair"),
    ],
)
def test_coefficients_by_hand(scores: list[float], outcomes: list[float], expected: float) -> None:
    found = rank_ic(np.array([scores], dtype=float), np.array([outcomes], dtype=float))
    assert found == pytest.approx([expected], nan_ok=True)


def test_shapes_must_agree() -> None:
    with pytest.raises(InvalidInput, match="do not fit"):
        rank_ic(np.zeros((2, 3)), np.zeros((2, 4)))


def test_the_long_run_variance_by_hand() -> None:
    values = np.array([1.0, 2.0, 4.0, 3.0])  # mean 2.5, centred −1.5, −0.5, 1.5, 0.5
    variance, one, two = 5.0 / 4.0, (0.75 - 0.75 + 0.75) / 4.0, (-2.25 - 0.25) / 4.0
    assert long_run_variance(values, 0) == pytest.approx(variance)
    assert long_run_variance(values, 1) == pytest.approx(variance + 2.0 * one)  # Hansen and Hodrick, the larger one
    tapered = variance + 2.0 * (2.0 / 3.0 * one + 1.0 / 3.0 * two)  # Newey and West, the larger one
    assert long_run_variance(values, 2) == pytest.approx(tapered)


def test_without_overlap_the_interval_is_students() -> None:
    values = np.random.default_rng(0).normal(0.02, 0.2, 400)
    found = mean_interval(values, 1)
    half = student.ppf(0.975, 399) * np.std(values, ddof=1) / 20.0
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half))
    assert (found.observations, found.effective_observations) == (400, 400)


def _overlapping(count: int, series: int, horizon: int) -> np.ndarray:
    """Return many series of overlapping sums whose true mean is 0."""
    sums = np.cumsum(np.random.default_rng(1).normal(size=(count + horizon, series)), axis=0)
    return sums[horizon:] - sums[:-horizon]


@pytest.mark.parametrize("count", [500, 2000])
def test_the_interval_covers_the_true_mean_of_overlapping_values(count: int) -> None:
    """A 95 % interval that took neighbours for independent would cover about 30 % here."""
    found = [mean_interval(each, 21) for each in _overlapping(count, 600, 21).T]
    covered = np.mean([each.low <= 0.0 <= each.high for each in found])
    assert 0.92 <= covered <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("count", [90, 250, 2000])
def test_what_has_no_effect_seldom_seems_to_have_one(count: int) -> None:
    """The rule of promotion asks for a lower bound above zero; 1 of 40 is nominal, also where horizons are few."""
    found = [mean_interval(each, 21).low > 0.0 for each in _overlapping(count, 2000, 21).T]
    assert np.mean(found) <= 0.042


def test_only_whole_horizons_count_as_apart() -> None:
    assert mean_interval(np.arange(90.0), 21).effective_observations == 4
    assert mean_interval(np.arange(83.0), 21).effective_observations == 3


def test_the_interval_is_wider_the_more_values_overlap() -> None:
    values = _overlapping(1000, 1, 10)[:, 0]
    widths = [found.high - found.low for found in (mean_interval(values, horizon) for horizon in (1, 5, 10))]
    assert widths == sorted(widths)


@pytest.mark.parametrize("values", [[0.1], [0.1] * 10])
def test_too_few_values_bound_nothing(values: list[float]) -> None:
    found = mean_interval(np.array(values), 10)
    assert found.mean == pytest.approx(0.1)
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_missing_values_are_left_out() -> None:
    assert mean_interval(np.array([0.1, np.nan, 0.3]), 1).mean == pytest.approx(0.2)
    empty = mean_interval(np.array([np.nan]), 1)
    assert math.isnan(empty.mean)
    assert empty.observations == 0


@pytest.mark.parametrize(("horizon", "confidence"), [(0, 0.95), (5, 1.0), (5, 0.0)])
def test_an_impossible_interval_is_refused(horizon: int, confidence: float) -> None:
    with pytest.raises(InvalidInput, match="no interval"):
        mean_interval(np.zeros(10), horizon, confidence)
