"""Sizes of positions, one convention a test, with numbers worked out by hand."""

from math import sqrt

import numpy as np
import pytest

from investlab.backtest.costs import Costs
from investlab.backtest.engine import simulate_signals
from investlab.backtest.result import BacktestResult
from investlab.backtest.sizing import Sizing
from investlab.core.errors import InvalidInput
from tests.support.panels import make_panel

SWINGS = 0.1 * sqrt(2) * sqrt(252)
"""Volatility a year of the returns +10 % and −10 %: each lies 0.1 from their mean, ddof 1, 252 sessions."""


def trade(panel, entries: str, exits: str, sizing: Sizing, **terms) -> BacktestResult:
    """Simulate signals written as one character a session: x is a signal, . is none (same for every instrument)."""
    rows = [np.repeat([[mark == "x"] for mark in own], panel.shape[1], axis=1) for own in (entries, exits)]
    return simulate_signals(panel, *rows, sizing=sizing, initial_cash=1_000.0, execution="next_close", **terms)


def test_a_fraction_is_of_the_equity_at_the_fill() -> None:
    panel = make_panel({"A": [100, 100, 200, 200, 100, 100]})
    result = trade(panel, "x..x..", ".x....", Sizing.fraction(0.5))
    assert result.fills["quantity"].tolist() == [5.0, 5.0, 7.5]
    assert result.nav.tolist() == [1_000.0, 1_000.0, 1_500.0, 1_500.0, 1_500.0, 1_500.0]


def test_the_budget_holds_the_commission() -> None:
    result = trade(make_panel({"A": [100, 100]}), "x.", "..", Sizing.fraction(0.5), costs=Costs.bps(100, 200))
    fill = result.fills.iloc[0]
    assert fill["quantity"] == pytest.approx(500 / 1.01 / 102, rel=1e-14)
    assert fill["value"] + fill["commission"] == pytest.approx(500, rel=1e-14)


def test_a_fixed_amount_stays_the_same() -> None:
    panel = make_panel({"A": [100, 100, 200, 200, 150, 150]})
    result = trade(panel, "x..x..", ".x....", Sizing.cash(300.0))
    assert result.fills["quantity"].tolist() == [3.0, 3.0, 2.0]
    assert result.nav.tolist() == [1_000.0, 1_000.0, 1_300.0, 1_300.0, 1_300.0, 1_300.0]


def test_an_amount_above_the_equity_is_cut_to_it() -> None:
    panel = make_panel({"A": [100, 100, 110]})
    assert trade(panel, "x..", "...", Sizing.cash(5_000.0)).nav.tolist() == [1_000.0, 1_000.0, 1_100.0]
    assert trade(panel, "x..", "...", Sizing.cash(5_000.0), direction="short").nav.tolist() == [1_000, 1_000, 900]


def test_the_amount_is_for_each_instrument() -> None:
    panel = make_panel({"A": [100, 100], "B": [50, 50]})
    assert trade(panel, "x.", "..", Sizing.cash(200.0)).fills["quantity"].tolist() == [2.0, 4.0]


def test_a_volatility_target_takes_its_share_of_the_trailing_volatility() -> None:
    panel = make_panel({"A": [100, 110, 99, 99, 99]})
    result = trade(panel, "..x..", ".....", Sizing.volatility(SWINGS / 4, window=2))
    assert result.fills["quantity"].tolist() == pytest.approx([250 / 99], rel=1e-13)


def test_the_volatility_is_that_known_at_the_decision() -> None:
    """The price moves by 90 % between decision and fill: the share is that of before, the price that of after."""
    panel = make_panel({"A": [100, 110, 99, 9.9, 9.9]})
    result = trade(panel, "..x..", ".....", Sizing.volatility(SWINGS / 4, window=2))
    assert result.fills["quantity"].tolist() == pytest.approx([250 / 9.9], rel=1e-13)


def test_a_low_volatility_is_not_levered() -> None:
    for panel in (make_panel({"A": [100, 110, 99, 99]}), make_panel({"A": [99, 99, 99, 99]})):
        result = trade(panel, "..x.", "....", Sizing.volatility(9.0, window=2))
        assert result.fills["quantity"].tolist() == [1_000 / 99]


def test_an_entry_before_the_volatility_is_known_is_dropped() -> None:
    result = trade(make_panel({"A": [100, 110, 99, 99]}), "x...", "....", Sizing.volatility(0.1, window=2))
    assert result.fills.empty
    assert "1 entry was dropped: too few returns to know the volatility." in result.notes


def test_a_split_is_no_volatility() -> None:
    """The return over the ex-date of the split is 49.5 × 2 ÷ 110 − 1 = −10 %, as without it."""
    split = make_panel({"A": [100, 110, 49.5, 49.5, 49.5]}, actions=[(2, "A", "split", 2.0)])
    result = trade(split, "..x..", ".....", Sizing.volatility(SWINGS / 4, window=2))
    assert result.fills["quantity"].tolist() == pytest.approx([250 / 49.5], rel=1e-12)


def test_missing_closes_are_passed_over() -> None:
    panel = make_panel({"A": [100, 110, float("nan"), 99, 99]})
    result = trade(panel, "...x.", ".....", Sizing.volatility(SWINGS / 4, window=2))
    assert result.fills["quantity"].tolist() == pytest.approx([250 / 99], rel=1e-13)


@pytest.mark.parametrize("make", [Sizing.fraction, Sizing.cash, Sizing.volatility])
@pytest.mark.parametrize("amount", [0.0, -1.0, float("nan"), float("inf"), True, "1"])
def test_amounts_that_are_no_positive_numbers_are_refused(make: object, amount: object) -> None:
    with pytest.raises(InvalidInput, match="amount"):
        make(amount)  # type: ignore[operator]


def test_borrowing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="nothing can be borrowed"):
        Sizing.fraction(1.5)


@pytest.mark.parametrize("window", [1, 2.5, None])
def test_windows_that_are_too_short_are_refused(window: object) -> None:
    with pytest.raises(InvalidInput, match="window"):
        Sizing.volatility(0.1, window)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sizing", "sentence"),
    [
        (Sizing.all_in(), "Size: all of the part's equity."),
        (Sizing.fraction(0.5), "Size: 0.5 of the part's equity."),
        (Sizing.cash(300), "Size: 300 in currency, at most the part's equity."),
        (
            Sizing.volatility(0.15),
            "Size: 0.15 ÷ the volatility a year of the last 63 returns, at most 1, of the part's equity.",
        ),
    ],
)
def test_a_sizing_says_itself_and_survives_its_spec(sizing: Sizing, sentence: str) -> None:
    assert sizing.describe() == sentence
    assert Sizing.from_spec(sizing.to_spec()) == sizing


def test_something_else_is_no_sizing() -> None:
    with pytest.raises(InvalidInput, match="no sizing"):
        trade(make_panel({"A": [100, 100]}), "..", "..", 0.5)  # type: ignore[arg-type]
