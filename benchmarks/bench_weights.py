"""Measure target weights with shared cash against a plain numpy loop, and vectorbt where its environment is given.

Run it with `python benchmarks/bench_weights.py [--quick] [--peers PYTHON]`; it prints a table and writes
benchmarks/results/weights.json. The prices are synthetic (a seeded random walk). Rows:

* monthly top-k: the numpy loop is one over rebalances that follows the same conventions, run in the same process; it
  returns the NAV alone, investlab also positions, fills and metrics.
* daily rebalanced, long and short, with caps, a participation limit and borrow, financing and cash rates.
* 6,000 × 5,000 rebalanced weekly, in a process of its own, with the most memory that the process ever held.

vectorbt (`--peers`, made from benchmarks/peers/requirements.txt) is given the same prices and weights, recommended
configuration, and fills at the same close. Times are the median of the repeats: wall clock, and the processor time of
the thread, which other programs on the machine change less.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import investlab as il
from investlab.backtest.engine import simulate_weights
from investlab.backtest.rebalancing import opening_sessions
from investlab.backtest.strategies import MonthlyMomentum
from investlab.market.actions import ActionTable
from investlab.market.panel import PanelSource, PricePanel, read_only
from investlab.schemas.market import InstrumentRef, PriceBasis

HERE = Path(__file__).parent
COSTS = il.Costs(commission_bps=5, slippage_bps=2)
CASH = 100_000.0
WIDE = (6_000, 5_000)


def make_panel(instruments: int, sessions: int, *, volume: bool = False) -> PricePanel:
    """Return a random walk, with volume as raw prices, else on a total-return basis."""
    rng = np.random.default_rng(0)
    close = rng.normal(0.0003, 0.015, (sessions, instruments))
    np.cumsum(close, axis=0, out=close)
    np.exp(close, out=close)
    close *= 50.0
    fields = {"close": read_only(close)}
    if volume:
        fields["volume"] = read_only(rng.uniform(1e3, 1e5, close.shape))
    listing = tuple(InstrumentRef(instrument_id=n + 1, symbol=f"S{n}", currency="USD") for n in range(instruments))
    days = pd.bdate_range("1990-01-02", periods=sessions).values.astype("datetime64[D]")
    basis = PriceBasis.RAW if volume else PriceBasis.TOTAL_RETURN
    return PricePanel(days, listing, fields, basis, ActionTable.empty(), PanelSource(synthetic=True))


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


def timed(work: Callable[[], object], repeats: int) -> dict[str, float]:
    """Return the medians of wall clock and of the thread's processor time, after one run that may compile."""
    work()
    wall, busy = [], []
    for _ in range(repeats):
        started, working = time.perf_counter(), time.thread_time()
        work()
        wall.append(time.perf_counter() - started)
        busy.append(time.thread_time() - working)
    return {
        "milliseconds": round(statistics.median(wall) * 1e3, 2),
        "processor_milliseconds": round(statistics.median(busy) * 1e3, 2),
    }


def monthly_rows(instruments: int, sessions: int, k: int, repeats: int, peers: str | None) -> list[dict[str, object]]:
    """Return monthly top-k: investlab, the numpy loop, and vectorbt."""
    panel = make_panel(instruments, sessions)
    close, weights = panel.values("close"), MonthlyMomentum(k=k).weights(panel)
    ours = simulate_weights(panel, weights, costs=COSTS, execution="next_close")
    apart = float(np.abs(ours.nav.to_numpy() / peer_nav(close, weights) - 1).max())
    case = {"what": f"monthly top {k}", "instruments": instruments, "sessions": sessions}
    rows: list[dict[str, object]] = []

    def add(who: str, times: dict[str, float], difference: float) -> None:
        rows.append({"who": who, **case, **times, "largest_relative_difference": difference})

    add(
        "investlab",
        timed(lambda: simulate_weights(panel, weights, costs=COSTS, execution="next_close"), repeats),
        apart,
    )
    add("numpy loop", timed(lambda: peer_nav(close, weights), repeats), apart)
    if peers:
        at_close = simulate_weights(panel, weights, costs=COSTS, execution="same_close")
        for told in by_vectorbt(peers, close, weights, at_close.nav.to_numpy(), min(repeats, 3)):
            add(told["who"], {"milliseconds": told["milliseconds"]}, told["largest_relative_difference"])
    return rows


def by_vectorbt(
    peers: str, close: np.ndarray, weights: np.ndarray, nav: np.ndarray, repeats: int
) -> list[dict[str, object]]:
    """Return what vectorbt's engines took, in their own environment."""
    with tempfile.TemporaryDirectory(prefix="investlab-weights-") as folder:
        np.savez(Path(folder) / "case.npz", close=close, weights=weights, nav=nav)
        terms = json.dumps({"fees": 5e-4, "slippage": 2e-4, "cash": CASH, "repeats": repeats})
        subprocess.run([peers, str(HERE / "peers" / "weights.py"), folder, terms], check=True)
        told: list[dict[str, object]] = json.loads((Path(folder) / "peers.json").read_text(encoding="utf-8"))
    return told


def daily_row(instruments: int, sessions: int, repeats: int) -> dict[str, object]:
    """Return daily rebalancing of random long and short weights within all limits and with all rates."""
    panel = make_panel(instruments, sessions, volume=True)
    weights = np.random.default_rng(1).normal(0, 1.5 / instruments, panel.shape)
    limits = il.Limits(gross=1.5, weight=4 / instruments, short=True, participation=0.05)
    rates = il.Rates(cash=0.02, financing=0.04, borrow=0.01)

    def work() -> il.BacktestResult:
        return simulate_weights(
            panel, weights, costs=COSTS, execution="next_close", initial_cash=1e7, limits=limits, rates=rates
        )

    case = {"what": "daily, borrow, caps, participation", "instruments": instruments, "sessions": sessions}
    return {"who": "investlab", **case, **timed(work, repeats), "fills": len(work().fills)}


def wide_row(repeats: int) -> dict[str, object]:
    """Return weekly rebalancing of many instruments; run it in a process of its own, for its memory is measured."""
    instruments, sessions = WIDE
    panel = make_panel(instruments, sessions)
    weeks = opening_sessions(panel.sessions, "week")
    random = np.random.default_rng(1)
    rows = random.random((len(weeks), instruments))
    rows *= 0.99 / rows.sum(axis=1, keepdims=True)
    weights = pd.DataFrame(rows, index=panel.index[weeks], columns=panel.symbols)
    case = {"what": "weekly, all instruments", "instruments": instruments, "sessions": sessions}
    times = timed(lambda: simulate_weights(panel, weights, costs=COSTS, execution="next_close"), repeats)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"who": "investlab", **case, **times, "process_peak_mebibytes": round(peak)}


def main() -> None:
    """Measure all rows, print them and write them down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small cases only, fewer repeats")
    parser.add_argument("--peers", help="python of the peers' environment")
    parser.add_argument("--wide", action="store_true", help="print the row of the widest case alone, as JSON")
    given = parser.parse_args()
    repeats = 2 if given.quick else 7
    if given.wide:
        print(json.dumps(wide_row(3)))
        return
    rows = monthly_rows(20, 8313, 5, repeats, given.peers)
    if not given.quick:
        rows += monthly_rows(1000, 5000, 50, repeats, given.peers)
        rows.append(daily_row(1000, 5000, repeats))
        told = subprocess.run([sys.executable, __file__, "--wide"], check=True, capture_output=True, text=True)
        rows.append(json.loads(told.stdout.splitlines()[-1]))
    report = {
        "benchmark": "weights",
        "command": "python benchmarks/bench_weights.py --peers PYTHON",
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}",
        "prices": "synthetic",
        "repeats": repeats,
        "rows": rows,
    }
    print(pd.DataFrame(rows).to_string(index=False))
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    (results / "weights.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
