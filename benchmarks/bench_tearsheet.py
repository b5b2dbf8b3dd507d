"""Measure the tear sheet of thirty years of daily sessions: its numbers, and apart from them its drawing.

Run it with `python benchmarks/bench_tearsheet.py [--quick]`; it prints a table and writes
benchmarks/results/tearsheet.json. The prices are synthetic (a seeded random walk): 20 instruments over 7,560 sessions,
a monthly rebalanced portfolio with costs beside buy-and-hold. `numbers` is `tear_sheet(result)`, what the target of one
second is about; `page` is the whole of `result.report(path)`, numbers included: Bokeh models of every picture, as JSON,
packed into one file. Times are the median of the repeats after one that warms compiled kernels up; CPU seconds of the
process stand beside the wall clock, for a loaded machine stretches the latter.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from investlab.backtest.costs import Costs
from investlab.backtest.engine import run_strategy
from investlab.backtest.result import BacktestResult
from investlab.backtest.strategies import BuyAndHold, MonthlyMomentum
from investlab.backtest.tear_sheet import tear_sheet
from investlab.market.panel import PricePanel

RESULTS = Path(__file__).parent / "results"
SESSIONS, INSTRUMENTS = 7560, 20
COSTS = Costs.bps(commission=5, slippage=2)


def make_result() -> BacktestResult:
    """Return the backtest whose tear sheet is measured."""
    walk = np.random.default_rng(0).normal(0.0003, 0.015, (SESSIONS, INSTRUMENTS)).cumsum(axis=0)
    index = pd.bdate_range("1993-01-04", periods=SESSIONS)
    close = pd.DataFrame(50.0 * np.exp(walk), index=index, columns=[f"S{n}" for n in range(INSTRUMENTS)])
    panel = PricePanel.from_frames(close=close, basis="total_return", synthetic=True)
    result = run_strategy(MonthlyMomentum(k=5), panel, costs=COSTS, execution="next_close")
    held = run_strategy(BuyAndHold(), panel, costs=COSTS, execution="next_close").nav
    return replace(result, benchmark=held.rename("benchmark"))


def medians(work: Callable[[], object], repeats: int) -> dict[str, float]:
    """Return the median wall-clock and CPU seconds of some work."""
    walls, spent = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        spent.append(time.process_time() - cpu)
    return {"seconds": round(statistics.median(walls), 3), "cpu_seconds": round(statistics.median(spent), 3)}


def main() -> None:
    """Measure, print the table and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    repeats = 2 if parser.parse_args().quick else 7
    result = make_result()  # `replace` below makes copies that hold nothing computed before
    with tempfile.TemporaryDirectory(prefix="investlab-bench-") as folder:
        page = Path(folder) / "sheet.html"
        tear_sheet(replace(result))
        replace(result).report(page)
        numbers = medians(lambda: tear_sheet(replace(result)), repeats)
        drawn = medians(lambda: replace(result).report(page), repeats)
        size = page.stat().st_size
    case = {"sessions": SESSIONS, "instruments": INSTRUMENTS, "fills": len(result.fills)}
    rows = [
        {"what": "numbers", **case, **numbers, "target": "< 1 s"},
        {"what": "page", **case, **drawn, "megabytes": round(size / 1e6, 2), "target": "< 3 MB"},
    ]
    report = {
        "benchmark": "tearsheet",
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "prices": "synthetic",
        "repeats": repeats,
        "rows": rows,
    }
    print(pd.DataFrame(rows).to_string(index=False, na_rep=""))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "tearsheet.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
