"""Panels whose bars have open, high, low and close, written by hand or drawn."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from investlab.market.panel import PricePanel
from tests.support.panels import Action, session_index

Bar = Sequence[float]
"""Open, high, low, close."""


def bars_panel(bars: Sequence[Bar], *, basis: str = "raw", actions: Sequence[Action] = ()) -> PricePanel:
    """Return a panel of the one instrument A with these bars."""
    return panel_of({"A": bars}, basis=basis, actions=actions)


def panel_of(bars: dict[str, Sequence[Bar]], *, basis: str = "raw", actions: Sequence[Action] = ()) -> PricePanel:
    """Return a panel of the bars given by symbol."""
    count = len(next(iter(bars.values())))
    index = session_index(count)
    fields = {
        name: pd.DataFrame({symbol: [float(bar[place]) for bar in own] for symbol, own in bars.items()}, index=index)
        for place, name in enumerate(("open", "high", "low", "close"))
    }
    rows = [(index[session], symbol, kind, value) for session, symbol, kind, value in actions]
    table = pd.DataFrame(rows, columns=["ex_date", "symbol", "kind", "value"]) if rows else None
    return PricePanel.from_frames(**fields, basis=basis, actions=table)


@st.composite
def ohlc_panels(draw: st.DrawFn, *, basis: str | None = None) -> PricePanel:
    """Draw a small panel of bars around round prices, some missing, with splits and dividends where the basis has them.

    Highs and lows enclose open and close. Moves are large, so that every kind of stop and ruin occurs.
    """
    kind = basis or draw(st.sampled_from(["raw", "split_adjusted", "total_return"]))
    sessions = draw(st.integers(2, 14))
    symbols = ["A", "B"][: draw(st.integers(1, 2))]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([0.02, 0.1, 0.5]))
    rounding = draw(st.sampled_from([0, 2, 12]))
    bars = {}
    for symbol in symbols:
        close = 20.0 * np.exp(np.cumsum(rng.normal(0.0, scale, sessions)))
        opens = close * np.exp(rng.normal(0.0, scale / 2, sessions))
        opens, close = (np.maximum(np.round(each, rounding), 1.0) for each in (opens, close))
        high = np.maximum(opens, close) + np.round(rng.exponential(scale * 10, sessions), rounding)
        low = np.maximum(np.minimum(opens, close) - np.round(rng.exponential(scale * 10, sessions), rounding), 0.5)
        rows = np.column_stack([opens, high, low, close])
        rows[rng.random(sessions) < draw(st.sampled_from([0.0, 0.0, 0.15]))] = np.nan
        bars[symbol] = rows.tolist()
    kinds = {"raw": ["split", "dividend"], "split_adjusted": ["dividend"], "total_return": []}[kind]
    actions = []
    if kinds:
        for session, symbol in draw(
            st.lists(st.tuples(st.integers(1, sessions - 1), st.sampled_from(symbols)), max_size=3, unique=True)
        ):
            action = draw(st.sampled_from(kinds))
            value = draw(st.sampled_from([2.0, 0.1, 1.5] if action == "split" else [0.25, 0.1]))
            actions.append((session, symbol, action, value))
    return panel_of(bars, basis=kind, actions=actions)
