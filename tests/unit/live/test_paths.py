"""Synthetic paths stay inside their bar, begin at its open and end at its close."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from investlab.core.errors import InvalidInput
from investlab.live.paths import bar_path

Bar = tuple[float, float, float, float]


@st.composite
def bars(draw: st.DrawFn) -> Bar:
    """Draw a bar (open, high, low, close), flat ones and ones that open or close at an extreme among them."""
    low, high = sorted(draw(st.lists(st.floats(0.01, 1e5), min_size=2, max_size=2)))
    inside = st.sampled_from([low, high]) | st.floats(low, high)
    return draw(inside), high, low, draw(inside)


@given(bars(), st.integers(2, 40), st.integers(0, 2**48))
def test_a_path_never_leaves_its_bar(bar: Bar, points: int, seed: int) -> None:
    opened, high, low, close = bar
    path = bar_path(bar, points, seed)
    assert len(path) == points
    assert path.min() >= low
    assert path.max() <= high
    assert path[0] == opened
    assert path[-1] == close


@given(bars(), st.integers(4, 40), st.integers(0, 2**48))
def test_a_path_visits_high_and_low(bar: Bar, points: int, seed: int) -> None:
    path = bar_path(bar, points, seed)
    assert bar[1] in path
    assert bar[2] in path


@given(bars(), st.integers(2, 40), st.integers(0, 2**48))
def test_the_same_seed_gives_the_same_bits(bar: Bar, points: int, seed: int) -> None:
    assert bar_path(bar, points, seed).tobytes() == bar_path(bar, points, seed).tobytes()


def test_another_seed_gives_another_path() -> None:
    bar = (10.0, 12.0, 9.0, 11.0)
    assert not np.array_equal(bar_path(bar, 12, 1), bar_path(bar, 12, 2))


@pytest.mark.parametrize(
    "bar",
    [
        pytest.param((10.0, 9.0, 8.0, 8.5), id="open-above-high"),
        pytest.param((10.0, 12.0, 9.0, 8.0), id="close-below-low"),
        pytest.param((float("nan"), 12.0, 9.0, 10.0), id="missing-price"),
        pytest.param((0.0, 1.0, 0.0, 1.0), id="zero"),
    ],
)
def test_what_is_no_bar_is_refused(bar: Bar) -> None:
    with pytest.raises(InvalidInput, match="no bar"):
        bar_path(bar, 5, 0)


def test_a_path_of_one_point_is_refused() -> None:
    with pytest.raises(InvalidInput, match="1 points"):
        bar_path((1.0, 1.0, 1.0, 1.0), 1, 0)
