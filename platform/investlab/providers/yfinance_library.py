"""The source of provider `yfinance`: the library, asked for one instrument at a time and kept to our errors."""

import warnings
from datetime import date
from typing import Any

import pandas as pd
import yfinance
from curl_cffi.requests import Session
from yfinance.data import YfData
from yfinance.exceptions import YFPricesMissingError, YFRateLimitError, YFTzMissingError

from investlab.core.config import Settings
from investlab.core.errors import Busy, NotFound, StorageUnavailable
from investlab.providers.patience import Patience
from investlab.providers.yfinance_bars import YahooSeries

ATTEMPTS = 4
TIMEOUT_SECONDS = 30
COLUMNS = {
    "Open": "open",
    "High": "high",
    "Low": "low",
    "Close": "close",
    "Volume": "volume",
    "Adj Close": "adjusted_close",
    "Dividends": "dividend",
    "Stock Splits": "split",
}


class YahooHistory:
    """Asks Yahoo through yfinance, which takes the session it is given; without one it shares the last one used."""

    def __init__(
        self, settings: Settings, patience: Patience | None = None, session: Session[Any] | None = None
    ) -> None:
        self._patience = patience or Patience()
        self._session = session or Session(impersonate="chrome")
        yfinance.set_tz_cache_location(str(settings.home_path / "cache" / "yfinance"))
        yfinance.config.debug.hide_exceptions = False

    def series(self, provider_symbol: str, start: date) -> YahooSeries:
        """Return everything from a day on to now."""
        attempt = 1
        while True:
            try:
                return self._asked(provider_symbol, start)
            except YFRateLimitError as error:
                if attempt == ATTEMPTS:
                    raise Busy("Yahoo allows no more requests for now.", remedy="Run it again in an hour.") from error
            except Exception as error:  # the library stumbles over an odd answer in ways of its own
                if _says_there_is_nothing(error):
                    raise NotFound(
                        f"Yahoo has no bars of {provider_symbol} since {start}.",
                        remedy="Check the symbol and the period.",
                    ) from error
                if attempt == ATTEMPTS:
                    raise StorageUnavailable(
                        f"Yahoo gives no usable answer for {provider_symbol}: {type(error).__name__}.",
                        remedy="Run it again when the network is well; when it stays so, bring yfinance up to date.",
                    ) from error
            self._patience.pause(self._patience.wait_seconds(attempt))
            attempt += 1

    def _asked(self, provider_symbol: str, start: date) -> YahooSeries:
        YfData.cache_get.cache_clear()  # the library keeps failed answers as well
        source = yfinance.Ticker(provider_symbol, session=self._session)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the library calls in ways that pandas will drop is not for our users
            bars = source.history(start=start.isoformat(), auto_adjust=False, actions=True, timeout=TIMEOUT_SECONDS)
        told = source.get_history_metadata()
        first = told.get("firstTradeDate")
        return YahooSeries(
            bars=_tidy(bars),
            name=str(told.get("longName") or told.get("shortName") or ""),
            exchange=str(told.get("exchangeName") or ""),
            currency=str(told.get("currency") or ""),
            kind=str(told.get("instrumentType") or ""),
            first_traded=first.date() if isinstance(first, pd.Timestamp) else None,
        )


def _says_there_is_nothing(error: Exception) -> bool:
    """Say whether Yahoo itself said so; the library takes most failures for a symbol that is no longer listed."""
    return isinstance(error, YFTzMissingError) or (
        isinstance(error, YFPricesMissingError) and error.yahoo_reason is not None
    )


def _tidy(bars: pd.DataFrame) -> pd.DataFrame:
    """Return columns in our words, sessions without a zone, numbers as float64."""
    sessions = pd.DatetimeIndex(bars.index).tz_localize(None).normalize().astype("datetime64[s]")
    tidy = bars.rename(columns=COLUMNS)[list(COLUMNS.values())].astype("float64").reset_index(drop=True)
    tidy.insert(0, "session", sessions)
    return tidy.sort_values("session", kind="stable", ignore_index=True)
