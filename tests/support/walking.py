"""Strategies and panels whose walk-forward can be worked by hand, or whose edge is known."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from investlab.market.panel import PricePanel


@dataclass(frozen=True)
class InOrOut:
    """In from the first session on where `inside` is 1, else never; by signals."""

    name: ClassVar[str] = "in_or_out"
    family: ClassVar[str] = "in_or_out"
    inside: int = 1

    def signals(self, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
        entries = np.zeros(panel.shape, dtype=np.bool_)
        entries[0] = self.inside == 1
        return entries, np.zeros(panel.shape, dtype=np.bool_)


@dataclass(frozen=True)
class AllOrNothing:
    """The same by weights, decided once, at the first session."""

    name: ClassVar[str] = "all_or_nothing"
    family: ClassVar[str] = "all_or_nothing"
    inside: int = 1

    def weights(self, panel: PricePanel) -> np.ndarray:
        weights = np.full(panel.shape, np.nan)
        weights[0] = self.inside / panel.shape[1]
        return weights


@dataclass(frozen=True)
class Echo:
    """In after a gain `lag` sessions ago, out after a loss."""

    name: ClassVar[str] = "echo"
    family: ClassVar[str] = "echo"
    lag: int = 1

    def signals(self, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
        gains = np.zeros(panel.shape)
        gains[1:] = np.diff(np.log(panel.values("close")), axis=0)
        seen = np.zeros(panel.shape)
        seen[self.lag - 1 :] = gains[: len(gains) - self.lag + 1]
        return seen > 0.0, seen < 0.0


def echo_panel(seed: int, lag: int, sessions: int = 1_500, strength: float = 0.35, instruments: int = 4) -> PricePanel:
    """Return prices whose returns follow the sign of the return `lag` sessions ago; with 0 they are noise."""
    rng = np.random.default_rng(seed)
    gains = rng.normal(0.0, 0.01, (sessions, instruments))
    for t in range(lag, sessions):
        gains[t] += strength * 0.01 * np.sign(gains[t - lag])
    index = pd.bdate_range("2010-01-01", periods=sessions)
    close = pd.DataFrame(50.0 * np.exp(gains.cumsum(axis=0)), index=index, columns=list("ABCDEFGH"[:instruments]))
    return PricePanel.from_frames(close=close, open=close, basis="total_return", synthetic=True)
