"""Results side by side: what is common, what differs, and when comparing is unfair."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from investlab.backtest.comparison import ComparedRun, RunComparison, compare_results
from investlab.backtest.costs import Costs
from investlab.backtest.engine import simulate_weights
from investlab.backtest.result import BacktestResult
from investlab.core.errors import InvalidInput
from investlab.market.panel import PricePanel
from investlab.schemas.backtest import Execution

SESSIONS = pd.bdate_range("2024-01-01", periods=5)
UP_AND_DOWN = [100.0, 110.0, 99.0, 108.9, 98.01]
DOWN_AND_UP = [100.0, 90.0, 99.0, 89.1, 98.01]


def held(prices: list[float], sessions: pd.DatetimeIndex = SESSIONS, **terms: Any) -> BacktestResult:
    """Return the result of holding one instrument with these prices from its first close on."""
    close = pd.DataFrame({"A": prices[: len(sessions)]}, index=sessions)
    panel = PricePanel.from_frames(close=close, basis="total_return")
    given = {"execution": Execution.SAME_CLOSE, **terms}
    return simulate_weights(panel, pd.DataFrame({"A": [1.0]}, index=sessions[:1]), **given)


def compared(*results: BacktestResult, **facts: list[Any]) -> RunComparison:
    runs = [
        ComparedRun(f"run {place}", result, {name: values[place] for name, values in facts.items()})
        for place, result in enumerate(results)
    ]
    return compare_results(runs)


def test_equity_curves_begin_at_one_and_returns_are_correlated_on_common_sessions() -> None:
    found = compared(held(UP_AND_DOWN), held(DOWN_AND_UP))
    assert found.nav["run 0"].to_numpy() == pytest.approx([1.0, 1.1, 0.99, 1.089, 0.9801])
    assert found.common_sessions == 4
    # +10%, −10%, +10%, −10% against −10%, +10%, −10%, +10%
    assert found.correlation.to_numpy() == pytest.approx(np.array([[1.0, -1.0], [-1.0, 1.0]]))
    assert found.metrics.loc["total_return"].to_numpy() == pytest.approx([-0.0199, -0.0199])


def test_only_facts_that_differ_are_shown() -> None:
    found = compared(held(UP_AND_DOWN), held(DOWN_AND_UP), seed=[0, 0], fast=[5, 10])
    assert found.differences.to_dict("index") == {"fast": {"run 0": 5, "run 1": 10}}
    assert found.is_fair
    assert found.sentence == "The runs stand on the same data and period; they differ in fast."


def test_other_periods_are_unfair() -> None:
    found = compared(held(UP_AND_DOWN), held(UP_AND_DOWN, SESSIONS[:4]))
    assert not found.is_fair
    assert found.unfair == (
        "they cover different periods (run 0: 2024-01-01 to 2024-01-05, run 1: 2024-01-01 to 2024-01-04)",
    )
    assert np.isnan(found.nav["run 1"].iloc[-1])


@pytest.mark.parametrize("change", [{"dataset_version": 2}, {"dataset": "other"}])
def test_other_data_is_unfair(change: dict[str, Any]) -> None:
    one = held(UP_AND_DOWN)
    other = replace(one, source=replace(one.source, **change))
    assert "they stand on different data" in compared(one, other).sentence


def test_other_costs_and_the_best_of_many_trials_are_cautions() -> None:
    runs = [
        ComparedRun("plain", held(UP_AND_DOWN), {}),
        ComparedRun("dear", held(UP_AND_DOWN, costs=Costs(commission_bps=5)), {}, trials=40),
    ]
    found = compare_results(runs)
    assert found.is_fair
    assert found.cautions == (
        "dear is the best of 40 trials, chosen after they were seen, which flatters it.",
        "The costs differ, so part of the difference is theirs.",
    )


def test_periods_without_a_common_return_have_no_correlation() -> None:
    late = pd.bdate_range("2024-02-01", periods=5)
    found = compared(held(UP_AND_DOWN), held(UP_AND_DOWN, late))
    assert found.common_sessions == 0
    assert found.correlation.isna().all(axis=None)


@pytest.mark.parametrize("number", [0, 1, 9])
def test_two_to_eight_runs_are_compared(number: int) -> None:
    result = held(UP_AND_DOWN)
    with pytest.raises(InvalidInput, match=f"{number} runs cannot be compared"):
        compared(*[result] * number)
