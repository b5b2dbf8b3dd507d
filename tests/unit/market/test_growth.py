"""Scaling by actions: equal to the bit to factors laid out over the whole panel."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from investlab.market.adjustment import action_factors, adjust_panel, point_in_time_prices
from investlab.market.panel import PricePanel
from investlab.schemas.market import Adjust, PriceBasis
from tests.support.panels import examples, random_panel


def dense_factors(panel: PricePanel, *, dividends: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the split ratio and the factor of every session and column, one instrument and action at a time."""
    close, actions = panel.values("close"), panel.actions
    splits = np.ones(panel.shape)
    splits[actions.session, actions.column] = actions.split_ratio
    factors = splits.copy()
    for session, column, ratio, dividend in zip(
        actions.session, actions.column, actions.split_ratio, actions.dividend, strict=True
    ):
        known = np.flatnonzero(~np.isnan(close[:session, column]))
        if dividends and dividend > 0 and len(known):
            cum = close[known[-1], column] / splits[known[-1] + 1 : session + 1, column].prod()
            factors[session, column] = ratio / (1.0 - dividend / cum)
    return splits, factors


@given(seed=st.integers(0, 10_000), actions=st.integers(0, 40), instruments=st.integers(1, 4))
@examples(40)
def test_prices_are_scaled_as_by_dense_factors(seed: int, actions: int, instruments: int) -> None:
    panel = random_panel(seed, sessions=60, instruments=instruments, missing=0.2, actions=actions)
    for adjust in (Adjust.SPLITS, Adjust.ALL):
        splits, factors = dense_factors(panel, dividends=adjust is Adjust.ALL)
        total = np.cumprod(factors, axis=0)
        expected = panel.values("close") * (total / total[-1])
        np.testing.assert_array_equal(adjust_panel(panel, adjust).values("close"), expected)
    np.testing.assert_array_equal(point_in_time_prices(panel), panel.values("close") * total)
    np.testing.assert_array_equal(action_factors(panel), factors)
    later = np.cumprod(splits, axis=0)
    paid = panel.actions.dividend > 0
    at = panel.actions.session[paid], panel.actions.column[paid]
    restated = adjust_panel(panel, Adjust.SPLITS).actions
    np.testing.assert_array_equal(restated.dividend, panel.actions.dividend[paid] * (later / later[-1])[at])


def test_volume_counts_the_shares_after_later_splits() -> None:
    panel = random_panel(1, sessions=4, instruments=1, actions=0)
    split = PricePanel.from_frames(
        close=panel.close,
        volume=panel.close * 0 + 100,
        basis="raw",
        actions=panel.close.iloc[[2]].assign(ex_date=panel.index[2], symbol="S0", kind="split", value=4.0),
    )
    adjusted = adjust_panel(split, Adjust.SPLITS)
    assert adjusted.values("volume")[:, 0].tolist() == [400.0, 400.0, 100.0, 100.0]
    assert adjusted.basis is PriceBasis.SPLIT_ADJUSTED
