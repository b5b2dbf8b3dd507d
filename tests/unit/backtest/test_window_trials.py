"""Trials measured in windows: the fused way is the plain way, and units of work of any size give the same bits."""

from typing import Any

import numpy as np
import pytest

from investlab.analytics.performance import performance
from investlab.analytics.returns import simple_returns
from investlab.backtest.costs import Costs
from investlab.backtest.grid import expand_grid
from investlab.backtest.strategies import MonthlyMomentum, SmaCross
from investlab.backtest.sweep import SweepTask, split_sweep
from investlab.backtest.terms import agree_terms
from investlab.backtest.window_measures import MEASURES, lay_out, measure_windows
from investlab.backtest.window_trials import WindowTask, crossing_navs, measure_part, plain_navs
from tests.support.panels import random_panel

SMA = {"fast": [2, 3, 5, 8], "slow": [5, 13, 21]}
MOMENTUM = {"k": [1, 2], "lookback_sessions": [10, 25], "skip_sessions": [0, 3]}


def make_task(strategy: type[Any], execution: str = "next_open") -> SweepTask:
    panel = random_panel(2, sessions=180, missing=0.02, actions=8)
    return SweepTask(strategy, panel, agree_terms(panel, Costs(5, 2, 1.0, 3.0), execution, 100_000.0))


@pytest.mark.parametrize("execution", ["next_open", "next_close", "same_close"])
def test_the_fused_kernel_is_the_plain_way_to_the_bit(execution: str) -> None:
    task, combinations = make_task(SmaCross, execution), expand_grid(SmaCross, SMA).valid
    fused, plain = crossing_navs(task, combinations), plain_navs(task, combinations)
    assert fused.tobytes() == plain.tobytes()
    assert len(np.unique(fused[:, -1])) > 5


@pytest.mark.parametrize(("strategy", "grid"), [(SmaCross, SMA), (MonthlyMomentum, MOMENTUM)])
def test_units_of_work_of_any_size_give_the_same_bits(strategy: type[Any], grid: dict[str, list[int]]) -> None:
    combinations = expand_grid(strategy, grid).valid
    task = WindowTask(make_task(strategy), lay_out([[range(100)], [range(60, 90), range(120, 180)]]), range(40, 180))
    found = set()
    for size in (1, 3, len(combinations)):
        parts = [measure_part(task, part) for part in split_sweep(combinations, size)]
        found.add(tuple(np.concatenate(rows).tobytes() for rows in zip(*parts, strict=True)))
    assert len(found) == 1


def test_measures_of_windows_are_those_of_analytics() -> None:
    """Stretches of a window are strung together; the first session of a panel has no return and counts nowhere."""
    nav = random_panel(5, sessions=120, instruments=1).values("close")[:, 0]
    returns = np.concatenate([[0.0], simple_returns(nav)])
    windows = [[range(50)], [range(10, 30), range(60, 100)], [range(119, 120)]]
    rows = measure_windows(returns, lay_out(windows), 252.0)
    strung = (returns[1:50], np.concatenate([returns[10:30], returns[60:100]]))
    for row, values in zip(rows[:2], strung, strict=True):
        expected = performance(values, 252.0)
        assert row.tolist() == pytest.approx([getattr(expected, name) for name in MEASURES], rel=1e-12)
    assert (rows[2, 0], rows[2, 3]) == (0.0, pytest.approx(returns[119]))
