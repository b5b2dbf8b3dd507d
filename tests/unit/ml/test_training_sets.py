"""Training sets hold what was known and what came after it, and nothing beyond the panel."""

import numpy as np
import pytest

from investlab.core.errors import InvalidInput, MixedData
from investlab.features.matrix import build_features
from investlab.ml.training_sets import TrainingSet, build_training_set, forward_returns
from tests.support.panels import make_panel, random_panel, until, with_another_future


def _set(horizon: int = 4, missing: float = 0.0) -> TrainingSet:
    panel = random_panel(0, sessions=60, instruments=4, missing=missing, basis="total_return")
    return build_training_set(panel, build_features(panel, ["return_5", "return_21"]), horizon)


def test_forward_returns_by_hand() -> None:
    panel = make_panel({"A": [10.0, 11.0, 12.0, 9.0], "B": [5.0, np.nan, 6.0, 7.0]}, basis="total_return")
    found = forward_returns(panel, 2)
    assert found[:, 0] == pytest.approx([0.2, 9.0 / 11.0 - 1.0, np.nan, np.nan], nan_ok=True)
    assert found[:, 1] == pytest.approx([0.2, np.nan, np.nan, np.nan], nan_ok=True)


def test_forward_returns_count_splits_and_dividends() -> None:
    panel = make_panel({"A": [10.0, 10.0, 5.0, 4.5]}, actions=[(2, "A", "split", 2.0), (3, "A", "dividend", 0.5)])
    assert forward_returns(panel, 3)[0, 0] == pytest.approx(0.0)


def test_a_forward_return_beyond_the_panel_is_unknown() -> None:
    panel = random_panel(1, sessions=30)
    assert np.isnan(forward_returns(panel, 30)).all()
    assert np.isnan(forward_returns(panel, 21)[9:]).all()
    assert not np.isnan(forward_returns(panel, 21)[:9]).any()


@pytest.mark.parametrize("cut", [20, 40])
def test_what_came_later_than_a_forward_return_does_not_change_it(cut: int) -> None:
    panel = random_panel(2, sessions=60, actions=8)
    for other in (with_another_future(panel, cut), until(panel, cut)):
        known = cut + 1 - 5
        assert np.array_equal(forward_returns(other, 5)[:known], forward_returns(panel, 5)[:known])


def test_labelled_sessions_end_where_outcomes_do() -> None:
    assert _set(horizon=4).labelled_sessions() == range(21, 56)


def test_rows_are_complete_and_grouped_by_session() -> None:
    given = _set(missing=0.02)
    rows = given.rows(range(21, 56, 5))
    assert rows.features.shape == (rows.groups.sum(), 2)
    assert np.isfinite(rows.features).all()
    assert np.isfinite(rows.forward_returns).all()
    assert (rows.groups >= 1).all()
    kept = given.usable[21] & ~np.isnan(given.forward_returns[21])
    assert np.array_equal(rows.features[: rows.groups[0]], given.features[21][kept])


def test_features_of_another_panel_are_refused() -> None:
    one, two = random_panel(0), random_panel(1)
    with pytest.raises(MixedData, match="another|not of"):
        build_training_set(one, build_features(two, ["return_5"]), 5)


def test_what_has_nothing_to_order_is_refused() -> None:
    single = random_panel(0, sessions=60, instruments=1)
    with pytest.raises(InvalidInput, match="two instruments"):
        build_training_set(single, build_features(single, ["return_5"]), 5).labelled_sessions()
    with pytest.raises(InvalidInput, match="nothing to learn"):
        _set().rows(range(5))
    with pytest.raises(InvalidInput, match="horizon_sessions is 0"):
        forward_returns(single, 0)
