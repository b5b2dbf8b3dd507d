"""A thousand strategies without skill on random walks are not distinguishable from luck."""

import os
from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from investlab.backtest.strategies import SmaCross
from investlab.backtest.sweep import sweep
from investlab.backtest.verdict import VerdictKind
from investlab.market.panel import PricePanel
from tests.support.panels import random_panel

ROUNDS = min(100, int(os.environ.get("INVESTLAB_FAULT_ROUNDS", "20")))
ALLOWED = ROUNDS // 20
"""Seeds in a hundred, five, that may say anything but luck."""


@dataclass(frozen=True)
class CoinToss:
    """Enters and leaves at random."""

    name: ClassVar[str] = "coin_toss"
    family: ClassVar[str] = "coin_toss"
    seed: int = 0

    def signals(self, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
        draws = np.random.default_rng(self.seed).random(panel.shape)
        return draws < 0.1, draws > 0.9


WINDOWS = {"fast": list(range(2, 47)), "slow": list(range(5, 150, 5))}
SEEDS = {"seed": list(range(1_000))}


@pytest.mark.slow
@pytest.mark.drill
@pytest.mark.parametrize(
    ("strategy", "grid", "sessions", "instruments"),
    [(SmaCross, WINDOWS, 1_000, 1), (CoinToss, SEEDS, 300, 1)],
    ids=["moving-averages", "coin-tosses"],
)
def test_noise_is_not_distinguishable_from_luck(
    strategy: type[Any], grid: dict[str, list[int]], sessions: int, instruments: int
) -> None:
    kinds: Counter[VerdictKind] = Counter()
    for seed in range(ROUNDS):
        result = sweep(strategy, grid, random_panel(seed, sessions=sessions, instruments=instruments))
        assert result.trials >= 1_000
        kinds[result.verdict.kind] += 1
    assert ROUNDS - kinds[VerdictKind.LUCK] <= ALLOWED, kinds
