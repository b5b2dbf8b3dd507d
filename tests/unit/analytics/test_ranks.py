"""Ranks agree with scipy, ties and missing values included."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from investlab.analytics.ranks import average_ranks, scaled_ranks
from tests.support.panels import examples

VALUES = st.lists(st.sampled_from([0.0, -0.0, 1.0, -1.5, 2.0, np.nan]) | st.floats(-5, 5), min_size=4, max_size=4)


@given(st.lists(VALUES, min_size=1, max_size=5))
@examples(60)
def test_ranks_match_scipy(rows: list[list[float]]) -> None:
    values = np.array(rows)
    expected = rankdata(values, axis=1, nan_policy="omit")
    assert np.array_equal(average_ranks(values), expected, equal_nan=True)


def test_scaled_ranks_by_hand() -> None:
    values = np.array([[3.0, 1.0, 2.0], [5.0, 5.0, np.nan], [np.nan, 7.0, np.nan], [np.nan] * 3])
    expected = np.array([[0.5, -0.5, 0.0], [0.0, 0.0, np.nan], [np.nan, 0.0, np.nan], [np.nan] * 3])
    assert np.array_equal(scaled_ranks(values), expected, equal_nan=True)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_nothing_has_no_ranks(shape: tuple[int, int]) -> None:
    assert average_ranks(np.zeros(shape)).shape == shape
