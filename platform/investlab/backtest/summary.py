"""The numbers of a backtest beside those of its benchmark, in one table."""

from dataclasses import asdict

import numpy as np
import pandas as pd

from investlab.analytics.performance import performance
from investlab.analytics.relative import relative_performance
from investlab.analytics.returns import returns_since
from investlab.analytics.tail_risk import TailMethod, conditional_value_at_risk, value_at_risk

STRATEGY, BENCHMARK = "strategy", "benchmark"


def dated_returns(nav: pd.Series, initial_cash: float) -> pd.Series:
    """Return the NAV's simple returns, from the second session on, from the first if fills on it cost something."""
    returns = returns_since(nav.to_numpy(), initial_cash)
    return pd.Series(returns, index=nav.index[len(nav) - len(returns) :], name="return")


def summarise(
    returns: pd.Series, benchmark: pd.Series | None, sessions_per_year: float, risk_free: pd.Series | float = 0.0
) -> pd.DataFrame:
    """Return one row per number, with the columns `strategy` and, where there is one, `benchmark`.

    Rows: those of `Performance`, then `value_at_risk_95` and `conditional_value_at_risk_95` of one session (historical)
    and the first of them by Cornish and Fisher, then those of `RelativePerformance` for the strategy. A session that
    only one of the two has (the first) counts as 0 for the other when they are compared. `risk_free` is per session.

    Raises:
        InvalidInput: There are fewer than two returns, or the risk-free series lacks a session of the returns.
    """
    columns = {STRATEGY: _numbers(returns, sessions_per_year, risk_free)}
    if benchmark is not None:
        columns[BENCHMARK] = _numbers(benchmark, sessions_per_year, risk_free)
        both = pd.DataFrame({STRATEGY: returns, BENCHMARK: benchmark}).fillna(0.0)
        rates = _at(both.index, risk_free)
        columns[STRATEGY] |= asdict(relative_performance(both[STRATEGY], both[BENCHMARK], sessions_per_year, rates))
    return pd.DataFrame(columns, index=pd.Index(list(columns[STRATEGY]), name="number"), dtype=np.float64)


def _numbers(returns: pd.Series, sessions_per_year: float, risk_free: pd.Series | float) -> dict[str, float]:
    rates = _at(returns.index, risk_free)
    return asdict(performance(returns, sessions_per_year, rates)) | {
        "value_at_risk_95": value_at_risk(returns),
        "conditional_value_at_risk_95": conditional_value_at_risk(returns),
        "value_at_risk_95_cornish_fisher": value_at_risk(returns, method=TailMethod.CORNISH_FISHER),
    }


def _at(sessions: pd.Index, risk_free: pd.Series | float) -> pd.Series | float:
    """Return the risk-free returns of these sessions; missing ones stay missing and are refused later."""
    return risk_free.reindex(sessions) if isinstance(risk_free, pd.Series) else risk_free
