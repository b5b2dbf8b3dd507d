"""What a portfolio was exposed to, how much it traded, and what that cost."""

import numpy as np
import pandas as pd

COST_COLUMNS = ["fills", "value", "commission", "slippage", "cost", "cost_bps"]


def exposures(weights: pd.DataFrame) -> pd.DataFrame:
    """Return each session's exposure as fractions of the NAV, from weights (sessions × symbols); NaN counts as 0.

    `long` ≥ 0, `short` ≤ 0, `gross` = long − short, `net` = long + short; `positions` counts weights that are not 0.
    """
    values = np.nan_to_num(weights.to_numpy(dtype=np.float64))
    bought, sold = np.maximum(values, 0.0).sum(axis=1), np.minimum(values, 0.0).sum(axis=1)
    return pd.DataFrame(
        {
            "gross": bought - sold,
            "net": bought + sold,
            "long": bought,
            "short": sold,
            "positions": np.count_nonzero(values, axis=1),
        },
        index=weights.index,
    )


def turnover(fills: pd.DataFrame, nav: pd.Series) -> pd.Series:
    """Return each session's turnover, one-way: ½ Σ (quantity × reference price) ÷ NAV; 0 where the NAV is not positive.

    `fills` has session, quantity and reference_price; its sessions are among those of `nav`.
    """
    traded = (fills["quantity"] * fills["reference_price"]).groupby(fills["session"]).sum()
    value = traded.reindex(nav.index, fill_value=0.0).to_numpy(dtype=np.float64)
    worth = nav.to_numpy(dtype=np.float64)
    shares = np.zeros(len(worth))
    np.divide(value, worth, out=shares, where=worth > 0.0)
    return pd.Series(0.5 * shares, index=nav.index, name="turnover")


def cost_breakdown(fills: pd.DataFrame) -> pd.DataFrame:
    """Return what trading each symbol cost, and a last row `total`.

    `value` is what was traded at reference prices, `cost` = commission + slippage, `cost_bps` = cost ÷ value in basis
    points (NaN where nothing was traded). `fills` has symbol, quantity, reference_price, commission and slippage_cost.
    """
    parts = pd.DataFrame(
        {
            "fills": np.ones(len(fills), dtype=np.int64),
            "value": fills["quantity"] * fills["reference_price"],
            "commission": fills["commission"],
            "slippage": fills["slippage_cost"],
        }
    )
    table = parts.groupby(fills["symbol"]).sum()
    table = pd.concat([table, parts.sum().to_frame("total").T]).rename_axis("symbol")
    table["fills"] = table["fills"].astype(np.int64)
    table["cost"] = table["commission"] + table["slippage"]
    table["cost_bps"] = 1e4 * table["cost"] / table["value"].where(table["value"] != 0.0)
    return table[COST_COLUMNS]
