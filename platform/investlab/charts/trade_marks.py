"""Trades marked on prices: one instrument's price with its purchases and sales."""

from dataclasses import dataclass

import holoviews as hv
import holoviews.plotting.bokeh  # registers the drawing backend; it shows and injects nothing
import numpy as np
import pandas as pd

from investlab.charts import style
from investlab.charts.figures import MAX_POINTS, is_logarithmic, session_hover

HEIGHT = 320
MOST_MARKS = 300
SIDES = {"buy": ("triangle", style.BLUE, "Bought"), "sell": ("inverted_triangle", style.VERMILION, "Sold")}


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """One instrument's prices (currency, by session) and the fills shown on them, of `fills_in_all`."""

    symbol: str
    prices: pd.Series
    fills: pd.DataFrame
    fills_in_all: int

    @classmethod
    def of(cls, symbol: str, prices: pd.Series, fills: pd.DataFrame) -> "Marked":
        """Return the instrument with its largest fills by value, in order of time."""
        own = fills[fills["symbol"] == symbol]
        largest = own.sort_values("value", ascending=False, kind="stable").head(MOST_MARKS).sort_index()
        return cls(symbol, prices.dropna(), largest, len(own))

    @property
    def step(self) -> int:
        """Return n where every n-th session's price is drawn."""
        return max(1, -(-len(self.prices) // MAX_POINTS))

    @property
    def said(self) -> str:
        """Return what the picture leaves out, in words; empty where it shows all."""
        found = []
        if len(self.fills) < self.fills_in_all:
            found.append(f"the {len(self.fills)} largest of {self.fills_in_all:,} fills")
        if self.step > 1:
            found.append(f"one price in {self.step}")
        return ", ".join(found)


def trades_chart(marked: Marked, currency: str) -> hv.Overlay:
    """Return the price with a blue triangle up for each purchase and an orange one down for each sale."""
    prices = marked.prices.iloc[:: marked.step]
    logarithmic = is_logarithmic(prices.to_numpy())
    frame = pd.DataFrame({"session": pd.DatetimeIndex(prices.index), "price": prices.to_numpy(dtype=np.float64)})
    line = hv.Curve(frame, "session", "price", label="Price").opts(
        color=style.GREY, line_width=1.2, **session_hover(("Price", "@price{0,0.00}"))
    )
    layers = [line, *(_marks(marked.fills, side) for side in SIDES if (marked.fills["side"] == side).any())]
    scale = ", log scale" if logarithmic else ""
    left_out = f"; shown: {marked.said}" if marked.said else ""
    return hv.Overlay(layers).opts(
        **style.frame_options(
            HEIGHT,
            f"{marked.symbol}, {currency}{scale}{left_out}",
            logy=logarithmic,
            yticks=style.log_steps(prices.to_numpy()) if logarithmic else 6,
            yformatter=style.numeral("0,0.[00]"),
            xformatter=style.dates(),
            legend_position="top",
            legend_cols=3,
            show_grid=True,
            padding=(0.01, 0.08),
        )
    )


def _marks(fills: pd.DataFrame, side: str) -> hv.Scatter:
    marker, colour, label = SIDES[side]
    own = fills[fills["side"] == side]
    frame = pd.DataFrame(
        {
            "session": pd.DatetimeIndex(own["session"]),
            "fill": own["fill_price"].to_numpy(dtype=np.float64),
            "quantity": own["quantity"].to_numpy(dtype=np.float64),
            "value": own["value"].to_numpy(dtype=np.float64),
        }
    )
    return hv.Scatter(frame, "session", ["fill", "quantity", "value"], label=label).opts(
        marker=marker,
        size=8,
        color=colour,
        line_color="#FFFFFF",
        line_width=0.5,
        tools=["hover"],
        hover_tooltips=style.tooltip(
            (label, "@session{%F}"),
            ("Price", "@fill{0,0.00}"),
            ("Quantity", "@quantity{0,0.00}"),
            ("Value", "@value{0,0}"),
        ),
        hover_formatters=style.SESSION_FORMATTER,
    )
