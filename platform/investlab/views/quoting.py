"""Bars and closes of the market page, up to a session and never beyond."""

from datetime import date, timedelta

import numpy as np

from investlab.charts.candles import SESSIONS_SHOWN, bar_frame
from investlab.core.errors import EmptyUniverse, NotFound
from investlab.market.panel import PricePanel
from investlab.schemas.backtest import PanelRequest
from investlab.services import prices
from investlab.services.context import Context
from investlab.views.state import Candles, WatchLine

CLOSES_SHOWN = 30
_LOOK_BACK = timedelta(days=400)


def candles_of(context: Context, dataset: str, last: date) -> Candles:
    """Return the last bars of a dataset's first instrument.

    Raises:
        NotFound: The dataset is unknown, or has no full bars up to then.
    """
    panel = _panel(context, dataset, last)
    listed = panel.listing[0]
    bars = bar_frame(panel, listed.symbol, SESSIONS_SHOWN)
    if bars.empty:
        raise NotFound(f"{panel.source.label} has no full bars up to {last}.")
    rows = zip(bars.index, *(bars[name] for name in ("open", "high", "low", "close", "volume")), strict=True)
    return Candles(
        dataset=dataset,
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


def watch_lines(context: Context, dataset: str, last: date) -> tuple[WatchLine, ...]:
    """Return every instrument of a dataset with its last closes, ordered by symbol.

    Raises:
        NotFound: The dataset is unknown, or has no bars up to then.
    """
    panel = _panel(context, dataset, last)
    close = panel.values("close")
    lines = []
    for column, listed in enumerate(panel.listing):
        known = np.flatnonzero(~np.isnan(close[:, column]))[-CLOSES_SHOWN:]
        if not known.size:
            continue
        lines.append(
            WatchLine(
                dataset=dataset,
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


def _panel(context: Context, dataset: str, last: date) -> PricePanel:
    listing = prices.dataset_instruments(context, dataset)
    symbols = tuple(ref.symbol for ref in listing)
    try:
        return prices.build_panel(
            context, PanelRequest(dataset=dataset, symbols=symbols, fields=(), start=last - _LOOK_BACK, end=last)
        )
    except EmptyUniverse as error:
        raise NotFound(f"{dataset} has no bars up to {last}.") from error
