"""Factories of bars for the market store."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd

INGESTED_AT = datetime(2024, 1, 2, 12, tzinfo=UTC)


def make_bars(
    *, instrument_ids: Sequence[int] = (1, 2), first: str = "2020-01-01", sessions: int = 5, start_price: float = 10.0
) -> pd.DataFrame:
    """Return bars whose closes rise by one a session, known three hours before midnight UTC."""
    days = pd.bdate_range(first, periods=sessions)
    rows = [
        (instrument, day, start_price + instrument + number, start_price + instrument + number - 0.5)
        for instrument in instrument_ids
        for number, day in enumerate(days)
    ]
    bars = pd.DataFrame(rows, columns=["instrument_id", "session", "close", "open"])
    return bars.assign(known_at=bars["session"].dt.tz_localize("UTC") + pd.Timedelta(hours=21))
