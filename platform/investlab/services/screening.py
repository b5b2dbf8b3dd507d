"""Choosing a universe's members by a screen, from nothing but what was known on the day."""

from datetime import UTC, date, datetime, time

import numpy as np
import pandas as pd

from investlab.core.errors import InvalidInput
from investlab.market.calendars import sessions_between
from investlab.schemas.catalog import DatasetInfo, DatasetVersionInfo
from investlab.schemas.screens import Rhythm, Screen
from investlab.services.context import Context
from investlab.services.prices import version_pin
from investlab.store.bar_tables import BarQuery
from investlab.store.repositories import catalog

END_OF_DAY = time(23, 59, 59, 999999, tzinfo=UTC)


def screened(
    context: Context, info: DatasetInfo, version: DatasetVersionInfo, screen: Screen, on: date
) -> tuple[int, ...]:
    """Return the instrument ids that pass a screen on a day, the most liquid first, else by id.

    Only bars with `known_at` up to the end of that day, and up to the workspace's as-of time, are read.

    Raises:
        InvalidInput: The screen looks at liquidity and the dataset has no volume.
    """
    if screen.needs_volume and "volume" not in info.fields:
        raise InvalidInput(
            f"Dataset {info.name!r} has no volume, so liquidity cannot be screened.",
            remedy="Leave min_dollar_volume and top out, or use a dataset with volume.",
        )
    bars = _recent_bars(context, info, version, screen, on)
    if bars.empty:
        return ()
    passing = _passing(bars, screen)
    if screen.sectors and len(passing):
        with context.database.read() as session:
            refs = catalog.instruments(session, [int(key) for key in passing.index])
        allowed = {ref.instrument_id for ref in refs if ref.sector in screen.sectors}
        passing = passing[passing.index.isin(list(allowed))]
    if not screen.needs_volume:
        return tuple(sorted(int(key) for key in passing.index))
    ranked = passing.sort_index().sort_values(ascending=False, kind="stable")
    return tuple(int(key) for key in ranked.index[: screen.top])


def screening_days(calendar: str, start: date, end: date, rhythm: Rhythm) -> list[date]:
    """Return the days on which members are chosen: the first session from `start` on and of each later period."""
    sessions = sessions_between(calendar, start, end)
    if not len(sessions):
        return []
    if rhythm is Rhythm.ONCE:
        return [sessions[0].item()]
    code = {Rhythm.MONTH: "M", Rhythm.QUARTER: "Q", Rhythm.YEAR: "Y"}[rhythm]
    periods = pd.PeriodIndex(pd.DatetimeIndex(sessions.astype("datetime64[s]")), freq=code)
    first = np.flatnonzero(np.r_[True, periods[1:] != periods[:-1]])
    return [sessions[place].item() for place in first]


def _recent_bars(
    context: Context, info: DatasetInfo, version: DatasetVersionInfo, screen: Screen, on: date
) -> pd.DataFrame:
    """Return the bars of the sessions a screen looks back on, with the place of each session counted from the end."""
    window = max(screen.lookback_sessions, screen.min_sessions)
    first = version.first_session or on
    sessions = sessions_between(info.calendar, first, on)[-window:]
    moment = datetime.combine(on, END_OF_DAY)
    known_by = min(moment, context.as_of) if context.as_of else moment
    if not len(sessions):
        return pd.DataFrame()
    query = BarQuery(start=sessions[0].item(), end=on, as_of=known_by)
    bars = context.market.read(info.name, version_pin(version), query)
    recent = sessions[-screen.lookback_sessions :][0]
    return bars.assign(is_recent=bars["session"].to_numpy("datetime64[D]") >= recent)


def _passing(bars: pd.DataFrame, screen: Screen) -> pd.Series:
    """Return the dollar volume (NaN without volume) of the instruments that pass all but the sector rule, by id."""
    priced = bars[bars["close"].notna()]
    counts = priced.groupby("instrument_id").size()
    recent = priced[priced["is_recent"]]
    volume = recent["volume"] if "volume" in recent.columns else np.nan
    liquidity = (recent["close"] * volume).groupby(recent["instrument_id"]).median()
    old_enough = counts.reindex(liquidity.index) >= screen.min_sessions
    passing = liquidity[old_enough.to_numpy()]
    if screen.min_dollar_volume is not None:
        passing = passing[passing >= screen.min_dollar_volume]
    return passing
