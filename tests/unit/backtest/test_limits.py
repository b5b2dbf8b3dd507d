"""Limits on target weights, one convention a test, with numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from investlab.backtest.costs import Costs
from investlab.backtest.engine import run_strategy, simulate_weights
from investlab.backtest.limits import Limits
from investlab.backtest.rates import Rates
from investlab.backtest.result import BacktestResult
from investlab.backtest.strategies import BuyAndHold
from investlab.core.errors import InvalidInput
from investlab.market.panel import PricePanel
from tests.support.panels import make_panel, session_index

NAN = float("nan")
SHORT = Limits(short=True)


def trade(panel: PricePanel, rows: dict[int, list[float]], **terms: object) -> BacktestResult:
    """Trade weights given by session number at the same close, with 1,000 of cash."""
    frame = pd.DataFrame(list(rows.values()), index=panel.index[list(rows)], columns=panel.symbols)
    return simulate_weights(panel, frame, **{"execution": "same_close", "initial_cash": 1_000.0, **terms})  # type: ignore[arg-type]


def with_volume(close: dict[str, list[float]], volume: dict[str, list[float]], basis: str = "raw") -> PricePanel:
    """Return a panel with volume; opens are closes."""
    index = session_index(len(next(iter(close.values()))))
    prices, shares = (pd.DataFrame(values, dtype=float).set_index(index) for values in (close, volume))
    return PricePanel.from_frames(close=prices, open=prices, volume=shares, basis=basis)


def test_a_short_sale_credits_cash_and_gains_when_the_price_falls() -> None:
    result = trade(make_panel({"A": [10, 8, 12]}), {0: [-0.5]}, limits=SHORT)
    assert result.positions["A"].tolist() == [-50.0] * 3
    assert result.cash.tolist() == [1_500.0] * 3
    assert result.nav.tolist() == [1_000.0, 1_100.0, 900.0]


def test_costs_of_a_short_position_are_paid_at_both_ends() -> None:
    """Sold 50 at 9.9, 1 % commission 4.95; bought back at 10.1, commission 5.05: 500 − 5 − 4.95, then back."""
    result = trade(make_panel({"A": [10, 10]}), {0: [-0.5], 1: [0.0]}, limits=SHORT, costs=Costs.bps(100, 100))
    assert result.cash.tolist() == pytest.approx([1_000 + 495 - 4.95, 1_000 + 495 - 4.95 - 505 - 5.05])
    assert result.metrics["costs"] == pytest.approx(5 + 4.95 + 5 + 5.05)


def test_a_short_position_pays_dividends_and_splits_multiply_it() -> None:
    panel = make_panel({"A": [10, 5, 5]}, actions=[(1, "A", "split", 2.0), (2, "A", "dividend", 0.5)])
    result = trade(panel, {0: [-0.5]}, limits=SHORT)
    assert result.positions["A"].tolist() == [-50.0, -100.0, -100.0]
    assert result.income.tolist() == [0.0, 0.0, -50.0]
    assert result.nav.tolist() == [1_000.0, 1_000.0, 950.0]


def test_whole_shares_of_a_short_position_are_cut_toward_zero_and_pay_their_fraction() -> None:
    """−0.333 × 1,000 ÷ 10 is −33.3: 33 shares; a split of 3 for 2 makes 49.5: half a share is paid at 20 / 3."""
    panel = make_panel({"A": [10, 20 / 3]}, actions=[(1, "A", "split", 1.5)])
    result = trade(panel, {0: [-0.333]}, limits=SHORT, whole_shares=True)
    assert result.positions["A"].tolist() == [-33.0, -49.0]
    assert result.income.iloc[1] == pytest.approx(-0.5 * 10 / 1.5)


def test_one_fill_takes_a_position_through_zero() -> None:
    result = trade(make_panel({"A": [10, 10, 10]}), {0: [0.5], 1: [-0.5], 2: [0.5]}, limits=SHORT)
    assert result.fills["side"].tolist() == ["buy", "sell", "buy"]
    assert result.fills["quantity"].tolist() == [50.0, 100.0, 100.0]
    assert [row.side for row in result.trades().closed.itertuples()] == ["long", "short"]


def test_leverage_borrows_cash() -> None:
    result = trade(make_panel({"A": [10, 11]}), {0: [2.0]}, limits=Limits(gross=2.0))
    assert result.cash.tolist() == [-1_000.0, -1_000.0]
    assert result.nav.tolist() == [1_000.0, 1_200.0]


def test_buys_are_cut_to_the_gross_cap_times_the_nav_at_fill_prices() -> None:
    """B shorts 50 at 10. At fills A costs 12: room is 1 × NAV 1,000 − 500 = 500 less what A's 50 shares cost: 41.67."""
    panel = make_panel({"A": [10, 12], "B": [10, 10]})
    result = trade(panel, {0: [0.5, -0.5]}, limits=Limits(gross=1.0, short=True), execution="next_close")
    assert result.fills["symbol"].tolist() == ["B", "A"]
    assert result.positions.iloc[-1].tolist() == pytest.approx([500 / 12, -50.0])
    assert result.weights.iloc[-1].abs().sum() == pytest.approx(1.0)


def test_covering_is_never_cut_and_frees_buying_power() -> None:
    """B's price doubles: NAV 500, exposure 1,000, no room at a cap of 1. It is covered first, and A bought for 500."""
    panel = make_panel({"A": [10, 10, 10], "B": [10, 20, 20]})
    result = trade(panel, {0: [0.0, -0.5], 1: [1.0, 0.0]}, limits=Limits(gross=1.0, short=True))
    assert result.fills["symbol"].tolist() == ["B", "B", "A"]
    assert result.positions.iloc[1].tolist() == [50.0, 0.0]


def test_covering_one_short_position_is_not_cut_for_want_of_room_that_another_takes() -> None:
    """NAV is 2,000 − 100 × 18 = 200; B's price is missing at the fill, so its 900 take all room, yet A is covered."""
    panel = make_panel({"A": [10, 10, 18, 18], "B": [10, 10, 18, NAN]})
    result = trade(panel, {0: [-0.5, -0.5], 2: [0.0, 0.0]}, limits=SHORT, execution="next_close")
    assert result.positions.iloc[-1].tolist() == [0.0, -50.0]
    assert result.cash.iloc[-1] == 1_100.0


@pytest.mark.parametrize(
    ("limits", "wanted", "expected", "note"),
    [
        pytest.param(Limits(weight=0.3), [0.5, 0.2], [0.3, 0.2], "1 weight was clipped", id="one instrument"),
        pytest.param(
            Limits(gross=1.0), [1.5, 0.5], [0.75, 0.25], "1 decision was scaled to the cap on gross", id="gross"
        ),
        pytest.param(Limits(gross=0.5), [0.6, 0.4], [0.3, 0.2], "scaled to the cap on gross", id="less than the NAV"),
        pytest.param(Limits(gross=2, net=0.2, short=True), [0.8, -0.4], [0.6, -0.4], "cap on net", id="net, long side"),
        pytest.param(Limits(gross=2, net=0, short=True), [0.2, -0.8], [0.2, -0.2], "cap on net", id="neutral"),
        pytest.param(Limits(weight=0.5, gross=0.8), [0.9, 0.5], [0.4, 0.4], "scaled", id="clipped, then scaled"),
    ],
)
def test_what_exceeds_a_cap_is_cut_to_it(limits: Limits, wanted: list[float], expected: list[float], note: str) -> None:
    result = trade(make_panel({"A": [10, 10], "B": [20, 20]}), {0: wanted}, limits=limits)
    assert result.weights.iloc[-1].tolist() == pytest.approx(expected)
    assert any(note in each for each in result.notes)


def test_a_band_holds_what_lies_within_and_trades_what_lies_beyond() -> None:
    """At session 1 weights are 0.55 ÷ 1.05 and 0.5 ÷ 1.05, within 0.03; at session 2 A is 0.65 ÷ 1.15 = 0.565."""
    panel = make_panel({"A": [10, 11, 13], "B": [10, 10, 10]})
    rows = {0: [0.5, 0.5], 1: [0.5, 0.5], 2: [0.5, 0.5]}
    result = trade(panel, rows, limits=Limits(band=0.03))
    assert result.fills["session"].tolist() == [panel.index[0]] * 2 + [panel.index[2]] * 2
    assert result.positions.iloc[-1].tolist() == pytest.approx([575 / 13, 57.5])


def test_a_band_does_not_keep_an_instrument_from_being_entered_or_left() -> None:
    panel = make_panel({"A": [10, 10], "B": [10, 10]})
    result = trade(panel, {0: [0.01, 0.0], 1: [0.0, 0.01]}, limits=Limits(band=0.05))
    assert result.positions.to_numpy().tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_a_fill_takes_its_part_of_the_deciding_sessions_volume_and_the_rest_carries_over() -> None:
    """100 shares are wanted; a tenth of 300, 400, 500 and 600 shares may fill at the sessions after."""
    panel = with_volume({"A": [10] * 5}, {"A": [300, 400, 500, 600, 700]})
    result = trade(panel, {0: [1.0]}, limits=Limits(participation=0.1), execution="next_close")
    assert result.fills["quantity"].tolist() == [30.0, 40.0, 30.0]
    assert result.fills["decided"].tolist() == [panel.index[0]] * 3
    assert "2 orders were cut to the participation limit." in result.notes


def test_the_next_decision_ends_what_carries_over() -> None:
    panel = with_volume({"A": [10] * 4}, {"A": [300] * 4})
    result = trade(panel, {0: [1.0], 1: [0.5]}, limits=Limits(participation=0.1), execution="next_close")
    assert result.positions["A"].tolist() == [0.0, 30.0, 50.0, 50.0]


def test_a_split_restates_the_volume_that_limits_a_fill() -> None:
    close = {"A": [10.0, 5.0, 5.0]}
    frame = with_volume(close, {"A": [300, 900, 900]})
    actions = pd.DataFrame([(frame.index[1], "A", "split", 2.0)], columns=["ex_date", "symbol", "kind", "value"])
    prices = pd.DataFrame(close, index=frame.index)
    panel = PricePanel.from_frames(close=prices, volume=frame.frame("volume"), basis="raw", actions=actions)
    result = trade(panel, {0: [1.0]}, limits=Limits(participation=0.1), execution="next_close")
    assert result.fills["quantity"].tolist() == [60.0, 90.0]


def test_a_missing_volume_lets_nothing_through() -> None:
    panel = with_volume({"A": [10] * 3}, {"A": [NAN, 300, 300]})
    result = trade(panel, {0: [0.2]}, limits=Limits(participation=0.1), execution="next_close")
    assert result.positions["A"].tolist() == [0.0, 0.0, 20.0]


def test_ruin_closes_everything_and_the_rest_is_flat() -> None:
    """Twice the NAV in A, which halves and more: 1,000 + 200 × (4 − 10) = −200; nothing accrues on it."""
    panel = make_panel({"A": [10, 4, 20, 30]})
    terms = {"limits": Limits(gross=2.0), "rates": Rates(financing=0.0, cash=0.5)}
    result = trade(panel, {0: [2.0], 2: [1.0]}, **terms)
    assert result.nav.tolist() == [1_000.0, -200.0, -200.0, -200.0]
    assert result.positions["A"].tolist() == [200.0, 0.0, 0.0, 0.0]
    assert result.fills["reason"].tolist() == ["target", "ruin"]
    assert any("ruined on 2020-01-02" in note for note in result.notes)
    assert np.isfinite(list(result.metrics.values())).all()


@pytest.mark.parametrize(
    ("rows", "limits", "match"),
    [
        pytest.param([-0.1], Limits(), "are negative", id="short without leave"),
        pytest.param([-0.1], Limits(gross=2.0), "are negative", id="leverage is no leave to be short"),
        pytest.param([1.2], Limits(), "sum to more than 1", id="borrowing without leave"),
        pytest.param([-1.2], SHORT, "sum to more than 1", id="more short than the NAV"),
    ],
)
def test_weights_beyond_what_is_allowed_are_refused(rows: list[float], limits: Limits, match: str) -> None:
    with pytest.raises(InvalidInput, match=match):
        trade(make_panel({"A": [10, 10]}), {0: rows}, limits=limits)


@pytest.mark.parametrize(
    "wrong",
    [{"gross": 0.0}, {"weight": -1.0}, {"participation": 1.5}, {"band": 1.0}, {"net": NAN}, {"short": 1}],
)
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        Limits(**wrong)  # type: ignore[arg-type]


def test_a_participation_limit_without_volume_names_the_remedy() -> None:
    with pytest.raises(InvalidInput, match=r"needs volume.*\n?.*field volume|field volume"):
        trade(make_panel({"A": [10, 10]}), {0: [1.0]}, limits=Limits(participation=0.1))


def test_a_participation_limit_on_total_return_prices_is_refused() -> None:
    panel = with_volume({"A": [10, 10]}, {"A": [1, 1]}, "total_return")
    with pytest.raises(InvalidInput, match="total-return"):
        trade(panel, {0: [1.0]}, limits=Limits(participation=0.1))


def test_signals_take_no_limits() -> None:
    with pytest.raises(InvalidInput, match="belong to target weights"):
        run_strategy(BuyAndHold(), make_panel({"A": [10, 10]}), limits=SHORT)


def test_the_notes_say_which_limits_there_are() -> None:
    result = trade(make_panel({"A": [10, 10]}), {0: [0.5]}, limits=Limits(gross=1.5, short=True, band=0.02))
    told = " ".join(result.notes)
    assert "Short positions are allowed" in told
    assert "gross exposure 1.5" in told
    assert "within 0.02" in told
