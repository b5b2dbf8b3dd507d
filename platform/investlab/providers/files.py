"""Provider `files`: bars out of CSV, Excel and Parquet files with a description beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from investlab.core.config import Settings
from investlab.core.errors import InvalidInput, NotFound
from investlab.providers.file_bars import DataFile, read_bars
from investlab.providers.file_catalog import FileCatalog, FoundDataset, read_catalog
from investlab.providers.protocol import Delivery, FetchRequest
from investlab.schemas.catalog import DatasetDescription, InstrumentDraft
from investlab.schemas.files import InstrumentFacts


@dataclass(frozen=True, slots=True)
class Span:
    """The first and the last session of an instrument's bars."""

    first: date
    last: date


Spans = Mapping[str, Span]
"""Spans by symbol."""


class FilesProvider:
    """The datasets described in the folder of files, each file one part."""

    name = "files"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def datasets(self) -> Sequence[DatasetDescription]:
        """Return the datasets on offer, ordered by name.

        Raises:
            InvalidInput: A description cannot be used; its file and key are named.
        """
        catalog = self._catalog()
        if catalog.refused:
            raise catalog.refused[0]
        return [catalog.datasets[name].description for name in sorted(catalog.datasets)]

    def fetch(self, request: FetchRequest) -> Delivery:
        """Return the delivery of a dataset's bars; every file's symbols and sessions are read now, its bars later.

        Raises:
            NotFound: The dataset or a symbol is not on offer; near matches are named.
            InvalidInput: A description cannot be used, or a file is not as described: file, line and column are named.
            StorageUnavailable: A file cannot be read.
        """
        dataset = self._catalog().find(request.dataset)
        scanned = {file.name: (file, _scan(file, dataset)) for file in dataset.files()}
        spans = {name: found for name, (_, found) in scanned.items()}
        _check_apart(spans, whole=dataset.adjustment_rule is not None)
        _check_symbols(request, spans)
        chosen = {name: file for name, (file, found) in scanned.items() if _holds(found, request)}

        def read(part: str) -> pd.DataFrame:
            if part not in chosen:
                raise NotFound.named("part", part, chosen)
            return _read(chosen[part], dataset, spans[part], request)

        return Delivery(
            description=dataset.description,
            instruments=_instruments(dataset, spans, request),
            parts=tuple(chosen),
            read=read,
            adjustment_rule=dataset.adjustment_rule,
        )

    def _catalog(self) -> FileCatalog:
        return read_catalog(self._settings.files_path)


def _scan(file: DataFile, dataset: FoundDataset) -> Spans:
    """Return which instruments a file holds, and from when to when."""
    found: dict[str, Span] = {}
    for bars in read_bars(file, dataset.described, ()):
        for symbol, own in bars.groupby("symbol", sort=False)["session"]:
            span = Span(own.min().date(), own.max().date())
            known = found.get(str(symbol), span)
            found[str(symbol)] = Span(min(known.first, span.first), max(known.last, span.last))
    return found


def _check_apart(spans: Mapping[str, Spans], *, whole: bool) -> None:
    """Check that no two files hold the same time of an instrument or, for whole instruments, any of it."""
    seen: dict[str, list[tuple[Span, str]]] = {}
    for name, found in spans.items():
        for symbol, span in found.items():
            for other, place in seen.get(symbol, []):
                if whole or (span.first <= other.last and other.first <= span.last):
                    raise InvalidInput(
                        f"{place} and {name} both hold bars of {symbol}"
                        f"{' (actions are derived from whole instruments)' if whole else ' of the same time'}.",
                        remedy="Keep those of one file, or choose files by `files`.",
                        details={"files": [place, name], "symbol": symbol},
                    )
            seen.setdefault(symbol, []).append((span, name))


def _check_symbols(request: FetchRequest, spans: Mapping[str, Spans]) -> None:
    known = {symbol for found in spans.values() for symbol in found}
    for symbol in request.symbols or ():
        if symbol not in known:
            raise NotFound.named("symbol", symbol, known, remedy=f"Dataset {request.dataset} has no other symbols.")


def _holds(found: Spans, request: FetchRequest) -> bool:
    return any(_is_asked(symbol, span, request) for symbol, span in found.items())


def _is_asked(symbol: str, span: Span, request: FetchRequest) -> bool:
    if request.symbols is not None and symbol not in request.symbols:
        return False
    begun = request.end is None or span.first <= request.end
    return begun and (request.start is None or span.last >= request.start)


def _instruments(
    dataset: FoundDataset, spans: Mapping[str, Spans], request: FetchRequest
) -> tuple[InstrumentDraft, ...]:
    """Return the instruments that may have bars in what is asked for, ordered by symbol."""
    first: dict[str, date] = {}
    asked: set[str] = set()
    for found in spans.values():
        for symbol, span in found.items():
            first[symbol] = min(first.get(symbol, span.first), span.first)
            if _is_asked(symbol, span, request):
                asked.add(symbol)
    described = dataset.described
    return tuple(
        _instrument(symbol, first[symbol], dataset, described.instruments.get(symbol, InstrumentFacts()))
        for symbol in sorted(asked)
    )


def _instrument(symbol: str, first: date, dataset: FoundDataset, facts: InstrumentFacts) -> InstrumentDraft:
    return InstrumentDraft(
        symbol=symbol,
        venue=dataset.described.venue,
        kind=facts.kind,
        name=facts.name or symbol,
        currency=dataset.described.currency,
        valid_from=first,
        source=f"files:{dataset.described.name}",
        level_basis=facts.level_basis,
        sector=facts.sector,
    )


def _read(file: DataFile, dataset: FoundDataset, found: Spans, request: FetchRequest) -> pd.DataFrame:
    """Return a file's bars that are asked for, ordered by symbol and session."""
    kept = []
    for bars in read_bars(file, dataset.described, dataset.described.fields):
        strangers = set(bars["symbol"].unique()) - set(found)
        if strangers:
            raise InvalidInput(
                f"{file.name} now holds {min(strangers)}, which it did not a moment ago.",
                remedy="Ingest again once nothing writes the file.",
            )
        kept.append(_narrowed(bars, request))
    whole = pd.concat(kept, ignore_index=True)
    return whole.sort_values(["symbol", "session"], kind="stable", ignore_index=True)


def _narrowed(bars: pd.DataFrame, request: FetchRequest) -> pd.DataFrame:
    keep = pd.Series(True, index=bars.index)
    if request.symbols is not None:
        keep &= bars["symbol"].isin(list(request.symbols))
    if request.start is not None:
        keep &= bars["session"] >= pd.Timestamp(request.start)
    if request.end is not None:
        keep &= bars["session"] <= pd.Timestamp(request.end)
    return bars[keep]
