"""Bars and closes of the market page, from a panel that ends with the session shown."""

import numpy as np

from investlab.charts.candles import BAR_COLUMNS, SESSIONS_SHOWN, bar_frame
from investlab.market.panel import PricePanel
from investlab.views.state import Candles, WatchLine

CLOSES_SHOWN = 30


def candles_of(panel: PricePanel) -> Candles | None:
    """Return the last full bars of a panel's first instrument; None when it has none."""
    if any(name not in panel.fields for name in BAR_COLUMNS):
        return None
    listed = panel.listing[0]
    bars = bar_frame(panel, listed.symbol, SESSIONS_SHOWN)
    if bars.empty:
        return None
    rows = zip(bars.index, *(bars[name] for name in BAR_COLUMNS), strict=True)
    return Candles(
        dataset=panel.source.dataset,
        dataset_version=panel.source.dataset_version or 0,
        instrument_id=listed.instrument_id,
        symbol=listed.symbol,
        name=listed.name or listed.symbol,
        currency=listed.currency,
        basis=panel.basis,
        bars=tuple(
            (day.date(), float(o), float(h), float(low), float(c), None if np.isnan(v) else float(v))
            for day, o, h, low, c, v in rows
        ),
    )


def watch_lines(panel: PricePanel) -> tuple[WatchLine, ...]:
    """Return every instrument of a panel that has a close, with its last ones, in the panel's order."""
    close = panel.values("close")
    lines = []
    for column, listed in enumerate(panel.listing):
        known = np.flatnonzero(~np.isnan(close[:, column]))[-CLOSES_SHOWN:]
        if not known.size:
            continue
        lines.append(
            WatchLine(
                dataset=panel.source.dataset,
                dataset_version=panel.source.dataset_version or 0,
                instrument_id=listed.instrument_id,
                symbol=listed.symbol,
                name=listed.name or listed.symbol,
                currency=listed.currency,
                basis=panel.basis,
                session=panel.sessions[known[-1]].item(),
                closes=tuple(float(price) for price in close[known, column]),
            )
        )
    return tuple(lines)
