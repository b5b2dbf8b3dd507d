"""Sweeps: the fused way is the plain way, chunks change nothing, and luck is accounted for."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from investlab.analytics.overfitting import deflated_sharpe
from investlab.backtest.costs import Costs
from investlab.backtest.engine import run_strategy
from investlab.backtest.grid import expand_grid
from investlab.backtest.strategies import BuyAndHold, MonthlyMomentum, SmaCross
from investlab.backtest.sweep import (
    SweepTask,
    chunk_size_of,
    fused_chunk,
    generic_chunk,
    plan_sweep,
    sweep,
)
from investlab.backtest.terms import agree_terms
from investlab.core.errors import InvalidInput, UnknownParameter
from investlab.core.executor import Answer, SerialExecutor, StreamingExecutor
from investlab.market.panel import PricePanel
from tests.support.panels import make_panel, random_panel

GRID = {"fast": [2, 3, 5, 8, 13], "slow": [5, 8, 21, 34]}


def make_task(strategy: type, panel: PricePanel, execution: str = "next_open", costs: Costs | None = None) -> SweepTask:
    return SweepTask(strategy, panel, agree_terms(panel, costs or Costs.bps(5, 2), execution, 100_000.0))


@pytest.mark.parametrize("execution", ["next_open", "next_close", "same_close"])
@pytest.mark.parametrize("costs", [Costs.free(), Costs.bps(5, 2), Costs(5, 2, 1.0, 3.0)], ids=Costs.describe)
@pytest.mark.parametrize(
    "panel",
    [random_panel(0, sessions=250, instruments=5), random_panel(1, sessions=250, missing=0.03, actions=20)],
    ids=["complete", "gaps-and-actions"],
)
def test_the_fused_kernel_is_the_plain_way_to_the_bit(panel: PricePanel, costs: Costs, execution: str) -> None:
    task = make_task(SmaCross, panel, execution, costs)
    combinations = expand_grid(SmaCross, GRID).valid
    fused, plain = fused_chunk(task, combinations), generic_chunk(task, combinations)
    assert fused.tobytes() == plain.tobytes()
    assert np.unique(fused[:, 0]).size > 5


@pytest.mark.parametrize(
    ("strategy", "grid"),
    [(SmaCross, GRID), (MonthlyMomentum, {"k": [1, 2, 3], "lookback_sessions": [30, 40], "skip_sessions": [0, 5]})],
)
def test_chunks_change_no_bit(strategy: type, grid: dict[str, list[int]]) -> None:
    task = make_task(strategy, random_panel(2, sessions=150, instruments=4, missing=0.02, actions=8))
    combinations = expand_grid(strategy, grid)
    sweeps = [
        plan_sweep(task, combinations).run(SerialExecutor(), unit_size=size)
        for size in (1, 7, len(combinations.valid), None)
    ]
    assert len({result.hash for result in sweeps}) == 1
    assert all(result.table.equals(sweeps[0].table) for result in sweeps)


def test_trials_are_in_grid_order_with_the_metrics_of_single_runs() -> None:
    panel = random_panel(3, sessions=200)
    result = sweep(SmaCross, {"slow": [10, 20], "fast": [3, 5]}, panel, costs=Costs.bps(5))
    assert result.table[["slow", "fast"]].to_numpy().tolist() == [[10, 3], [10, 5], [20, 3], [20, 5]]
    for row in result.table.to_dict("records"):
        single = run_strategy(SmaCross(row["fast"], row["slow"]), panel, costs=Costs.bps(5))
        assert {name: row[name] for name in single.metrics} == single.metrics


def test_refused_combinations_are_left_out_and_counted() -> None:
    result = sweep(SmaCross, {"fast": [5, 20], "slow": [10, 20]}, random_panel(3, sessions=60))
    assert result.table[["fast", "slow"]].to_numpy().tolist() == [[5, 10], [5, 20]]
    assert (result.trials, result.invalid) == (2, 2)
    assert "2 of 4 combinations were left out: the strategy refuses them." in result.notes


def test_the_best_is_the_highest_sharpe_and_the_first_of_equals() -> None:
    result = sweep(SmaCross, {"fast": [2, 3], "slow": [10, 20]}, make_panel({"A": [10.0] * 30}))
    assert result.table["sharpe"].tolist() == [0.0] * 4
    assert result.best_parameters == {"fast": 2, "slow": 10}
    lively = sweep(SmaCross, GRID, random_panel(5, sessions=300))
    assert lively.best["sharpe"] == lively.table["sharpe"].max()
    assert lively.best_result.metrics["sharpe"] == lively.best["sharpe"]
    assert isinstance(lively.best_parameters["fast"], int)


def test_uncounted_trials_say_so_and_counted_ones_deflate_further() -> None:
    result = sweep(SmaCross, GRID, random_panel(6, sessions=300))
    assert result.counted is False
    assert result.cumulative_trials is None
    assert any("counted nowhere" in note for note in result.notes)
    assert "uncounted trials" in repr(result)
    variance = np.var(result.table["sharpe"] / np.sqrt(252), ddof=1)
    assert result.deflated_sharpe == pytest.approx(deflated_sharpe(result.best_moments, result.trials, variance))
    counted = replace(result, counted=True, cumulative_trials=5_000)
    assert counted.deflated_sharpe < result.deflated_sharpe == counted.deflated_sharpe_of_sweep
    assert counted.expected_maximum_sharpe > result.expected_maximum_sharpe
    assert counted.hash == result.hash


def test_a_single_trial_needs_no_deflation() -> None:
    result = sweep(SmaCross, {"fast": [3], "slow": [10]}, random_panel(6, sessions=100))
    assert result.trial_variance == 0.0
    assert 0.0 < result.deflated_sharpe < 1.0


@pytest.mark.parametrize(
    ("grid", "error", "message"),
    [
        ({"fsat": [3]}, UnknownParameter, "Did you mean fast"),
        ({"zzz": [3]}, UnknownParameter, "It has fast, slow"),
        ({"fast": []}, InvalidInput, "no list of values for fast"),
        ({"fast": "12"}, InvalidInput, "no list of values for fast"),
        ({"fast": 3}, InvalidInput, "no list of values for fast"),
        ({"fast": [50], "slow": [20]}, InvalidInput, "refuses every combination"),
    ],
)
def test_a_grid_that_cannot_be_swept(grid: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        sweep(SmaCross, grid, random_panel(0, sessions=30))


def test_a_strategy_is_given_as_its_class() -> None:
    with pytest.raises(InvalidInput, match="no strategy class"):
        sweep(SmaCross(5, 20), {"fast": [3]}, random_panel(0, sessions=30))  # type: ignore[arg-type]


def test_a_parameter_without_default_must_be_in_the_grid() -> None:
    @dataclass(frozen=True)
    class Needy(BuyAndHold):
        name: ClassVar[str] = "needy"
        level: int

    with pytest.raises(InvalidInput, match="needs level"):
        sweep(Needy, {}, random_panel(0, sessions=30))


def test_an_empty_grid_is_one_trial_of_the_defaults() -> None:
    result = sweep(BuyAndHold, {}, random_panel(0, sessions=30))
    assert result.trials == 1
    assert result.best_parameters == {}


def test_progress_counts_combinations() -> None:
    seen: list[tuple[int, int]] = []
    task = make_task(SmaCross, random_panel(0, sessions=60))
    planned = plan_sweep(task, expand_grid(SmaCross, GRID))
    planned.run(SerialExecutor(), lambda done, total: seen.append((done, total)), unit_size=5)
    count = len(planned.combinations)
    assert seen == [(done, count) for done in (*range(5, count, 5), count)]


class Backwards(StreamingExecutor):
    """An executor that works from the last item to the first, as a cluster might."""

    name = "backwards"
    workers = 2

    def stream(self, function: Callable, shared: object, items: Iterable) -> Generator[Answer]:
        for place, item in reversed(list(enumerate(items))):
            yield Answer(place, function(shared, item), 12 - place % 2)


def test_the_executor_changes_no_bit_and_is_named() -> None:
    panel = random_panel(8, sessions=150)
    serial, other = sweep(SmaCross, GRID, panel), sweep(SmaCross, GRID, panel, executor=Backwards("for a test"))
    assert serial.hash == other.hash
    assert (serial.executor, other.executor) == ("serial", "backwards")
    assert other.worker_pids == (12,)
    assert other.reason == "for a test"
    assert serial.elapsed_seconds > 0
    assert serial.combos_per_second == serial.trials / serial.elapsed_seconds


def test_units_of_work_depend_on_strategy_and_panel_alone() -> None:
    assert chunk_size_of(make_task(SmaCross, random_panel(0, sessions=5))) == 256
    wide = make_panel({f"S{number}": [10.0, 10.0] for number in range(1_000)})
    assert chunk_size_of(make_task(SmaCross, wide)) == 100
    assert chunk_size_of(make_task(BuyAndHold, wide)) == 16


def test_the_hash_tells_sweeps_apart() -> None:
    panel = random_panel(0, sessions=100)
    hashes = {
        sweep(SmaCross, GRID, panel).hash,
        sweep(SmaCross, GRID, panel, costs=Costs.bps(1)).hash,
        sweep(SmaCross, {**GRID, "fast": [2, 3]}, panel).hash,
    }
    assert len(hashes) == 3
