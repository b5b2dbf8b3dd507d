"""Figures from companies' reports beside prices, each as it was known at the close of a session."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd

from investlab.core.errors import MixedData
from investlab.market.actions import SHARES_CHANGE
from investlab.market.calendars import calendar_zone, close_times
from investlab.market.panel import PricePanel, read_only
from investlab.schemas.market import CorporateAction

STALE_AFTER_DAYS = 548
"""A figure counts for a year and a half from the end of its period: a yearly report and half a year to file it."""

SHARE_COUNTS = frozenset({"shares_outstanding"})
"""Metrics that count shares; they grow with each split after the filing, as the shares do."""


@dataclass(frozen=True, slots=True)
class Filing:
    """A figure of one instrument and metric; `first` is the first session at whose close it was known.

    `filed_on` is the day of the filing where the exchange stands.
    """

    first: int
    filed_on: date
    period_end: date
    value: float


@dataclass(frozen=True, slots=True)
class ShareGrowth:
    """A split: shares after it per share before, and the first session at whose close it was known and in force."""

    first: int
    ex_date: date
    ratio: float


def with_fundamentals(
    panel: PricePanel, history: pd.DataFrame, actions: Sequence[CorporateAction], metrics: Sequence[str]
) -> PricePanel:
    """Return the panel with one more field per metric: sessions × instruments, NaN = unknown or stale.

    `history` has every filing: instrument_id, metric, period_end, known_at (UTC), value, currency. At each session
    the figure of the latest period counts, as last filed by that session's close; a restatement of an older period
    changes nothing once a later period is known. It is stale when its period ended more than `STALE_AFTER_DAYS` before.

    A share count is on the basis of the day it was filed, as accounting rules have it, and grows with every split in
    `actions` whose ex-date lies after that day, from the session on that opens on or after the ex-date and at whose
    close the split is known. So at every session count × raw close is the market value, and per-share figures and
    unadjusted prices always speak of the same share. No row depends on what became known after its close.

    Raises:
        MixedData: A figure is in another currency than the panel.
    """
    _check_currency(panel, history)
    closes = close_times(panel.source.calendar, panel.sessions).tz_localize(None).to_numpy("datetime64[us]")
    columns = {ref.instrument_id: place for place, ref in enumerate(panel.listing)}
    fields = {metric: np.full(panel.shape, np.nan) for metric in metrics}
    growths = _growths(panel, actions, closes)
    for (instrument_id, metric), filed in _filings(panel, history, closes).items():
        if instrument_id in columns and metric in fields:
            growth = growths.get(instrument_id, []) if metric in SHARE_COUNTS else []
            fields[metric][:, columns[instrument_id]] = values_at_closes(filed, growth, panel.sessions)
    added = {metric: read_only(values) for metric, values in fields.items()}
    return replace(panel, fields={**panel.fields, **added}, id="")


def values_at_closes(filings: Sequence[Filing], growths: Sequence[ShareGrowth], sessions: np.ndarray) -> np.ndarray:
    """Return one instrument's figure at every session's close; `filings` and `growths` are ordered by time."""
    values = np.full(len(sessions), np.nan)
    ends = np.full(len(sessions), np.datetime64("NaT", "D"))
    told: list[Filing] = []
    for filing in filings:
        if not told or filing.period_end >= told[-1].period_end:
            told.append(filing)
    stops = [*(filing.first for filing in told[1:]), len(sessions)]
    for filing, stop in zip(told, stops, strict=False):
        values[filing.first : stop] = filing.value
        ends[filing.first : stop] = np.datetime64(filing.period_end, "D")
        for growth in growths:
            if growth.ex_date > filing.filed_on:
                values[max(growth.first, filing.first) : stop] *= growth.ratio
    values[(sessions - ends).astype(np.float64) > STALE_AFTER_DAYS] = np.nan
    return values


def _filings(panel: PricePanel, history: pd.DataFrame, closes: np.ndarray) -> dict[tuple[int, str], list[Filing]]:
    """Return the filings known by the panel's last close, by instrument and metric, ordered by time and period."""
    zone = calendar_zone(panel.source.calendar)
    known = history["known_at"]
    firsts = np.searchsorted(closes, known.dt.tz_convert(None).to_numpy("datetime64[us]"), side="left")
    told = history.assign(first=firsts, filed_on=known.dt.tz_convert(zone).dt.date)
    told = told[told["first"] < len(closes)].sort_values(["known_at", "period_end"], kind="stable")
    found: dict[tuple[int, str], list[Filing]] = {}
    names = ["instrument_id", "metric", "first", "filed_on", "period_end", "value"]
    for instrument_id, metric, first, filed_on, period_end, value in told[names].itertuples(index=False, name=None):
        filing = Filing(int(first), filed_on, pd.Timestamp(period_end).date(), float(value))
        found.setdefault((int(instrument_id), str(metric)), []).append(filing)
    return found


def _growths(panel: PricePanel, actions: Sequence[CorporateAction], closes: np.ndarray) -> dict[int, list[ShareGrowth]]:
    """Return splits and stock dividends by instrument, ordered by ex-date."""
    found: dict[int, list[ShareGrowth]] = {}
    for action in sorted(actions, key=lambda each: (each.ex_date, each.kind)):
        if action.kind in SHARES_CHANGE:
            known_at = pd.Timestamp(action.known_at).tz_convert(None).to_datetime64()
            in_force = np.searchsorted(panel.sessions, np.datetime64(action.ex_date, "D"))
            first = max(int(in_force), int(np.searchsorted(closes, known_at)))
            found.setdefault(action.instrument_id, []).append(ShareGrowth(first, action.ex_date, action.value))
    return found


def _check_currency(panel: PricePanel, history: pd.DataFrame) -> None:
    others = history[~history["currency"].isin(["", panel.source.currency])]
    if len(others):
        first = others.iloc[0]
        symbols = {ref.instrument_id: ref.symbol for ref in panel.listing}
        raise MixedData(
            f"The {first['metric']} of {symbols.get(first['instrument_id'], first['instrument_id'])} is in "
            f"{first['currency']}, the panel in {panel.source.currency}.",
            remedy="Ingest the figures in the currency of the prices.",
        )
