"""Windows give what the definitions say, and the same bits wherever the values start."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from investlab.features.windows import Values, deepest_drawdown, deviation, highest, mean, past, returns

WINDOWS: dict[str, Callable[[Values, int], Values]] = {
    "mean": mean,
    "deviation": deviation,
    "highest": highest,
    "deepest_drawdown": deepest_drawdown,
}


def _prices(sessions: int = 400, instruments: int = 3) -> Values:
    rng = np.random.default_rng(7)
    return 50.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, (sessions, instruments)), axis=0))


@pytest.mark.parametrize(("name", "peer"), [("mean", "mean"), ("deviation", "std"), ("highest", "max")])
@pytest.mark.parametrize("sessions", [2, 21, 252])
def test_windows_match_pandas(name: str, peer: str, sessions: int) -> None:
    prices = _prices()
    expected = getattr(pd.DataFrame(prices).rolling(sessions), peer)().to_numpy()
    assert np.allclose(WINDOWS[name](prices, sessions), expected, rtol=1e-9, equal_nan=True)


def test_the_deepest_drawdown_by_hand() -> None:
    prices = np.array([[10.0], [12.0], [9.0], [11.0], [12.0], [11.4]])
    expected = [np.nan, np.nan, 9.0 / 12.0 - 1.0, 9.0 / 12.0 - 1.0, 0.0, 11.4 / 12.0 - 1.0]
    assert np.array_equal(deepest_drawdown(prices, 3)[:, 0], expected, equal_nan=True)


def test_the_past_and_returns_by_hand() -> None:
    prices = np.array([[10.0], [11.0], [8.8]])
    assert np.array_equal(past(prices, 2)[:, 0], [np.nan, np.nan, 10.0], equal_nan=True)
    assert np.isnan(past(prices, 3)).all()
    assert returns(prices)[1:, 0] == pytest.approx([0.1, -0.2])


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("start", [1, 17, 300])
def test_the_start_of_the_values_changes_no_bit(name: str, start: int) -> None:
    prices = _prices()
    whole, tail = WINDOWS[name](prices, 63), WINDOWS[name](prices[start:], 63)
    assert np.array_equal(whole[start + 62 :], tail[62:])
    assert np.isnan(tail[:62]).all()


@pytest.mark.parametrize("name", WINDOWS)
def test_a_level_in_the_far_past_leaves_no_error(name: str) -> None:
    """Running sums would carry the rounding error of the high level along."""
    prices = _prices()
    lifted = prices.copy()
    lifted[:100] *= 1e12
    assert np.array_equal(WINDOWS[name](lifted, 21)[121:], WINDOWS[name](prices, 21)[121:])


@pytest.mark.parametrize("name", WINDOWS)
def test_a_missing_value_makes_its_windows_unknown(name: str) -> None:
    prices = _prices()
    prices[100, 1] = np.nan
    found = WINDOWS[name](prices, 21)
    assert np.isnan(found[100:121, 1]).all()
    assert not np.isnan(found[121:, 1]).any()
    assert not np.isnan(found[20:, 0]).any()


@pytest.mark.parametrize("name", WINDOWS)
def test_a_short_history_is_unknown(name: str) -> None:
    found = WINDOWS[name](_prices(5), 21)
    assert found.shape == (5, 3)
    assert np.isnan(found).all()
