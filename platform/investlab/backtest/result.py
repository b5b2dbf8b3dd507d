"""The result of a backtest: what the portfolio was worth, held and traded at every session."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import pandas as pd

from investlab.analytics.attribution import Attribution, Holdings, Linking, attribute
from investlab.analytics.calendar_returns import monthly_returns
from investlab.analytics.drawdown_table import drawdown_table
from investlab.analytics.drawdowns import drawdowns
from investlab.analytics.returns import peak_before
from investlab.analytics.trades import Trades, round_trips, share_ratios
from investlab.backtest.costs import Costs
from investlab.backtest.fills import FrameOnDemand, with_opening
from investlab.backtest.limits import UNLIMITED, Limits
from investlab.backtest.portfolio_state import PortfolioState
from investlab.backtest.rates import NO_RATES, Rates
from investlab.backtest.strategies import StrategyDescription
from investlab.backtest.summary import dated_returns, summarise
from investlab.core.display import Reported
from investlab.core.hashing import hash_arrays
from investlab.market.panel import PanelSource
from investlab.schemas.backtest import Execution
from investlab.schemas.market import PriceBasis


@dataclass(frozen=True, eq=False, repr=False)
class BacktestResult(Reported):
    """A simulated portfolio at every session's close; cash + Σ quantity × last known price = NAV.

    `nav`, `cash` and `income` (dividends and cash for fractions of shares) are in currency by session; `positions`
    (quantities) and `prices` (last known) are sessions × symbols. `fills` is ordered by session and, within it, by
    execution: session, symbol, instrument_id, side (`buy` or `sell`), quantity, reference_price, fill_price,
    commission, slippage_cost, value (quantity × fill price), decided (the session whose close gave the order), reason
    (`signal` or `target`, or `stop_loss`, `take_profit`, `trailing`, `time`; `delisting` or `ruin` where a position was
    closed without an order).

    Short positions are negative quantities. `carry` is what accrued by session in currency (columns interest, and as
    what is paid is negative: financing, borrow), None without rates. `final_state` is where the portfolio stands
    at the end (None where windows were joined); given as `initial_state` to another run of the same kind, weights or
    signals, it goes on from there. `opening` are the market values by symbol that such a run takes over; they count as
    bought at that state's close.

    `metrics` holds fractions (total_return, cagr, volatility, max_drawdown ≤ 0), the annualised sharpe (ddof 1,
    risk-free 0), turnover (one-way, ½Σ|Δw| a year, Δw = reference value of a fill over that session's NAV), costs
    (commission and slippage in currency) and exposure (mean of invested value, net of short positions, over NAV).

    `benchmark` is the NAV of buy-and-hold on the same terms, where it was asked for. `run_id` and `code_identity` are
    set once the run is recorded.
    """

    renderer: ClassVar[str] = "backtest_result"

    nav: pd.Series
    cash: pd.Series
    income: pd.Series
    prices: pd.DataFrame
    metrics: Mapping[str, float]
    strategy: StrategyDescription
    costs: Costs
    execution: Execution
    initial_cash: float
    whole_shares: bool
    basis: PriceBasis
    panel_id: str
    source: PanelSource
    instruments: pd.DataFrame
    notes: tuple[str, ...]
    positions: FrameOnDemand = FrameOnDemand()  # noqa: RUF009 - a descriptor; the field has no default
    fills: FrameOnDemand = FrameOnDemand()  # noqa: RUF009 - likewise
    benchmark: pd.Series | None = None
    run_id: str | None = None
    code_identity: str | None = None
    limits: Limits = UNLIMITED
    rates: Rates = NO_RATES
    carry: pd.DataFrame | None = None
    final_state: PortfolioState | None = None
    opening: pd.Series | None = None

    def __repr__(self) -> str:
        first, last = self.nav.index[0].date(), self.nav.index[-1].date()
        return (
            f"<BacktestResult {self.strategy} on {self.source.label} {first}..{last}: "
            f"total return {self.metrics['total_return']:.2%}, Sharpe {self.metrics['sharpe']:.2f}, "
            f"max drawdown {self.metrics['max_drawdown']:.2%}>"
        )

    @property
    def values(self) -> pd.DataFrame:
        """Return the market value of each position, sessions × symbols; 0 where nothing is held."""
        return (self.positions * self.prices).where(self.positions != 0.0, 0.0)

    @property
    def weights(self) -> pd.DataFrame:
        """Return each position's share of the NAV, sessions × symbols."""
        return self.values.div(self.nav, axis=0)

    @property
    def exposure(self) -> pd.Series:
        """Return the invested value over the NAV at each session."""
        return self.weights.sum(axis=1).rename("exposure")

    @cached_property
    def returns(self) -> pd.Series:
        """Return the NAV's simple returns, from the second session on, from the first if fills on it cost something."""
        return dated_returns(self.nav, self.initial_cash)

    @cached_property
    def drawdown(self) -> pd.Series:
        """Return how far the NAV lies below its running peak at each session, as a fraction ≤ 0."""
        nav = self.nav.to_numpy()
        below = drawdowns(nav, peak_before(nav, self.initial_cash))
        return pd.Series(below, index=self.nav.index, name="drawdown")

    def summary(self, risk_free: pd.Series | float = 0.0) -> pd.DataFrame:
        """Return the usual numbers, one per row, of the strategy and of its benchmark; `risk_free` is per session.

        Raises:
            InvalidInput: There are fewer than two returns, or the risk-free series lacks a session.
        """
        benchmark = None if self.benchmark is None else dated_returns(self.benchmark, self.initial_cash)
        return summarise(self.returns, benchmark, float(self.source.sessions_per_year), risk_free)

    def monthly_returns(self) -> pd.DataFrame:
        """Return the returns by year (rows) and month (1 to 12, then `year`); a month without a session is NaN."""
        return monthly_returns(self.returns)

    def drawdowns_table(self, deepest: int | None = None) -> pd.DataFrame:
        """Return a row for every drawdown, the deepest first; one that is still open has no recovery."""
        return drawdown_table(self.nav, peak_before(self.nav.to_numpy(), self.initial_cash), deepest=deepest)

    def trades(self) -> Trades:
        """Return round trips matched first in, first out, with `.statistics`; open ones are valued at last prices."""
        sessions = pd.DatetimeIndex(self.nav.index)
        ratios = share_ratios(self.positions, self.fills)
        fills = self.fills if self.opening is None else with_opening(self.fills, self.positions, self.opening)
        return round_trips(fills, sessions, share_ratios=ratios, last_prices=self.prices.iloc[-1])

    def attribution(self, method: Linking | str = Linking.CARINO) -> Attribution:
        """Return what each instrument, sector, costs and income contributed to the total return; the parts sum to it.

        Raises:
            InvalidInput: The method is unknown, or Cariño's cannot link a NAV that is not positive throughout.
        """
        known = self.instruments.get("sector", pd.Series(dtype=str))
        sectors = {str(symbol): str(sector) for symbol, sector in known.items()}
        carry = None if self.carry is None else self.carry.sum(axis=1)
        held = Holdings(self.nav, self.income, self.values, self.fills, self.initial_cash, carry, self.opening)
        return attribute(held, sectors, method)

    @cached_property
    def hash(self) -> str:
        """Return the SHA-256 over NAV, cash, quantities and fills; equal results have equal hashes everywhere."""
        fills = self.fills
        numbers = ["instrument_id", "quantity", "reference_price", "fill_price", "commission"]
        parts = [
            ("nav", self.nav.to_numpy()),
            ("cash", self.cash.to_numpy()),
            ("quantity", self.positions.to_numpy()),
            ("fill.session", _days(fills["session"])),
            ("fill.decided", _days(fills["decided"])),
            ("fill.bought", (fills["side"] == "buy").to_numpy(dtype=np.bool_)),
        ]
        parts += [(f"fill.{name}", fills[name].to_numpy()) for name in numbers]
        return hash_arrays(parts)


def _days(sessions: pd.Series) -> np.ndarray:
    return sessions.to_numpy().astype("datetime64[D]").astype(np.int64)
