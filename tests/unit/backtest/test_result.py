"""A result says what it stands on, hashes its content, and cannot be changed."""

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from investlab.backtest.costs import Costs
from investlab.backtest.engine import run_strategy, simulate_signals, simulate_weights
from investlab.backtest.result import BacktestResult
from investlab.backtest.strategies import SmaCross
from investlab.backtest.warm import warm_kernels
from investlab.market.panel import PricePanel
from tests.support.panels import make_panel, random_panel, without_opens


@pytest.fixture
def result() -> BacktestResult:
    panel = random_panel(1, sessions=120, missing=0.02, actions=5)
    return run_strategy(SmaCross(3, 10), panel, costs=Costs.bps(5, 2))


def test_frames_have_symbols_as_columns_and_sessions_as_rows(result: BacktestResult) -> None:
    assert list(result.positions.columns) == ["S0", "S1", "S2"]
    assert result.instruments.index.tolist() == ["S0", "S1", "S2"]
    assert result.nav.index.name == "session"
    assert result.positions.index.equals(result.nav.index)
    assert len(result.returns) == len(result.nav) - 1
    assert (result.drawdown <= 0).all()


def test_fills_are_ordered_and_complete(result: BacktestResult) -> None:
    fills = result.fills
    assert list(fills.columns) == [
        "session",
        "symbol",
        "instrument_id",
        "side",
        "quantity",
        "reference_price",
        "fill_price",
        "commission",
        "slippage_cost",
        "value",
        "decided",
        "reason",
    ]
    assert fills["session"].is_monotonic_increasing
    assert set(fills["side"]) == {"buy", "sell"}


def test_no_fills_keep_their_columns_and_types(result: BacktestResult) -> None:
    panel = make_panel({"A": [10, 11]})
    nothing = np.zeros(panel.shape, dtype=bool)
    empty = simulate_signals(panel, nothing, nothing).fills
    assert empty.empty
    assert empty.dtypes.equals(result.fills.dtypes)


def test_the_same_run_has_the_same_hash_and_another_one_not() -> None:
    panel = random_panel(1, sessions=120)
    runs = [run_strategy(SmaCross(3, 10), panel, costs=costs) for costs in (Costs.free(), Costs.free(), Costs.bps(1))]
    assert runs[0].hash == runs[1].hash != runs[2].hash
    assert len(runs[0].hash) == 64


def test_recording_a_run_keeps_its_hash(result: BacktestResult) -> None:
    assert (result.run_id, result.code_identity) == (None, None)
    recorded = replace(result, run_id="bt-1", code_identity="abc")
    assert recorded.hash == result.hash
    assert recorded.run_id == "bt-1"


def test_a_result_survives_pickling(result: BacktestResult) -> None:
    copy = pickle.loads(pickle.dumps(result))
    assert copy.hash == result.hash
    assert copy.metrics == result.metrics


def test_a_result_cannot_be_changed(result: BacktestResult) -> None:
    before = result.nav.iloc[0]
    with pytest.raises(ValueError, match="read-only"):
        result.nav.iloc[0] = 0.0
    with pytest.raises(AttributeError):
        result.nav = result.cash  # type: ignore[misc]
    assert result.nav.iloc[0] == before


@pytest.mark.parametrize(
    ("basis", "sentence"),
    [("raw", "Accounting on raw prices"), ("split_adjusted", "split-adjusted"), ("total_return", "total-return basis")],
)
def test_notes_say_the_basis_the_timing_and_the_costs(basis: str, sentence: str) -> None:
    panel = make_panel({"A": [10, 11, 12]}, basis=basis)
    notes = simulate_weights(panel, np.array([[1.0], [np.nan], [np.nan]]), costs=Costs.bps(5)).notes
    assert any(sentence in note for note in notes)
    assert any("next session's open" in note for note in notes)
    assert "Costs: 5 bps commission." in notes
    assert "Sharpe ratio: ddof 1, risk-free rate 0, 252 sessions per year." in notes


def test_notes_repeat_what_the_source_admits() -> None:
    panel = make_panel({"A": [10, 11, 12]})
    admitted = replace(panel, source=replace(panel.source, synthetic=True, biases=("Survivors only",)))
    notes = simulate_weights(admitted, np.array([[1.0], [np.nan], [np.nan]])).notes
    assert "The prices are synthetic." in notes
    assert "Survivors only." in notes


def test_a_result_says_where_it_comes_from(result: BacktestResult) -> None:
    assert result.panel_id == random_panel(1, sessions=120, missing=0.02, actions=5).id
    assert str(result.strategy) == "sma_cross(fast=3, slow=10)"
    assert "sma_cross(fast=3, slow=10) on frames" in repr(result)
    assert (result.basis, result.execution, result.initial_cash) == ("raw", "next_open", 100_000.0)


def test_one_session_has_finite_metrics() -> None:
    panel = make_panel({"A": [10]})
    metrics = simulate_weights(panel, np.array([[1.0]]), execution="same_close", costs=Costs.bps(10)).metrics
    assert np.isfinite(list(metrics.values())).all()
    assert metrics["cagr"] == metrics["sharpe"] == metrics["turnover"] == 0.0


def _once(panel: PricePanel, *weights: float) -> pd.DataFrame:
    """Return weights that are set at the first session and never again."""
    return pd.DataFrame([weights], index=panel.index[:1], columns=panel.symbols)


def test_what_the_first_session_costs_is_in_every_metric() -> None:
    panel = make_panel({"A": [10, 10, 11, 9.9, 12]})
    result = simulate_weights(panel, _once(panel, 1.0), execution="same_close", costs=Costs.bps(100), initial_cash=1000)
    first = result.nav.iloc[0] / 1000 - 1
    returns = pd.Series([first, 0.0, 0.1, -0.1, 12 / 9.9 - 1])
    assert first == pytest.approx(-0.01, abs=2e-4)
    assert result.returns.tolist() == pytest.approx(returns.tolist())
    assert result.returns.index.equals(result.nav.index)
    assert (1 + result.returns).prod() - 1 == pytest.approx(result.metrics["total_return"])
    assert result.metrics["volatility"] == pytest.approx(returns.std() * np.sqrt(252))
    assert result.metrics["sharpe"] == pytest.approx(returns.mean() / returns.std() * np.sqrt(252))
    assert result.drawdown.iloc[0] == pytest.approx(first)
    assert result.metrics["max_drawdown"] == result.drawdown.min() == pytest.approx(-0.1)
    down = make_panel({"A": [10, 9, 8]})
    falling = simulate_weights(down, _once(down, 1.0), execution="same_close", costs=Costs.bps(100))
    assert falling.metrics["max_drawdown"] == pytest.approx(0.8 * (1 + falling.drawdown.iloc[0]) - 1)


def test_a_position_without_a_price_for_long_is_counted_in_the_notes() -> None:
    prices = {"GONE": [10.0, 11.0] + [np.nan] * 30, "LATE": [10.0] * 5 + [np.nan] * 21 + [10.0] * 6, "ON": [10.0] * 32}
    panel = without_opens(make_panel(prices))
    held = _once(panel, 1 / 3, 1 / 3, 1 / 3)
    said = [note for note in simulate_weights(panel, held, execution="next_close").notes if "21 sessions" in note]
    assert len(said) == 1
    assert "1 instrument was held" in said[0]
    assert "GONE" in said[0]
    sold = simulate_weights(panel, _once(panel, 0.0, 0.5, 0.5), execution="next_close")
    assert not any("21 sessions" in note for note in sold.notes)


def test_metrics_by_hand() -> None:
    panel = without_opens(make_panel({"A": [10, 10, 11, 9.9, 12]}))
    entries = np.array([[True], [False], [False], [False], [False]])
    metrics = simulate_signals(panel, entries, entries & False, execution="next_close", initial_cash=1_000).metrics
    returns = pd.Series([0.0, 0.1, -0.1, 12 / 9.9 - 1])
    years = 4 / 252
    assert metrics["total_return"] == pytest.approx(0.2)
    assert metrics["cagr"] == pytest.approx(1.2 ** (1 / years) - 1)
    assert metrics["volatility"] == pytest.approx(returns.std() * np.sqrt(252))
    assert metrics["sharpe"] == pytest.approx(returns.mean() / returns.std() * np.sqrt(252))
    assert metrics["max_drawdown"] == pytest.approx(-0.1)
    assert metrics["turnover"] == pytest.approx(0.5 / years)
    assert metrics["costs"] == 0.0
    assert metrics["exposure"] == pytest.approx(4 / 5)


def test_kernels_can_be_warmed() -> None:
    warm_kernels()
