"""Drawdowns, calendar returns, exposure, turnover and costs as tables, worked by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from investlab.analytics.calendar_returns import monthly_returns
from investlab.analytics.drawdown_table import drawdown_table
from investlab.analytics.drawdowns import drawdowns, max_drawdown
from investlab.analytics.exposures import cost_breakdown, exposures, turnover
from investlab.analytics.returns import simple_returns
from investlab.core.errors import InvalidInput
from tests.support.panels import examples

NAVS = st.lists(st.sampled_from([1.0, 2.0, 3.0]) | st.floats(0.5, 200.0), min_size=2, max_size=40).map(np.array)
DAYS = pd.date_range("2023-01-02", periods=8)


def _nav(values: list[float] | np.ndarray) -> pd.Series:
    return pd.Series(values, index=pd.date_range("2022-11-25", periods=len(values)), dtype=float)


def test_drawdowns_by_hand() -> None:
    nav = pd.Series([100.0, 90.0, 95.0, 100.0, 200.0, 150.0, 100.0, 120.0], DAYS)
    table = drawdown_table(nav)
    assert table["depth"].tolist() == pytest.approx([-0.5, -0.1])
    assert table["peak"].tolist() == [DAYS[4], DAYS[0]]
    assert table["start"].tolist() == [DAYS[5], DAYS[1]]
    assert table["trough"].tolist() == [DAYS[6], DAYS[1]]
    assert pd.isna(table["recovery"][0])
    assert table["recovery"][1] == DAYS[3]
    assert table["sessions_to_trough"].tolist() == [2, 1]
    assert table["sessions_under_water"].tolist() == [3, 2]
    assert len(drawdown_table(nav, deepest=1)) == 1


def test_a_drawdown_from_before_the_first_session_has_no_peak_session() -> None:
    table = drawdown_table(pd.Series([99.0, 101.0], DAYS[:2]), 100.0)
    assert pd.isna(table["peak"][0])
    assert (table["start"][0], table["recovery"][0]) == (DAYS[0], DAYS[1])


def test_no_drawdown_is_an_empty_table_with_dates() -> None:
    table = drawdown_table(pd.Series([1.0, 2.0], DAYS[:2]))
    assert table.empty
    assert table["recovery"].dtype == DAYS.dtype


def test_a_gap_is_refused() -> None:
    with pytest.raises(InvalidInput, match="gaps"):
        drawdown_table(pd.Series([1.0, np.nan], DAYS[:2]))


@given(NAVS)
@examples(80)
def test_the_deepest_row_is_the_maximum_drawdown_and_rows_cover_all_sessions_under_water(values: np.ndarray) -> None:
    table = drawdown_table(_nav(values))
    assert (table["depth"].iloc[0] if len(table) else 0.0) == max_drawdown(values)
    assert table["sessions_under_water"].sum() == np.count_nonzero(drawdowns(values) < 0.0)
    assert table["recovery"].isna().sum() <= 1
    assert table["depth"].is_monotonic_increasing


def test_months_by_hand() -> None:
    days = pd.DatetimeIndex(["2022-11-29", "2022-11-30", "2023-01-03", "2023-01-31", "2023-02-01"])
    table = monthly_returns(pd.Series([0.1, 0.1, -0.5, 1.0, 0.2], days))
    assert table.index.tolist() == [2022, 2023]
    assert table.columns.tolist() == [*range(1, 13), "year"]
    assert table.loc[2022, 11] == pytest.approx(0.21)
    assert table.loc[2022, "year"] == pytest.approx(0.21)
    assert table.loc[2023, [1, 2, "year"]].tolist() == pytest.approx([0.0, 0.2, 0.2])
    assert table.loc[2022].isna().sum() == 11


@given(NAVS)
@examples(60)
def test_months_and_years_compound_to_the_total(values: np.ndarray) -> None:
    nav = _nav(values)
    table = monthly_returns(pd.Series(simple_returns(values), nav.index[1:]))
    total = values[-1] / values[0]
    np.testing.assert_allclose((1 + table["year"]).prod(), total, rtol=1e-12)
    np.testing.assert_allclose(np.nanprod(1 + table.drop(columns="year").to_numpy()), total, rtol=1e-12)


def test_returns_without_dates_are_refused() -> None:
    with pytest.raises(InvalidInput, match="dates"):
        monthly_returns(pd.Series([0.1]))


def test_exposures_by_hand() -> None:
    weights = pd.DataFrame({"A": [0.5, 0.7], "B": [-0.25, 0.0], "C": [np.nan, 0.3]}, DAYS[:2])
    table = exposures(weights)
    assert table.iloc[0].tolist() == pytest.approx([0.75, 0.25, 0.5, -0.25, 2])
    assert table.iloc[1].tolist() == pytest.approx([1.0, 1.0, 1.0, 0.0, 2])


@pytest.fixture
def fills() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "session": DAYS[[1, 1, 3]],
            "symbol": ["B", "A", "B"],
            "side": ["buy", "buy", "sell"],
            "quantity": [10.0, 5.0, 10.0],
            "reference_price": [2.0, 4.0, 3.0],
            "commission": [0.1, 0.2, 0.3],
            "slippage_cost": [0.01, 0.02, 0.03],
        }
    )


def test_turnover_is_one_way(fills: pd.DataFrame) -> None:
    nav = pd.Series([100.0, 80.0, 80.0, 60.0], DAYS[:4])
    assert turnover(fills, nav).tolist() == pytest.approx([0.0, 0.25, 0.0, 0.25])


def test_costs_by_symbol_sum_to_the_total(fills: pd.DataFrame) -> None:
    table = cost_breakdown(fills)
    assert table.index.tolist() == ["A", "B", "total"]
    assert table.loc["B"].tolist() == pytest.approx([2, 50.0, 0.4, 0.04, 0.44, 88.0])
    assert table.loc["total", "cost"] == pytest.approx(0.66)
    assert cost_breakdown(fills[:0]).loc["total", "cost"] == 0.0
