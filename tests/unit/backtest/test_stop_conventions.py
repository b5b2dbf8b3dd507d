"""Stops, one convention a test, with numbers worked out by hand; 1,000 of cash buy 10 shares at 100."""

from collections.abc import Sequence

import numpy as np
import pytest

from investlab.backtest.costs import Costs
from investlab.backtest.engine import simulate_signals
from investlab.backtest.result import BacktestResult
from investlab.backtest.stops import Stops
from investlab.core.errors import InvalidInput
from investlab.market.panel import PricePanel
from tests.support.ohlc_panels import Bar, bars_panel
from tests.support.panels import make_panel

FLAT = (100, 100, 100, 100)
LOSS = Stops(stop_loss=0.05)
BOTH = Stops(stop_loss=0.05, take_profit=0.10)
TRAILING = Stops(trailing=0.10)
Fill = tuple[int, float, str]
"""Session, fill price, reason."""


def trade(panel: PricePanel, stops: Stops, entries: str | None = None, exits: str = "", **terms) -> BacktestResult:
    """Simulate signals written as one character a session, an entry at the first session unless they are given."""
    count = panel.shape[0]
    rows = [np.array([[mark == "x"] for mark in own.ljust(count, ".")]) for own in (entries or "x", exits)]
    return simulate_signals(panel, *rows, stops=stops, initial_cash=1_000.0, **terms)


def closings(result: BacktestResult) -> list[Fill]:
    """Return every second fill, which closes what the one before opened."""
    fills = result.fills.iloc[1::2]
    places = result.nav.index.get_indexer(fills["session"])
    return list(zip(places.tolist(), fills["fill_price"].tolist(), fills["reason"].tolist(), strict=True))


# bars after the entry at 100 (next_open: the open of the first of them), and the fill that closes the position
LONGS: list[tuple[str, Stops, Sequence[Bar], Fill]] = [
    ("a loss at its level", LOSS, [FLAT, (100, 101, 94, 98)], (2, 95.0, "stop_loss")),
    ("a gap fills at the open", LOSS, [FLAT, (93, 94, 92, 93)], (2, 93.0, "stop_loss")),
    ("a level that is only touched", LOSS, [FLAT, (100, 101, 95, 98)], (2, 95.0, "stop_loss")),
    ("an open at the level", LOSS, [FLAT, (95, 101, 90, 98)], (2, 95.0, "stop_loss")),
    ("the entry's own session", LOSS, [(100, 101, 94, 98)], (1, 95.0, "stop_loss")),
    ("a profit at its level", BOTH, [FLAT, (100, 112, 99, 105)], (2, 110.0, "take_profit")),
    ("a profit in a gap", BOTH, [FLAT, (115, 116, 114, 115)], (2, 115.0, "take_profit")),
    ("loss and profit in one session", BOTH, [FLAT, (100, 112, 94, 105)], (2, 95.0, "stop_loss")),
    ("a gap up before a fall", BOTH, [FLAT, (111, 112, 90, 91)], (2, 111.0, "take_profit")),
    (
        "the highest high before",
        TRAILING,
        [(100, 110, 100, 109), (109, 120, 105, 119), (118, 119, 107, 110)],
        (3, 108.0, "trailing"),
    ),
    (
        "a trailing gap",
        TRAILING,
        [(100, 110, 100, 109), (109, 120, 105, 119), (106, 107, 105, 106)],
        (3, 106.0, "trailing"),
    ),
    ("no new high: from the entry", TRAILING, [FLAT, (99, 99, 89, 95)], (2, 90.0, "trailing")),
    (
        "the nearer of two losses",
        Stops(stop_loss=0.05, trailing=0.10),
        [(100, 120, 100, 119), (119, 119, 90, 95)],
        (2, 108.0, "trailing"),
    ),
    (
        "of equal losses the stop-loss",
        Stops(stop_loss=0.10, trailing=0.10),
        [FLAT, (99, 99, 85, 90)],
        (2, 90.0, "stop_loss"),
    ),
    ("time", Stops(time=2), [FLAT, FLAT, FLAT, (97, 98, 96, 97)], (4, 97.0, "time")),
]
SHORTS: list[tuple[str, Stops, Sequence[Bar], Fill]] = [
    ("a loss at its level", LOSS, [FLAT, (100, 106, 99, 102)], (2, 105.0, "stop_loss")),
    ("a gap fills at the open", LOSS, [FLAT, (107, 108, 106, 107)], (2, 107.0, "stop_loss")),
    ("the entry's own session", LOSS, [(100, 106, 99, 102)], (1, 105.0, "stop_loss")),
    ("a profit at its level", BOTH, [FLAT, (100, 101, 88, 95)], (2, 90.0, "take_profit")),
    ("a profit in a gap", BOTH, [FLAT, (85, 86, 84, 85)], (2, 85.0, "take_profit")),
    ("loss and profit in one session", BOTH, [FLAT, (100, 106, 88, 95)], (2, 105.0, "stop_loss")),
    (
        "the lowest low before",
        TRAILING,
        [(100, 100, 90, 91), (91, 95, 80, 81), (82, 89, 81, 85)],
        (3, 88.0, "trailing"),
    ),
    ("time", Stops(time=2), [FLAT, FLAT, FLAT, (97, 98, 96, 97)], (4, 97.0, "time")),
]


@pytest.mark.parametrize(("stops", "bars", "fill"), [case[1:] for case in LONGS], ids=[case[0] for case in LONGS])
def test_a_long_is_closed(stops: Stops, bars: Sequence[Bar], fill: Fill) -> None:
    result = trade(bars_panel([FLAT, *bars, FLAT]), stops)
    session, price, reason = closings(result)[0]
    assert (session, price, reason) == (fill[0], pytest.approx(fill[1], rel=1e-14), fill[2])
    assert result.nav.iloc[-1] == pytest.approx(10 * fill[1], rel=1e-14)


@pytest.mark.parametrize(("stops", "bars", "fill"), [case[1:] for case in SHORTS], ids=[case[0] for case in SHORTS])
def test_a_short_is_closed(stops: Stops, bars: Sequence[Bar], fill: Fill) -> None:
    result = trade(bars_panel([FLAT, *bars, FLAT]), stops, direction="short")
    session, price, reason = closings(result)[0]
    assert (session, price, reason) == (fill[0], pytest.approx(fill[1], rel=1e-14), fill[2])
    assert result.nav.iloc[-1] == pytest.approx(2_000 - 10 * fill[1], rel=1e-14)


def test_a_level_that_is_not_reached_closes_nothing() -> None:
    panel = bars_panel([FLAT, (100, 109.9, 95.1, 100), FLAT])
    assert len(trade(panel, BOTH).fills) == 1


@pytest.mark.parametrize("execution", ["next_close", "same_close"])
def test_a_session_whose_close_opened_the_position_stops_nothing(execution: str) -> None:
    """The entry is at the close of session 1 after a low of 90; session 2 stops it at its level."""
    panel = bars_panel([FLAT, (100, 101, 90, 100), (100, 100, 94, 96), FLAT])
    result = trade(panel, LOSS, entries="x" if execution == "next_close" else ".x", execution=execution)
    assert closings(result) == [(2, 95.0, "stop_loss")]


@pytest.mark.parametrize("execution", ["next_close", "same_close"])
def test_the_high_of_a_session_whose_close_opened_the_position_does_not_trail(execution: str) -> None:
    panel = bars_panel([FLAT, (100, 150, 100, 100), (100, 100, 91, 96), (96, 96, 89, 90)])
    result = trade(panel, TRAILING, entries="x" if execution == "next_close" else ".x", execution=execution)
    assert closings(result) == [(3, 90.0, "trailing")]


def test_levels_start_from_the_fill_price_and_stops_pay_costs() -> None:
    """Bought at 101, the level is 95.95; sold at 1 % less, and 1 % commission comes on top of both."""
    panel = bars_panel([FLAT, FLAT, (100, 100, 95.9, 98), FLAT])
    result = trade(panel, LOSS, costs=Costs.bps(100, 100))
    quantity = 1_000 / 1.01 / 101
    stopped = result.fills.iloc[1]
    assert stopped["reference_price"] == pytest.approx(95.95, rel=1e-14)
    assert stopped["fill_price"] == pytest.approx(95.95 * 0.99, rel=1e-14)
    assert stopped["commission"] == pytest.approx(0.01 * quantity * 95.95 * 0.99, rel=1e-13)
    assert result.nav.iloc[-1] == pytest.approx(quantity * 95.95 * 0.99 * 0.99, rel=1e-13)


def test_a_split_divides_the_levels() -> None:
    bars = [FLAT, FLAT, (50, 51, 48, 49), (49, 50, 47, 48), (50, 50, 50, 50)]
    result = trade(bars_panel(bars, actions=[(2, "A", "split", 2.0)]), LOSS)
    assert closings(result) == [(3, 47.5, "stop_loss")]
    assert result.nav.iloc[-1] == 950.0


def test_a_split_divides_the_highest_price() -> None:
    bars = [FLAT, (100, 120, 100, 118), (59, 60, 55, 56), (56, 57, 53, 54)]
    result = trade(bars_panel(bars, actions=[(2, "A", "split", 2.0)]), TRAILING)
    assert closings(result) == [(3, 54.0, "trailing")]


def test_a_dividend_leaves_the_levels() -> None:
    bars = [FLAT, FLAT, (97, 98, 94.5, 96), FLAT]
    result = trade(bars_panel(bars, actions=[(2, "A", "dividend", 3.0)]), LOSS)
    assert closings(result) == [(2, 95.0, "stop_loss")]
    assert result.nav.iloc[-1] == 980.0


def test_an_exit_at_the_open_comes_before_the_stop() -> None:
    panel = bars_panel([FLAT, FLAT, (98, 99, 90, 91), FLAT])
    assert closings(trade(panel, LOSS, exits=".x")) == [(2, 98.0, "signal")]


def test_a_stop_comes_before_an_exit_at_the_close_and_cancels_it() -> None:
    panel = bars_panel([FLAT, FLAT, (98, 99, 90, 91), FLAT, FLAT])
    result = trade(panel, LOSS, exits=".x", execution="next_close")
    assert closings(result) == [(2, 95.0, "stop_loss")]
    assert len(result.fills) == 2
    assert not any("dropped" in note for note in result.notes)


def test_a_stop_leaves_the_order_to_turn() -> None:
    panel = bars_panel([FLAT, FLAT, (98, 99, 90, 91), (91, 91, 91, 91)])
    result = trade(panel, LOSS, exits=".x", execution="next_close", direction="both")
    assert result.fills["reason"].tolist() == ["signal", "stop_loss", "signal"]
    assert result.fills["fill_price"].tolist() == [100.0, 95.0, 91.0]
    assert result.positions["A"].iloc[-1] < 0.0


def test_after_a_stop_an_entry_enters_anew_with_new_levels() -> None:
    panel = bars_panel([FLAT, FLAT, (98, 99, 90, 91), (90, 91, 86, 90), (90, 91, 85, 90)])
    result = trade(panel, LOSS, entries="x.x")
    assert closings(result) == [(2, 95.0, "stop_loss"), (4, 85.5, "stop_loss")]


def test_a_stop_is_decided_by_the_session_before() -> None:
    panel = bars_panel([FLAT, FLAT, FLAT, (93, 94, 92, 93), FLAT])
    assert trade(panel, LOSS).fills["decided"].tolist() == [panel.index[0], panel.index[2]]


def test_a_session_without_a_bar_stops_nothing() -> None:
    nan = float("nan")
    panel = bars_panel([FLAT, FLAT, (nan, nan, nan, 80), (82, 83, 81, 82), FLAT])
    assert closings(trade(panel, LOSS)) == [(3, 82.0, "stop_loss")]


@pytest.mark.parametrize(
    ("execution", "expected"),
    [("next_open", (3, 92.0)), ("next_close", (3, 91.0)), ("same_close", (2, 94.0))],
)
def test_without_highs_and_lows_the_close_decides_and_the_order_fills_by_the_rule(
    execution: str, expected: tuple[int, float]
) -> None:
    panel = make_panel({"A": [100, 100, 94, 91, 91]}, open={"A": [100, 100, 98, 92, 91]})
    result = trade(panel, LOSS, execution=execution)
    assert closings(result) == [(*expected, "stop_loss")]
    assert any("checked against closes" in note for note in result.notes)


def test_without_highs_the_highest_close_trails() -> None:
    panel = make_panel({"A": [100, 100, 120, 110, 107, 105]})
    assert closings(trade(panel, TRAILING, execution="same_close")) == [(4, 107.0, "trailing")]


def test_rounding_decides_no_touch() -> None:
    """0.95 × 0.7 rounds to less than 0.665 in binary: a low of 0.665 touches the level all the same."""
    assert 0.7 * (1 - 0.05) != 0.665
    bar = (0.7, 0.7, 0.7, 0.7)
    panel = bars_panel([bar, bar, (0.7, 0.71, 0.665, 0.69), bar])
    assert closings(trade(panel, LOSS))[0][0] == 2


def test_the_notes_name_the_stops() -> None:
    notes = trade(bars_panel([FLAT, FLAT]), Stops(0.05, 0.1, 0.08, 20)).notes
    assert (
        "Stops: stop loss 0.05, take profit 0.1, trailing 0.08, time 20 sessions; levels ignore cash dividends."
        in notes
    )
    assert any("a loss is taken before a profit" in note for note in notes)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stop_loss", 0.0),
        ("stop_loss", 5),
        ("trailing", 1.0),
        ("take_profit", -0.1),
        ("time", 0),
        ("time", 2.5),
        ("stop_loss", "5%"),
    ],
)
def test_stops_out_of_range_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=name):
        Stops(**{name: value})


def test_stops_survive_their_spec() -> None:
    stops = Stops(0.05, None, 0.08, 20)
    assert Stops.from_spec(stops.to_spec()) == stops


def test_something_else_is_no_stops() -> None:
    with pytest.raises(InvalidInput, match="no stops"):
        trade(bars_panel([FLAT, FLAT]), 0.05)  # type: ignore[arg-type]
