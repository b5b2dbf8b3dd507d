"""The stationary bootstrap: arch's block length and distribution, the same bits for a seed, and coverage."""

from importlib import import_module

import numpy as np
import pytest

from investlab.analytics.bootstrap import bootstrap_intervals, optimal_block_length, resampled
from investlab.core.errors import InvalidInput


def series(seed: int, count: int, memory: float) -> np.ndarray:
    shocks = np.random.default_rng(seed).normal(3e-4, 0.01, count)
    values = shocks.copy()
    for t in range(1, count):
        values[t] += memory * values[t - 1]
    return values


def mean_and_ratio(values: np.ndarray) -> np.ndarray:
    return np.array([values.mean(), values.mean() / values.std(ddof=1)])


def test_a_seed_fixes_the_bits() -> None:
    returns = series(0, 300, 0.2)
    assert bootstrap_intervals(returns, seed=5) == bootstrap_intervals(returns, seed=5)
    assert bootstrap_intervals(returns, seed=5) != bootstrap_intervals(returns, seed=6)


def test_resamples_are_made_of_runs_of_the_mean_length() -> None:
    # Each return is 0 but one: a resample of whole blocks of length 10⁹ holds it exactly once, wherever it starts.
    returns = np.zeros(50)
    returns[7] = 1.0
    means, _ = resampled(returns, 1e9, 200, 1)
    assert np.all(means == 1.0 / 50)
    means, _ = resampled(returns, 1.0, 4_000, 1)
    assert means.mean() == pytest.approx(1.0 / 50, rel=0.05)
    assert means.var() == pytest.approx(0.02 * 0.98 / 50, rel=0.1)  # of a binomial share


def test_independent_returns_give_the_normal_interval() -> None:
    ends = []
    for seed in range(40):
        returns = np.random.default_rng(seed).normal(0.001, 0.01, 1_000)
        found = bootstrap_intervals(returns, resamples=500).mean
        error = returns.std(ddof=1) / np.sqrt(1_000)
        ends.append([(found.lower - returns.mean()) / error, (found.upper - returns.mean()) / error])
    assert np.mean(ends, axis=0) == pytest.approx([-1.96, 1.96], abs=0.06)


def test_returns_that_do_not_vary_have_a_ratio_of_zero() -> None:
    found = bootstrap_intervals(np.full(20, 0.01))
    assert (found.sharpe.lower, found.sharpe.upper, found.block_length) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("count", "options", "message"),
    [(7, {}, "too few"), (20, {"confidence": 1.0}, "no interval"), (20, {"resamples": 0}, "no interval")],
)
def test_what_has_no_interval_is_refused(count: int, options: dict, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        bootstrap_intervals(series(0, count, 0.0), **options)


@pytest.mark.slow
def test_block_lengths_and_distributions_are_those_of_arch() -> None:
    bootstrap = import_module("arch.bootstrap")
    stats = import_module("scipy.stats")
    for seed, (count, memory) in enumerate([(100, 0.0), (500, 0.5), (2_000, 0.2), (2_148, -0.3), (3_000, 0.9)]):
        returns = series(seed, count, memory)
        expected = float(bootstrap.optimal_block_length(returns)["stationary"].iloc[0])
        assert optimal_block_length(returns) == pytest.approx(max(expected, 1.0), rel=1e-9)
    returns = series(1, 500, 0.5)
    theirs = bootstrap.StationaryBootstrap(12, returns, seed=1).apply(mean_and_ratio, 2_000)
    for mine, other in zip(resampled(returns, 12.0, 2_000, 1), theirs.T, strict=True):
        assert stats.ks_2samp(mine, other).pvalue > 0.01
