"""The terms of a simulation: costs, execution, cash and share size, checked against the panel."""

from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from investlab.backtest.costs import BPS, Costs
from investlab.backtest.kernels import Actions, FillTerms, known_prices
from investlab.backtest.limits import UNLIMITED, Limits
from investlab.backtest.portfolio_state import PortfolioState, by_column
from investlab.backtest.position_rules import PLAIN, PositionRules
from investlab.backtest.rates import NO_RATES, Rates
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
    limits: Limits = UNLIMITED
    rates: Rates = NO_RATES
    initial_state: PortfolioState | None = None
    rules: PositionRules = PLAIN

    @property
    def are_plain(self) -> bool:
        """Say whether these are the terms that every simulation knows: no limits, no rates, and a start in cash."""
        return self.suit_signals and self.initial_state is None

    @property
    def suit_signals(self) -> bool:
        """Say whether signals can be traded on these terms: no limits and no rates."""
        return self.limits == UNLIMITED and self.rates.is_free

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
    panel: PricePanel,
    costs: Costs,
    execution: Execution | str,
    initial_cash: float,
    whole_shares: bool = False,
    *,
    limits: Limits = UNLIMITED,
    rates: Rates = NO_RATES,
    initial_state: PortfolioState | None = None,
) -> TradingTerms:
    """Return the terms after checking that the panel can be traded on them.

    With an initial state, the initial cash is the NAV at that state's close.

    Raises:
        InvalidInput: The execution is unknown or needs opens that the panel lacks, the cash is not positive, whole
            shares are asked for on adjusted prices, a participation limit without volume or on total-return prices,
            or the state does not lie in the panel.
        NotFound: The state holds a symbol that the panel lacks.
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
    _check_limits(panel, limits, rates)
    terms = TradingTerms(costs, timing, cash, bool(whole_shares), limits, rates, initial_state)
    return terms if initial_state is None else replace(terms, initial_cash=_worth(panel, terms, initial_state))


def terms_notes(panel: PricePanel, terms: TradingTerms) -> list[str]:
    """Return the sentences that say on which terms a result was made."""
    source = panel.source
    notes = [_TIMING[terms.execution], _ACCOUNTING[panel.basis], terms.costs.describe()]
    if terms.whole_shares:
        notes.append("Whole shares only; fractions from splits are paid in cash at the last price.")
    notes.extend(terms.limits.describe())
    if not terms.rates.is_free:
        notes.append(terms.rates.describe())
    if terms.initial_state is not None:
        notes.append(f"Goes on from a portfolio's state at the close of {terms.initial_state.as_of}.")
    notes.append(f"Sharpe ratio: ddof 1, risk-free rate 0, {source.sessions_per_year} sessions per year.")
    if source.synthetic:
        notes.append("The prices are synthetic.")
    notes.extend(bias if bias.endswith(".") else f"{bias}." for bias in source.biases)
    return notes


def kernel_actions(panel: PricePanel, *, by_column: bool) -> Actions:
    """Return the panel's actions and delistings for kernels, ordered by session, or by column and then session.

    A delisting comes before what else befalls the instrument at its session; one whose return cannot be told settles at
    the last price.
    """
    table, ends = panel.actions, panel.delistings
    after = ends.session > 0
    count = int(after.sum())
    session = np.concatenate((ends.session[after], table.session)).astype(np.int64)
    column = np.concatenate((ends.column[after], table.column)).astype(np.int64)
    order = np.lexsort((session, column) if by_column else (column, session))
    none = np.full(len(table), np.nan)
    return Actions(
        session[order],
        column[order],
        np.concatenate((np.ones(count), table.split_ratio)).astype(np.float64)[order],
        np.concatenate((np.zeros(count), table.dividend)).astype(np.float64)[order],
        np.concatenate((np.nan_to_num(ends.returns[after]), none)).astype(np.float64)[order],
    )


def last_known_prices(panel: PricePanel, terms: TradingTerms) -> np.ndarray:
    """Return the price that marks each position at each session (sessions × instruments); NaN before the first."""
    close = unwritable(panel.values("close"))
    if not np.isnan(close).any():
        return close
    reference = unwritable(terms.reference_prices(panel))
    return unwritable(known_prices(close, reference, kernel_actions(panel, by_column=False)))


def _check_limits(panel: PricePanel, limits: Limits, rates: Rates) -> None:
    if not isinstance(limits, Limits):
        raise InvalidInput(f"{limits!r} are no limits.", remedy="Give Limits(gross=…, short=…, participation=…).")
    if not isinstance(rates, Rates):
        raise InvalidInput(f"{rates!r} are no rates.", remedy="Give Rates(cash=…, financing=…, borrow=…).")
    if limits.participation is None:
        return
    if "volume" not in panel.fields:
        raise InvalidInput(
            "A participation limit needs volume and this panel has none.",
            remedy="Use a panel with the field volume, or leave participation out.",
        )
    if panel.basis is PriceBasis.TOTAL_RETURN:
        raise InvalidInput(
            "A participation limit makes no sense on total-return prices, whose shares do not compare with volume.",
            remedy="Use a raw or split-adjusted panel.",
        )


def _worth(panel: PricePanel, terms: TradingTerms, state: PortfolioState) -> float:
    """Return the NAV of a state at its session's close."""
    known = last_known_prices(panel, terms)[state.row(panel)]
    quantities = by_column(panel, state.quantities)
    held = np.flatnonzero(quantities)
    unpriced = held[np.isnan(known[held])]
    if len(unpriced):
        raise InvalidInput(
            f"The state holds {panel.symbols[unpriced[0]]}, which has no price in the panel up to {state.as_of}.",
            remedy="Let the panel begin earlier.",
        )
    worth = state.worth(panel, known)
    if not worth > 0.0:
        raise InvalidInput(
            f"The state's portfolio is worth {worth:.2f}: nothing is left to trade.", remedy="Start from another state."
        )
    return worth


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
