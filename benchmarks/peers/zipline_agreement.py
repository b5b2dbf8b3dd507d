"""Simulate cases of target weights given as arrays with zipline, in an environment of its own.

Called by benchmarks/agreement.py with a folder of cases and the costs as JSON; writes peers.json into the folder. The
prices stay in memory, nothing is downloaded, and the benchmark's returns are zeros.
"""

import importlib.metadata
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sqlalchemy import create_engine
from zipline.algorithm import TradingAlgorithm
from zipline.api import order_target_percent, set_commission, set_slippage
from zipline.assets import AssetDBWriter, AssetFinder
from zipline.data.data_portal import DataPortal
from zipline.data.in_memory_daily_bars import InMemoryDailyBarReader
from zipline.finance.commission import PerDollar
from zipline.finance.slippage import FixedBasisPointsSlippage
from zipline.finance.trading import SimulationParameters
from zipline.utils.calendar_utils import get_calendar

PACKAGES = ("zipline-reloaded", "exchange-calendars", "numpy", "pandas", "sqlalchemy")
CONFIGURATION = {
    "order": "order_target_percent at the close of the decision, filled at the next close",
    "commission": "PerDollar",
    "slippage": "FixedBasisPointsSlippage, on a volume that limits nothing",
}
VOLUME = 1e15
FIELDS = ("open", "high", "low", "close")


class Bars(InMemoryDailyBarReader):
    """Daily bars in memory: the two lookups of its base read an attribute that is not there in version 3.2.1."""

    def get_value(self, sid: int, dt: pd.Timestamp, field: str) -> float:
        """Return one field of one asset at one session."""
        return float(self._values[field][self._sessions.get_loc(dt), int(sid)])

    def get_last_traded_dt(self, asset: int, dt: pd.Timestamp) -> pd.Timestamp:
        """Return the session itself: every asset trades at every session."""
        return dt


def portal(prices: np.ndarray, sessions: pd.DatetimeIndex) -> DataPortal:
    """Return zipline's view of closes (sessions × instruments)."""
    calendar = get_calendar("XNYS", start=sessions[0], end=sessions[-1])
    sids = pd.RangeIndex(prices.shape[1])
    names = [f"I{sid:02d}" for sid in sids]
    equities = pd.DataFrame({"symbol": names, "start_date": sessions[0], "end_date": sessions[-1], "exchange": "NYSE"})
    exchanges = pd.DataFrame({"exchange": ["NYSE"], "canonical_name": ["NYSE"], "country_code": ["US"]})
    engine = create_engine("sqlite://")
    AssetDBWriter(engine).write(equities=equities, exchanges=exchanges)
    values = dict.fromkeys(FIELDS, prices) | {"volume": np.full(prices.shape, VOLUME)}
    frames = {field: pd.DataFrame(value, index=sessions, columns=sids) for field, value in values.items()}
    bars = Bars.from_dfs(frames, calendar, pd.Series("USD", index=sids))
    return DataPortal(
        AssetFinder(engine),
        trading_calendar=calendar,
        first_trading_day=sessions[0],
        equity_daily_reader=bars,
        last_available_session=sessions[-1],
    )


def equity_of(case: dict[str, np.ndarray], costs: dict[str, float]) -> np.ndarray:
    """Return zipline's equity path of the weights of a case; a row of NaN trades nothing."""
    sessions = pd.DatetimeIndex(case["sessions"])
    rows = dict(zip(sessions, case["weights"], strict=True))
    data = portal(case["prices"], sessions)
    assets = data.asset_finder.retrieve_all(range(case["prices"].shape[1]))

    def initialize(context: TradingAlgorithm) -> None:
        """Agree on the costs."""
        set_commission(PerDollar(cost=costs["fees"]))
        set_slippage(FixedBasisPointsSlippage(basis_points=costs["slippage"] * 1e4, volume_limit=1.0))

    def handle_data(context: TradingAlgorithm, bars: object) -> None:
        """Order what the session's row wants."""
        row = rows[context.datetime.tz_localize(None).normalize()]
        if np.isnan(row).all():
            return
        for asset, weight in zip(assets, row, strict=True):
            order_target_percent(asset, float(weight))

    parameters = SimulationParameters(
        start_session=sessions[0],
        end_session=sessions[-1],
        trading_calendar=data.trading_calendar,
        capital_base=float(case["cash"]),
        data_frequency="daily",
    )
    algorithm = TradingAlgorithm(
        sim_params=parameters,
        data_portal=data,
        initialize=initialize,
        handle_data=handle_data,
        benchmark_returns=pd.Series(0.0, index=sessions),
    )
    return algorithm.run()["portfolio_value"].to_numpy()


def main() -> None:
    """Simulate every case and write how far zipline's path lies from the one given."""
    folder, costs = Path(sys.argv[1]), json.loads(sys.argv[2])
    warnings.filterwarnings("ignore", category=FutureWarning, module="zipline")
    rows = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as loaded:
            case = {key: loaded[key] for key in loaded.files}
        equity = equity_of(case, costs)
        rows.append(
            {
                "case": str(case["name"]),
                "peer": "zipline",
                "largest_relative_difference": float(np.max(np.abs(equity / case["nav"] - 1.0))),
                "final_equity": float(equity[-1]),
                "investlab_final_equity": float(case["nav"][-1]),
            }
        )
    report = {
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "configuration": CONFIGURATION,
        "rows": rows,
    }
    (folder / "peers.json").write_text(json.dumps(report, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
