"""When weights are renewed, and the returns that are known at that time."""

from dataclasses import dataclass

import numpy as np

from investlab.backtest.indicators import sample_deviation
from investlab.backtest.kernels import TOLERANCE
from investlab.core.errors import InvalidInput

PERIODS = ("session", "week", "month", "quarter", "year")
MISSING_AT_MOST = 0.1
"""The share of a lookback's closes that an instrument may lack."""

_MONDAY = 3
"""Days from the Monday before the epoch, a Thursday, to the epoch."""


@dataclass(frozen=True, slots=True, eq=False)
class PastReturns:
    """Returns of the instruments that have a history: their columns, returns (instruments × sessions), deviations.

    `deviations` are sample standard deviations (ddof 1) of the returns.
    """

    columns: np.ndarray
    returns: np.ndarray
    deviations: np.ndarray


def opening_sessions(sessions: np.ndarray, period: str) -> np.ndarray:
    """Return the numbers of the sessions that open a period of the calendar, as the sessions before them show.

    A panel's first session opens none: only a session before it could show that it does. Weeks begin on Monday.

    Raises:
        InvalidInput: The period is unknown.
    """
    days = sessions.astype("datetime64[D]").astype(np.int64)
    months = sessions.astype("datetime64[M]").astype(np.int64)
    spans = dict(zip(PERIODS, (days, (days + _MONDAY) // 7, months, months // 3, months // 12), strict=True))
    require_period(period)
    opened: np.ndarray = np.flatnonzero(np.diff(spans[period])) + 1
    return opened


def require_period(period: object) -> None:
    """Check the name of a rebalancing period.

    Raises:
        InvalidInput: It is none of session, week, month, quarter and year.
    """
    if period not in PERIODS:
        raise InvalidInput(f"rebalance is {period!r}.", remedy=f"Use one of {', '.join(PERIODS)}.")


def past_returns(prices: np.ndarray, session: int, lookback: int) -> PastReturns:
    """Return the last `lookback` simple returns at a session's close, of the instruments that have them.

    An instrument needs its closes at both ends and at most a tenth of them missing; in between, a missing close counts
    as the last one. One whose deviation is at most 1e-9 does not move, so no weight can rest on its risk: it is left
    out. `prices` are sessions × instruments; the session must have `lookback` sessions before it.
    """
    closes = prices[session - lookback : session + 1]
    known = ~np.isnan(closes)
    has_history = known[0] & known[-1] & (known.sum(axis=0) >= (1.0 - MISSING_AT_MOST) * len(closes))
    columns = np.flatnonzero(has_history)
    last = np.maximum.accumulate(np.where(known, np.arange(len(closes))[:, np.newaxis], 0), axis=0)
    filled = np.take_along_axis(closes, last, axis=0)[:, columns].T
    returns = np.ascontiguousarray(filled[:, 1:] / filled[:, :-1] - 1.0)
    deviations = np.array([sample_deviation(row) for row in returns], dtype=np.float64)
    moves = deviations > TOLERANCE
    return PastReturns(columns[moves], returns[moves], deviations[moves])
