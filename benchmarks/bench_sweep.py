"""Measure the sweep of moving-average pairs against a plain numpy loop that follows the same conventions.

Run it with `python benchmarks/bench_sweep.py [--quick]`; it prints a table and writes benchmarks/results/sweep.json.
The prices are synthetic (a seeded random walk). The peer is a loop of ours over combinations in pandas and numpy, run
in the same process: a backtesting library is not among the platform's requirements. Times are wall clock.
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
from investlab.backtest.strategies import SmaCross
from investlab.backtest.sweep import sweep
from investlab.backtest.warm import warm_kernels
from investlab.market.panel import PricePanel

RESULTS = Path(__file__).parent / "results"
SESSIONS, INSTRUMENTS = 3270, 5
COSTS = Costs.bps(commission=5, slippage=2)
CASH = 100_000.0


def make_panel() -> PricePanel:
    rng = np.random.default_rng(0)
    walk = rng.normal(0.0003, 0.015, (SESSIONS, INSTRUMENTS)).cumsum(axis=0)
    index = pd.bdate_range("2000-03-01", periods=SESSIONS)
    close = pd.DataFrame(50.0 * np.exp(walk), index=index, columns=[f"S{n}" for n in range(INSTRUMENTS)])
    return PricePanel.from_frames(
        close=close, open=close * np.exp(rng.normal(0, 0.003, close.shape)), basis="total_return", synthetic=True
    )


def grid_of(count: int) -> dict[str, list[int]]:
    """Return a square grid of windows that are all valid, with at least `count` pairs."""
    side = int(np.ceil(np.sqrt(count)))
    return {"fast": list(range(2, 2 + side)), "slow": list(range(2 + side, 2 + 2 * side))}


def peer_pair(close: pd.DataFrame, opens: np.ndarray, fast: int, slow: int) -> tuple[float, float]:
    """Return (total return, Sharpe ratio) of one pair as a researcher would write it by hand."""
    gap = (close.rolling(fast).mean() - close.rolling(slow).mean()).to_numpy()
    nav = np.zeros(len(close))
    prices = close.to_numpy()
    for column in range(close.shape[1]):
        side = np.where(np.isnan(gap[:, column]), 0, np.sign(gap[:, column]))
        known = np.flatnonzero(side)
        crossed = known[1:][side[known[1:]] != side[known[:-1]]]
        quantity, cash, start = 0.0, CASH / close.shape[1], 0
        for t in crossed[crossed < len(close) - 1] + 1:
            nav[start:t] += cash + quantity * prices[start:t, column]
            start = t
            if side[t - 1] > 0 and quantity == 0.0:
                quantity, cash = cash / 1.0005 / (opens[t, column] * 1.0002), 0.0
            elif side[t - 1] < 0 and quantity > 0.0:
                cash, quantity = cash + quantity * opens[t, column] * 0.9998 * 0.9995, 0.0
        nav[start:] += cash + quantity * prices[start:, column]
    returns = nav[1:] / nav[:-1] - 1
    return nav[-1] / CASH - 1, returns.mean() / returns.std(ddof=1) * np.sqrt(252)


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer pairs and repeats")
    quick = parser.parse_args().quick
    panel, repeats = make_panel(), 1 if quick else 5
    started = time.perf_counter()
    warm_kernels()
    warm = time.perf_counter() - started

    rows = []
    for count, symbols in ((1_000, panel.symbols), (10_000, panel.symbols), (10_000, panel.symbols[:1])):
        if quick and count > 1_000:
            continue
        chosen, grid = panel.select(symbols), grid_of(count)
        pairs = len(grid["fast"]) * len(grid["slow"])
        sweep(SmaCross, {name: values[:2] for name, values in grid.items()}, chosen, costs=COSTS)
        seconds = median_seconds(lambda c=chosen, g=grid: sweep(SmaCross, g, c, costs=COSTS), repeats)
        rows.append(("investlab sweep", pairs, len(symbols), seconds))

    close, opens = panel.close, panel.values("open")
    sample = [(fast, slow) for fast in (2, 20, 60, 99) for slow in (102, 130, 170, 201)]
    peer = {pair: peer_pair(close, opens, *pair) for pair in sample}
    seconds = median_seconds(lambda: [peer_pair(close, opens, *pair) for pair in sample], repeats)
    rows.append(("numpy loop", len(sample), INSTRUMENTS, seconds))

    worst = 0.0
    for (fast, slow), (total_return, ratio) in peer.items():
        ours = sweep(SmaCross, {"fast": [fast], "slow": [slow]}, panel, costs=COSTS).table.iloc[0]
        worst = max(worst, abs(ours["total_return"] - total_return), abs(ours["sharpe"] - ratio))

    report = {
        "benchmark": "sweep",
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "sessions": SESSIONS,
        "prices": "synthetic",
        "repeats": repeats,
        "kernel_warm_up_seconds": round(warm, 2),
        "largest_difference_to_peer": worst,
        "rows": [
            {
                "who": who,
                "pairs": pairs,
                "instruments": instruments,
                "seconds": round(seconds, 4),
                "pairs_per_second": round(pairs / seconds, 1),
                "single_instrument_combos_per_second": round(pairs * instruments / seconds, 1),
            }
            for who, pairs, instruments, seconds in rows
        ],
    }
    print(pd.DataFrame(report["rows"]).to_string(index=False))
    print(f"largest difference to the peer in total return and Sharpe ratio over {len(sample)} pairs: {worst:.1e}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "sweep.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
