"""Time target weights with vectorbt (both engines), in its own environment.

Called by benchmarks/bench_weights.py with a folder that holds case.npz (close, weights, and the equity path to compare
with) and the terms as JSON; writes peers.json into the folder.
"""

import importlib.metadata
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import vectorbt as vbt

ENGINES = ("numba", "rust")


def equity(close: pd.DataFrame, weights: pd.DataFrame, terms: dict[str, float], engine: str) -> np.ndarray:
    """Return the equity path of weights that fill at the same close, with shared cash."""
    made = vbt.Portfolio.from_orders(
        close,
        size=weights,
        size_type="targetpercent",
        val_price=close,
        init_cash=terms["cash"],
        cash_sharing=True,
        group_by=True,
        call_seq="auto",
        min_size=0.0,
        fees=terms["fees"],
        slippage=terms["slippage"],
        freq="1D",
        engine=engine,
    )
    return np.asarray(made.value()).reshape(-1)


def main() -> None:
    """Time every engine after one run that may compile."""
    folder, terms = Path(sys.argv[1]), json.loads(sys.argv[2])
    with np.load(folder / "case.npz") as loaded:
        close, weights, nav = pd.DataFrame(loaded["close"]), pd.DataFrame(loaded["weights"]), loaded["nav"]
    rows = []
    for engine in ENGINES:
        path = equity(close, weights, terms, engine)
        times = []
        for _ in range(int(terms["repeats"])):
            started = time.perf_counter()
            equity(close, weights, terms, engine)
            times.append(time.perf_counter() - started)
        rows.append(
            {
                "who": f"vectorbt {importlib.metadata.version('vectorbt')} {engine}",
                "milliseconds": round(statistics.median(times) * 1e3, 2),
                "largest_relative_difference": float(np.max(np.abs(path / nav - 1.0))),
            }
        )
    (folder / "peers.json").write_text(json.dumps(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
