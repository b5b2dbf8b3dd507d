"""Layouts of files that are known by name; a description may replace any of their rules."""

from collections.abc import Mapping

from investlab.schemas.files import DateRule, FileLayout, NumberRule, SymbolRule, SymbolSource

LAYOUTS: Mapping[str, FileLayout] = {
    "alpaca_csv": FileLayout(
        columns={
            "symbol": "symbol",
            "session": "timestamp",
            "open": "open",
            "high": "high",
            "low": "low",
            "close": "close",
            "volume": "volume",
        },
        ignore=("trade_count", "vwap"),
        dates=DateRule(format="%Y-%m-%d %H:%M:%S%z"),
    ),
    "stooq": FileLayout(
        columns={
            "symbol": "<TICKER>",
            "session": "<DATE>",
            "open": "<OPEN>",
            "high": "<HIGH>",
            "low": "<LOW>",
            "close": "<CLOSE>",
            "volume": "<VOL>",
        },
        ignore=("<OPENINT>",),
        require={"<PER>": "D", "<TIME>": "000000"},
        dates=DateRule(format="%Y%m%d"),
        symbols=SymbolRule(pattern=r"(?P<symbol>.+)\.[A-Z]+"),
    ),
    "yahoo": FileLayout(
        columns={
            "session": "Date",
            "open": "Open",
            "high": "High",
            "low": "Low",
            "close": "Close",
            "adjusted_close": "Adj Close",
            "volume": "Volume",
        },
        numbers=NumberRule(missing=("null",)),
        symbols=SymbolRule(source=SymbolSource.FILE_NAME),
    ),
}
"""`alpaca_csv`: bars that alpaca-py's frame wrote, each stamped with midnight in New York as an aware time.

`stooq`: the bulk download of daily bars. `yahoo`: the history of one instrument, in a file that bears its symbol.
"""
