"""Time vectorbt on the work of benchmarks/bench_peers.py, in its own environment.

Called with a folder that holds `work.json` and `prices.npz`; writes `peers.json` there. Each piece of work is done by
both engines, once to compile and then as often as told; the best time is kept.
"""

import importlib.metadata
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import pandas as pd
import vectorbt as vbt

ENGINES = ("numba", "rust")
MANY_WINDOWS = 100
PACKAGES = ("vectorbt", "vectorbt-rust", "numpy", "numba", "pandas")


def peak_mib() -> float:
    """Return the most memory this process ever held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def five_metrics(made: vbt.Portfolio) -> pd.DataFrame:
    """Return total return, annual growth, volatility, Sharpe ratio and deepest drawdown of each column."""
    return pd.DataFrame(
        {
            "total_return": np.atleast_1d(made.total_return()),
            "cagr": np.atleast_1d(made.annualized_return()),
            "volatility": np.atleast_1d(made.annualized_volatility()),
            "sharpe": np.atleast_1d(made.sharpe_ratio()),
            "max_drawdown": np.atleast_1d(made.max_drawdown()),
        }
    )


def crossings(close: pd.Series, work: dict, windows: int, engine: str) -> pd.DataFrame:
    """Return the metrics of every pair of moving averages, as vectorbt's documentation does it."""
    chosen = list(range(2, 2 + windows))
    fast, slow = vbt.MA.run_combs(close, window=chosen, r=2, short_names=["fast", "slow"])
    made = vbt.Portfolio.from_signals(
        close, fast.ma_crossed_above(slow), fast.ma_crossed_below(slow), engine=engine, **work["terms"]
    )
    return five_metrics(made)


@numba.njit
def breaks(close: np.ndarray, window: int, entries: np.ndarray, exits: np.ndarray) -> None:
    """Enter above the highest of the closes before, leave below the lowest."""
    for t in range(window, len(close)):
        high, low = -np.inf, np.inf
        for before in range(t - window, t):
            high, low = max(high, close[before]), min(low, close[before])
        entries[t], exits[t] = close[t] > high, close[t] < low


def breakouts(close: pd.Series, work: dict, engine: str) -> pd.DataFrame:
    """Return the metrics of a strategy of one's own in numba, one column a window."""
    windows = work["breakouts"]
    entries = np.zeros((len(close), len(windows)), dtype=np.bool_, order="F")
    exits = np.zeros_like(entries)
    for place, window in enumerate(windows):
        breaks(close.to_numpy(), window, entries[:, place], exits[:, place])
    signals = pd.DataFrame(entries, index=close.index), pd.DataFrame(exits, index=close.index)
    return five_metrics(vbt.Portfolio.from_signals(close, *signals, engine=engine, **work["terms"]))


def best_of(work: Callable[[], pd.DataFrame], repeats: int) -> tuple[float, pd.DataFrame]:
    """Return the best wall-clock seconds of some repeats and the last result."""
    best, found = np.inf, pd.DataFrame()
    for _ in range(repeats):
        started = time.perf_counter()
        found = work()
        best = min(best, time.perf_counter() - started)
    return best, found


def main() -> None:
    """Do every piece of work with both engines and write times, memory and the total returns."""
    folder = Path(sys.argv[1])
    work = json.loads((folder / "work.json").read_text(encoding="utf-8"))
    with np.load(folder / "prices.npz") as loaded:
        arrays = dict(loaded)
    close = pd.Series(arrays["close"], index=pd.bdate_range("2004-08-19", periods=len(arrays["close"])))
    rows = []
    for engine in ENGINES:
        crossings(close, work, 10, engine)
        breakouts(close, work, engine)
        seconds, found = best_of(lambda e=engine: breakouts(close, work, e), work["repeats"])
        rows.append(["breakout", engine, len(found), seconds, 0.0, found["total_return"].tolist()])
        for windows in work["windows"]:
            before, repeats = peak_mib(), work["repeats"] if windows < MANY_WINDOWS else 1
            seconds, found = best_of(lambda e=engine, w=windows: crossings(close, work, w, e), repeats)
            rows.append(["sma_cross", engine, len(found), seconds, peak_mib() - before, found["total_return"].tolist()])
    names = ("work", "engine", "combinations", "seconds", "added_mib", "total_return")
    report = {
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "rows": [dict(zip(names, row, strict=True)) for row in rows],
    }
    (folder / "peers.json").write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main()
