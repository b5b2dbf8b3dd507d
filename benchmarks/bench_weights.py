"""Measure monthly top-k portfolios with shared cash against a plain numpy loop that follows the same conventions.

Run it with `python benchmarks/bench_weights.py [--quick]`; it prints a table and writes
benchmarks/results/weights.json. The prices are synthetic (a seeded random walk). The peer is a loop of ours over
rebalances in numpy, run in the same process: a backtesting library is not among the platform's requirements. The peer
returns the NAV alone; investlab also returns positions, fills and metrics. Times are wall clock.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from investlab.backtest.costs import Costs
from investlab.backtest.engine import simulate_weights
from investlab.backtest.strategies import MonthlyMomentum
from investlab.market.panel import PricePanel

RESULTS = Path(__file__).parent / "results"
COSTS = Costs.bps(commission=5, slippage=2)
CASH = 100_000.0


def make_panel(instruments: int, sessions: int) -> PricePanel:
    rng = np.random.default_rng(0)
    walk = rng.normal(0.0003, 0.015, (sessions, instruments)).cumsum(axis=0)
    index = pd.bdate_range("1990-01-02", periods=sessions)
    close = pd.DataFrame(50.0 * np.exp(walk), index=index, columns=[f"S{n}" for n in range(instruments)])
    return PricePanel.from_frames(close=close, basis="total_return", synthetic=True)


def peer_nav(close: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the NAV of target weights that fill at the next close, as a researcher would write it by hand."""
    nav = np.empty(len(close))
    cash, quantity, start = CASH, np.zeros(close.shape[1]), 0
    for t in np.flatnonzero(~np.isnan(weights[:, 0])):
        if t + 1 == len(close):
            break
        nav[start : t + 1] = cash + close[start : t + 1] @ quantity
        target = weights[t] * nav[t] / close[t]
        change = np.where(np.abs(target - quantity) <= 1e-9 * np.maximum(target, quantity), 0.0, target - quantity)
        price = close[t + 1]
        sold = np.where(change < 0, -change, 0.0)
        cash += (sold * price * (1 - 2e-4)).sum() * (1 - 5e-4)
        quantity = quantity - sold
        for column in sorted(np.flatnonzero(change > 0), key=lambda c: (change[c] * price[c], c)):
            paid = price[column] * (1 + 2e-4)
            bought = min(change[column], cash / (1 + 5e-4) / paid)
            cash -= bought * paid * (1 + 5e-4)
            quantity[column] += bought
        start = t + 1
    nav[start:] = cash + close[start:] @ quantity
    return nav


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the small case only, fewer repeats")
    quick = parser.parse_args().quick
    repeats = 2 if quick else 7
    rows = []
    for instruments, sessions, k in ((20, 8313, 5), (1000, 5000, 50))[: 1 if quick else 2]:
        panel = make_panel(instruments, sessions)
        close, weights = panel.values("close"), MonthlyMomentum(k=k).weights(panel)
        ours = simulate_weights(panel, weights, costs=COSTS, execution="next_close")
        difference = float(np.abs(ours.nav.to_numpy() / peer_nav(close, weights) - 1).max())
        case = {"instruments": instruments, "sessions": sessions, "k": k}
        seconds = median_seconds(
            lambda p=panel, w=weights: simulate_weights(p, w, costs=COSTS, execution="next_close"), repeats
        )
        rows.append({"who": "investlab weights", **case, "milliseconds": round(seconds * 1e3, 2)})
        seconds = median_seconds(lambda c=close, w=weights: peer_nav(c, w), repeats)
        rows.append({"who": "numpy loop", **case, "milliseconds": round(seconds * 1e3, 2)})
        rows[-2]["largest_relative_difference"] = rows[-1]["largest_relative_difference"] = difference
    report = {
        "benchmark": "weights",
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "prices": "synthetic",
        "repeats": repeats,
        "rows": rows,
    }
    print(pd.DataFrame(rows).to_string(index=False))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "weights.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
