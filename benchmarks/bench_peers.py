"""Measure sweeps beside vectorbt: the same bars, signals, costs and five metrics, in one run on one machine.

Run it with `python benchmarks/bench_peers.py --peers PYTHON`, where PYTHON is that of an environment made from
benchmarks/peers/requirements.txt. It prints a table and writes benchmarks/results/peers.json. The bars are the real
closes of GOOG in the sample, 2,148 sessions. Times are wall clock, the best of some repeats (of one for 10,011 pairs at
vectorbt); compiling is done before. `added_mib` is by how much a process of its own grew at its peak.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numba
import numpy as np
import pandas as pd

import investlab as il
from investlab.core.config import Settings
from investlab.services.workspace import Workspace, open_workspace, silent_progress

HERE = Path(__file__).parent
WINDOWS = (46, 142)
"""So many windows from 2 on give 1,035 and 10,011 pairs."""

MILLION = 1415
"""So many windows give 1,000,405 pairs."""

COSTS = il.Costs(commission_bps=10, slippage_bps=5)
CASH = 100_000.0
TERMS = {"costs": COSTS, "execution": "same_close", "initial_cash": CASH}
PEER_TERMS = {"fees": 1e-3, "slippage": 5e-4, "init_cash": CASH, "freq": "1D"}
REPEATS = 5
Row = dict[str, object]


@numba.njit
def breaks(close: np.ndarray, window: int, entries: np.ndarray, exits: np.ndarray) -> None:
    """Enter above the highest of the closes before, leave below the lowest."""
    for t in range(window, len(close)):
        high, low = -np.inf, np.inf
        for before in range(t - window, t):
            high, low = max(high, close[before]), min(low, close[before])
        entries[t], exits[t] = close[t] > high, close[t] < low


@dataclass(frozen=True)
class Breakout:
    """A strategy as a researcher writes it in a notebook."""

    name: ClassVar[str] = "own_breakout"
    family: ClassVar[str] = "own_breakout"
    window: int = 20

    def signals(self, panel: il.PricePanel) -> tuple[np.ndarray, np.ndarray]:
        """Return (entries, exits)."""
        entries, exits = np.zeros(panel.shape, np.bool_), np.zeros(panel.shape, np.bool_)
        breaks(panel.values("close")[:, 0], self.window, entries[:, 0], exits[:, 0])
        return entries, exits


def grid(windows: int) -> dict[str, list[int]]:
    """Return the grid of all pairs of some windows from 2 on; a pair needs fast < slow."""
    chosen = list(range(2, 2 + windows))
    return {"fast": chosen, "slow": chosen}


def breakouts() -> list[int]:
    """Return the windows of the researcher's strategy."""
    return list(range(5, 305))


def goog(lab: Workspace) -> il.PricePanel:
    """Return the closes of GOOG."""
    return lab.panel(["GOOG"], ["close"], dataset="us-ohlcv")


def best_of(work: Callable[[], il.SweepResult], repeats: int = REPEATS) -> tuple[float, il.SweepResult]:
    """Return the best wall-clock seconds of some repeats after a first, and the last result."""
    result, best = work(), np.inf
    for _ in range(repeats):
        started = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - started)
    return float(best), result


def row(work: str, who: str, count: int, seconds: float, **more: object) -> Row:
    """Return a line of the table."""
    return {"work": work, "who": who, "combinations": count, "seconds": seconds, "per_second": count / seconds, **more}


def ours(lab: Workspace, home: Path) -> tuple[list[Row], dict[tuple[str, int], np.ndarray]]:
    """Return our rows, and the total returns by work and number of combinations."""
    panel, rows, returns = goog(lab), [], {}
    for windows in WINDOWS:
        seconds, result = best_of(lambda w=windows: il.sweep(il.SmaCross, grid(w), panel, **TERMS))
        added = in_own_process(home, windows)["added_mib"]
        rows.append(row("sma_cross", f"il.sweep, {result.executor}", result.trials, seconds, added_mib=added))
        returns["sma_cross", result.trials] = result.table["total_return"].to_numpy()
    seconds, result = best_of(lambda: il.sweep(Breakout, {"window": breakouts()}, panel, **TERMS))
    rows.append(row("breakout", f"il.sweep, {result.executor}", result.trials, seconds))
    returns["breakout", result.trials] = result.table["total_return"].to_numpy()
    started = time.perf_counter()
    recorded = lab.sweep(il.SmaCross, grid(WINDOWS[-1]), panel, **TERMS)
    spent = time.perf_counter() - started
    rows.append(row("sma_cross", "lab.sweep: ledger, storing and verdict's moments", recorded.trials, spent))
    fresh = in_own_process(home, WINDOWS[-1])
    rows.append(row("sma_cross", "a fresh process, imports included", recorded.trials, float(fresh["seconds"])))
    million = in_own_process(home, MILLION)
    count, spent = int(million["trials"]), float(million["sweep_seconds"])
    rows.append(row("sma_cross", "il.sweep", count, spent, added_mib=million["added_mib"]))
    return rows, returns


def in_own_process(home: Path, windows: int) -> dict[str, float]:
    """Return what a fresh process took to open the home, read the panel and sweep, and how much memory that added."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "--child", str(home), str(windows)], check=True, capture_output=True, text=True
    )
    return {**json.loads(done.stdout.splitlines()[-1]), "seconds": time.perf_counter() - started}


def child(home: Path, windows: int) -> None:
    """Sweep once and print what it took; a small sweep first loads what any needs."""
    panel = goog(open_home(home))
    il.sweep(il.SmaCross, grid(3), panel, **TERMS)
    before, started = peak_mib(), time.perf_counter()
    result = il.sweep(il.SmaCross, grid(windows), panel, **TERMS)
    spent = time.perf_counter() - started
    print(json.dumps({"trials": result.trials, "sweep_seconds": spent, "added_mib": peak_mib() - before}))


def peak_mib() -> float:
    """Return the most memory this process ever held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def open_home(home: Path) -> Workspace:
    """Open the workspace of the benchmark."""
    return open_workspace(settings=Settings.model_validate({"home": home}), progress=silent_progress)


def peers(python: str, folder: Path, close: np.ndarray) -> dict[str, object]:
    """Run vectorbt on the same work in its own environment and return what it told."""
    np.savez(folder / "prices.npz", close=close)
    work = {"windows": WINDOWS, "breakouts": breakouts(), "repeats": REPEATS, "terms": PEER_TERMS}
    (folder / "work.json").write_text(json.dumps(work), encoding="utf-8")
    subprocess.run([python, str(HERE / "peers" / "speed.py"), str(folder)], check=True)
    told: dict[str, object] = json.loads((folder / "peers.json").read_text(encoding="utf-8"))
    return told


def compared(told: list[Row], returns: dict[tuple[str, int], np.ndarray]) -> list[Row]:
    """Return vectorbt's rows with how many of its total returns differ from ours by more than a relative 1e-9."""
    rows = []
    for peer in told:
        count = int(str(peer["combinations"]))
        own = 1.0 + returns[str(peer["work"]), count]
        apart = np.abs((1.0 + np.array(peer["total_return"])) / own - 1.0)
        more = {"added_mib": peer["added_mib"], "returns_that_differ": int((apart > 1e-9).sum())}
        rows.append(row(str(peer["work"]), f"vectorbt {peer['engine']}", count, float(str(peer["seconds"])), **more))
    return rows


def main() -> None:
    """Measure both, print the table with ratios to vectorbt's best engine, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", help="python of the peers' environment")
    parser.add_argument("--child", nargs=2, metavar=("HOME", "WINDOWS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(Path(given.child[0]), int(given.child[1]))
        return
    with tempfile.TemporaryDirectory(prefix="investlab-peers-") as folder:
        home = Path(folder) / "home"
        lab = open_home(home)
        lab.ingest("sample", "us-ohlcv")
        rows, returns = ours(lab, home)
        told = {"versions": {}, "rows": []}
        if given.peers:
            told = peers(given.peers, Path(folder), goog(lab).values("close")[:, 0])
        lab.close()
    others = compared(told["rows"], returns)
    best = {}
    for other in others:
        key = other["work"], other["combinations"]
        best[key] = max(best.get(key, 0.0), float(str(other["per_second"])))
    for own in rows:
        if (own["work"], own["combinations"]) in best:
            own["times_vectorbts_best"] = float(str(own["per_second"])) / best[own["work"], own["combinations"]]
    table = pd.DataFrame(rows + others)
    print(table.to_string(index=False, na_rep=""))
    if not given.peers:
        print("Without --peers PYTHON vectorbt was not measured, and nothing is written down.")
        return
    report = {
        "benchmark": "peers",
        "command": "python benchmarks/bench_peers.py --peers PYTHON",
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "bars": "GOOG closes of the sample's us-ohlcv, real",
        "versions": told["versions"],
        "rows": rows + others,
    }
    (HERE / "results" / "peers.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
