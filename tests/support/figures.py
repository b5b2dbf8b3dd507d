"""Panels on real sessions, and figures from made-up reports to lay beside their prices."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd

from investlab.market.calendars import close_times, sessions_between
from investlab.market.panel import PricePanel
from investlab.schemas.market import ActionKind, CorporateAction

Figure = tuple[int, str, str, str, float]
"""Instrument id, metric, end of the period, time of filing (UTC), value."""


def priced_panel(
    closes: dict[str, float], first: str = "2020-01-02", last: str = "2020-12-31", basis: str = "raw"
) -> PricePanel:
    """Return a panel of instruments 1, 2, … with one close each on all sessions of XNYS between two days."""
    days = sessions_between("XNYS", date.fromisoformat(first), date.fromisoformat(last))
    index = pd.DatetimeIndex(days.astype("datetime64[ns]"))
    close = pd.DataFrame({symbol: [value] * len(days) for symbol, value in closes.items()}, index=index)
    return PricePanel.from_frames(close=close, basis=basis)


def history_of(figures: Sequence[Figure], currency: str = "USD") -> pd.DataFrame:
    """Return figures as the database gives their history."""
    rows = [
        (
            instrument_id,
            metric,
            pd.Timestamp(period_end),
            pd.Timestamp(filed_at, tz="UTC"),
            value,
            "" if metric == "shares_outstanding" else currency,
        )
        for instrument_id, metric, period_end, filed_at, value in figures
    ]
    columns = ["instrument_id", "metric", "period_end", "known_at", "value", "currency"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(known_at=pd.DatetimeIndex(frame["known_at"], dtype="datetime64[us, UTC]"))


def split(instrument_id: int, ex_date: str, ratio: float, known_at: str | None = None) -> CorporateAction:
    """Return a split, known at midnight of its ex-date unless a time is given."""
    return CorporateAction(
        instrument_id=instrument_id,
        kind=ActionKind.SPLIT,
        ex_date=date.fromisoformat(ex_date),
        value=ratio,
        known_at=datetime.fromisoformat(known_at or ex_date).replace(tzinfo=UTC),
        assumed=False,
        source="test",
    )


def closing(panel: PricePanel, session: int) -> pd.Timestamp:
    """Return when a session of a panel closed."""
    return close_times("XNYS", panel.sessions)[session]


def row_of(panel: PricePanel, day: str) -> int:
    """Return the number of a panel's session."""
    return int(np.searchsorted(panel.sessions, np.datetime64(day, "D")))
