"""A local server that answers as Alpaca's REST API of history does, and fails as networks and vendors do.

Written after the public reference of `/v2/stocks/bars`, `/v1/corporate-actions` and `/v2/assets`: results sorted by
symbol, then time; a limit on the points of a page, not of a symbol; tokens that name the last point of a page; request
limits a minute with their headers; symbols that mean their instrument as of a day. It listens on the loopback address.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

from tests.support.vendor_server import Asked, MovedClock, Refused, Reply, VendorServer

KEY, SECRET = "AKTESTKEY000000000001", "test-secret-that-must-never-be-seen"
NEW_YORK = ZoneInfo("America/New_York")
MAX_BARS, DEFAULT_BARS = 10_000, 1_000
MAX_ACTIONS, DEFAULT_ACTIONS = 1_000, 100
ADJUSTMENTS = {"raw", "split", "dividend", "spin-off", "all"}
FEEDS = {"sip", "iex", "otc", "boats"}
ACTION_KINDS = {
    "forward_split",
    "reverse_split",
    "unit_split",
    "cash_dividend",
    "stock_dividend",
    "spin_off",
    "cash_merger",
    "stock_merger",
    "stock_and_cash_merger",
    "redemption",
    "name_change",
    "worthless_removal",
    "rights_distribution",
}
SYMBOL_KEYS = ("symbol", "old_symbol", "new_symbol", "acquiree_symbol", "acquirer_symbol", "source_symbol")


@dataclass(slots=True)
class Market:
    """What the server knows: bars by adjustment and symbol (day, open, high, low, close, volume), and the rest.

    `renames` are (old symbol, new symbol, day); bars of both lie under the new symbol.
    """

    bars: dict[str, dict[str, list[tuple[date, float, float, float, float, int]]]]
    assets: list[dict[str, Any]] = field(default_factory=list)
    actions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    renames: list[tuple[str, str, date]] = field(default_factory=list)


class AlpacaServer(VendorServer):
    """Answers as Alpaca does; `allowance` is how many requests a minute are allowed.

    `tells` is how a 429 says when to come again: in `seconds` or with a `date` in Retry-After, or by the header that
    says when the limit is `reset` alone.
    """

    def __init__(self, market: Market, clock: MovedClock | None = None) -> None:
        super().__init__(clock)
        self.market = market
        self.allowance = 200
        self.tells = "seconds"
        self._window: tuple[datetime, int] = (self.clock.now(), 0)

    def reply(self, asked: Asked) -> Reply:
        """Return the answer to a request."""
        _authorize(asked.headers)
        headers = self._count()
        return Reply(HTTPStatus.OK, self._page(asked.path, asked.parameters), headers)

    def _count(self) -> dict[str, str]:
        """Count a request against the allowance of the minute and return the headers that tell what is left."""
        now = self.clock.now()
        since, number = self._window
        if (now - since).total_seconds() >= 60:
            since, number = now, 0
        self._window = (since, number + 1)
        reset = since + timedelta(seconds=60)
        headers = {
            "X-RateLimit-Limit": str(self.allowance),
            "X-RateLimit-Remaining": str(max(0, self.allowance - number - 1)),
            "X-RateLimit-Reset": str(int(reset.timestamp())),
        }
        if number >= self.allowance:
            left = (reset - now).total_seconds()
            told = {
                "seconds": {"Retry-After": str(int(left) + 1)},
                "date": {"Retry-After": (now + timedelta(seconds=left)).strftime("%a, %d %b %Y %H:%M:%S GMT")},
                "reset": {},
            }[self.tells]
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, {"message": "too many requests."}, {**headers, **told})
        return headers

    def _page(self, path: str, parameters: Mapping[str, str]) -> Any:
        if path == "/v2/assets":
            wanted = parameters.get("status")
            return [asset for asset in self.market.assets if wanted in (None, asset["status"])]
        if path == "/v2/stocks/bars":
            return self._bars(parameters)
        if path == "/v1/corporate-actions":
            return self._actions(parameters)
        raise Refused(HTTPStatus.NOT_FOUND, {"message": "Not Found"})

    def _bars(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        symbols = [symbol for symbol in parameters.get("symbols", "").split(",") if symbol]
        adjustment, feed = parameters.get("adjustment", "raw"), parameters.get("feed", "sip")
        _require(bool(symbols), "symbols is required")
        _require(all(symbol.replace(".", "").isalnum() for symbol in symbols), "invalid symbol")
        _require(parameters.get("timeframe") in {"1Day", "1D"}, "invalid timeframe")
        _require(set(adjustment.split(",")) <= ADJUSTMENTS, f"invalid adjustment: {adjustment}")
        _require(feed in FEEDS, f"invalid feed: {feed}")
        limit = _limit(parameters, DEFAULT_BARS, MAX_BARS)
        start, end = _moment(parameters["start"]), _moment(parameters["end"])
        if feed == "sip" and end > self.clock.now() - timedelta(minutes=15):
            raise Refused(HTTPStatus.FORBIDDEN, {"message": "subscription does not permit querying recent SIP data"})
        asof = date.fromisoformat(parameters["asof"]) if "asof" in parameters else self.clock.now().date()
        points = [
            (symbol, at, bar)
            for symbol in sorted(set(symbols))
            for at, bar in self._history(symbol, adjustment, asof)
            if start <= at <= end
        ]
        after = _position(parameters.get("page_token"))
        rest = [point for point in points if after is None or point[:2] > after]
        page, more = rest[:limit], len(rest) > limit
        bars: dict[str, list[dict[str, Any]]] = {}
        for symbol, at, (o, h, low, c, v) in page:
            bar = {"t": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "o": o, "h": h, "l": low, "c": c, "v": v}
            bars.setdefault(symbol, []).append(bar | {"n": 10, "vw": c})
        token = _token(f"{page[-1][0]}|D|{page[-1][1]:%Y-%m-%dT%H:%M:%S}.000000000Z") if more else None
        return {"bars": bars, "next_page_token": token}

    def _history(self, symbol: str, adjustment: str, asof: date) -> Iterator[tuple[datetime, tuple[Any, ...]]]:
        """Return the bars of the instrument that bears a symbol on a day, of all its names when it bears it still."""
        table = self.market.bars[adjustment]
        for old, new, day in self.market.renames:
            if symbol == old:
                whole = asof < day
                yield from (_at(bar) for bar in table.get(new, ()) if whole or bar[0] < day)
                return
            if symbol == new and asof < day:
                yield from (_at(bar) for bar in table.get(new, ()) if bar[0] >= day)
                return
        yield from (_at(bar) for bar in table.get(symbol, ()))

    def _actions(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        kinds = parameters.get("types", ",".join(sorted(ACTION_KINDS))).split(",")
        _require(set(kinds) <= ACTION_KINDS, "invalid type")
        limit = _limit(parameters, DEFAULT_ACTIONS, MAX_ACTIONS)
        today = self.clock.now().date().isoformat()
        start, end = parameters.get("start", today), parameters.get("end", today)
        wanted = set(parameters["symbols"].split(",")) if "symbols" in parameters else None
        found = sorted(
            (
                (action["process_date"], kind, number, action)
                for kind in kinds
                for number, action in enumerate(self.market.actions.get(f"{kind}s", ()))
                if start <= action["process_date"] <= end and _concerns(action, wanted)
            ),
            key=lambda item: item[:3],
        )
        first = int(base64.b64decode(parameters["page_token"])) if "page_token" in parameters else 0
        page: dict[str, list[dict[str, Any]]] = {}
        for _, kind, _, action in found[first : first + limit]:
            page.setdefault(f"{kind}s", []).append(action)
        more = len(found) > first + limit
        return {"corporate_actions": page, "next_page_token": _token(str(first + limit)) if more else None}


def _authorize(headers: Mapping[str, str]) -> None:
    key, secret = headers.get("apca-api-key-id"), headers.get("apca-api-secret-key")
    if not key or not secret:
        raise Refused(HTTPStatus.UNAUTHORIZED, {"message": "request is not authorized"})
    if (key, secret) != (KEY, SECRET):
        raise Refused(HTTPStatus.FORBIDDEN, {"message": "forbidden."})


def _require(is_right: bool, message: str) -> None:
    if not is_right:
        raise Refused(HTTPStatus.BAD_REQUEST, {"message": message})


def _limit(parameters: Mapping[str, str], default: int, most: int) -> int:
    text = parameters.get("limit", str(default))
    _require(text.isdigit() and 1 <= int(text) <= most, f"limit must be between 1 and {most}")
    return int(text)


def _moment(text: str) -> datetime:
    """Return a time; a bare date is taken as midnight in UTC, so that whoever relies on another reading is found."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _at(bar: Sequence[Any]) -> tuple[datetime, tuple[Any, ...]]:
    return datetime.combine(bar[0], time.min, NEW_YORK).astimezone(UTC), tuple(bar[1:])


def _token(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _position(token: str | None) -> tuple[str, datetime] | None:
    if token is None:
        return None
    try:
        symbol, _, at = base64.b64decode(token, validate=True).decode().split("|")
        return symbol, datetime.fromisoformat(at.replace(".000000000Z", "+00:00"))
    except ValueError:
        raise Refused(HTTPStatus.BAD_REQUEST, {"message": "invalid page_token"}) from None


def _concerns(action: Mapping[str, Any], wanted: set[str] | None) -> bool:
    return wanted is None or bool(wanted & {action.get(key) for key in SYMBOL_KEYS})
