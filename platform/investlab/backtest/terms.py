"""The terms of a simulation: costs, execution, cash and share size, checked against the panel."""

from dataclasses import dataclass
from math import isfinite

import numpy as np

from investlab.backtest.costs import BPS, Costs
from investlab.backtest.kernels import Actions, FillTerms, known_prices
from investlab.backtest.position_rules import PLAIN, PositionRules
from investlab.core.errors import InvalidInput
from investlab.market.panel import PricePanel
from investlab.schemas.backtest import Execution
from investlab.schemas.market import PriceBasis

_TIMING = {
    Execution.NEXT_OPEN: "Orders decided at a session's close fill at the next session's open.",
    Execution.NEXT_CLOSE: "Orders decided at a session's close fill at the next session's close.",
    Execution.SAME_CLOSE: (
        "Warning: same_close assumes trading on the very close that produced the signal; no real order can do that."
    ),
}

_ACCOUNTING = {
    PriceBasis.RAW: "Accounting on raw prices: splits change quantities and dividends credit cash on the ex-date.",
    PriceBasis.SPLIT_ADJUSTED: "Prices are split-adjusted: fractional shares, dividends credit cash on the ex-date.",
    PriceBasis.TOTAL_RETURN: (
        "Prices are on a total-return basis: fractional shares, dividends are reinvested in the prices."
    ),
}


@dataclass(frozen=True, slots=True)
class TradingTerms:
    """How a simulation trades; the same for every strategy that is compared. `rules` are for signals alone."""

    costs: Costs
    execution: Execution
    initial_cash: float
    whole_shares: bool = False
    rules: PositionRules = PLAIN

    def for_kernels(self) -> FillTerms:
        """Return the terms in the form kernels take."""
        costs = self.costs
        return FillTerms(
            costs.commission_bps / BPS,
            costs.slippage_bps / BPS,
            costs.fixed,
            costs.minimum,
            self.execution is Execution.SAME_CLOSE,
            self.whole_shares,
        )

    def reference_prices(self, panel: PricePanel) -> np.ndarray:
        """Return the prices that orders fill at before slippage (sessions × instruments)."""
        return panel.values("open" if self.execution is Execution.NEXT_OPEN else "close")


def agree_terms(
    panel: PricePanel, costs: Costs, execution: Execution | str, initial_cash: float, whole_shares: bool = False
) -> TradingTerms:
    """Return the terms after checking that the panel can be traded on them.

    Raises:
        InvalidInput: The execution is unknown or needs opens that the panel lacks, the cash is not positive, or whole
            shares are asked for on adjusted prices.
    """
    if not isinstance(costs, Costs):
        raise InvalidInput(f"{costs!r} are no costs.", remedy="Give Costs(commission_bps=…, slippage_bps=…).")
    timing = _execution(execution)
    if timing is Execution.NEXT_OPEN and "open" not in panel.fields:
        raise InvalidInput(
            "next_open needs opening prices and this panel has none.",
            remedy="Use execution='next_close' or a panel with the field open.",
        )
    cash = float(initial_cash)
    if not isfinite(cash) or cash <= 0:
        raise InvalidInput(f"initial_cash is {initial_cash!r}.", remedy="Give a positive amount.")
    if whole_shares and panel.basis is not PriceBasis.RAW:
        raise InvalidInput(
            f"Whole shares make no sense on {panel.basis} prices, whose shares were never traded.",
            remedy="Use a raw panel or leave whole_shares off.",
        )
    return TradingTerms(costs, timing, cash, bool(whole_shares))


def terms_notes(panel: PricePanel, terms: TradingTerms) -> list[str]:
    """Return the sentences that say on which terms a result was made."""
    source = panel.source
    notes = [_TIMING[terms.execution], _ACCOUNTING[panel.basis], terms.costs.describe()]
    if terms.whole_shares:
        notes.append("Whole shares only; fractions from splits are paid in cash at the last price.")
    notes.append(f"Sharpe ratio: ddof 1, risk-free rate 0, {source.sessions_per_year} sessions per year.")
    if source.synthetic:
        notes.append("The prices are synthetic.")
    notes.extend(bias if bias.endswith(".") else f"{bias}." for bias in source.biases)
    return notes


def kernel_actions(panel: PricePanel, *, by_column: bool) -> Actions:
    """Return the panel's actions for kernels, ordered by session, or by column and then session."""
    table = panel.actions
    order = np.lexsort((table.session, table.column)) if by_column else np.arange(len(table))
    return Actions(
        np.array(table.session[order], dtype=np.int64),
        np.array(table.column[order], dtype=np.int64),
        np.array(table.split_ratio[order], dtype=np.float64),
        np.array(table.dividend[order], dtype=np.float64),
    )


def last_known_prices(panel: PricePanel, terms: TradingTerms) -> np.ndarray:
    """Return the price that marks each position at each session (sessions × instruments); NaN before the first."""
    close = unwritable(panel.values("close"))
    if not np.isnan(close).any():
        return close
    reference = unwritable(terms.reference_prices(panel))
    return unwritable(known_prices(close, reference, kernel_actions(panel, by_column=False)))


def by_instrument(values: np.ndarray) -> np.ndarray:
    """Return a copy laid out as instruments × sessions, each instrument contiguous."""
    return np.array(values.T, dtype=values.dtype, order="C")


def unwritable(values: np.ndarray) -> np.ndarray:
    """Return a plain read-only view, so that kernels meet one type of array wherever the panel came from."""
    view = np.asarray(values).view(np.ndarray)
    view.flags.writeable = False
    return view


def _execution(execution: Execution | str) -> Execution:
    try:
        return Execution(execution)
    except ValueError as error:
        raise InvalidInput(f"Unknown execution {execution!r}.", remedy=f"Use one of {', '.join(Execution)}.") from error
