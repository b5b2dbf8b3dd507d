"""A small market that the local Alpaca server knows: synthetic bars of real dates under Alpaca's shapes."""

from datetime import date
from functools import cache
from typing import Any

from investlab.market.calendars import sessions_between
from tests.support.alpaca_server import Market

RENAMED_ON = date(2022, 6, 9)
FIRST, LAST = date(2021, 1, 4), date(2026, 2, 27)
SPLIT_ON = date(2023, 8, 22)


def make_market() -> Market:
    """Return AAA (splits 2:1, pays, is paid for in part later), META (formerly FB), BRK.B, an OTC and a dead symbol."""
    raw = {symbol: list(_bars(number)) for number, symbol in enumerate(("AAA", "BRK.B", "META"), start=1)}
    raw["AAA"] = [
        (day, *(price / 2 for price in prices[:4]), prices[4]) if day >= SPLIT_ON else (day, *prices)
        for day, *prices in raw["AAA"]
    ]
    raw["OLD"] = [bar for bar in _bars(5) if bar[0] < date(2022, 3, 1)]
    adjusted = {
        symbol: [(day, *(p / 2 for p in prices[:4]), prices[4]) for day, *prices in bars]
        for symbol, bars in raw.items()
    }
    return Market(
        bars={"raw": raw, "all": adjusted},
        assets=[
            _asset("AAA", "NYSE", "Triple A Inc. Common Stock"),
            _asset("BRK.B", "NYSE", "Berkshire Hathaway Inc. Class B"),
            _asset("META", "NASDAQ", "Meta Platforms, Inc. Class A Common Stock"),
            _asset("META", "NASDAQ", "Roundhill Ball Metaverse ETF", status="inactive", number=9),
            _asset("OLD", "ARCA", "Olden Corp", status="inactive"),
            _asset("OVERC", "OTC", "Over the Counter Ltd"),
        ],
        actions=_actions(),
        renames=[("FB", "META", RENAMED_ON)],
    )


@cache
def _bars(number: int) -> tuple[tuple[date, float, float, float, float, int], ...]:
    found = []
    for place, day in enumerate(sessions_between("XNYS", FIRST, LAST)):
        close = round(50.0 * number + (place * 7 * number % 97) / 10, 2)
        found.append((day.item(), close - 0.25, close + 0.5, close - 0.5, close, 1000 + place))
    return tuple(found)


def _asset(symbol: str, exchange: str, name: str, *, status: str = "active", number: int = 0) -> dict[str, Any]:
    return {
        "id": f"{number:08d}-0000-4000-8000-{sum(symbol.encode()):012d}",
        "class": "us_equity",
        "exchange": exchange,
        "symbol": symbol,
        "name": name,
        "status": status,
        "tradable": status == "active",
        "marginable": True,
        "shortable": True,
        "easy_to_borrow": True,
        "fractionable": True,
        "attributes": [],
    }


def _actions() -> dict[str, list[dict[str, Any]]]:
    paid = {"special": False, "foreign": False, "cusip": "000000000"}
    return {
        "forward_splits": [
            _action(symbol="AAA", new_rate=2, old_rate=1, process_date="2023-08-22", ex_date="2023-08-22"),
            _action(symbol="ZZZ", new_rate=3, old_rate=1, process_date="2023-08-22", ex_date="2023-08-22"),
        ],
        "reverse_splits": [
            _action(symbol="BRK.B", new_rate=1, old_rate=50, process_date="2024-05-01", ex_date="2024-05-01")
        ],
        "cash_dividends": [
            _action(symbol="AAA", rate=0.125, process_date="2023-05-19", ex_date="2023-05-04", **paid),
            _action(symbol="AAA", rate=0.25, process_date="2026-03-20", ex_date="2026-02-26", **paid),
            _action(symbol="AAA", rate=0.0, process_date="2023-11-19", ex_date="2023-11-04", **paid),
            _action(symbol="FB", rate=0.5, process_date="2021-06-20", ex_date="2021-06-03", **paid),
        ],
        "stock_dividends": [_action(symbol="AAA", rate=0.05, process_date="2023-05-19", ex_date="2023-05-22")],
        "spin_offs": [
            _action(
                source_symbol="AAA",
                source_rate=1,
                new_symbol="SPN",
                new_rate=1,
                process_date="2024-02-01",
                ex_date="2024-02-01",
            )
        ],
        "stock_and_cash_mergers": [
            _action(
                acquirer_symbol="AAA",
                acquirer_rate=0.7733,
                acquiree_symbol="OLD",
                acquiree_rate=1,
                cash_rate=7.8,
                process_date="2022-03-01",
                effective_date="2022-03-01",
            )
        ],
        "name_changes": [_action(old_symbol="FB", new_symbol="META", process_date=RENAMED_ON.isoformat())],
    }


def _action(**fields: Any) -> dict[str, Any]:
    return {"id": "913de862-c02c-46dc-a89c-fc8779a50d30", **fields}
