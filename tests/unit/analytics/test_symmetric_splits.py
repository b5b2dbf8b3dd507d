"""The probability of backtest overfitting by hand, against a plain reckoning, and at its limits."""

from itertools import combinations

import numpy as np
import pytest

from investlab.analytics.symmetric_splits import Overfitting, overfitting, overfitting_of
from investlab.core.errors import InvalidInput


def plainly(returns: np.ndarray, blocks: int) -> tuple[float, float, float, float]:
    """Return (PBO, probability of loss, slope, constant) as the paper's six steps say, one split after the other."""
    sessions, trials = returns.shape
    parts = [returns[b * sessions // blocks : (b + 1) * sessions // blocks] for b in range(blocks)]
    logits, inner, outer = [], [], []
    for split in combinations(range(blocks), blocks // 2):
        inside = np.concatenate([parts[b] for b in split])
        outside = np.concatenate([parts[b] for b in range(blocks) if b not in split])
        chosen = int(np.argmax(inside.mean(axis=0) / inside.std(axis=0, ddof=1)))
        ratios = outside.mean(axis=0) / outside.std(axis=0, ddof=1)
        share = float((ratios <= ratios[chosen]).sum()) / (trials + 1)
        logits.append(np.log(share / (1 - share)))
        inner.append((inside.mean(axis=0) / inside.std(axis=0, ddof=1))[chosen])
        outer.append(ratios[chosen])
    slope, constant = np.polyfit(inner, outer, 1)
    return float(np.mean(np.array(logits) <= 0)), float(np.mean(np.array(outer) < 0)), slope, constant


@pytest.mark.parametrize(("sessions", "trials", "blocks"), [(60, 7, 6), (61, 10, 6), (100, 3, 8), (83, 25, 10)])
def test_splits_match_a_plain_reckoning(sessions: int, trials: int, blocks: int) -> None:
    returns = np.random.default_rng(sessions).normal(5e-4, 0.01, (sessions, trials))
    found = overfitting_of(returns, blocks)
    expected = plainly(returns, blocks)
    assert (found.probability, found.probability_of_loss) == expected[:2]
    assert (found.degradation, found.intercept) == pytest.approx(expected[2:], rel=1e-9)


def test_two_blocks_by_hand() -> None:
    # Trial 0 wins in the first block (mean 2 of deviation √2 against 1) and is worse outside (−1 against 1); trial 1
    # wins the second block and is the worse in the first. Both choices fall below the median; one of them loses.
    returns = np.array([[1.0, 0.0], [3.0, 2.0], [-2.0, 0.0], [0.0, 2.0]])
    found = overfitting_of(returns, 2)
    assert (found.probability, found.probability_of_loss, found.splits, found.trials) == (1.0, 0.5, 2, 2)
    root = 2**-0.5
    # The points are (2√½, −√½) and (√½, √½): the line falls by two for each step of one and meets 0 at 3√½.
    assert (found.degradation, found.intercept) == pytest.approx((-2.0, 3 * root))
    assert found.r_squared == pytest.approx(1.0)


def test_a_trial_that_is_better_everywhere_is_never_a_bad_choice() -> None:
    returns = np.random.default_rng(1).normal(0.0, 0.01, (640, 50))
    returns[:, 17] += 0.01
    found = overfitting_of(returns)
    assert (found.probability, found.probability_of_loss, found.splits) == (0.0, 0.0, 12_870)


def test_choosing_among_equals_counts_as_a_failure() -> None:
    same = np.random.default_rng(2).normal(0.0, 0.01, (64, 1))
    assert overfitting_of(np.repeat(same, 5, axis=1)).probability == 1.0


def test_trials_that_never_trade_have_a_ratio_of_zero() -> None:
    found = overfitting_of(np.zeros((32, 4)))
    assert found == Overfitting(1.0, 0.0, 0.0, 0.0, 0.0, 12_870, 4)


def test_noise_fails_about_every_second_time() -> None:
    draws = [overfitting_of(np.random.default_rng(s).normal(0, 0.01, (320, 40)), 8).probability for s in range(40)]
    assert np.mean(draws) == pytest.approx(0.5, abs=0.08)


def test_the_same_returns_give_the_same_bits() -> None:
    returns = np.random.default_rng(3).normal(0.0, 0.01, (200, 20))
    assert overfitting_of(returns) == overfitting_of(np.asfortranarray(returns))


@pytest.mark.parametrize(
    ("moments", "sessions", "message"),
    [((2, 6), 100, "no halves"), ((2, 0), 100, "no halves"), ((1, 8), 100, "1 trials"), ((2, 8), 7, "of 7 sessions")],
)
def test_what_has_no_splits_is_refused(moments: tuple[int, int], sessions: int, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        overfitting(np.zeros(moments), sessions)
