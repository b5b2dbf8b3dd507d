"""Synthetic panels with a planted signal or with none, and small training sets; all seeded."""

import numpy as np
import pandas as pd

from investlab.market.panel import PricePanel
from investlab.ml.training_sets import TrainingRows

SYMBOLS = tuple(f"S{number:02d}" for number in range(12))


def planted_panel(seed: int, sessions: int = 1500, strength: float = 0.0) -> PricePanel:
    """Return synthetic total-return prices whose next return leans against the last 21 sessions' growth.

    `strength` is the share of that growth, relative to the instruments' mean, given back each session; with 0 every
    return is independent of everything before it. Twelve-month momentum tells nothing in either case.
    """
    rng = np.random.default_rng(seed)
    logs = np.zeros((sessions, len(SYMBOLS)))
    noise = rng.normal(0.0, 0.015, logs.shape)
    for t in range(1, sessions):
        growth = logs[t - 1] - logs[max(t - 22, 0)]
        logs[t] = logs[t - 1] - strength * (growth - growth.mean()) + noise[t]
    index = pd.bdate_range("2010-01-01", periods=sessions)
    close = pd.DataFrame(50.0 * np.exp(logs), index=index, columns=list(SYMBOLS))
    return PricePanel.from_frames(close=close, basis="total_return", synthetic=True)


def training_rows(seed: int = 0, sessions: int = 120, instruments: int = 20, features: int = 3) -> TrainingRows:
    """Return rows whose forward return grows with the first feature."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(sessions * instruments, features))
    outcomes = 0.02 * values[:, 0] + rng.normal(0.0, 0.03, len(values))
    names = tuple(f"f{number}" for number in range(features))
    return TrainingRows(names, values, outcomes, np.full(sessions, instruments))
