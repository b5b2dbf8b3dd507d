"""Attribution: linked by hand over two sessions, and parts that sum to the whole whatever happened."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from investlab.analytics.attribution import Attribution, Holdings, Linking, attribute, linked_contributions
from investlab.core.errors import InvalidInput
from tests.support.panels import examples

DAYS = pd.date_range("2023-01-02", periods=2)
TEN_THEN_TWENTY = pd.DataFrame({"A": [6.0, 22.0], "B": [4.0, 0.0]}, DAYS)
"""100 grows by 10 % (6 % and 4 %), then by 20 % (20 % and 0 %)."""


def _holdings() -> Holdings:
    """60 of A and 40 of B bought at once for a cost of 1, then A gains 12, B loses 2 and pays 3."""
    fills = pd.DataFrame(
        {
            "session": DAYS[[0, 0]],
            "symbol": ["A", "B"],
            "side": ["buy", "buy"],
            "quantity": [6.0, 4.0],
            "reference_price": [10.0, 10.0],
            "commission": [0.5, 0.25],
            "slippage_cost": [0.25, 0.0],
        }
    )
    values = pd.DataFrame({"A": [60.0, 72.0], "B": [40.0, 38.0], "C": [0.0, 0.0]}, DAYS)
    return Holdings(pd.Series([119.0, 132.0], DAYS), pd.Series([0.0, 3.0], DAYS), values, fills, 120.0)


def test_carino_by_hand() -> None:
    """k₁ = ln 1.1 ÷ 0.1, k₂ = ln 1.2 ÷ 0.2, K = ln 1.32 ÷ 0.32."""
    k1, k2, whole = np.log(1.1) / 0.1, np.log(1.2) / 0.2, np.log(1.32) / 0.32
    linked = linked_contributions(TEN_THEN_TWENTY, 100.0)
    assert linked["A"] == pytest.approx((0.06 * k1 + 0.2 * k2) / whole)
    assert linked["B"] == pytest.approx(0.04 * k1 / whole)
    assert linked.sum() == pytest.approx(0.32)


def test_frongello_by_hand() -> None:
    linked = linked_contributions(TEN_THEN_TWENTY, 100.0, "frongello")
    assert linked.tolist() == pytest.approx([0.06 + 1.1 * 0.2, 0.04])


def test_carino_gives_equal_sessions_equal_parts() -> None:
    """Ten per cent from A, then ten per cent from B: alike, though B's came on a higher value."""
    parts = pd.DataFrame({"A": [10.0, 0.0], "B": [0.0, 11.0]}, DAYS)
    assert linked_contributions(parts, 100.0).tolist() == pytest.approx([0.105, 0.105])


def test_profit_and_loss_by_hand() -> None:
    table = attribute(_holdings(), {"A": "energy", "B": ""}).by_instrument
    assert table["pnl"].to_dict() == pytest.approx({"A": 12.0, "B": -2.0, "costs": -1.0, "income": 3.0, "other": 0.0})


def test_sectors_gather_instruments_and_leave_cash_apart() -> None:
    table = attribute(_holdings(), {"A": "energy", "B": ""}, "frongello").by_sector
    assert table.index.tolist() == ["energy", "unknown", "costs", "income", "other"]
    assert table["contribution"].tolist() == pytest.approx([0.1, -2 / 120, -1 / 120, 3 / 120, 0.0])


def test_cash_that_nothing_explains_is_other() -> None:
    whole = _holdings()
    paid = Holdings(whole.nav - [0.0, 5.0], whole.income, whole.values, whole.fills, whole.initial_value)
    assert attribute(paid, {}).by_instrument.loc["other", "pnl"] == pytest.approx(-5.0)


@pytest.mark.parametrize("method", list(Linking))
def test_both_tables_sum_to_the_whole(method: Linking) -> None:
    told: Attribution = attribute(_holdings(), {"A": "energy"}, method)
    for table in (told.by_instrument, told.by_sector):
        assert table["pnl"].sum() == pytest.approx(12.0, abs=1e-12)
        assert table["contribution"].sum() == pytest.approx(told.total_return, abs=1e-12)


@given(
    st.lists(st.lists(st.floats(-0.2, 0.3), min_size=3, max_size=3), min_size=1, max_size=60),
    st.sampled_from(list(Linking)),
)
@examples(100)
def test_linked_parts_sum_to_the_compounded_return(rows: list[list[float]], method: Linking) -> None:
    contributions = np.array(rows)
    growth = np.cumprod(1.0 + contributions.sum(axis=1))
    before = np.concatenate(([1.0], growth[:-1]))
    linked = linked_contributions(pd.DataFrame(contributions * before[:, np.newaxis]), 1.0, method)
    np.testing.assert_allclose(linked.sum(), growth[-1] - 1.0, rtol=1e-12, atol=1e-12)


def test_logarithms_need_something_left() -> None:
    ruined = pd.DataFrame({"A": [-100.0]}, DAYS[:1])
    with pytest.raises(InvalidInput, match="frongello"):
        linked_contributions(ruined, 100.0)
    assert linked_contributions(ruined, 100.0, Linking.FRONGELLO).tolist() == [-1.0]


def test_an_unknown_linking_is_refused() -> None:
    with pytest.raises(InvalidInput, match="carino"):
        linked_contributions(TEN_THEN_TWENTY, 100.0, "guess")
