"""Measure a walk-forward over 20 instruments, 8,313 sessions, 105 combinations and 20 windows.

Run it with `python benchmarks/bench_walk_forward.py [--quick]`; it prints a table and writes
benchmarks/results/walk_forward.json. The prices are synthetic (a seeded random walk). Times are wall clock of the
public function in one process, without its verdict (a row of its own) and after the kernels were compiled. The check
beside it is a plain loop: each combination backtested alone on prices that end with a window's training.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import investlab as il
from investlab.analytics.ratios import sharpe
from investlab.backtest.walk_forward_result import WalkForwardResult
from investlab.market.panel import read_only

RESULTS = Path(__file__).parent / "results"
SESSIONS, INSTRUMENTS = 8_313, 20
SMA = {"fast": list(range(5, 50, 3)), "slow": list(range(60, 200, 20))}
MOMENTUM = {"k": [2, 3, 5], "lookback_sessions": [63, 126, 189, 231, 252], "skip_sessions": [0, 5, 10, 15, 21, 31, 42]}
PLAN = {"train": 2_300, "test": 300, "costs": il.Costs.bps(commission=5, slippage=2)}


def make_panel() -> il.PricePanel:
    rng = np.random.default_rng(0)
    walk = rng.normal(0.0003, 0.015, (SESSIONS, INSTRUMENTS)).cumsum(axis=0)
    index = pd.bdate_range("1990-01-02", periods=SESSIONS)
    close = pd.DataFrame(50.0 * np.exp(walk), index=index, columns=[f"S{n}" for n in range(INSTRUMENTS)])
    opens = close * np.exp(rng.normal(0, 0.003, close.shape))
    return il.PricePanel.from_frames(close=close, open=opens, basis="total_return", synthetic=True)


def ended(panel: il.PricePanel, sessions: int) -> il.PricePanel:
    """Return the panel's first sessions; it has no corporate actions."""
    fields = {name: read_only(values[:sessions]) for name, values in panel.fields.items()}
    return replace(panel, sessions=panel.sessions[:sessions], fields=fields, id="")


def wrong_choices(panel: il.PricePanel, result: WalkForwardResult, windows: list[int]) -> int:
    """Return how many of some windows chose otherwise than a plain loop over backtests does."""
    wrong = 0
    for window in windows:
        row = result.windows.loc[window]
        stop = int(panel.index.get_loc(row["train_end"])) + 1
        known = ended(panel, stop)
        ratios = {}
        for fast in SMA["fast"]:
            for slow in SMA["slow"]:
                entries, exits = il.SmaCross(fast, slow).signals(known)
                run = il.simulate_signals(known, entries, exits, costs=PLAN["costs"])
                ratios[fast, slow] = sharpe(run.returns.loc[row["train_start"] :].to_numpy().copy(), 252.0)
        wrong += max(ratios, key=ratios.get) != (row["fast"], row["slow"])
    return wrong


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats, one window checked")
    quick = parser.parse_args().quick
    repeats = 2 if quick else 7
    panel = make_panel()
    cases: list[tuple[str, Callable[[], object]]] = [
        ("walk-forward, rolling", lambda: il.walk_forward(il.SmaCross, SMA, panel, **PLAN)),
        ("walk-forward, anchored", lambda: il.walk_forward(il.SmaCross, SMA, panel, anchored=True, **PLAN)),
        ("cross-validation, N=6, k=2", lambda: il.purged_cross_validation(il.SmaCross, SMA, panel, purge=5)),
        ("walk-forward, monthly momentum", lambda: il.walk_forward(il.MonthlyMomentum, MOMENTUM, panel, **PLAN)),
    ]
    rows = []
    for name, work in cases:
        work()
        rows.append({"what": name, "combinations": 105, "seconds": round(median_seconds(work, repeats), 3)})
    result = il.walk_forward(il.SmaCross, SMA, panel, **PLAN)
    assert (len(result.windows), len(result.trials)) == (20, 105)
    verdict = median_seconds(lambda: replace(result).verdict, repeats)
    rows.append({"what": "verdict of the first", "combinations": 105, "seconds": round(verdict, 3)})
    wrong = wrong_choices(panel, result, [20] if quick else [1, 10, 20])
    report = {
        "benchmark": "walk_forward",
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "sessions": SESSIONS,
        "instruments": INSTRUMENTS,
        "windows": 20,
        "prices": "synthetic",
        "repeats": repeats,
        "windows_chosen_otherwise_by_a_plain_loop": wrong,
        "rows": rows,
    }
    print(pd.DataFrame(rows).to_string(index=False))
    print(f"windows that a plain loop over backtests chooses otherwise: {wrong}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "walk_forward.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
