"""Compiling every kernel ahead of time, so that workers find them in the cache on disk.

`python -m investlab.backtest.warm [signals|weights]` does so for one part or for all.
"""

import sys

import numpy as np
import pandas as pd

from investlab.analytics.bootstrap import bootstrap_intervals
from investlab.analytics.rolling import rolling_beta, rolling_sharpe
from investlab.analytics.symmetric_splits import overfitting_of
from investlab.backtest.engine import run_strategy, simulate_signals, simulate_weights
from investlab.backtest.reversion_strategies import BollingerReversion, RsiReversion
from investlab.backtest.sizing import Sizing
from investlab.backtest.strategies import SmaCross
from investlab.backtest.sweep import sweep
from investlab.backtest.trend_strategies import DonchianBreakout, EmaCross, Macd
from investlab.backtest.walk_forward import walk_forward
from investlab.market.panel import PricePanel
from investlab.schemas.market import PriceBasis


def warm_kernels(*parts: str) -> None:
    """Compile and cache the kernels of the parts named, or of all, by running each on a few made-up sessions."""
    index = pd.bdate_range("2020-01-01", periods=8)
    close = pd.DataFrame({"A": [10.0, 9.0, 8.0, 9.0, 11.0, 12.0, 9.0, 8.0]}, index=index)
    panel = PricePanel.from_frames(close=close, open=close, basis=PriceBasis.RAW, synthetic=True)
    for part in parts or PARTS:
        PARTS[part](panel)


def _warm_signals(panel: PricePanel) -> None:
    signals = np.arange(8).reshape(-1, 1) % 4 == 0
    simulate_signals(panel, signals, ~signals)
    simulate_signals(panel, signals, ~signals, direction="both", sizing=Sizing.volatility(0.1, 2))
    sweep(SmaCross, {"fast": [2], "slow": [3]}, panel)
    for strategy in (BollingerReversion, DonchianBreakout, EmaCross, Macd, RsiReversion):
        run_strategy(strategy(), panel)
    walk_forward(SmaCross, {"fast": [2], "slow": [3]}, panel, train=4, test=2)


def _warm_weights(panel: PricePanel) -> None:
    prices = panel.frame("close")
    traded = simulate_weights(panel, prices.iloc[[0, 4]] / 100.0)
    gaps = PricePanel.from_frames(close=prices.where(prices != 11.0), open=prices, basis=panel.basis, synthetic=True)
    simulate_weights(gaps, prices.iloc[[0, 4]] / 100.0)
    _ = traded.drawdown, traded.returns
    rolling_sharpe(traded.returns, 2, 252.0)
    rolling_beta(traded.returns, traded.returns, 2)
    noise = np.sin(np.arange(64.0)).reshape(32, 2)
    overfitting_of(noise)
    bootstrap_intervals(noise[:, 0])


PARTS = {"signals": _warm_signals, "weights": _warm_weights}

if __name__ == "__main__":
    warm_kernels(*sys.argv[1:])
