"""Provider `alpaca`: daily bars of US equities since 2016 from Alpaca's REST API; ingesting needs a key."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from itertools import batched, product
from typing import Protocol, cast
from zoneinfo import ZoneInfo

import pandas as pd

from investlab.core.clock import Clock, SystemClock
from investlab.core.config import Settings
from investlab.core.errors import EmptyUniverse, InvalidInput, NotFound
from investlab.core.extensions import SOURCES, load_extension
from investlab.core.hashing import hash_json
from investlab.providers.alpaca_messages import FIELDS, ZONE, Actions, Asset, BarQuestion, drafts_of
from investlab.providers.alpaca_names import FormerName, former_names
from investlab.providers.protocol import Delivery, FetchRequest
from investlab.schemas.catalog import (
    ActionDraft,
    DatasetDescription,
    IdentifierDraft,
    IdentifierScheme,
    InstrumentDraft,
)
from investlab.schemas.market import PriceBasis

HISTORY_FROM = date(2016, 1, 1)
SYMBOLS_A_PART = 39
"""A year of daily bars of so many instruments fits one page of ten thousand."""

PROCESSED_LATER = timedelta(days=120)
"""Alpaca sorts actions by the day it processed them; a dividend's is the day it is paid, weeks after the ex-date."""

FEEDS = {"iex": "traded on IEX alone", "sip": "traded on all US exchanges"}
ADJUSTMENTS = {"raw": ("raw", PriceBasis.RAW), "adjusted": ("all", PriceBasis.TOTAL_RETURN)}
VENUES = {
    "AMEX": "XASE",
    "ARCA": "ARCX",
    "BATS": "BATS",
    "NASDAQ": "XNAS",
    "NYSE": "XNYS",
    "NYSEARCA": "ARCX",
    "OTC": "OTCM",
}
UNLISTED = "OTC"


class History(Protocol):
    """What is asked of Alpaca; `AlpacaHistory` asks it over the network."""

    def assets(self) -> list[Asset]:
        """Return all US equities that Alpaca knows, listed or not."""
        ...

    def bars(self, question: BarQuestion) -> pd.DataFrame:
        """Return daily bars as symbol, session and fields, ordered by symbol and session."""
        ...

    def actions(self, symbols: Sequence[str] | None, start: date, end: date) -> list[Actions]:
        """Return pages of the corporate actions processed between two days."""
        ...

    def name_changes(self, symbols: Sequence[str] | None, start: date, end: date) -> list[Actions]:
        """Return pages of the changes of symbols processed between two days."""
        ...


def open_history(settings: Settings) -> History:
    """Return the source of the settings; the libraries it needs are loaded now."""
    source = cast("Callable[[Settings], History]", load_extension(SOURCES, "alpaca"))
    return source(settings)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a request comes to: instruments, the names they had, the period, and how bars are asked for."""

    assets: tuple[Asset, ...]
    names: dict[str, tuple[FormerName, ...]]
    start: date
    end: date
    feed: str
    adjustment: str


def alpaca_provider(settings: Settings) -> "AlpacaProvider":
    """Return the provider of the account that the settings name; nothing is asked or loaded yet."""
    return AlpacaProvider(partial(open_history, settings))


class AlpacaProvider:
    """Four datasets: two feeds, each with raw prices and corporate actions or with fully adjusted prices."""

    name = "alpaca"

    def __init__(self, opened: Callable[[], History], clock: Clock | None = None) -> None:
        self._open = opened
        self._clock = clock or SystemClock()

    def datasets(self) -> Sequence[DatasetDescription]:
        """Return the datasets on offer, ordered by name; this asks nobody."""
        return [_description(feed, kind) for feed, kind in sorted(product(FEEDS, ADJUSTMENTS))]

    def fetch(self, request: FetchRequest) -> Delivery:
        """Return the delivery of a dataset's bars; instruments and actions are asked for now, bars part by part.

        Without symbols it is all instruments that are listed now, without a start everything since 2016; the last day
        is yesterday at the latest, for a bar of today is not finished.

        Raises:
            NotFound: The dataset or a symbol is not on offer; near matches are named.
            InvalidSettings: There is no key, or Alpaca refuses it.
            InvalidInput: The period is empty.
            Busy: Alpaca's limit is used up.
            StorageUnavailable: Alpaca gives no usable answer.
        """
        known = {_dataset(feed, kind): (feed, kind) for feed, kind in product(FEEDS, ADJUSTMENTS)}
        if request.dataset not in known:
            raise NotFound.named("dataset", request.dataset, known, remedy="`investlab data providers` lists them.")
        feed, kind = known[request.dataset]
        start, end = self._period(request)
        yesterday = self._yesterday()
        history = self._open()
        assets = _chosen(history.assets(), request)
        symbols = None if request.symbols is None else [asset.symbol for asset in assets]
        names = former_names(history.name_changes(symbols, HISTORY_FROM, yesterday), [asset.symbol for asset in assets])
        wanted = _Wanted(assets, names, start, end, feed, ADJUSTMENTS[kind][0])
        questions = _questions(wanted, asof=yesterday)

        def read(part: str) -> pd.DataFrame:
            if part not in questions:
                raise NotFound.named("part", part, questions)
            return history.bars(questions[part])

        return Delivery(
            _description(feed, kind),
            tuple(_instrument(asset, names[asset.symbol]) for asset in assets),
            tuple(questions),
            read,
            actions=_actions(history, wanted, symbols) if kind == "raw" else (),
            is_remote=True,
        )

    def _period(self, request: FetchRequest) -> tuple[date, date]:
        yesterday = self._yesterday()
        start = max(request.start or HISTORY_FROM, HISTORY_FROM)
        end = min(request.end or yesterday, yesterday)
        if start > end:
            raise InvalidInput(
                f"Alpaca has no finished bars from {start} to {end}.",
                remedy=f"Choose a period between {HISTORY_FROM} and {yesterday}.",
            )
        return start, end

    def _yesterday(self) -> date:
        """Return the last day whose bar is finished for sure."""
        return self._clock.now().astimezone(ZoneInfo(ZONE)).date() - timedelta(days=1)


def _dataset(feed: str, kind: str) -> str:
    return f"alpaca-{feed}-{kind}"


def _description(feed: str, kind: str) -> DatasetDescription:
    is_raw = kind == "raw"
    return DatasetDescription(
        name=_dataset(feed, kind),
        title=f"US equities {FEEDS[feed]}, daily {'raw' if is_raw else 'fully adjusted'} OHLCV, since 2016",
        provider=AlpacaProvider.name,
        currency="USD",
        calendar="XNYS",
        price_basis=ADJUSTMENTS[kind][1],
        fields=FIELDS,
        source=f"Alpaca market data, feed {feed}",
        licence="the vendor's terms of use apply; do not pass the data on",
        biases=(
            "without symbols given only instruments listed today are ingested: survivors",
            *(("volume and prices of one exchange, about 2–3 % of what is traded",) if feed == "iex" else ()),
            "spin-offs are not told with their value, so they look like falls in price"
            if is_raw
            else "adjusted with all actions up to the day of ingest: levels were not traded, and they change later",
        ),
    )


def _chosen(assets: Iterable[Asset], request: FetchRequest) -> tuple[Asset, ...]:
    """Return the instruments asked for, ordered by symbol; of two with one symbol the one that is listed now."""
    by_symbol: dict[str, Asset] = {}
    for asset in assets:
        if asset.is_active or asset.symbol not in by_symbol:
            by_symbol[asset.symbol] = asset
    for symbol in request.symbols or ():
        if symbol not in by_symbol:
            raise NotFound.named("symbol", symbol, by_symbol, remedy="Alpaca does not know it.")
    if request.symbols is not None:
        return tuple(by_symbol[symbol] for symbol in sorted(set(request.symbols)))
    listed = [asset for asset in by_symbol.values() if asset.is_active and asset.exchange != UNLISTED]
    if not listed:
        raise EmptyUniverse("Alpaca lists no instrument.", remedy="Run it again later, or name symbols.")
    return tuple(sorted(listed, key=lambda asset: asset.symbol))


def _questions(wanted: _Wanted, *, asof: date) -> dict[str, BarQuestion]:
    """Return the parts by name: instruments in groups, each for one year; a name stands for what is asked.

    Symbols mean the instruments that bear them on the day `asof`, whatever the period.
    """
    found = {}
    for year in range(wanted.start.year, wanted.end.year + 1):
        start, end = max(wanted.start, date(year, 1, 1)), min(wanted.end, date(year, 12, 31))
        for group in batched((asset.symbol for asset in wanted.assets), SYMBOLS_A_PART):
            question = BarQuestion(group, start, end, wanted.feed, wanted.adjustment, asof)
            asked = [group, start, end, wanted.feed, wanted.adjustment, asof]
            found[f"{year}-{group[0]}-{group[-1]}-{hash_json(asked)[:12]}"] = question
    return found


def _instrument(asset: Asset, names: tuple[FormerName, ...]) -> InstrumentDraft:
    former = [
        IdentifierDraft(
            scheme=IdentifierScheme.SYMBOL,
            value=name.symbol,
            valid_from=name.since or HISTORY_FROM,
            valid_to=name.until,
        )
        for name in names
    ]
    own = IdentifierDraft(scheme=IdentifierScheme.PROVIDER_SYMBOL, value=asset.id, valid_from=HISTORY_FROM)
    return InstrumentDraft(
        symbol=asset.symbol,
        venue=VENUES.get(asset.exchange, asset.exchange),
        name=asset.name or asset.symbol,
        valid_from=names[-1].until if names else HISTORY_FROM,
        source=AlpacaProvider.name,
        identifiers=(*former, own),
    )


def _actions(history: History, wanted: _Wanted, symbols: Sequence[str] | None) -> tuple[ActionDraft, ...]:
    """Return the actions of the period, those of former names under the present symbol, each once."""
    present = {asset.symbol: asset.symbol for asset in wanted.assets}
    former = {name.symbol: (symbol, name) for symbol, names in wanted.names.items() for name in names}
    asked = None if symbols is None else [*symbols, *(name for name in former if name not in present)]
    found: dict[ActionDraft, None] = {}
    for actions in history.actions(asked, wanted.start, wanted.end + PROCESSED_LATER):
        for draft in drafts_of(actions):
            symbol, name = former.get(draft.symbol, ("", None))
            if name is None or not name.holds_on(draft.ex_date):
                symbol = present.get(draft.symbol, "")
            if symbol and wanted.start <= draft.ex_date <= wanted.end:
                found[draft.model_copy(update={"symbol": symbol})] = None
    return tuple(sorted(found, key=lambda draft: (draft.symbol, draft.ex_date, draft.kind)))
