"""Provider `alpaca` over a local server, waiting on the server's own clock, and what it should deliver."""

from datetime import date

import pandas as pd

from investlab.core.config import Settings
from investlab.providers.alpaca import AlpacaProvider
from investlab.providers.alpaca_history import AlpacaHistory
from investlab.providers.patience import Patience
from investlab.providers.protocol import Delivery, FetchRequest
from tests.support.alpaca_server import KEY, SECRET, AlpacaServer

RAW = "alpaca-sip-raw"
BARS, ACTIONS = "/v2/stocks/bars", "/v1/corporate-actions"


def settings_of(server: AlpacaServer, **changed: str) -> Settings:
    """Return settings that lead to the server."""
    given = {"key": KEY, "secret": SECRET, "data_url": server.url, "trading_url": server.url}
    return Settings.model_validate({f"alpaca_{name}": value for name, value in given.items()} | changed)


def provider_of(server: AlpacaServer, **changed: str) -> AlpacaProvider:
    """Return a provider that asks the server; its waits move the server's clock."""
    patience = Patience(server.clock, server.clock.pause, lambda: 0.5)
    return AlpacaProvider(lambda: AlpacaHistory(settings_of(server, **changed), patience), server.clock)


def fetch(server: AlpacaServer, *symbols: str, start: date | None = None, end: date | None = None) -> Delivery:
    """Return the delivery of symbols with raw prices."""
    return provider_of(server).fetch(FetchRequest(RAW, symbols or None, start, end))


def known_closes(server: AlpacaServer, *symbols: str) -> dict[tuple[str, date], float]:
    """Return the closes that the server knows, by symbol and day."""
    return {(symbol, bar[0]): bar[4] for symbol in symbols for bar in server.market.bars["raw"][symbol]}


def closes(bars: pd.DataFrame) -> dict[tuple[str, date], float]:
    """Return the closes of bars, by symbol and day."""
    rows = zip(bars["symbol"], bars["session"].dt.date, bars["close"], strict=True)
    return {(symbol, day): close for symbol, day, close in rows}
