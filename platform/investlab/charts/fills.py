"""The fills of a backtest as a table."""

from collections.abc import Callable
from functools import partial
from typing import Any

from investlab.backtest.result import BacktestResult
from investlab.charts.markup import Html, element, table
from investlab.charts.units import count, day, number

FILLS_SHOWN = 20
FILL_COLUMNS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "session": ("Session", day),
    "decided": ("Decided", day),
    "symbol": ("Symbol", str),
    "side": ("Side", str),
    "quantity": ("Quantity", partial(number, digits=4)),
    "reference_price": ("Price", partial(number, digits=4)),
    "fill_price": ("Fill price", partial(number, digits=4)),
    "value": ("Value", number),
    "commission": ("Commission", number),
    "slippage_cost": ("Slippage", number),
    "reason": ("Reason", lambda reason: str(reason).replace("_", " ")),
}
"""The columns of fills that a report shows: heading and how a value reads; results of old have no reason."""


def last_fills(result: BacktestResult) -> Html:
    """Return the last fills of a result, one in a row."""
    fills = result.fills.tail(FILLS_SHOWN)
    if fills.empty:
        return element("p", "There were no fills.")
    known = {name: column for name, column in FILL_COLUMNS.items() if name in fills}
    rows = [[shown(fill[name]) for name, (_, shown) in known.items()] for fill in fills.to_dict("records")]
    header = [label for label, _ in known.values()]
    return table(header, rows, f"Last {len(fills)} of {count(len(result.fills), 'fill')}, in {result.source.currency}")
