"""Where a return came from: what each instrument, costs and income contributed, linked over time.

In one session a part contributes its profit and loss ÷ the NAV before, and the parts add up to the session's return.
Over many sessions returns compound while contributions add, so each session's contributions are scaled:

* `carino` (default): by k_t ÷ K with k_t = ln(1 + r_t) ÷ r_t and K = ln(1 + R) ÷ R. It treats all sessions alike.
  Source: Cariño, "Combining Attribution Effects Over Time", Journal of Performance Measurement 3(4), 1999.
* `frongello`: by the growth up to the session, ∏(1 + r_s) over s < t, which gives profit and loss ÷ initial value.
  Source: Frongello, "Attribution Linking: Proofed and Clarified", Journal of Performance Measurement 7(1), 2002, with a
  benchmark of return 0.

Either way the parts sum to the total return R.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd

from investlab.analytics.trades import signed_by_session
from investlab.core.errors import InvalidInput

COSTS, INCOME, CARRY, OTHER = "costs", "income", "carry", "other"
UNKNOWN = "unknown"


class Linking(StrEnum):
    """How contributions of single sessions are linked to those of the whole time."""

    CARINO = "carino"
    FRONGELLO = "frongello"


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """Contributions to the total return, as fractions of the value before the first session.

    `by_instrument` has a row for every symbol that was held and `by_sector` one for every sector; both then have
    `costs`, `income` (cash from dividends and fractions of shares), `carry` (interest and borrow fees, where there are
    rates) and `other` (what NAV changed by beyond all that: 0
    but for rounding where nothing else moves cash). Columns: `pnl` in currency, `contribution`. Each column sums to the
    whole: the change of NAV and `total_return`.
    """

    by_instrument: pd.DataFrame
    by_sector: pd.DataFrame
    total_return: float
    method: Linking


@dataclass(frozen=True, slots=True, eq=False)
class Holdings:
    """What an attribution starts from, by session: NAV, income, and market values of positions (sessions × symbols).

    `fills` has session, symbol, side (`buy`, `sell`), quantity, reference_price, commission and slippage_cost.
    `initial_value` is the NAV before the first session; `carry` what interest and fees moved cash by, `opening` the
    market values of positions held before the first session, by symbol; None for nothing.
    """

    nav: pd.Series
    income: pd.Series
    values: pd.DataFrame
    fills: pd.DataFrame
    initial_value: float
    carry: pd.Series | None = None
    opening: pd.Series | None = None


def attribute(holdings: Holdings, sectors: Mapping[str, str], method: Linking | str = Linking.CARINO) -> Attribution:
    """Return what each instrument, each sector (by symbol; `unknown` without one), costs and income contributed.

    An instrument's profit and loss of a session is the change of its market value less what was bought, at reference
    prices; commission and slippage are `costs`.

    Raises:
        InvalidInput: The method is unknown, or cannot link a NAV that is not positive throughout.
    """
    parts = profit_and_loss(holdings)
    linked = linked_contributions(parts, holdings.initial_value, method)
    whole = pd.DataFrame({"pnl": parts.sum(), "contribution": linked})
    symbols = [symbol for symbol in holdings.values.columns if parts[symbol].to_numpy().any()]
    cash = whole.iloc[len(holdings.values.columns) :]
    names = [sectors.get(symbol) or UNKNOWN for symbol in symbols]
    own = whole.iloc[: len(holdings.values.columns)].loc[symbols]
    grouped = own.groupby(pd.Index(names, name="sector"), sort=True).sum()
    total = float(holdings.nav.iloc[-1] / holdings.initial_value - 1.0)
    return Attribution(
        pd.concat([own.rename_axis("part"), cash]),
        pd.concat([grouped, cash]).rename_axis("part"),
        total,
        Linking(method),
    )


def profit_and_loss(holdings: Holdings) -> pd.DataFrame:
    """Return the profit and loss of every part in currency: sessions × (symbols, `costs`, `income`, `other`).

    Each row sums to that session's change of NAV.
    """
    values, fills = holdings.values.to_numpy(dtype=np.float64), holdings.fills
    bought = signed_by_session(fills, holdings.values, fills["quantity"] * fills["reference_price"])
    before = np.zeros(values.shape[1]) if holdings.opening is None else holdings.opening.to_numpy(dtype=np.float64)
    gains = np.diff(values, axis=0, prepend=before[np.newaxis]) - bought
    paid = (fills["commission"] + fills["slippage_cost"]).groupby(fills["session"]).sum()
    parts = pd.DataFrame(gains, index=holdings.nav.index, columns=holdings.values.columns)
    cash = pd.DataFrame({COSTS: -paid.reindex(parts.index, fill_value=0.0), INCOME: holdings.income})
    if holdings.carry is not None:
        cash[CARRY] = holdings.carry
    change = np.diff(holdings.nav.to_numpy(dtype=np.float64), prepend=holdings.initial_value)
    cash[OTHER] = change - gains.sum(axis=1) - cash.sum(axis=1)
    return pd.concat([parts, cash], axis=1)


def linked_contributions(
    parts: pd.DataFrame, initial_value: float, method: Linking | str = Linking.CARINO
) -> pd.Series:
    """Return what each part (column of profit and loss by session) contributed to the total return.

    Raises:
        InvalidInput: The method is unknown, or the value does not stay positive.
    """
    if method not in list(Linking):
        raise InvalidInput(f"Unknown linking {method!r}.", remedy=f"Use one of {', '.join(Linking)}.")
    pnl = parts.to_numpy(dtype=np.float64)
    if Linking(method) is Linking.FRONGELLO:
        return pd.Series(pnl.sum(axis=0) / initial_value, index=parts.columns)
    change = pnl.sum(axis=1)
    value = initial_value + np.cumsum(change)
    before = np.concatenate(([initial_value], value[:-1]))
    if not len(value) or value.min() <= 0.0 or initial_value <= 0.0:
        raise InvalidInput(
            "Logarithms cannot link sessions at which nothing is left.", remedy="Use the linking 'frongello'."
        )
    scale = _log_over_return(change / before)
    whole = float(_log_over_return(np.array([value[-1] / initial_value - 1.0]))[0])
    return pd.Series((pnl / before[:, np.newaxis] * scale[:, np.newaxis]).sum(axis=0) / whole, index=parts.columns)


def _log_over_return(returns: np.ndarray) -> np.ndarray:
    """Return ln(1 + r) ÷ r, which is 1 at r = 0."""
    scale = np.ones(len(returns))
    np.divide(np.log1p(returns), returns, out=scale, where=returns != 0.0)
    return scale
