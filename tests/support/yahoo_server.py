"""A local server that answers as Yahoo Finance does to yfinance, and a session that sends every host's requests to it.

Written after what the library asks: the chart of an instrument (`/v8/finance/chart`), the cookie and the crumb before
it, the page of consent when those are refused, and the summary that it asks for when a chart tells no time zone.
Prices are single-precision numbers in today's shares, as Yahoo's are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import numpy as np
from curl_cffi.requests import Session

from tests.support.vendor_server import Asked, MovedClock, Refused, Reply, VendorServer

NEW_YORK = ZoneInfo("America/New_York")
CHART = "/query2.finance.yahoo.com/v8/finance/chart/"
CRUMB, COOKIE = "test.crumb", "A3=d=test-cookie"
CONSENT = '<form><input name="csrfToken" value="abc"><input name="sessionId" value="3_cc"></form>'


@dataclass(slots=True)
class Listed:
    """An instrument: its bars as traded (day, open, high, low, close, volume), splits and dividends of its days.

    A bar of None is a day for which Yahoo has nothing but an action.
    """

    bars: dict[date, tuple[float, float, float, float, int] | None]
    splits: dict[date, tuple[int, int]] = field(default_factory=dict)
    dividends: dict[date, float] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)


class RootedSession(Session):
    """A session that asks a local server instead of every host; the host becomes the first part of the path."""

    def __init__(self, root: str) -> None:
        super().__init__(impersonate="chrome")
        self.root = root

    def request(self, method: str, url: str, *arguments: Any, **named: Any) -> Any:
        """Ask the local server."""
        parts = urlsplit(url)
        query = f"?{parts.query}" if parts.query else ""
        return super().request(method, f"{self.root}/{parts.netloc}{parts.path}{query}", *arguments, **named)


class YahooServer(VendorServer):
    """Answers as Yahoo does, to browsers that bring its cookie."""

    def __init__(self, market: dict[str, Listed], clock: MovedClock | None = None) -> None:
        super().__init__(clock)
        self.market = market

    def reply(self, asked: Asked) -> Reply:
        """Return the answer to a request."""
        if "Mozilla" not in asked.headers.get("user-agent", ""):
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "Too Many Requests")
        if asked.path == "/fc.yahoo.com":
            return Reply(HTTPStatus.NOT_FOUND, "", {"Set-Cookie": f"{COOKIE}; Path=/; HttpOnly"})
        if asked.path.endswith("/v1/test/getcrumb"):
            return self._crumb(asked)
        if asked.path.startswith(("/guce.yahoo.com", "/consent.yahoo.com")):
            return Reply(HTTPStatus.OK, CONSENT, {"Content-Type": "text/html", "Set-Cookie": f"{COOKIE}; Path=/"})
        if asked.path.startswith(CHART):
            return Reply(HTTPStatus.OK, self._chart(asked.path.removeprefix(CHART), asked.parameters))
        return Reply(HTTPStatus.NOT_FOUND, {"quoteSummary": {"result": None, "error": _error("Quote not found")}})

    def _crumb(self, asked: Asked) -> Reply:
        if COOKIE not in asked.headers.get("cookie", ""):
            return Reply(HTTPStatus.UNAUTHORIZED, {"finance": {"result": None, "error": _error("Invalid Cookie")}})
        return Reply(HTTPStatus.OK, CRUMB, {"Content-Type": "text/plain"})

    def _chart(self, symbol: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        if symbol not in self.market:
            body = {"chart": {"result": None, "error": _error("No data found, symbol may be delisted")}}
            raise Refused(HTTPStatus.NOT_FOUND, body)
        listed = self.market[symbol]
        days = sorted(listed.bars)
        if "period1" in parameters:
            start, end = int(parameters["period1"]), int(parameters["period2"])
            days = [day for day in days if start <= _opening(day) < end]
            if not days:
                reason = f"Data doesn't exist for startDate = {start}, endDate = {end}"
                raise Refused(HTTPStatus.BAD_REQUEST, {"chart": {"result": None, "error": _error(reason)}})
        else:
            days = days[-1:]
        result = {
            "meta": _meta(symbol, listed),
            "timestamp": [_opening(day) for day in days],
            "indicators": _indicators(listed, days),
        }
        events = _events(listed, days)
        return {"chart": {"result": [result | ({"events": events} if events else {})], "error": None}}


def _error(description: str) -> dict[str, str]:
    return {"code": "Not Found", "description": description}


def _opening(day: date) -> int:
    return int(datetime.combine(day, time(9, 30), NEW_YORK).astimezone(UTC).timestamp())


def _meta(symbol: str, listed: Listed) -> dict[str, Any]:
    first, last = min(listed.bars), max(listed.bars)
    period = {"timezone": "EST", "start": _opening(last), "end": _opening(last) + 23400, "gmtoffset": -18000}
    return {
        "currency": "USD",
        "symbol": symbol,
        "exchangeName": "NMS",
        "fullExchangeName": "NasdaqGS",
        "instrumentType": "EQUITY",
        "firstTradeDate": _opening(first),
        "regularMarketTime": _opening(last) + 23400,
        "gmtoffset": -18000,
        "timezone": "EST",
        "exchangeTimezoneName": "America/New_York",
        "longName": f"{symbol} Incorporated",
        "shortName": symbol,
        "priceHint": 2,
        "currentTradingPeriod": {name: dict(period) for name in ("pre", "regular", "post")},
        "dataGranularity": "1d",
        "range": "",
        "validRanges": ["1d", "5d", "1mo", "1y", "max"],
        **listed.meta,
    }


def _later(listed: Listed, day: date) -> float:
    """Return how many shares of today one share of a day has become."""
    ratio = 1.0
    for ex_date, (numerator, denominator) in listed.splits.items():
        if ex_date > day:
            ratio *= numerator / denominator
    return ratio


def _indicators(listed: Listed, days: list[date]) -> dict[str, Any]:
    names = ("open", "high", "low", "close")
    quote: dict[str, list[float | int | None]] = {name: [] for name in (*names, "volume")}
    for day in days:
        bar, later = listed.bars[day], _later(listed, day)
        for place, name in enumerate(names):
            quote[name].append(None if bar is None else float(np.float32(bar[place] / later)))
        quote["volume"].append(None if bar is None else round(bar[4] * later))
    return {"quote": [quote], "adjclose": [{"adjclose": _adjusted(listed, days, quote["close"])}]}


def _adjusted(listed: Listed, days: list[date], closes: list[Any]) -> list[float | None]:
    """Return closes with the dividends after them taken out by the close before each."""
    factor, found = 1.0, []
    for place in reversed(range(len(days))):
        found.append(None if closes[place] is None else float(np.float32(closes[place] * factor)))
        paid = listed.dividends.get(days[place], 0.0) / _later(listed, days[place])
        before = next((close for close in reversed(closes[:place]) if close is not None), None)
        factor *= 1.0 - paid / before if before else 1.0
    return found[::-1]


def _events(listed: Listed, days: list[date]) -> dict[str, Any]:
    dividends = {
        str(_opening(day)): {"amount": listed.dividends[day] / _later(listed, day), "date": _opening(day)}
        for day in days
        if day in listed.dividends
    }
    splits = {
        str(_opening(day)): {
            "date": _opening(day),
            "numerator": float(listed.splits[day][0]),
            "denominator": float(listed.splits[day][1]),
            "splitRatio": f"{listed.splits[day][0]}:{listed.splits[day][1]}",
        }
        for day in days
        if day in listed.splits
    }
    return {name: found for name, found in (("dividends", dividends), ("splits", splits)) if found}
