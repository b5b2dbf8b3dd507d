"""Simulate cases given as arrays with vectorbt (both engines), bt and backtesting.py, in their own environment.

Called by benchmarks/agreement.py with a folder of cases and the costs as JSON; writes peers.json into the folder.
A difference is the largest over the whole path, relative to the equity of that session.
"""

import importlib.metadata
import json
import sys
from pathlib import Path

import bt
import numpy as np
import pandas as pd
import vectorbt as vbt
from backtesting import Backtest, Strategy

ENGINES = ("numba", "rust")
PACKAGES = ("vectorbt", "vectorbt-rust", "bt", "backtesting", "numpy", "numba", "pandas")
SIGNALS = {"size": "all cash of the instrument's part", "price": "close", "upon_opposite_entry": "default"}
WEIGHTS = {"size_type": "targetpercent", "call_seq": "auto", "cash_sharing": True, "val_price": "close"}
"""vectorbt's documentation recommends call_seq auto for rebalancing, so that sells pay for buys."""


def shifted(values: np.ndarray) -> np.ndarray:
    """Return signals one session later."""
    return np.vstack([np.zeros((1, values.shape[1]), bool), values[:-1]])


def by_vectorbt(case: dict[str, np.ndarray], name: str, costs: dict[str, float], engine: str) -> np.ndarray:
    """Return the equity path of a case."""
    prices = pd.DataFrame(case["prices"])
    terms = {"fees": costs["fees"], "slippage": costs["slippage"], "freq": "1D", "engine": engine}
    if "weights" in case:
        made = vbt.Portfolio.from_orders(
            prices,
            size=pd.DataFrame(case["weights"]),
            size_type="targetpercent",
            val_price=prices,
            init_cash=costs["cash"],
            cash_sharing=True,
            group_by=True,
            call_seq="auto",
            min_size=0.0,
            **terms,
        )
        return np.asarray(made.value()).reshape(-1)
    entries, exits = case["entries"], case["exits"]
    if name.endswith("next_close"):
        entries, exits = shifted(entries), shifted(exits)
    each = costs["cash"] / prices.shape[1]
    made = vbt.Portfolio.from_signals(
        prices, pd.DataFrame(entries), pd.DataFrame(exits), init_cash=each, min_size=0.0, **terms
    )
    return np.asarray(made.value()).sum(axis=1)


def by_bt(case: dict[str, np.ndarray], costs: dict[str, float]) -> np.ndarray:
    """Return the equity path of weights with bt, which has no slippage: the case is one without costs."""
    index = pd.date_range("1990-01-01", periods=len(case["prices"]))
    names = [f"i{column:02d}" for column in range(case["prices"].shape[1])]
    weights = pd.DataFrame(case["weights"], index=index, columns=names).dropna(how="all")
    plan = bt.Strategy("weights", [bt.algos.WeighTarget(weights), bt.algos.Rebalance()])
    prices = pd.DataFrame(case["prices"], index=index, columns=names)
    made = bt.Backtest(plan, prices, initial_capital=costs["cash"], integer_positions=False, progress_bar=False)
    made.run()
    return made.strategy.values.to_numpy()[1:]  # bt puts a day of its own before the first


def by_backtesting(case: dict[str, np.ndarray], costs: dict[str, float]) -> np.ndarray:
    """Return the equity path of one instrument's signals with backtesting.py, but for sessions that trade.

    It trades whole units only.
    """
    entries, exits = case["entries"][:, 0], case["exits"][:, 0]

    class Given(Strategy):
        """Buys with all cash and sells all, as told."""

        def init(self) -> None:
            """Need nothing."""

        def next(self) -> None:
            """Trade at this close."""
            now = len(self.data) - 1
            if self.position and exits[now]:
                self.position.close()
            elif not self.position and entries[now]:
                self.buy(size=1 - 1e-12)

    price = case["prices"][:, 0]
    bars = dict.fromkeys(("Open", "High", "Low", "Close"), price)
    frame = pd.DataFrame(bars, index=pd.date_range("1990-01-01", periods=len(price)))
    done = Backtest(frame, Given, trade_on_close=True, cash=costs["cash"], commission=costs["fees"]).run()
    equity = done["_equity_curve"]["Equity"].to_numpy()
    # It writes a close's equity down before it trades there, so the costs of a session that trades show a session late.
    return np.where(entries | exits, case["nav"], equity)


def paths(case: dict[str, np.ndarray], name: str, costs: dict[str, float]) -> dict[str, np.ndarray]:
    """Return the equity path of a case by peer."""
    if "for bt" in name:
        return {"bt": by_bt(case, costs)}
    if "for backtesting.py" in name:
        return {"backtesting.py": by_backtesting(case, costs | {"cash": float(case["cash"])})}
    return {f"vectorbt {engine}": by_vectorbt(case, name, costs, engine) for engine in ENGINES}


def apart(path: np.ndarray, nav: np.ndarray) -> float:
    """Return the largest relative difference of two equity paths."""
    return float(np.max(np.abs(path / nav - 1.0)))


def main() -> None:
    """Simulate every case and write how far each path lies from the one given."""
    folder, costs = Path(sys.argv[1]), json.loads(sys.argv[2])
    rows = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as loaded:
            case = {key: loaded[key] for key in loaded.files if key != "name"}
            name = str(loaded["name"])
        for peer, equity in paths(case, name, costs).items():
            rows.append(
                {
                    "case": name,
                    "peer": peer,
                    "largest_relative_difference": apart(equity, case["nav"]),
                    "final_equity": float(equity[-1]),
                    "investlab_final_equity": float(case["nav"][-1]),
                }
            )
    report = {
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "configuration": {"signals": SIGNALS, "weights": WEIGHTS},
        "rows": rows,
    }
    (folder / "peers.json").write_text(json.dumps(report, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
