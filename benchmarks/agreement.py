"""Check that whole equity paths agree with peers that simulate the same entries, exits and weights on real prices.

Run it with `python benchmarks/agreement.py --peers PYTHON`, where PYTHON is that of an environment made from
benchmarks/peers/requirements.txt. It prints a table and writes benchmarks/results/agreement.json. The peers run in an
environment of their own (benchmarks/peers/agreement.py), which knows nothing of investlab: they are given prices,
signals and weights as arrays and give back their equity paths.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import investlab as il
from investlab.backtest.strategies import point_in_time_prices
from investlab.core.config import Settings
from investlab.services.workspace import Workspace, open_workspace, silent_progress

HERE = Path(__file__).parent
COSTS = il.Costs(commission_bps=10, slippage_bps=5)
CASH = 100_000.0
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


def main() -> None:
    """Simulate every case here and by the peers, print how far apart the paths lie, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", required=True, help="python of the peers' environment")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="investlab-agreement-") as folder:
        settings = Settings.model_validate({"home": Path(folder) / "home"})
        lab = open_workspace(settings=settings, progress=silent_progress)
        lab.ingest("sample", "us-close")
        made = cases(lab)
        for number, (name, case) in enumerate(made.items()):
            np.savez(Path(folder) / f"{number:02d}.npz", name=name, **case)
        costs = json.dumps({"fees": 10e-4, "slippage": 5e-4, "cash": CASH})
        subprocess.run([given.peers, str(HERE / "peers" / "agreement.py"), folder, costs], check=True)
        told = json.loads((Path(folder) / "peers.json").read_text(encoding="utf-8"))
        lab.close()
    table = pd.DataFrame(told["rows"])
    print(table.to_string(index=False))
    report = {
        "benchmark": "agreement",
        "command": "python benchmarks/agreement.py --peers PYTHON",
        "data": "us-close, 20 instruments × 8,313 sessions, real prices; commission 10 bps, slippage 5 bps",
        "versions": told["versions"],
        "peers_configuration": told["configuration"],
        "rows": told["rows"],
    }
    (HERE / "results" / "agreement.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
