"""Provider `yfinance`: daily bars of US instruments from Yahoo Finance, by the library of the extra `yfinance`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Protocol, cast
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from investlab.core.clock import Clock, SystemClock
from investlab.core.config import Settings
from investlab.core.errors import EmptyUniverse, InvalidInput, NotFound, StorageUnavailable
from investlab.core.extensions import SOURCES, load_extension
from investlab.providers.protocol import Delivery, FetchRequest
from investlab.schemas.catalog import (
    ActionDraft,
    DatasetDescription,
    IdentifierDraft,
    IdentifierScheme,
    InstrumentDraft,
    InstrumentKind,
)
from investlab.schemas.market import PRICE_FIELDS, ActionKind, PriceBasis

RAW, SPLIT_ADJUSTED = "yahoo-raw", "yahoo-split-adjusted"
FIELDS = {RAW: (*PRICE_FIELDS, "volume"), SPLIT_ADJUSTED: (*PRICE_FIELDS, "volume", "adjusted_close")}
EARLIEST = date(1985, 1, 2)
ZONE = ZoneInfo("America/New_York")
PRICE_DECIMALS, AMOUNT_DECIMALS = 4, 6
VENUES = {
    "ASE": "XASE",
    "BTS": "BATS",
    "NCM": "XNAS",
    "NGM": "XNAS",
    "NMS": "XNAS",
    "NYQ": "XNYS",
    "PCX": "ARCX",
}
KINDS = {"EQUITY": InstrumentKind.EQUITY, "ETF": InstrumentKind.ETF}


@dataclass(frozen=True, slots=True, eq=False)
class YahooSeries:
    """What Yahoo says of one instrument.

    `bars` has session, open, high, low, close, volume, adjusted_close, dividend and split, with prices, volume and
    dividends in shares of today; a dividend or split of nothing is 0.
    """

    bars: pd.DataFrame
    name: str
    exchange: str
    currency: str
    kind: str
    first_traded: date | None


class Yahoo(Protocol):
    """What is asked of Yahoo; the source of the extra asks it over the network."""

    def series(self, provider_symbol: str, start: date) -> YahooSeries:
        """Return everything from a day on to now.

        Raises:
            NotFound: Yahoo does not know the symbol, or has no bars of it.
            Busy: Yahoo's limit is used up.
            StorageUnavailable: Yahoo gives no usable answer.
        """
        ...


def open_yahoo(settings: Settings) -> Yahoo:
    """Return the source of the extra `yfinance`, whose library is loaded now.

    Raises:
        StorageUnavailable: It is not installed.
    """
    try:
        source = cast("Callable[[Settings], Yahoo]", load_extension(SOURCES, "yfinance"))
    except ImportError as error:
        raise StorageUnavailable(
            "The library yfinance is not installed.", remedy="Run `pip install investlab[yfinance]`."
        ) from error
    return source(settings)


def yahoo_provider(settings: Settings) -> "YahooProvider":
    """Return the provider; nothing is asked or loaded yet."""
    return YahooProvider(partial(open_yahoo, settings))


class YahooProvider:
    """Two datasets: prices as they were traded, with splits and dividends, and prices as Yahoo adjusts them."""

    name = "yfinance"

    def __init__(self, opened: Callable[[], Yahoo], clock: Clock | None = None) -> None:
        self._open = opened
        self._clock = clock or SystemClock()

    def datasets(self) -> Sequence[DatasetDescription]:
        """Return the datasets on offer, ordered by name; this asks nobody and loads no library."""
        return [_description(name) for name in sorted(FIELDS)]

    def fetch(self, request: FetchRequest) -> Delivery:
        """Return the delivery of named symbols; Yahoo tells actions and bars together, so all is asked for now.

        The last day is yesterday at the latest, for a bar of today is not finished.

        Raises:
            NotFound: The dataset is not on offer, or Yahoo has no bars of a symbol.
            EmptyUniverse: No symbol is named.
            InvalidInput: The period is empty, or an instrument is not traded in dollars on a US exchange.
            Busy: Yahoo's limit is used up.
            StorageUnavailable: The library is not installed, or Yahoo gives no usable answer.
        """
        if request.dataset not in FIELDS:
            raise NotFound.named("dataset", request.dataset, FIELDS, remedy="`investlab data providers` lists them.")
        if not request.symbols:
            raise EmptyUniverse("Yahoo has no list of its instruments.", remedy="Name the symbols to be ingested.")
        start, end = self._period(request)
        yahoo = self._open()
        series = {symbol: _checked(symbol, yahoo, start) for symbol in sorted(set(request.symbols))}

        def read(part: str) -> pd.DataFrame:
            if part not in series:
                raise NotFound.named("part", part, series)
            return _bars(request.dataset, part, _between(_own_basis(request.dataset, series[part].bars), start, end))

        return Delivery(
            _description(request.dataset),
            tuple(_instrument(symbol, found) for symbol, found in series.items()),
            tuple(series),
            read,
            actions=tuple(
                action
                for symbol, found in series.items()
                for action in _actions(
                    request.dataset, symbol, _between(_own_basis(request.dataset, found.bars), start, end)
                )
            ),
        )

    def _period(self, request: FetchRequest) -> tuple[date, date]:
        yesterday = self._clock.now().astimezone(ZONE).date() - timedelta(days=1)
        start, end = max(request.start or EARLIEST, EARLIEST), min(request.end or yesterday, yesterday)
        if start > end:
            raise InvalidInput(
                f"Yahoo has no finished bars from {start} to {end}.",
                remedy=f"Choose a period between {EARLIEST} and {yesterday}.",
            )
        return start, end


def _description(dataset: str) -> DatasetDescription:
    is_raw = dataset == RAW
    return DatasetDescription(
        name=dataset,
        title="US instruments, daily OHLCV " + ("as traded" if is_raw else "adjusted for splits, with adjusted close"),
        provider=YahooProvider.name,
        currency="USD",
        calendar="XNYS",
        price_basis=PriceBasis.RAW if is_raw else PriceBasis.SPLIT_ADJUSTED,
        fields=FIELDS[dataset],
        source="Yahoo Finance, read with yfinance",
        licence="for personal use only; the vendor's terms of use apply",
        biases=(
            "symbols are chosen by hand and must be listed today: survivors",
            "what was traded is undone from Yahoo's split-adjusted prices with the splits it tells"
            if is_raw
            else "adjusted with all actions up to the day of ingest: levels were not traded, and they change later",
            "the vendor corrects silently, and delisted instruments are missing",
        ),
    )


def provider_symbol(symbol: str) -> str:
    """Return Yahoo's string for a symbol of a US exchange: BRK.B is BRK-B there."""
    return symbol.replace(".", "-")


def _checked(symbol: str, yahoo: Yahoo, start: date) -> YahooSeries:
    found = yahoo.series(provider_symbol(symbol), start)
    if found.exchange not in VENUES or found.currency != "USD":
        raise InvalidInput(
            f"{symbol} is traded on {found.exchange} in {found.currency}.",
            remedy="Provider yfinance takes instruments traded in USD on US exchanges.",
        )
    return found


def _own_basis(dataset: str, bars: pd.DataFrame) -> pd.DataFrame:
    """Return bars with prices, volume and dividends in the shares of their own days where the dataset is raw."""
    if dataset != RAW:
        return bars
    ratios = bars["split"].where(bars["split"] > 0, 1.0).to_numpy()
    later = np.append(np.cumprod(ratios[::-1])[::-1][1:], 1.0)
    restated = {name: (bars[name] * later).round(PRICE_DECIMALS) for name in PRICE_FIELDS}
    return bars.assign(
        **restated,
        volume=(bars["volume"] / later).round(),
        dividend=(bars["dividend"] * later).round(AMOUNT_DECIMALS),
    )


def _between(bars: pd.DataFrame, start: date, end: date) -> pd.DataFrame:
    return bars[bars["session"].between(pd.Timestamp(start), pd.Timestamp(end))]


def _bars(dataset: str, symbol: str, bars: pd.DataFrame) -> pd.DataFrame:
    """Return a part; days for which Yahoo has nothing but an action are no bars."""
    traded = bars[~bars[list(PRICE_FIELDS)].isna().all(axis=1)].reset_index(drop=True)
    fields = list(FIELDS[dataset])
    return traded.assign(symbol=symbol).astype({"symbol": str})[["symbol", "session", *fields]]


def _actions(dataset: str, symbol: str, bars: pd.DataFrame) -> list[ActionDraft]:
    """Return dividends, and splits where prices are raw; split-adjusted prices hold theirs already."""
    columns = {"dividend": ActionKind.DIVIDEND} | ({"split": ActionKind.SPLIT} if dataset == RAW else {})
    return [
        ActionDraft(symbol=symbol, kind=kind, ex_date=session.date(), value=float(value))
        for column, kind in columns.items()
        for session, value in zip(bars["session"], bars[column], strict=True)
        if value > 0 and (kind is not ActionKind.SPLIT or value != 1.0)
    ]


def _instrument(symbol: str, found: YahooSeries) -> InstrumentDraft:
    since = found.first_traded or EARLIEST
    own = IdentifierDraft(scheme=IdentifierScheme.PROVIDER_SYMBOL, value=provider_symbol(symbol), valid_from=since)
    return InstrumentDraft(
        symbol=symbol,
        venue=VENUES[found.exchange],
        kind=KINDS.get(found.kind, InstrumentKind.EQUITY),
        name=found.name or symbol,
        currency=found.currency,
        valid_from=since,
        source=YahooProvider.name,
        identifiers=(own,),
    )
