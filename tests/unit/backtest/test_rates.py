"""Interest, financing and borrow fees: rate × balance of the close before × calendar days ÷ 365, by hand."""

import pandas as pd
import pytest

from investlab.backtest.engine import simulate_weights
from investlab.backtest.limits import Limits
from investlab.backtest.rates import Rates
from investlab.backtest.result import BacktestResult
from investlab.core.errors import InvalidInput
from investlab.market.panel import PricePanel
from tests.support.panels import make_panel

FRIDAY = "2020-01-03"


def trade(panel: PricePanel, weight: float, **terms: object) -> BacktestResult:
    """Hold a weight of A from the first close on, with 36,500 of cash."""
    rows = pd.DataFrame([[weight]], index=panel.index[:1], columns=["A"])
    return simulate_weights(panel, rows, execution="same_close", initial_cash=36_500.0, **terms)  # type: ignore[arg-type]


def test_cash_earns_by_calendar_days() -> None:
    """3.65 % of 36,500 is 3.65 a day; from Friday to Monday three days, then one on what is there by then."""
    result = trade(make_panel({"A": [10, 10, 10]}, first=FRIDAY), 0.0, rates=Rates(cash=0.0365))
    assert result.carry is not None
    assert result.carry["interest"].tolist() == pytest.approx([0.0, 10.95, 3.65 * (1 + 10.95 / 36_500)])
    assert result.nav.tolist() == result.cash.tolist()
    assert result.cash.iloc[1] == pytest.approx(36_510.95)


def test_borrowed_cash_costs_the_financing_rate_alone() -> None:
    rates = Rates(cash=0.5, financing=0.0365)
    result = trade(make_panel({"A": [10, 10]}, first=FRIDAY), 2.0, limits=Limits(gross=2.0), rates=rates)
    assert result.carry is not None
    assert result.carry.iloc[1].tolist() == pytest.approx([0.0, -10.95, 0.0])


def test_borrowed_shares_cost_on_their_value_at_the_close_before() -> None:
    """Short 1,825 shares at 10; the fee of three days is on 18,250, and the next day's on 1,825 × 20."""
    panel = make_panel({"A": [10, 20, 20]}, first=FRIDAY)
    result = trade(panel, -0.5, limits=Limits(short=True), rates=Rates(borrow=0.073))
    assert result.carry is not None
    assert result.carry["borrow"].tolist() == pytest.approx([0.0, -18_250 * 0.073 * 3 / 365, -36_500 * 0.073 / 365])


def test_a_series_of_cash_rates_holds_from_its_close_on() -> None:
    panel = make_panel({"A": [10, 10, 10, 10]})
    series = pd.Series([0.0, 0.0365], index=panel.index[[0, 2]])
    result = trade(panel, 0.0, rates=Rates(cash=series))
    assert result.carry is not None
    days = (panel.index[3] - panel.index[2]).days
    assert result.carry["interest"].tolist() == pytest.approx([0.0, 0.0, 0.0, 3.65 * days])


def test_a_series_that_begins_too_late_is_refused() -> None:
    panel = make_panel({"A": [10, 10]})
    with pytest.raises(InvalidInput, match="begin on"):
        trade(panel, 0.0, rates=Rates(cash=pd.Series([0.01], index=panel.index[1:])))


@pytest.mark.parametrize("wrong", [{"cash": 3.0}, {"financing": -0.01}, {"borrow": float("nan")}, {"cash": True}])
def test_rates_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        Rates(**wrong)


def test_rates_that_are_not_dated_in_order_are_refused() -> None:
    series = pd.Series([0.01, 0.02], index=pd.DatetimeIndex(["2020-01-02", "2020-01-01"]))
    with pytest.raises(InvalidInput, match="in order"):
        Rates(cash=series)


def test_a_series_survives_its_spec() -> None:
    rates = Rates(cash=pd.Series([0.01, 0.1 + 0.2], index=pd.DatetimeIndex(["2020-01-01", "2020-01-02"])), borrow=0.02)
    assert Rates.from_spec(type(rates.to_spec()).model_validate_json(rates.to_spec().model_dump_json())) == rates


def test_what_accrues_is_a_part_of_its_own_in_the_attribution() -> None:
    result = trade(make_panel({"A": [10, 11, 12]}), 0.5, rates=Rates(cash=0.05))
    assert result.carry is not None
    table = result.attribution().by_instrument
    assert table.loc["carry", "pnl"] == pytest.approx(result.carry.to_numpy().sum())
    assert table.loc["other", "pnl"] == pytest.approx(0.0, abs=1e-9)
    assert table["contribution"].sum() == pytest.approx(result.metrics["total_return"], abs=1e-12)


def test_without_rates_nothing_accrues() -> None:
    assert trade(make_panel({"A": [10, 11]}), 0.5).carry is None
