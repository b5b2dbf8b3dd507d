"""Crossings on the sample's real prices against exact arithmetic: prices with three decimals are whole numbers."""

from itertools import product

import numpy as np
import pytest

from investlab.backtest.strategies import SmaCross
from investlab.market.panel import PricePanel
from investlab.providers.protocol import FetchRequest
from investlab.providers.sample import SampleProvider

WINDOWS = list(product((2, 3, 4, 5, 6, 8, 9, 10, 12, 15, 16, 18), (20, 21, 24, 25, 30, 32, 36, 40, 45, 48, 50, 55, 60)))
WINDOWS += list(product((7, 11, 14, 20, 25, 40, 50, 64), range(65, 215, 8)))[: 300 - len(WINDOWS)]


@pytest.fixture(scope="module")
def prices() -> PricePanel:
    """Return the closes of twenty real instruments over 8,313 sessions, where each has its first close at once."""
    delivery = SampleProvider().fetch(FetchRequest("us-close"))
    bars = [delivery.read(part) for part in delivery.parts]
    close = bars[0].pivot(index="session", columns="symbol", values="close")
    return PricePanel.from_frames(close=close, basis="total_return")


def exact_crossings(thousandths: np.ndarray, fast: int, slow: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Return entries, exits and the number of ties from sums of whole numbers (sessions × instruments)."""
    sums = np.vstack([np.zeros((1, thousandths.shape[1]), np.int64), np.cumsum(thousandths, axis=0)])
    gap = (sums[slow:] - sums[slow - fast : len(sums) - fast]) * slow - (sums[slow:] - sums[:-slow]) * fast
    side = np.zeros(thousandths.shape, np.int8)
    side[slow - 1 :] = np.sign(gap)
    rows = np.where(side != 0, np.arange(len(side))[:, np.newaxis], -1)
    before = np.vstack([np.full((1, side.shape[1]), -1), np.maximum.accumulate(rows, axis=0)[:-1]])
    state = np.where(before >= 0, np.take_along_axis(side, np.maximum(before, 0), axis=0), 0)
    crossed = (side != 0) & (state == -side)
    return crossed & (side > 0), crossed & (side < 0), int((side[slow - 1 :] == 0).sum())


@pytest.mark.slow
def test_ties_of_rounded_prices_are_never_a_crossing(prices: PricePanel) -> None:
    thousandths = np.rint(prices.values("close") * 1_000).astype(np.int64)
    assert prices.shape == (8_313, 20)
    assert np.allclose(thousandths / 1_000, prices.values("close"), rtol=0, atol=1e-9)
    wrong, ties, crossings = [], 0, 0
    for fast, slow in WINDOWS:
        entries, exits, tied = exact_crossings(thousandths, fast, slow)
        found = SmaCross(fast, slow).signals(prices)
        if not (np.array_equal(found[0], entries) and np.array_equal(found[1], exits)):
            wrong.append((fast, slow))
        ties += tied
        crossings += int(entries.sum() + exits.sum())
    assert len(set(WINDOWS)) == 300
    assert wrong == []
    assert ties > 1_000
    assert crossings > 100_000
