"""Measure sweeps at scale: wall of `lab.sweep`, memory of a million combinations, Ray beside threads, resuming.

Run it with `python benchmarks/bench_scale.py [--quick]`; it prints a table and writes benchmarks/results/scale.json.
Prices are GOOG's 2,148 daily bars of dataset `us-ohlcv` (provider `sample`); combinations are pairs of moving averages
with commission and slippage. Times are wall clock, and ratios are of runs that follow each other in one process. Memory
is the highest proportional set size (PSS) of a fresh process above what it had after imports and one small sweep; it
holds the result at the end.
"""

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from investlab.backtest.costs import Costs
from investlab.backtest.grid import expand_grid
from investlab.backtest.strategies import SmaCross
from investlab.backtest.sweep import SweepTask, plan_sweep, sweep
from investlab.backtest.terms import agree_terms
from investlab.compute import ray_executor
from investlab.core.config import Settings
from investlab.core.executor import Executor, ThreadExecutor
from investlab.market.panel import PricePanel
from investlab.services.workspace import Workspace, open_workspace, silent_progress

RESULTS = Path(__file__).parent / "results"
COSTS = Costs.bps(commission=5, slippage=2)
Row = dict[str, object]


def grid_of(windows: int) -> dict[str, list[int]]:
    """Return all pairs of so many windows: 142 give 10,011 valid combinations, 1,415 give 1,000,405."""
    values = list(range(2, 2 + windows))
    return {"fast": values, "slow": values}


def open_lab(home: str) -> Workspace:
    lab = open_workspace(settings=Settings(home=Path(home), ray_workers=2), progress=silent_progress)
    lab.ingest("sample", "us-ohlcv")
    return lab


def goog(lab: Workspace) -> PricePanel:
    return lab.panel(["GOOG"], dataset="us-ohlcv")


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def wall_rows(lab: Workspace, repeats: int) -> list[Row]:
    """Return the wall of `lab.sweep` with `auto`, each time of another initial cash, beside the plain sweep."""
    panel, grid, rows = goog(lab), grid_of(142), []
    for number in range(repeats):
        started = time.perf_counter()
        result = lab.sweep(SmaCross, grid, panel, costs=COSTS, initial_cash=1000.0 + number)
        seconds = time.perf_counter() - started
        plain = timed(lambda n=number: sweep(SmaCross, grid, panel, costs=COSTS, initial_cash=1000.0 + n))
        rows.append((seconds, plain, result))
    seconds, plain = (statistics.median(column) for column in list(zip(*rows, strict=True))[:2])
    again = timed(lambda: lab.sweep(SmaCross, grid, panel, costs=COSTS, initial_cash=1000.0))
    last = rows[-1][2]
    return [
        {"row": "lab.sweep, auto", "combinations": last.trials, "seconds": seconds, "who": last.reason},
        {"row": "il.sweep, same work", "combinations": last.trials, "seconds": plain, "who": last.executor},
        {"row": "lab.sweep again, from its record", "combinations": last.trials, "seconds": again},
    ]


def pss_mib() -> float:
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise OSError("There is no PSS here.")


def measure_memory(windows: int, recorded: bool, answers: "multiprocessing.Queue[Row]") -> None:
    with tempfile.TemporaryDirectory() as home:
        lab = open_lab(home)
        panel = goog(lab)
        run: Callable[..., object] = lab.sweep if recorded else sweep
        run(SmaCross, grid_of(20), panel, costs=COSTS)
        base, highest, ended = pss_mib(), 0.0, threading.Event()

        def watch() -> None:
            nonlocal highest
            while not ended.wait(0.05):
                highest = max(highest, pss_mib())

        watching = threading.Thread(target=watch)
        watching.start()
        started = time.perf_counter()
        result = run(SmaCross, grid_of(windows), panel, costs=COSTS, **({"executor": "threads"} if recorded else {}))
        seconds = time.perf_counter() - started
        ended.set()
        watching.join()
        answers.put(
            {
                "row": f"memory of {'lab' if recorded else 'il'}.sweep",
                "combinations": result.trials,  # type: ignore[attr-defined]
                "seconds": seconds,
                "base_mib": round(base, 1),
                "added_mib": round(highest - base, 1),
                "target": "< 150 MiB",
            }
        )


def memory_rows(sizes: tuple[int, ...]) -> list[Row]:
    rows = []
    context = multiprocessing.get_context("spawn")
    for recorded in (False, True):
        for windows in sizes:
            answers: multiprocessing.Queue[Row] = context.Queue()
            process = context.Process(target=measure_memory, args=(windows, recorded, answers))
            process.start()
            rows.append(answers.get())
            process.join()
    return rows


def ray_rows(panel: PricePanel, windows: int, repeats: int) -> list[Row]:
    """Return throughput on two threads and on two Ray workers, in turn."""
    task = SweepTask(SmaCross, panel, agree_terms(panel, COSTS, "next_open", 100_000.0))
    points = expand_grid(SmaCross, grid_of(windows))
    settings, rates, hashes = Settings(ray_workers=2), {"threads": [], "ray": []}, set()

    def run(executor: Executor) -> None:
        result = plan_sweep(task, points).run(executor)
        rates[executor.name].append(result.combos_per_second)
        hashes.add(result.hash)

    started = time.perf_counter()
    with ray_executor(settings) as executor:
        head = time.perf_counter() - started
        executor.map(lambda _, item: time.sleep(item), None, [0.2] * 4)
        for _ in range(repeats):
            run(ThreadExecutor(2))
            run(executor)
    ratios = [ray / threads for ray, threads in zip(rates["ray"], rates["threads"], strict=True)]
    count = len(points.valid)
    return [
        {
            "row": f"{name}, 2 workers",
            "combinations": count,
            "seconds": count / statistics.median(found),
            "seconds_of_one": 2 * count / statistics.median(found),
        }
        for name, found in rates.items()
    ] + [
        {
            "row": "Ray / threads, throughput",
            "combinations": count,
            "ratio": round(statistics.median(ratios), 3),
            "ratios": [round(one, 3) for one in ratios],
            "target": ">= 0.85",
            "equal_bits": len(hashes) == 1,
        },
        {"row": "start of a Ray head of our own", "seconds": head},
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer combinations and repeats")
    quick = parser.parse_args().quick
    before = os.getloadavg()
    with tempfile.TemporaryDirectory() as home:
        lab = open_lab(home)
        sweep(SmaCross, grid_of(10), goog(lab), costs=COSTS)
        rows = wall_rows(lab, 1 if quick else 5)
        rows += ray_rows(goog(lab), 142 if quick else 1000, 1 if quick else 3)
    rows += memory_rows((20, 142) if quick else (142, 1415))
    report = {
        "benchmark": "scale",
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}",
        "load_average_before_and_after": [round(before[0], 1), round(os.getloadavg()[0], 1)],
        "note": "A load above 2 means that other work shared the two cores: read the ratios, not the times.",
        "panel": "GOOG, 2,148 sessions of us-ohlcv",
        "rows": [{k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()} for row in rows],
    }
    print(pd.DataFrame(report["rows"]).fillna("").to_string(index=False))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "scale.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
