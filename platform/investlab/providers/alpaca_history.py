"""Alpaca's REST endpoints of history: instruments, daily bars, corporate actions, page by page."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from investlab.core.config import Settings
from investlab.core.errors import InvalidSettings, StorageUnavailable
from investlab.providers.alpaca_messages import (
    ACTION_PAGE,
    ASSETS,
    BAR_PAGE,
    ZONE,
    Actions,
    Asset,
    Bar,
    BarQuestion,
    frame_of,
    parse,
)
from investlab.providers.patience import Patience
from investlab.providers.rest import RestClient, Vendor

BARS_A_PAGE = 10_000
ACTIONS_A_PAGE = 1_000
SYMBOLS_A_QUESTION = 100
KINDS = (
    "forward_split",
    "reverse_split",
    "cash_dividend",
    "stock_dividend",
    "cash_merger",
    "stock_merger",
    "stock_and_cash_merger",
    "worthless_removal",
)
NAME_CHANGE = "name_change"


class AlpacaHistory:
    """Asks Alpaca; every answer is read to its last page or not at all."""

    def __init__(self, settings: Settings, patience: Patience | None = None) -> None:
        if settings.alpaca_key is None or settings.alpaca_secret is None:
            raise InvalidSettings(
                "Provider alpaca needs a key.",
                remedy="Set INVESTLAB_ALPACA_KEY and INVESTLAB_ALPACA_SECRET to the key id and secret key of an Alpaca "
                "account; paper keys will do.",
            )
        headers = {
            "APCA-API-KEY-ID": settings.alpaca_key.get_secret_value(),
            "APCA-API-SECRET-KEY": settings.alpaca_secret.get_secret_value(),
        }
        remedy = "Check INVESTLAB_ALPACA_KEY and INVESTLAB_ALPACA_SECRET, and what the account's subscription covers."
        self._client = RestClient(Vendor("Alpaca", headers, remedy), patience)
        self._data_url = settings.alpaca_data_url.rstrip("/")
        self._trading_url = settings.alpaca_trading_url.rstrip("/")

    def assets(self) -> list[Asset]:
        """Return all US equities that Alpaca knows, listed or not."""
        answer = self._client.get(f"{self._trading_url}/v2/assets", {"asset_class": "us_equity"})
        return parse(ASSETS, answer, "list of assets")

    def bars(self, question: BarQuestion) -> pd.DataFrame:
        """Return daily bars as symbol, session and fields, ordered by symbol and session."""
        parameters = {
            "symbols": ",".join(question.symbols),
            "timeframe": "1Day",
            "start": _moment(question.start, time.min),
            "end": _moment(question.end, time.max),
            "limit": str(BARS_A_PAGE),
            "adjustment": question.adjustment,
            "feed": question.feed,
            "asof": question.asof.isoformat(),
        }
        found: list[tuple[str, Bar]] = []
        for answer in self._pages("/v2/stocks/bars", parameters):
            page = parse(BAR_PAGE, answer, "page of bars")
            found += [(symbol, bar) for symbol, bars in (page.bars or {}).items() for bar in bars]
        return frame_of(found)

    def actions(self, symbols: Sequence[str] | None, start: date, end: date) -> list[Actions]:
        """Return pages of the corporate actions processed between two days, of all symbols unless some are given."""
        return self._actions(KINDS, symbols, start, end)

    def name_changes(self, symbols: Sequence[str] | None, start: date, end: date) -> list[Actions]:
        """Return pages of the changes of symbols processed between two days."""
        return self._actions((NAME_CHANGE,), symbols, start, end)

    def _actions(self, kinds: Sequence[str], symbols: Sequence[str] | None, start: date, end: date) -> list[Actions]:
        parameters = {
            "types": ",".join(kinds),
            "start": start.isoformat(),
            "end": end.isoformat(),
            "limit": str(ACTIONS_A_PAGE),
        }
        narrowed = [parameters | ({"symbols": ",".join(some)} if some else {}) for some in _groups(symbols)]
        pages = (page for question in narrowed for page in self._pages("/v1/corporate-actions", question))
        return [parse(ACTION_PAGE, page, "page of corporate actions").corporate_actions for page in pages]

    def _pages(self, path: str, parameters: dict[str, str]) -> Iterator[Any]:
        """Return the pages of an answer; a token that comes again would never end."""
        token, seen = None, set()
        while True:
            answer = self._client.get(
                self._data_url + path, {**parameters, "page_token": token} if token else parameters
            )
            yield answer
            token = answer.get("next_page_token")
            if not token:
                return
            if token in seen:
                raise StorageUnavailable("Alpaca gives the same page again and again.", remedy="Run it again later.")
            seen.add(token)


def _moment(day: date, at: time) -> str:
    """Return a time in New York, for whose midnight a bare date stands is not said."""
    return datetime.combine(day, at.replace(microsecond=0), ZoneInfo(ZONE)).isoformat()


def _groups(symbols: Sequence[str] | None) -> Iterator[Sequence[str]]:
    if symbols is None:
        yield ()
        return
    for start in range(0, len(symbols), SYMBOLS_A_QUESTION):
        yield symbols[start : start + SYMBOLS_A_QUESTION]
