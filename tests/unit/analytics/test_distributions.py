"""Histograms: bins of one width that follow from the returns, every return counted once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from investlab.analytics.distributions import MOST_BINS, histogram
from investlab.core.errors import InvalidInput
from tests.support.panels import examples

RETURNS = st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=300)


def test_bins_are_those_of_freedman_and_diaconis() -> None:
    """Worked by hand: −0.03 … 0.03 evenly, 1,000 returns: interquartile range 0.03, width 2 × 0.03 ÷ 10 = 0.006."""
    found = histogram(np.linspace(-0.03, 0.03, 1000))
    np.testing.assert_allclose(np.diff(found.edges), 0.006, rtol=1e-9)
    np.testing.assert_allclose([found.edges[0], found.edges[-1]], [-0.030, 0.030], atol=1e-12)
    assert found.counts.tolist() == [100] * 10


@given(RETURNS)
@examples(60)
def test_every_return_is_counted_once(returns: list[float]) -> None:
    found = histogram(np.array(returns))
    assert found.counts.sum() == len(returns)


@given(RETURNS)
@examples(60)
def test_bins_are_few_and_none_mixes_gains_with_losses(returns: list[float]) -> None:
    found = histogram(np.array(returns))
    assert 1 <= len(found.counts) <= MOST_BINS
    if found.edges[0] < 0 < found.edges[-1]:
        assert np.abs(found.edges).min() < 1e-12


def test_what_lies_beyond_is_in_the_outermost_bins_and_told() -> None:
    calm = np.linspace(-0.01, 0.01, 1000)
    found = histogram(np.concatenate([calm, [-0.5, 0.4, 0.3]]))
    assert found.edges[0] > -0.02
    assert (found.below, found.above) == (1, 2)
    assert found.counts.sum() == 1003


def test_returns_that_do_not_vary_have_bins() -> None:
    found = histogram(np.zeros(10))
    assert found.counts.sum() == 10
    assert (np.diff(found.edges) > 0).all()


def test_no_returns_have_none() -> None:
    with pytest.raises(InvalidInput, match="no return"):
        histogram(np.array([]))
