"""How often the best trial of a sweep was a bad choice: combinatorially symmetric cross-validation (CSCV).

Sessions are cut into an even number of blocks; each way of taking half of them is a split that chooses the trial with
the highest Sharpe ratio inside and looks at it outside. Sums of returns and of their squares by block are all it takes.
Source: Bailey, Borwein, López de Prado and Zhu, "The Probability of Backtest Overfitting", Journal of Computational
Finance 20(4), 2017.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from investlab.analytics.compiled import compiled
from investlab.core.errors import InvalidInput

BLOCKS = 16
"""Blocks of sessions, as in the paper's examples: 12,870 splits."""

LEAST_PER_BLOCK = 2
"""Sessions that a block needs, so that a Sharpe ratio of half of the blocks means something."""

UNVARYING_SHARE = 1e-12
"""Returns whose variance is a smaller part of their mean square do not vary by more than rounding."""


@dataclass(frozen=True, slots=True)
class Overfitting:
    """What the splits say about choosing the trial with the highest Sharpe ratio.

    `probability` is the share of splits whose choice is at or below the median of the trials outside (PBO);
    `probability_of_loss` the share whose choice has a negative Sharpe ratio outside. `degradation` is the slope and
    `intercept` the constant of the regression of the choice's Sharpe ratio outside on the one inside, per session, and
    `r_squared` its fit.
    """

    probability: float
    probability_of_loss: float
    degradation: float
    intercept: float
    r_squared: float
    splits: int
    trials: int


def overfitting_of(returns: np.ndarray, blocks: int = BLOCKS) -> Overfitting:
    """Return what CSCV says about a matrix of returns (sessions × trials); `blocks` is even.

    Raises:
        InvalidInput: There are fewer than two trials, too few sessions for the blocks, or blocks that do not halve.
    """
    rows = np.empty((returns.shape[1], 2 * blocks))
    for trial in range(returns.shape[1]):
        write_block_moments(np.ascontiguousarray(returns[:, trial], dtype=np.float64), len(returns), rows[trial])
    return overfitting(rows, len(returns))


def overfitting(moments: np.ndarray, sessions: int) -> Overfitting:
    """Return what CSCV says about trials given by the rows that `write_block_moments` writes.

    Equal trials share their middle rank, so a choice among equals counts as one that fails. The same input gives the
    same bits.

    Raises:
        InvalidInput: There are fewer than two trials, too few sessions for the blocks, or blocks that do not halve.
    """
    trials, blocks = len(moments), moments.shape[1] // 2
    if blocks < 2 or blocks % 2:
        raise InvalidInput(f"{blocks} blocks have no halves.", remedy="Give an even number of blocks.")
    if trials < 2 or sessions < LEAST_PER_BLOCK * blocks:
        raise InvalidInput(
            f"{trials} trials of {sessions} sessions cannot be cross-validated in {blocks} blocks.",
            remedy=f"Give at least two trials and {LEAST_PER_BLOCK * blocks} sessions.",
        )
    inside = np.array([split for split in combinations(range(blocks), blocks // 2) if split[0] == 0])
    sizes = np.diff(np.arange(blocks + 1) * sessions // blocks).astype(np.float64)
    by_block = np.ascontiguousarray(moments.reshape(trials, blocks, 2).transpose(1, 2, 0))
    before, after, share = _choices(by_block, sizes, inside)
    slope, constant, fit = _line(before, after)
    return Overfitting(
        probability=float(np.mean(share <= 0.5)),
        probability_of_loss=float(np.mean(after < 0.0)),
        degradation=slope,
        intercept=constant,
        r_squared=fit,
        splits=len(before),
        trials=trials,
    )


@compiled
def write_block_moments(returns: np.ndarray, sessions: int, moments: np.ndarray) -> None:
    """Write the sum of returns and the sum of their squares of each block, block after block, into one row.

    The returns are those of the last sessions; a first session without one counts as a return of 0, so that all trials
    of a sweep have the same blocks. Block b holds sessions b·n//B up to (b+1)·n//B. Four sums run side by side, for
    one chain of additions would take four times as long.
    """
    blocks = len(moments) // 2
    missing = sessions - len(returns)
    for block in range(blocks):
        start = max(block * sessions // blocks - missing, 0)
        stop = (block + 1) * sessions // blocks - missing
        a, b, c, d = 0.0, 0.0, 0.0, 0.0
        aa, bb, cc, dd = 0.0, 0.0, 0.0, 0.0
        full = stop - (stop - start) % 4
        for place in range(start, full, 4):
            v, w, x, y = returns[place], returns[place + 1], returns[place + 2], returns[place + 3]
            a, b, c, d = a + v, b + w, c + x, d + y
            aa, bb, cc, dd = aa + v * v, bb + w * w, cc + x * x, dd + y * y
        for place in range(full, stop):
            a += returns[place]
            aa += returns[place] * returns[place]
        moments[2 * block] = (a + b) + (c + d)
        moments[2 * block + 1] = (aa + bb) + (cc + dd)


@compiled
def _choices(moments: np.ndarray, sizes: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each split's choice: its Sharpe ratio inside and outside, and its rank outside over trials + 1.

    `moments` is blocks × 2 × trials; `inside` lists the half of the splits that holds the first block. Each is
    followed by its complement. A rank share of at most ½ is a logit of at most 0.
    """
    blocks, _, trials = moments.shape
    found = np.empty((3, 2 * len(inside)))
    sums = np.empty((2, 2, trials))
    ratios = np.empty((2, trials))
    taken = np.empty(blocks, dtype=np.int64)
    for split in range(len(inside)):
        taken[:] = 1
        for block in inside[split]:
            taken[block] = 0
        sums[:] = 0.0
        counts = np.zeros(2)
        for block in range(blocks):
            side = taken[block]
            counts[side] += sizes[block]
            for trial in range(trials):
                sums[side, 0, trial] += moments[block, 0, trial]
                sums[side, 1, trial] += moments[block, 1, trial]
        for side in range(2):
            _ratios(sums[side], counts[side], ratios[side])
        for side in range(2):
            chosen = np.argmax(ratios[side])
            outside = ratios[1 - side]
            found[0, 2 * split + side] = ratios[side, chosen]
            found[1, 2 * split + side] = outside[chosen]
            found[2, 2 * split + side] = _middle_rank(outside, outside[chosen]) / (trials + 1.0)
    return found[0], found[1], found[2]


@compiled
def _ratios(sums: np.ndarray, count: float, ratios: np.ndarray) -> None:
    for trial in range(len(ratios)):
        mean = sums[0, trial] / count
        square = sums[1, trial] / count
        variance = square - mean * mean
        ratio = mean / np.sqrt(variance * count / (count - 1.0))
        ratios[trial] = ratio if variance > UNVARYING_SHARE * square else 0.0


@compiled
def _middle_rank(ratios: np.ndarray, ratio: float) -> float:
    below = 0
    equal = 0
    for other in ratios:
        below += other < ratio
        equal += other == ratio
    return below + 0.5 * (equal + 1)


def _line(before: np.ndarray, after: np.ndarray) -> tuple[float, float, float]:
    """Return slope, constant and R² of the least-squares line; a flat one where the choices inside are all equal."""
    x, y = before - before.mean(), after - after.mean()
    spread, height = float((x * x).sum()), float((y * y).sum())
    if spread == 0.0:
        return 0.0, float(after.mean()), 0.0
    slope = float((x * y).sum()) / spread
    fit = slope * slope * spread / height if height > 0.0 else 1.0
    return slope, float(after.mean() - slope * before.mean()), fit
