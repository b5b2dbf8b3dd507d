"""Indicators equal published and hand-worked tables, and what pandas computes, and pass over missing prices as said."""

import numpy as np
import pandas as pd
import pytest

from investlab.backtest.indicators import (
    convergence_divergence,
    exponential_average,
    highest_before,
    mark_switches,
    mean_and_deviation,
    relative_strength,
    sample_deviation,
)

NAN = float("nan")

# StockCharts ChartSchool, "Relative Strength Index", the sheet of 14-day values for QQQQ.
QQQQ = [
    44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245, 45.8433, 46.0826, 45.8931,
    46.0328, 45.6140, 46.2820, 46.2820, 46.0028, 46.0328, 46.4116, 46.2222, 45.6439, 46.2122, 46.2521,
    45.7137, 46.4515, 45.7835, 45.3548, 44.0288, 44.1783, 44.2181, 44.5672, 43.4205, 42.6628, 43.1314,
]  # fmt: skip
QQQQ_STRENGTH = [
    70.53, 66.32, 66.55, 69.41, 66.36, 57.97, 62.93, 63.26, 56.06, 62.38, 54.71, 50.42, 39.99, 41.46, 41.87, 45.46,
    37.30, 33.08, 37.77,
]  # fmt: skip


def random_closes(missing: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(11)
    closes = 50.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, 400)))
    return np.where(rng.random(400) < missing, NAN, closes)


def assert_close(found: np.ndarray, expected: object) -> None:
    np.testing.assert_allclose(found, np.asarray(expected, dtype=np.float64), rtol=1e-12, atol=1e-12)


def test_exponential_average_by_hand() -> None:
    """A window of 3 has α = 1/2: 10; (12 + 10)/2 = 11; (8 + 11)/2 = 9.5; (16 + 9.5)/2 = 12.75."""
    assert_close(exponential_average(np.array([10.0, 12.0, 8.0, 16.0]), 3), [NAN, NAN, 9.5, 12.75])


def test_exponential_average_passes_over_missing_values() -> None:
    assert_close(exponential_average(np.array([NAN, 10.0, NAN, 12.0, 8.0]), 3), [NAN, NAN, NAN, NAN, 9.5])


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_exponential_average_is_that_of_pandas(missing: float) -> None:
    closes = pd.Series(random_closes(missing))
    expected = closes.ewm(span=12, adjust=False, ignore_na=True, min_periods=12).mean()
    assert_close(exponential_average(closes.to_numpy(), 12), expected.where(closes.notna()))


def test_macd_by_hand() -> None:
    """Windows 1 and 3: line = close − average = 0, 1, −1.5, 3.25, known from the third; signal of 2 has α = 2/3."""
    line, signal = convergence_divergence(np.array([10.0, 12.0, 8.0, 16.0]), 1, 3, 2)
    assert_close(line, [NAN, NAN, -1.5, 3.25])
    assert_close(signal, [NAN, NAN, NAN, 2 / 3 * 3.25 - 1 / 3 * 1.5])


def test_macd_is_that_of_pandas() -> None:
    closes = pd.Series(random_closes())
    fast, slow = (closes.ewm(span=span, adjust=False, min_periods=span).mean() for span in (12, 26))
    expected = fast - slow
    line, signal = convergence_divergence(closes.to_numpy(), 12, 26, 9)
    assert_close(line, expected)
    assert_close(signal, expected.ewm(span=9, adjust=False, min_periods=9).mean())


def test_relative_strength_of_the_published_example() -> None:
    found = relative_strength(np.array(QQQQ), 14)
    assert np.isnan(found[:14]).all()
    assert np.round(found[14:], 2).tolist() == QQQQ_STRENGTH


def test_relative_strength_by_hand() -> None:
    """Window 2; gains 2, 0, 3 and losses 0, 1, 0: U, D = 1, 0.5 then 2, 0.25: 100·1/1.5 and 100·2/2.25."""
    assert_close(relative_strength(np.array([10.0, 12.0, 11.0, 14.0]), 2), [NAN, NAN, 200 / 3, 800 / 9])


@pytest.mark.parametrize(
    ("closes", "expected"),
    [
        pytest.param([10.0, 11.0, 12.0], 100.0, id="only-gains"),
        pytest.param([12.0, 11.0, 10.0], 0.0, id="only-losses"),
        pytest.param([10.0, 10.0, 10.0], 50.0, id="nothing-moved"),
        pytest.param([10.0, 10.0 * (1 + 1e-10), 10.0], 50.0, id="rounding-is-no-move"),
    ],
)
def test_relative_strength_at_its_ends(closes: list[float], expected: float) -> None:
    assert relative_strength(np.array(closes), 2)[2] == expected


def test_relative_strength_passes_over_missing_prices() -> None:
    whole = relative_strength(np.array([10.0, 12.0, 11.0, 14.0]), 2)
    found = relative_strength(np.array([NAN, 10.0, 12.0, NAN, 11.0, 14.0]), 2)
    assert_close(found, [NAN, NAN, NAN, NAN, *whole[2:]])


def test_relative_strength_is_wilders_smoothing_in_pandas() -> None:
    closes = pd.Series(random_closes())
    change = closes.diff()
    sides = []
    for moved in (change.clip(lower=0.0), (-change).clip(lower=0.0)):
        seeded = moved.copy()
        seeded.iloc[14] = moved.iloc[1:15].mean()
        sides.append(seeded.iloc[14:].ewm(alpha=1 / 14, adjust=False).mean())
    expected = 100.0 - 100.0 / (1.0 + sides[0] / sides[1])
    assert_close(relative_strength(closes.to_numpy(), 14), expected.reindex(closes.index))


def test_mean_and_deviation_by_hand() -> None:
    """The textbook set 2, 4, 4, 4, 5, 5, 7, 9 has mean 5 and population deviation 2."""
    means, deviations = mean_and_deviation(np.array([2.0, 4, 4, 4, 5, 5, 7, 9]), 8)
    assert (means[-1], deviations[-1]) == (5.0, 2.0)
    assert np.isnan(means[:-1]).all()


def test_mean_and_deviation_are_those_of_pandas() -> None:
    closes = pd.Series(random_closes(0.02))
    means, deviations = mean_and_deviation(closes.to_numpy(), 20)
    windows = np.lib.stride_tricks.sliding_window_view(closes.to_numpy(), 20)
    assert_close(means[19:], windows.mean(axis=1))
    assert_close(deviations[19:], windows.std(axis=1))
    assert_close(means, closes.rolling(20).mean())


def test_the_deviation_does_not_drift() -> None:
    _, deviations = mean_and_deviation(np.array([1e9, *[9.7] * 30]), 20)
    assert deviations[-1] < 1e-14


def test_highest_before_leaves_the_session_out() -> None:
    assert_close(highest_before(np.array([1.0, 3.0, 2.0, 9.0, 1.0]), 2), [NAN, NAN, 3.0, 3.0, 9.0])


def test_highest_before_is_that_of_pandas() -> None:
    closes = pd.Series(random_closes(0.02))
    assert_close(highest_before(closes.to_numpy(), 20), closes.rolling(20).max().shift(1))


def test_sample_deviation_is_that_of_numpy() -> None:
    closes = random_closes()
    assert sample_deviation(closes) == pytest.approx(closes.std(ddof=1), rel=1e-12)


@pytest.mark.parametrize(
    ("states", "from_start", "entries", "exits"),
    [
        pytest.param("+..+-.-+", True, [0, 7], [4], id="the-first-entry-counts"),
        pytest.param("+..+-.-+", False, [7], [4], id="the-first-state-is-no-change"),
        pytest.param("-.-+", True, [3], [], id="nothing-to-leave"),
        pytest.param("-.+-", False, [2], [3], id="from-below"),
    ],
)
def test_switches(states: str, from_start: bool, entries: list[int], exits: list[int]) -> None:
    enter, leave = (np.array([[state == sign for state in states]]) for sign in "+-")
    found = mark_switches(enter, leave, from_start)
    assert [np.flatnonzero(one[0]).tolist() for one in found] == [entries, exits]
