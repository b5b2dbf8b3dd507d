"""Check that whole equity paths agree with peers that simulate the same entries, exits and weights on real prices.

Run it with `python benchmarks/agreement.py --peers PYTHON --zipline PYTHON`: the first is the python of an environment
made from benchmarks/peers/requirements.txt, the second (Python 3.12) of one made from
benchmarks/peers/requirements-zipline.txt; without it zipline is left out. It prints a table and writes
benchmarks/results/agreement.json. The peers run in environments of their own (benchmarks/peers/agreement.py and
benchmarks/peers/zipline_agreement.py), which know nothing of investlab: they are given prices, signals and weights as
arrays and give back their equity paths.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import investlab as il
from investlab.backtest.strategies import point_in_time_prices
from investlab.core.config import Settings
from investlab.services.workspace import Workspace, open_workspace, silent_progress

HERE = Path(__file__).parent
COSTS = il.Costs(commission_bps=10, slippage_bps=5)
CASH = 100_000.0
ZIPLINE_CASH = 1e9
"""zipline trades whole shares only: with so much cash they are nearly as good as fractions."""
BORROWING = il.Limits(gross=2.0)
"""Nothing is scaled or cut to cash: zipline fills what was ordered and lets cash fall below 0."""
Case = dict[str, np.ndarray]


def signal_case(panel: il.PricePanel, fast: int, slow: int, execution: str) -> Case:
    """Return prices, SMA crossings and our equity path of them, each instrument on its own part of the cash."""
    entries, exits = il.SmaCross(fast, slow).signals(panel)
    done = il.simulate_signals(panel, entries, exits, costs=COSTS, execution=execution, initial_cash=CASH)
    prices = point_in_time_prices(panel)
    return {"prices": prices, "entries": entries, "exits": exits, "nav": done.nav.to_numpy()}


def weight_case(panel: il.PricePanel, k: int, costs: il.Costs = COSTS) -> Case:
    """Return prices, monthly momentum weights and our equity path of them: shared cash, filled at the same close."""
    weights = il.MonthlyMomentum(k=k).weights(panel)
    done = il.simulate_weights(panel, weights, costs=costs, execution="same_close", initial_cash=CASH)
    return {"prices": panel.values("close"), "weights": weights, "nav": done.nav.to_numpy()}


def cases(lab: Workspace) -> dict[str, Case]:
    """Return every case by name, on the real prices of the sample."""
    market = lab.panel(lab.universe("us-close"), ["close"])
    found = {}
    for execution in ("same_close", "next_close"):
        for fast, slow in ((10, 30), (20, 100), (50, 200)):
            found[f"signals sma({fast},{slow}) {execution}"] = signal_case(market, fast, slow, execution)
    for k in (1, 5, 10):
        found[f"weights momentum({k}) same_close"] = weight_case(market, k)
    found["weights momentum(5) same_close, free of costs, for bt"] = weight_case(market, 5, il.Costs())
    found[
        "signals sma(20,100) same_close, one instrument, no slippage, sessions without trades, for backtesting.py"
    ] = single_case(lab)
    return found


def single_case(lab: Workspace) -> Case:
    """Return the crossings of one instrument with so much cash that whole units are as good as fractions.

    There is no slippage, for backtesting.py charges its spread where it enters but not where it leaves.
    """
    panel, cash = lab.panel(["AAPL"], ["close"], dataset="us-close"), 1e12
    entries, exits = il.SmaCross(20, 100).signals(panel)
    costs = il.Costs(commission_bps=COSTS.commission_bps)
    done = il.simulate_signals(panel, entries, exits, costs=costs, execution="same_close", initial_cash=cash)
    prices = panel.values("close")
    return {"prices": prices, "entries": entries, "exits": exits, "nav": done.nav.to_numpy(), "cash": np.array(cash)}


def zipline_signal_cases(lab: Workspace) -> dict[str, Case]:
    """Return the crossings of one instrument, which zipline takes as weights, beside both of our doors."""
    panel = lab.panel(["AAPL"], ["close"], dataset="us-close")
    entries, exits = il.SmaCross(20, 100).signals(panel)
    weights = in_or_out(entries, exits)
    terms = {"costs": COSTS, "execution": "next_close", "initial_cash": ZIPLINE_CASH}
    ours = {
        "as signals": il.simulate_signals(panel, entries, exits, **terms),
        "as weights that may borrow": il.simulate_weights(panel, weights, limits=BORROWING, **terms),
    }
    name = "signals sma(20,100) next_close, AAPL"
    return {f"{name}, {door}": zipline_case(panel, weights, done) for door, done in ours.items()}


def zipline_whole_case(lab: Workspace) -> dict[str, Case]:
    """Return the crossings of an instrument without splits on raw prices: whole shares and ordinary cash."""
    panel = lab.panel(["GOOG"], ["close"], dataset="us-ohlcv")
    weights = in_or_out(*il.SmaCross(20, 100).signals(panel))
    terms = {"costs": COSTS, "execution": "next_close", "initial_cash": CASH, "whole_shares": True}
    done = il.simulate_weights(panel, weights, limits=BORROWING, **terms)
    name = "signals sma(20,100) next_close, GOOG, as weights that may borrow, whole shares"
    return {name: zipline_case(panel, weights, done)}


def zipline_weight_cases(lab: Workspace) -> dict[str, Case]:
    """Return monthly momentum for zipline, with borrowing allowed and with buys cut to cash."""
    panel = lab.panel(lab.universe("us-close"), ["close"])
    weights = il.MonthlyMomentum(k=5).weights(panel)
    found = {}
    for name, limits in (("that may borrow", BORROWING), ("cut to cash", il.Limits())):
        done = il.simulate_weights(
            panel, weights, costs=COSTS, execution="next_close", initial_cash=ZIPLINE_CASH, limits=limits
        )
        found[f"weights momentum(5) next_close, {name}"] = zipline_case(panel, weights, done)
    return found


def in_or_out(entries: np.ndarray, exits: np.ndarray) -> np.ndarray:
    """Return weights that are 1 at an entry, 0 at an exit, and hold at all other sessions."""
    return np.where(entries, 1.0, np.where(exits, 0.0, np.nan))


def zipline_case(panel: il.PricePanel, weights: np.ndarray, done: il.BacktestResult) -> Case:
    """Return what zipline is given, and our equity path."""
    sessions = panel.sessions.astype("datetime64[ns]")
    prices, cash = panel.values("close"), np.array(done.initial_cash)
    return {"prices": prices, "weights": weights, "sessions": sessions, "cash": cash, "nav": done.nav.to_numpy()}


def ask(python: str, script: str, made: dict[str, Case], folder: Path) -> dict[str, Any]:
    """Return what peers tell of cases that a folder of their own hands them."""
    folder.mkdir()
    for number, (name, case) in enumerate(made.items()):
        np.savez(folder / f"{number:02d}.npz", name=name, **case)
    costs = json.dumps({"fees": 10e-4, "slippage": 5e-4, "cash": CASH})
    subprocess.run([python, str(HERE / "peers" / script), str(folder), costs], check=True)
    told: dict[str, Any] = json.loads((folder / "peers.json").read_text(encoding="utf-8"))
    return told


def main() -> None:
    """Simulate every case here and by the peers, print how far apart the paths lie, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", required=True, help="python of the peers' environment")
    parser.add_argument("--zipline", help="python of zipline's environment; left out without it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="investlab-agreement-") as folder:
        settings = Settings.model_validate({"home": Path(folder) / "home"})
        lab = open_workspace(settings=settings, progress=silent_progress)
        lab.ingest("sample", "us-close")
        told = {"peers": ask(given.peers, "agreement.py", cases(lab), Path(folder) / "peers")}
        if given.zipline:
            lab.ingest("sample", "us-ohlcv")
            made = zipline_signal_cases(lab) | zipline_whole_case(lab) | zipline_weight_cases(lab)
            told["zipline"] = ask(given.zipline, "zipline_agreement.py", made, Path(folder) / "zipline")
        lab.close()
    rows = [row for answer in told.values() for row in answer["rows"]]
    print(pd.DataFrame(rows).to_string(index=False))
    report = {
        "benchmark": "agreement",
        "command": "python benchmarks/agreement.py --peers PYTHON --zipline PYTHON",
        "data": "us-close, 20 instruments × 8,313 sessions, real prices; commission 10 bps, slippage 5 bps; "
        "GOOG of us-ohlcv for whole shares",
        "versions": {environment: answer["versions"] for environment, answer in told.items()},
        "peers_configuration": {environment: answer["configuration"] for environment, answer in told.items()},
        "rows": rows,
    }
    (HERE / "results" / "agreement.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
