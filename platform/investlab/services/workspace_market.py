"""What a workspace does with market data: bringing it in, describing it, panels as of a time."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path

import pandas as pd

from investlab.core.clock import parse_as_of, parse_session
from investlab.core.errors import InvalidInput
from investlab.market.ingest_quality import IngestQuality
from investlab.market.panel import PricePanel
from investlab.schemas.backtest import PanelRequest
from investlab.schemas.fundamentals import FundamentalsReceipt
from investlab.schemas.market import InstrumentRef
from investlab.schemas.receipts import IngestReceipt
from investlab.schemas.screens import Rhythm, Screen
from investlab.services import frames, prices, universes
from investlab.services import ingest as ingesting
from investlab.services.fundamentals import FIGURES, FiguresRequest, fundamental_panel, ingest_fundamentals
from investlab.services.holdouts import admitted
from investlab.services.quality import quality_report, quarantined_bars
from investlab.services.universes import Universe
from investlab.services.workspace_base import WorkspaceBase
from investlab.store.repositories import catalog, datasets


class MarketMethods(WorkspaceBase):
    """The methods of a workspace about market data."""

    def ingest(
        self,
        provider: str,
        dataset: str,
        symbols: Sequence[str] | None = None,
        *,
        start: str | date | None = None,
        end: str | date | None = None,
        update: bool = False,
        rebuild: bool = False,
    ) -> IngestReceipt:
        """Bring a provider's bars into a dataset and return the receipt; doing it again changes nothing.

        `update` asks only for bars from two weeks before the last stored session on. `rebuild` sets the stored bars
        aside and writes them anew, to recover from damage. One that broke off goes on with the parts not fetched yet.

        Raises:
            NotFound: Provider, dataset or symbol is unknown.
            QualityRejected: The bars failed their checks; nothing was stored.
            Busy: Another process is writing the dataset.
        """
        request = ingesting.IngestRequest(
            provider=provider,
            dataset=dataset,
            symbols=tuple(symbols) if symbols else None,
            start=parse_session(start, "start"),
            end=parse_session(end, "end"),
            update=update,
            rebuild=rebuild,
        )
        return ingesting.ingest(self.context, request, lambda text: None)

    def ingest_with(self, request: ingesting.IngestRequest, say: Callable[[str], None]) -> IngestReceipt:
        """Ingest, telling `say` about each stage."""
        return ingesting.ingest(self.context, request, say)

    def datasets(self) -> pd.DataFrame:
        """Return the datasets ordered by name: latest version, basis, rows, span, source, licence and biases."""
        return frames.datasets_frame(self.context)

    def provider_of(self, dataset: str) -> str:
        """Return the name of the provider that a dataset comes from.

        Raises:
            NotFound: There is no such dataset.
        """
        with self.context.database.read() as session:
            return datasets.dataset(session, dataset).provider

    def instruments(self, query: str = "") -> pd.DataFrame:
        """Return instruments whose name or identifiers contain the query, indexed and ordered by symbol."""
        with self.context.database.read() as session:
            found = catalog.find_instruments(session, query)
        columns = list(InstrumentRef.model_fields)
        return pd.DataFrame([ref.model_dump() for ref in found], columns=columns).set_index("symbol")

    def universe(
        self,
        name: str,
        symbols: Sequence[str] | None = None,
        *,
        screen: Screen | None = None,
        dataset: str | None = None,
        every: Rhythm | str = Rhythm.ONCE,
        start: str | date | None = None,
    ) -> Universe:
        """Return the symbols of a universe on this workspace's day, under the names they had then.

        The name of a dataset stands for all its instruments that have bars, or for the `symbols` given. Any other name
        is that of a recorded universe; with `symbols` or a `screen`, and the `dataset`, it is defined first: named
        members hold from `start` on, a screen is applied on `start` and anew `every` month, quarter or year, each time
        with what was known on that day. Members delisted since stay members of the days before.

        Raises:
            NotFound: Universe, dataset or symbol is unknown; near matches are named.
            InvalidInput: Both symbols and screen are given, or the dataset is missing.
        """
        if dataset is None and screen is None and universes.is_dataset(self.context, name):
            return Universe(name, tuple(symbols)) if symbols else universes.whole_dataset(self.context, name)
        if symbols is None and screen is None:
            return universes.recorded_universe(self.context, name)
        if dataset is None:
            raise InvalidInput(
                f"The universe {name!r} cannot be defined without its dataset.", remedy="Give dataset=… too."
            )
        request = universes.UniverseRequest(
            name=name,
            dataset=dataset,
            symbols=None if symbols is None else tuple(symbols),
            screen=screen,
            every=universes.parse_rhythm(every),
            start=parse_session(start, "start"),
        )
        return universes.define_universe(self.context, request)

    def universes(self) -> pd.DataFrame:
        """Return the recorded universes ordered by name, with their dataset and how many members they have now."""
        return universes.universes_frame(self.context)

    def quality(self, dataset: str, ingest_run: str | None = None) -> IngestQuality:
        """Return what the checks found in an ingest of a dataset, the latest unless a run is named.

        Raises:
            NotFound: Dataset or run is unknown, or nothing was checked yet.
        """
        return quality_report(self.context, dataset, ingest_run)

    def quarantine(self, dataset: str, ingest_run: str | None = None) -> pd.DataFrame:
        """Return a dataset's bars in quarantine: symbol, session, reason, ingest_run_id, then the fields.

        Raises:
            NotFound: Dataset or run is unknown.
        """
        return quarantined_bars(self.context, dataset, ingest_run)

    def actions(self, dataset: str) -> pd.DataFrame:
        """Return a dataset's corporate actions as known at this workspace's time, ordered by ex-date and symbol.

        Columns: ex_date, symbol, kind, value, known_at, assumed, source.
        """
        return frames.actions_frame(self.context, dataset)

    def panel(
        self,
        universe: Universe | Sequence[str],
        fields: Sequence[str] | None = None,
        start: str | date | None = None,
        end: str | date | None = None,
        *,
        dataset: str | None = None,
        adjust: str = "none",
        as_of: str | date | datetime | None = None,
        version: int | None = None,
    ) -> PricePanel:
        """Return prices as sessions × symbols, as of this workspace's time unless `as_of` says otherwise.

        Without `fields` the panel has every price field of the dataset and the volume. `adjust` is `none`, `splits` or
        `all`. Sessions at either end without any close are left out.

        Raises:
            EmptyUniverse: No symbol is given, or none has bars in the range.
            HoldoutSealed: The range reaches into a sealed holdout.
            InvalidInput: The dates are reversed, the dataset is not named, or a value cannot be read.
            NotFound: Dataset, version, symbol or field is unknown; near matches are named.
        """
        named, symbols = _universe(universe, dataset)
        request = PanelRequest(
            dataset=named,
            symbols=symbols,
            fields=tuple(fields or ()),
            start=parse_session(start, "start"),
            end=parse_session(end, "end"),
            adjust=prices.parse_adjust(adjust),
            as_of=parse_as_of(as_of),
            dataset_version=version,
        )
        return admitted(self.context, prices.build_panel(self.context, request))

    def fundamentals(self, panel: PricePanel, metrics: Sequence[str] = FIGURES) -> PricePanel:
        """Return the panel with one more field per metric of companies' reports, as it was known at each close.

        A figure counts from the first close at or after its filing and is unknown once its period ended 548 days ago;
        share counts grow with splits. `lab.features(panel, ["book_to_price", "earnings_yield"])` reads them.

        Raises:
            InvalidInput: The panel was made from frames.
            NotFound: No figure of a metric was ever ingested; near matches are named.
            MixedData: A figure is in another currency than the panel.
        """
        return fundamental_panel(self.context, panel, metrics)

    def ingest_fundamentals(self, path: str | Path, dataset: str, *, skip_unknown: bool = False) -> FundamentalsReceipt:
        """Bring the figures of a CSV file in, for instruments of a dataset; doing it again changes nothing.

        Raises:
            InvalidInput: The file is not as it must be; its line and column are named.
            NotFound: There is no such dataset, or no instrument bears a symbol; `skip_unknown` leaves those out.
            Conflict: A figure was recorded with the same time of filing and another value.
        """
        return ingest_fundamentals(self.context, FiguresRequest(Path(path), dataset, skip_unknown))

    def verify(self, *, deep: bool = False) -> dict[str, int]:
        """Check every dataset's stored bars up to its latest version; return the commits checked by dataset.

        Raises:
            Corrupt: The first damage found.
        """
        checked = {}
        with self.context.database.read() as session:
            latest = {i.name: datasets.latest_version(session, i.name) for i in datasets.list_datasets(session)}
        for name, version in latest.items():
            if version is not None:
                pin = prices.version_pin(version)
                checked[name] = self.context.market.verify(name, pin, deep=deep)
        return checked


def _universe(universe: Universe | Sequence[str], dataset: str | None) -> tuple[str, tuple[str, ...]]:
    if isinstance(universe, Universe):
        if dataset is not None and dataset != universe.dataset:
            raise InvalidInput(
                f"The universe is of dataset {universe.dataset!r}, not {dataset!r}.",
                remedy="Leave dataset out, or give the symbols as a list.",
            )
        return universe.dataset, universe.symbols
    if isinstance(universe, str):
        universe = [universe]
    if dataset is None:
        raise InvalidInput(
            "The dataset is not named.", remedy="Give dataset='us-close', or a universe from lab.universe(...)."
        )
    return dataset, tuple(universe)
