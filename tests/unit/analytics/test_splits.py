"""No training label reaches into a test block, and every later session is tested once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from investlab.analytics.splits import purged_walk_forward
from investlab.core.errors import InvalidInput
from tests.support.panels import examples


@given(st.data())
@examples(60)
def test_no_training_label_overlaps_a_test_session(data: st.DataObject) -> None:
    folds, horizon = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 30))
    embargo = data.draw(st.integers(0, 10))
    first = data.draw(st.integers(0, 300))
    count = (horizon + embargo + 1) * (folds + 1) + data.draw(st.integers(0, 100))
    sessions = range(first, first + count)
    split = purged_walk_forward(sessions, folds=folds, horizon_sessions=horizon, embargo_sessions=embargo)
    assert len(split) == folds
    for fold in split:
        assert fold.train
        assert fold.train.start == first
        # The label of a session spans it and the `horizon` sessions after it.
        assert fold.train[-1] + horizon + embargo == fold.test[0] - 1
    tested = [position for fold in split for position in fold.test]
    assert tested == list(range(split[0].test[0], sessions.stop))


def test_a_split_by_hand() -> None:
    one, two = purged_walk_forward(range(10, 41), folds=2, horizon_sessions=3)
    assert (one.train, one.test) == (range(10, 17), range(20, 30))
    assert (two.train, two.test) == (range(10, 27), range(30, 41))


@pytest.mark.parametrize(
    ("count", "folds", "horizon", "embargo"),
    [(100, 0, 5, 0), (100, 2, 0, 0), (100, 2, 5, -1), (17, 2, 5, 0), (20, 2, 5, 2), (0, 1, 1, 0)],
)
def test_what_cannot_be_split_is_refused(count: int, folds: int, horizon: int, embargo: int) -> None:
    with pytest.raises(InvalidInput, match=r"No split|too few"):
        purged_walk_forward(range(count), folds=folds, horizon_sessions=horizon, embargo_sessions=embargo)


def test_the_fewest_sessions_named_are_enough() -> None:
    with pytest.raises(InvalidInput, match="18 are needed"):
        purged_walk_forward(range(17), folds=2, horizon_sessions=5)
    assert purged_walk_forward(range(18), folds=2, horizon_sessions=5)[0].train == range(1)


def test_positions_have_no_gaps() -> None:
    with pytest.raises(InvalidInput, match="No split"):
        purged_walk_forward(range(0, 100, 2), folds=2, horizon_sessions=5)
