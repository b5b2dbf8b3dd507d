"""The numbers of a tear sheet: all that a result's pictures and tables show, taken from `analytics`."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import pandas as pd

from investlab.analytics.attribution import Attribution, Linking
from investlab.analytics.calendar_returns import monthly_returns
from investlab.analytics.distributions import Histogram, histogram
from investlab.analytics.exposures import cost_breakdown, exposures, turnover
from investlab.analytics.overfitting import ReturnMoments, minimum_track_record, probabilistic_sharpe
from investlab.analytics.rolling import rolling_beta, rolling_sharpe, rolling_volatility
from investlab.analytics.tail_risk import conditional_value_at_risk, value_at_risk
from investlab.analytics.trades import Trades
from investlab.backtest.result import BacktestResult
from investlab.backtest.summary import dated_returns, summarise
from investlab.core.errors import InvalidInput

WINDOW = 252
"""Sessions of the rolling measures where the record is long enough, else a quarter of it."""

SHORTEST_WINDOW = 21
DEEPEST = 10
CONFIDENCE = 0.95
NO_SUMMARY = "There are too few returns for the usual numbers."
NO_BENCHMARK = "The benchmark has missing values, so nothing is compared with it."
NOT_LINKED = "The value does not stay positive: contributions are profit and loss over the initial cash, not linked."
RUINED = "The account was used up on {day}: ratios count a return of −100 % there and end."
NOT_ATTRIBUTED = "Nothing is attributed, for the account has values that are missing or infinite."


@dataclass(frozen=True, slots=True)
class Luck:
    """How far luck alone explains one Sharpe ratio, without regard to other trials.

    `sharpe` is annualised, `probabilistic_sharpe` the probability that the true one is above 0, `years` the length of
    the record and `minimum_years` the length at which that probability reaches 95 % (infinite where it never does).
    """

    sharpe: float
    probabilistic_sharpe: float
    years: float
    minimum_years: float


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """The distribution of a session's returns, with its historical value at risk and the mean beyond it, at 95 %."""

    bins: Histogram
    value_at_risk: float
    conditional_value_at_risk: float


@dataclass(frozen=True, slots=True, eq=False)
class TearSheet:
    """What a backtest's report shows; fractions unless said otherwise, frames and series indexed by session.

    `summary` has a row per number and the columns `strategy` and `benchmark`; `benchmark` is its NAV, None where there
    is none without gaps. `monthly` is years × months and `year`, `benchmark_years` the benchmark's years. `rolling` has
    volatility, sharpe and, with a benchmark, beta over `window_sessions` (annualised). `monthly_turnover` is the sum of
    each calendar month (one-way), `costs` adds up commission and slippage in currency since the start, `cost_table`
    tells them by symbol. `luck`, `tail` and `attribution` are None where the record gives none; `remarks` say why.
    """

    summary: pd.DataFrame
    nav: pd.Series
    benchmark: pd.Series | None
    drawdown: pd.Series
    monthly: pd.DataFrame
    benchmark_years: pd.Series | None
    rolling: pd.DataFrame
    window_sessions: int
    tail: Tail | None
    exposure: pd.DataFrame
    monthly_turnover: pd.Series
    costs: pd.Series
    cost_table: pd.DataFrame
    trades: Trades
    drawdowns: pd.DataFrame
    attribution: Attribution | None
    luck: Luck | None
    remarks: tuple[str, ...]


def tear_sheet(result: BacktestResult, risk_free: pd.Series | float = 0.0) -> TearSheet:
    """Return the numbers of a result's report; the same result gives the same bits.

    `risk_free` is the simple return per session. What a record is too short or too odd for is left out and said in
    `remarks`; nothing is raised for it.

    Raises:
        InvalidInput: The risk-free series lacks a session of the returns.
    """
    year = float(result.source.sessions_per_year)
    returns, remarks = _until_ruin(result.returns)
    benchmark = _whole(result.benchmark)
    other = None if benchmark is None else dated_returns(benchmark, result.initial_cash)
    remarks += [NO_BENCHMARK] if benchmark is None and result.benchmark is not None else []
    summary = pd.DataFrame(columns=["strategy"], dtype=np.float64)
    if len(returns) >= 2:
        summary = summarise(returns, other, year, risk_free)
    else:
        remarks.append(NO_SUMMARY)
    attribution, said = _attribution(result)
    window = window_for(len(returns))
    fills = result.fills
    return TearSheet(
        summary=summary,
        nav=result.nav,
        benchmark=benchmark,
        drawdown=result.drawdown,
        monthly=monthly_returns(returns),
        benchmark_years=None if other is None else monthly_returns(other)["year"],
        rolling=_rolling(returns, other, window, year),
        window_sessions=window,
        tail=_tail(returns),
        exposure=exposures(result.values.div(result.nav.where(result.nav > 0.0), axis=0)),
        monthly_turnover=_by_month(turnover(fills, result.nav)),
        costs=_accumulated_costs(fills, result.nav.index),
        cost_table=cost_breakdown(fills),
        trades=result.trades(),
        drawdowns=result.drawdowns_table(DEEPEST),
        attribution=attribution,
        luck=_luck(returns, year),
        remarks=(*remarks, *said),
    )


def window_for(returns: int) -> int:
    """Return the sessions of the rolling measures: a year, or a quarter of a shorter record, and 21 at the least."""
    return max(SHORTEST_WINDOW, min(WINDOW, returns // 4))


def _until_ruin(returns: pd.Series) -> tuple[pd.Series, list[str]]:
    """Return the returns up to the first that takes all there is or more, that one as −1, and what to say of it."""
    lost = np.flatnonzero(returns.to_numpy() <= -1.0)
    if not len(lost):
        return returns, []
    kept = returns.iloc[: lost[0] + 1].clip(lower=-1.0)
    return kept, [RUINED.format(day=f"{kept.index[-1]:%Y-%m-%d}")]


def _whole(benchmark: pd.Series | None) -> pd.Series | None:
    return benchmark if benchmark is not None and np.isfinite(benchmark.to_numpy(dtype=np.float64)).all() else None


def _rolling(returns: pd.Series, other: pd.Series | None, window: int, year: float) -> pd.DataFrame:
    measured = {
        "volatility": rolling_volatility(returns, window, year),
        "sharpe": rolling_sharpe(returns, window, year),
    }
    if other is not None:
        both = pd.DataFrame({"strategy": returns, "benchmark": other}).fillna(0.0)
        measured["beta"] = rolling_beta(both["strategy"], both["benchmark"], window)
    return pd.DataFrame(measured)


def _tail(returns: pd.Series) -> Tail | None:
    if len(returns) < 2:
        return None
    lost, beyond = value_at_risk(returns, CONFIDENCE), conditional_value_at_risk(returns, CONFIDENCE)
    return Tail(histogram(returns), lost, beyond)


def _luck(returns: pd.Series, year: float) -> Luck | None:
    if len(returns) < 2:
        return None
    moments = ReturnMoments.of(returns.to_numpy())
    return Luck(
        sharpe=moments.sharpe * sqrt(year),
        probabilistic_sharpe=probabilistic_sharpe(moments),
        years=moments.observations / year,
        minimum_years=minimum_track_record(moments, confidence=CONFIDENCE) / year,
    )


def _by_month(by_session: pd.Series) -> pd.Series:
    """Return the sum of each calendar month, dated to the month's last session."""
    sessions = pd.DatetimeIndex(by_session.index)
    month = sessions.year * 12 + sessions.month
    last = by_session.index.to_series().groupby(month).last()
    return pd.Series(by_session.groupby(month).sum().to_numpy(), index=pd.DatetimeIndex(last), name="turnover")


def _accumulated_costs(fills: pd.DataFrame, sessions: pd.Index) -> pd.Series:
    paid = (fills["commission"] + fills["slippage_cost"]).groupby(fills["session"]).sum()
    return paid.reindex(sessions, fill_value=0.0).cumsum().rename("costs")


def _attribution(result: BacktestResult) -> tuple[Attribution | None, list[str]]:
    """Return contributions linked by logarithms where those exist, else by growth, else none, and what to say of it."""
    if not np.isfinite(result.nav.to_numpy()).all() or result.initial_cash <= 0.0:
        return None, [NOT_ATTRIBUTED]
    try:
        return result.attribution(), []
    except InvalidInput:
        return result.attribution(Linking.FRONGELLO), [NOT_LINKED]
