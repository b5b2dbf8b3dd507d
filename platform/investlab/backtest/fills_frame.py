"""The fill log of a kernel as the frame that people see."""

import numpy as np
import pandas as pd

from investlab.backtest.position_state import REASONS
from investlab.market.panel import PricePanel


def fills_frame(panel: PricePanel, log: np.ndarray, cause: str) -> pd.DataFrame:
    """Return one row for each fill of the log; `cause` is the reason of those that the log gives no other."""
    column = log[:, 1].astype(np.int64)
    quantity = np.abs(log[:, 3])
    sessions = panel.index
    identifiers = np.array([instrument.instrument_id for instrument in panel.listing], dtype=np.int64)
    return pd.DataFrame(
        {
            "session": sessions[log[:, 0].astype(np.int64)],
            "symbol": pd.Index(panel.symbols, dtype=str)[column],
            "instrument_id": identifiers[column],
            "side": pd.Index(["sell", "buy"], dtype=str)[(log[:, 3] > 0).astype(np.int64)],
            "quantity": quantity,
            "reference_price": log[:, 4],
            "fill_price": log[:, 5],
            "commission": log[:, 6],
            "slippage_cost": quantity * np.abs(log[:, 5] - log[:, 4]),
            "value": quantity * log[:, 5],
            "decided": sessions[log[:, 2].astype(np.int64)],
            "reason": pd.Index([cause, *REASONS[1:]], dtype=str)[log[:, 7].astype(np.int64)],
        }
    )
