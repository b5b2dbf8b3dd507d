"""Adjusted prices: forward for signals, backward for people, and the same returns either way."""

import numpy as np
import pytest
from hypothesis import given

from investlab.core.errors import InvalidInput
from investlab.market.adjustment import adjust_panel, point_in_time_prices
from investlab.market.panel import PricePanel
from investlab.schemas.market import Adjust, PriceBasis
from tests.support.panels import examples, make_panel, panels, random_panel, until

NAN = float("nan")


def test_point_in_time_prices_scale_later_sessions_up() -> None:
    panel = make_panel({"A": [10, 12, 6, 7]}, actions=[(2, "A", "split", 2.0)])
    assert point_in_time_prices(panel)[:, 0].tolist() == [10.0, 12.0, 12.0, 14.0]


def test_a_dividend_grows_the_adjusted_price_by_its_share_of_the_last_close() -> None:
    panel = make_panel({"A": [10, 10, 9.5]}, actions=[(2, "A", "dividend", 0.5)])
    assert point_in_time_prices(panel)[:, 0].tolist() == pytest.approx([10.0, 10.0, 9.5 / 0.95])


def test_a_dividend_on_the_day_of_a_split_is_measured_in_new_shares() -> None:
    panel = make_panel({"A": [10, 10, 4.75]}, actions=[(2, "A", "split", 2.0), (2, "A", "dividend", 0.25)])
    assert point_in_time_prices(panel)[:, 0].tolist() == pytest.approx([10.0, 10.0, 4.75 * 2 / 0.95])


def test_a_dividend_after_a_split_without_a_close_between_is_measured_in_new_shares() -> None:
    panel = make_panel({"A": [10, 10, NAN, 4.75]}, actions=[(2, "A", "split", 2.0), (3, "A", "dividend", 0.25)])
    assert point_in_time_prices(panel)[-1, 0] == pytest.approx(4.75 * 2 / 0.95)


def test_a_dividend_before_the_first_close_changes_nothing() -> None:
    panel = make_panel({"A": [NAN, NAN, 10]}, actions=[(1, "A", "dividend", 0.5)])
    assert point_in_time_prices(panel)[-1, 0] == 10.0


def test_a_dividend_larger_than_the_price_is_refused() -> None:
    panel = make_panel({"A": [10, 10, 10]}, actions=[(2, "A", "dividend", 10.0)])
    with pytest.raises(InvalidInput, match="dividend 10.0 of A exceeds its last close 10.0"):
        point_in_time_prices(panel)


@given(panels())
@examples(40)
def test_point_in_time_prices_know_nothing_of_later_actions(panel: PricePanel) -> None:
    whole = point_in_time_prices(panel)
    for cut in range(panel.shape[0]):
        assert np.array_equal(point_in_time_prices(until(panel, cut)), whole[: cut + 1], equal_nan=True)


def test_without_actions_prices_are_the_panels_own() -> None:
    panel = random_panel(0, sessions=10)
    assert point_in_time_prices(panel, "open") is panel.values("open")


def test_adjusting_for_nothing_is_the_panel_itself() -> None:
    panel = random_panel(0, sessions=10, actions=3)
    assert adjust_panel(panel, Adjust.NONE) is panel


def test_adjusting_for_splits_keeps_the_last_price_and_restates_dividends() -> None:
    panel = make_panel({"A": [20, 20, 19, 9.5]}, actions=[(2, "A", "dividend", 1.0), (3, "A", "split", 2.0)])
    adjusted = adjust_panel(panel, Adjust.SPLITS)
    assert adjusted.basis is PriceBasis.SPLIT_ADJUSTED
    assert adjusted.values("close")[:, 0].tolist() == [10.0, 10.0, 9.5, 9.5]
    assert adjusted.actions.dividend.tolist() == [0.5]
    assert adjusted.actions.split_ratio.tolist() == [1.0]
    assert adjusted.id != panel.id


def test_adjusting_for_all_keeps_the_last_price_and_no_actions() -> None:
    panel = make_panel({"A": [20, 20, 19, 9.5]}, actions=[(2, "A", "dividend", 1.0), (3, "A", "split", 2.0)])
    adjusted = adjust_panel(panel, Adjust.ALL)
    assert adjusted.basis is PriceBasis.TOTAL_RETURN
    assert adjusted.values("close")[:, 0].tolist() == pytest.approx([9.5, 9.5, 9.5, 9.5])
    assert len(adjusted.actions) == 0


@given(panels(basis="raw"))
@examples(40)
def test_backward_and_forward_adjustment_differ_by_one_constant_for_each_instrument(panel: PricePanel) -> None:
    forward = point_in_time_prices(panel)
    backward = adjust_panel(panel, Adjust.ALL).values("close")
    for column in range(panel.shape[1]):
        ratio = forward[:, column] / backward[:, column]
        known = ratio[~np.isnan(ratio)]
        np.testing.assert_allclose(known, known[:1].repeat(len(known)), rtol=1e-12)


def test_splits_cannot_be_taken_out_of_total_returns() -> None:
    panel = make_panel({"A": [10, 11]}, basis="total_return")
    with pytest.raises(InvalidInput, match="splits alone cannot be taken out"):
        adjust_panel(panel, Adjust.SPLITS)
    assert adjust_panel(panel, Adjust.ALL) is panel
