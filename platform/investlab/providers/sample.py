"""Provider `sample`: real market data read at run time from installed packages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from investlab.core.config import Settings
from investlab.core.errors import NotFound, StorageUnavailable
from investlab.market.derivation import AdjustmentRule
from investlab.providers.protocol import Delivery, FetchRequest
from investlab.schemas.catalog import DatasetDescription, InstrumentDraft, InstrumentKind, LevelBasis
from investlab.schemas.market import PriceBasis

WHOLE = "all"
OHLCV = ("open", "high", "low", "close", "volume", "adjusted_close")

NAMES = {
    "AAPL": "Apple",
    "AMD": "Advanced Micro Devices",
    "BAC": "Bank of America",
    "BBY": "Best Buy",
    "CVX": "Chevron",
    "FB": "Facebook",
    "GE": "General Electric",
    "GOOG": "Google",
    "HD": "Home Depot",
    "IBM": "International Business Machines",
    "JNJ": "Johnson & Johnson",
    "JPM": "JPMorgan Chase",
    "KO": "Coca-Cola",
    "LLY": "Eli Lilly",
    "MRK": "Merck",
    "MSFT": "Microsoft",
    "NASDAQ": "NASDAQ Composite index",
    "PEP": "PepsiCo",
    "PFE": "Pfizer",
    "PG": "Procter & Gamble",
    "RRC": "Range Resources",
    "SP500": "S&P 500 index",
    "UNH": "UnitedHealth",
    "WMT": "Walmart",
    "XOM": "Exxon Mobil",
}
SECTORS = {
    "AAPL": "technology",
    "AMD": "technology",
    "BAC": "financials",
    "BBY": "consumer",
    "CVX": "energy",
    "FB": "communication",
    "GE": "industrials",
    "GOOG": "communication",
    "HD": "consumer",
    "IBM": "technology",
    "JNJ": "health care",
    "JPM": "financials",
    "KO": "staples",
    "LLY": "health care",
    "MRK": "health care",
    "MSFT": "technology",
    "PEP": "staples",
    "PFE": "health care",
    "PG": "staples",
    "RRC": "energy",
    "UNH": "health care",
    "WMT": "staples",
    "XOM": "energy",
}
"""Our own plain words for what each company does."""

ON_NASDAQ = frozenset({"AAPL", "AMD", "FB", "GOOG", "MSFT", "PEP"})


@dataclass(frozen=True, slots=True)
class SampleDataset:
    """One dataset of the provider: what is stated about it and how its bars are read."""

    description: DatasetDescription
    read: Callable[[], pd.DataFrame]
    adjustment_rule: AdjustmentRule | None = None


def sample_provider(_: Settings) -> "SampleProvider":
    """Return the provider, which needs no settings."""
    return SampleProvider()


class SampleProvider:
    """Four datasets of real prices that ship inside public Python packages; for examples and tests."""

    name = "sample"

    def datasets(self) -> Sequence[DatasetDescription]:
        """Return the datasets on offer, ordered by name."""
        catalogue = _catalogue()
        return [catalogue[name].description for name in sorted(catalogue)]

    def fetch(self, request: FetchRequest) -> Delivery:
        """Return the delivery of a dataset's bars in one part.

        Raises:
            NotFound: The dataset or a symbol is not on offer; near matches are named.
            StorageUnavailable: The package that holds the data is missing or cannot be read.
        """
        catalogue = _catalogue()
        if request.dataset not in catalogue:
            raise NotFound.named("dataset", request.dataset, catalogue, remedy="`investlab data providers` lists them.")
        found = catalogue[request.dataset]
        whole = found.read()
        bars = _narrowed(whole, request)
        drafts = _instruments(whole)
        asked = set(bars["symbol"])

        def read(part: str) -> pd.DataFrame:
            if part != WHOLE:
                raise NotFound.named("part", part, [WHOLE])
            return bars

        return Delivery(
            description=found.description,
            instruments=tuple(draft for draft in drafts if draft.symbol in asked),
            parts=(WHOLE,),
            read=read,
            adjustment_rule=found.adjustment_rule,
        )


def _narrowed(bars: pd.DataFrame, request: FetchRequest) -> pd.DataFrame:
    """Return the bars asked for, ordered by symbol and session."""
    known = bars["symbol"].unique()
    for symbol in request.symbols or ():
        if symbol not in known:
            raise NotFound.named("symbol", symbol, known, remedy=f"Dataset {request.dataset} has no other symbols.")
    if request.symbols is not None:
        bars = bars[bars["symbol"].isin(list(request.symbols))]
    if request.start is not None:
        bars = bars[bars["session"] >= pd.Timestamp(request.start)]
    if request.end is not None:
        bars = bars[bars["session"] <= pd.Timestamp(request.end)]
    return bars.sort_values(["symbol", "session"], kind="stable", ignore_index=True)


def _instruments(bars: pd.DataFrame) -> tuple[InstrumentDraft, ...]:
    first = bars.groupby("symbol", sort=True)["session"].min()
    return tuple(_instrument(str(symbol), session) for symbol, session in first.items())


def _instrument(symbol: str, first: pd.Timestamp) -> InstrumentDraft:
    is_index = symbol in {"SP500", "NASDAQ"}
    return InstrumentDraft(
        symbol=symbol,
        name=NAMES.get(symbol, symbol),
        kind=InstrumentKind.INDEX if is_index else InstrumentKind.EQUITY,
        venue="XNAS" if symbol in ON_NASDAQ or symbol == "NASDAQ" else "XNYS",
        valid_from=first.date(),
        level_basis=LevelBasis.PRICE if is_index else None,
        source="sample",
        sector=SECTORS.get(symbol, ""),
    )


def _file(package: str, path: str) -> Path:
    spec = find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    target = Path(folders[0]) / path if folders else None
    if target is None or not target.exists():
        raise StorageUnavailable(
            f"The package {package} with its file {path} is not installed.", remedy="Run `make setup`."
        )
    return target


def _read_csv(package: str, path: str) -> pd.DataFrame:
    try:
        return pd.read_csv(_file(package, path))
    except (OSError, ValueError) as error:
        raise StorageUnavailable(
            f"The file {path} of the package {package} cannot be read.", remedy="Install the package again."
        ) from error


def _tidy(frame: pd.DataFrame, symbol: str | None = None) -> pd.DataFrame:
    """Return columns named as our bar fields; a package's own words for symbol and date end here."""
    names = {name: name.strip().lower().replace(" ", "_") for name in frame.columns}
    tidy = frame.rename(columns=names).rename(columns={"adj_close": "adjusted_close", "ticker": "symbol"})
    tidy = tidy.assign(session=pd.to_datetime(tidy["date"]).astype("datetime64[s]")).drop(columns="date")
    if symbol is not None:
        tidy = tidy.assign(symbol=symbol)
    fields = [name for name in OHLCV if name in tidy.columns]
    return tidy[["symbol", "session", *fields]].astype(dict.fromkeys(fields, "float64"))


def _read_us_ohlcv() -> pd.DataFrame:
    return _tidy(_read_csv("bokeh_sampledata", "_data/stocks.csv.gz"))


def _read_us_close() -> pd.DataFrame:
    wide = _read_csv("skfolio", "datasets/data/sp500_dataset.csv.gz")
    return _tidy(wide.melt(id_vars="Date", var_name="symbol", value_name="close").dropna())


def _read_us_ohlcv_recent() -> pd.DataFrame:
    return _tidy(_read_csv("hvsampledata", "_data/apple_stocks.csv"), symbol="AAPL")


def _read_us_index() -> pd.DataFrame:
    wide = _read_csv("skfolio", "datasets/data/sp500_index.csv.gz")
    sp500 = _tidy(wide.rename(columns={"SP500": "close"}), symbol="SP500")
    nasdaq = _tidy(_read_csv("arch", "data/nasdaq/nasdaq.csv.gz"), symbol="NASDAQ")
    return pd.concat([sp500, nasdaq[["symbol", "session", "close"]]], ignore_index=True)


def _source(text: str, *packages: str) -> str:
    return f"{text} (read from {', '.join(f'{name} {version(name)}' for name in packages)})"


def _catalogue() -> dict[str, SampleDataset]:
    """Return the datasets on offer by name; sources name the installed package versions."""
    return {
        "us-ohlcv": SampleDataset(
            DatasetDescription(
                name="us-ohlcv",
                title="Five US technology stocks, daily raw OHLCV, 2000–2013",
                provider="sample",
                currency="USD",
                calendar="XNYS",
                price_basis=PriceBasis.RAW,
                fields=OHLCV,
                source=_source("Quandl WIKI Prices", "bokeh-sampledata"),
                licence="public domain, as declared by the publisher",
                biases=(
                    "five stocks chosen in hindsight (all survived and became large)",
                    "GOOG is the history before the 2014 split, filed under GOOGL by the source",
                    "the vendor's adjusted close includes actions after 2013; only its day-to-day steps are used",
                    "splits and dividends are derived from raw against adjusted closes, known at the ex-date's open "
                    "(assumed)",
                ),
            ),
            _read_us_ohlcv,
            AdjustmentRule.EX_CLOSE,
        ),
        "us-close": SampleDataset(
            DatasetDescription(
                name="us-close",
                title="Twenty S&P 500 stocks, daily total-return closes, 1990–2022",
                provider="sample",
                currency="USD",
                calendar="XNYS",
                price_basis=PriceBasis.TOTAL_RETURN,
                fields=("close",),
                source=_source("adjusted closes of 20 S&P 500 members", "skfolio"),
                licence="BSD-3-Clause package; data for testing and examples only, not for investment use",
                biases=(
                    "survivors only: members chosen in 2022, so returns are flattered throughout",
                    "adjusted with all actions up to 2022: levels are not those traded",
                    "three decimals: ticks are coarse in the early years (a tick of up to 1 % of the price)",
                ),
            ),
            _read_us_close,
        ),
        "us-ohlcv-recent": SampleDataset(
            DatasetDescription(
                name="us-ohlcv-recent",
                title="Apple, daily split-adjusted OHLCV, 2019–2024",
                provider="sample",
                currency="USD",
                calendar="XNYS",
                price_basis=PriceBasis.SPLIT_ADJUSTED,
                fields=OHLCV,
                source=_source("Yahoo Finance", "hvsampledata"),
                licence="for demonstration and education only; the original provider's terms of use apply",
                biases=(
                    "one stock, chosen in hindsight",
                    "split-adjusted with the 2020 split throughout: levels before it are not those traded",
                    "dividends are only in the adjusted close, too coarse (cents) for exact amounts: backtests on this "
                    "dataset are price returns without dividends",
                ),
            ),
            _read_us_ohlcv_recent,
        ),
        "us-index": SampleDataset(
            DatasetDescription(
                name="us-index",
                title="S&P 500 (1990–2022) and NASDAQ Composite (1999–2018), daily closing levels",
                provider="sample",
                currency="USD",
                calendar="XNYS",
                price_basis=PriceBasis.RAW,
                fields=("close",),
                source=_source("index levels", "skfolio", "arch"),
                licence="BSD-3-Clause and NCSA packages; data for testing and examples only",
                biases=(
                    "both are price indices without dividends, so a total-return portfolio beats them too easily",
                    "an index level cannot be traded",
                ),
            ),
            _read_us_index,
        ),
    }
