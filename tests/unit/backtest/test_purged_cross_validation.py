"""Combinatorial purged cross-validation: splits choose on what they may see, and paths are put together from tests."""

from typing import Any

import numpy as np
import pytest

from investlab.analytics.ratios import sharpe
from investlab.backtest.engine import run_strategy
from investlab.backtest.purged_cross_validation import purged_cross_validation
from investlab.backtest.strategies import MonthlyMomentum, SmaCross
from tests.support.panels import random_panel
from tests.support.walking import Echo, echo_panel

SMA = {"fast": [2, 3, 5], "slow": [5, 13, 21]}
MOMENTUM = {"k": [1, 2], "lookback_sessions": [10, 25], "skip_sessions": [0, 3]}


@pytest.mark.parametrize(("strategy", "grid"), [(SmaCross, SMA), (MonthlyMomentum, MOMENTUM)])
def test_splits_choose_and_paths_join_as_a_plain_loop_does(strategy: type[Any], grid: dict[str, list[int]]) -> None:
    """Four groups of 30 sessions, two tested: six splits, three paths; purge 3, embargo 2."""
    panel = random_panel(1, sessions=120)
    result = purged_cross_validation(strategy, grid, panel, groups=4, test_groups=2, purge=3, embargo=2)
    combos = [dict(row) for row in _combinations(strategy, grid)]
    returns = [run_strategy(strategy(**one), panel).returns.reindex(panel.index).to_numpy() for one in combos]
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    chosen = []
    for pair in pairs:
        seen = np.ones(120, dtype=bool)
        seen[0] = False
        for group in pair:
            seen[max(30 * group - 3, 0) : 30 * group + 30 + 5] = False
        ratios = [sharpe(values[seen].copy(), 252.0) for values in returns]
        chosen.append(int(np.argmax(ratios)))
    assert [result.splits.loc[split, list(grid)].tolist() for split in range(1, 7)] == [
        [combos[place][name] for name in grid] for place in chosen
    ]
    by_path = [(0, 0, 1, 2), (1, 3, 3, 4), (2, 4, 5, 5)]
    for path, splits in enumerate(by_path, start=1):
        expected = np.concatenate([returns[chosen[split]][30 * g : 30 * g + 30] for g, split in enumerate(splits)])
        assert np.array_equal(result.paths[path].to_numpy()[1:], expected[1:])
        assert result.sharpes[path] == sharpe(expected[1:].copy(), 252.0)


def _combinations(strategy: type[Any], grid: dict[str, list[int]]) -> list[list[tuple[str, int]]]:
    names, rows = list(grid), [[]]
    for name in names:
        rows = [[*row, (name, value)] for row in rows for value in grid[name]]
    return [row for row in rows if strategy is not SmaCross or dict(row)["fast"] < dict(row)["slow"]]


def test_purge_and_embargo_leave_out_what_touches_a_test() -> None:
    result = purged_cross_validation(SmaCross, SMA, random_panel(2, sessions=120), groups=6, purge=3, embargo=2)
    assert (len(result.splits), result.paths.shape[1]) == (15, 5)
    assert result.splits.loc[1, "tested"] == "1, 2"
    assert result.splits.loc[1, "train_sessions"] == 120 - 40 - 3 - 2
    assert result.splits.loc[2, "train_sessions"] == 120 - 40 - (3 + 2) - 3 - (3 + 2)


def test_the_distribution_is_that_of_the_paths() -> None:
    result = purged_cross_validation(SmaCross, SMA, random_panel(3, sessions=300), groups=6)
    found = result.distribution
    assert found["mean"] == pytest.approx(np.mean(result.sharpes))
    assert found["std"] == pytest.approx(np.std(result.sharpes, ddof=1))
    assert found["share below 0"] == np.mean(result.sharpes < 0.0)
    assert f"{found['mean']:.2f} on average over 5 paths of 15 splits" in result.sentence


@pytest.mark.slow
def test_noise_earns_nothing_on_the_paths_and_a_planted_edge_does() -> None:
    grid = {"lag": list(range(1, 13))}
    noise = [purged_cross_validation(Echo, grid, echo_panel(seed, 3, 600, 0.0, 1)) for seed in range(25)]
    means = np.array([one.distribution["mean"] for one in noise])
    assert abs(means.mean()) < 2.0 * means.std(ddof=1) / 5.0
    assert np.mean([one.splits["train_sharpe"].mean() for one in noise]) > 0.7
    planted = purged_cross_validation(Echo, grid, echo_panel(1, 3), purge=1)
    assert planted.splits["lag"].eq(2).all()
    assert planted.sharpes.min() > 1.0
