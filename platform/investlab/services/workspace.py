"""The workspace: one home, its stores and its as-of time; the composition root and the public face for notebooks."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import date, datetime
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from investlab.backtest.costs import FREE, Costs
from investlab.backtest.decisions import DecisionRule
from investlab.backtest.lookahead import audit_lookahead
from investlab.backtest.lookahead_report import LeakReport
from investlab.backtest.position_rules import PositionRules
from investlab.backtest.result import BacktestResult
from investlab.backtest.sizing import ALL_IN, Sizing
from investlab.backtest.stops import NO_STOPS, Stops
from investlab.backtest.strategies import Strategy
from investlab.backtest.sweep_result import SweepResult
from investlab.core.clock import Clock, SystemClock, parse_as_of, parse_session
from investlab.core.config import Settings, load_settings
from investlab.core.errors import InvalidInput, StorageUnavailable
from investlab.core.executor import Progress, no_progress
from investlab.core.identity import code_identity
from investlab.core.logging import configure_logging
from investlab.features.definitions import FEATURES
from investlab.features.matrix import FeatureMatrix, build_features
from investlab.market.ingest_quality import IngestQuality
from investlab.market.panel import PricePanel
from investlab.ml.trained import TrainedModel
from investlab.schemas.backtest import Execution, PanelRequest, RunSummary
from investlab.schemas.fundamentals import FundamentalsReceipt
from investlab.schemas.ledger import RunQuery
from investlab.schemas.market import InstrumentRef
from investlab.schemas.positions import Direction
from investlab.schemas.receipts import IngestReceipt
from investlab.schemas.registry import ModelVersionInfo, PromotionDecision, PromotionReceipt, TrainingSpec
from investlab.schemas.screens import Rhythm, Screen
from investlab.schemas.serving import PredictResponse
from investlab.schemas.trace import Trace
from investlab.services import frames, prices, registry, runs, universes
from investlab.services import ingest as ingesting
from investlab.services.context import Context
from investlab.services.fundamentals import FIGURES, FiguresRequest, fundamental_panel, ingest_fundamentals
from investlab.services.home_upgrade import upgrade_home
from investlab.services.predicting import predict_symbols
from investlab.services.progress import progress_bar
from investlab.services.quality import quality_report, quarantined_bars
from investlab.services.repairs import repair_market
from investlab.services.reproduction import Reproduction, reproduce_run
from investlab.services.tracing import trace_record
from investlab.services.training import TRAINING_PREFIX, load_training, run_training
from investlab.services.universes import Universe
from investlab.store.artifacts import ArtifactStore
from investlab.store.database import Database
from investlab.store.market import MarketStore
from investlab.store.panels import PanelStore
from investlab.store.predictions import PredictionStore
from investlab.store.quarantine import QuarantineStore
from investlab.store.repositories import backtests, catalog, datasets
from investlab.store.staging import StagingStore

ProgressFactory = Callable[[str], AbstractContextManager[Progress]]


class Workspace:
    """An open home: ingest, panels, backtests, and where every number comes from."""

    def __init__(self, context: Context, progress: ProgressFactory) -> None:
        self.context = context
        self._progress = progress

    def __repr__(self) -> str:
        reading = f"as of {self.context.as_of:%Y-%m-%d %H:%M} UTC" if self.context.as_of else "latest"
        return f"<Workspace {self.context.settings.home_path} reading {reading}>"

    def _repr_html_(self) -> str:
        table = self.datasets()
        shown = table[[name for name in ("version", "basis", "instruments", "rows", "last session") if name in table]]
        return f"<p><code>{escape(repr(self))}</code></p>{shown.to_html() if len(table) else ''}"

    def as_of(self, moment: str | date | datetime | None) -> "Workspace":
        """Return the workspace with every read limited to what was known by then; a date means the end of that day.

        Raises:
            InvalidInput: The moment is no date or has no time zone.
        """
        return Workspace(replace(self.context, as_of=parse_as_of(moment)), self._progress)

    def today(self) -> date:
        """Return the date this workspace reads as of, or today."""
        return (self.context.as_of or self.context.clock.now()).date()

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
        return self._ingest(request, lambda text: None)

    def ingest_with(self, request: ingesting.IngestRequest, say: Callable[[str], None]) -> IngestReceipt:
        """Ingest, telling `say` about each stage."""
        return self._ingest(request, say)

    def _ingest(self, request: ingesting.IngestRequest, say: Callable[[str], None]) -> IngestReceipt:
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
        return prices.build_panel(self.context, request)

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

    def backtest(
        self,
        strategy: Strategy,
        panel: PricePanel,
        *,
        direction: Direction | str = Direction.LONG,
        sizing: Sizing = ALL_IN,
        stops: Stops = NO_STOPS,
        costs: Costs = FREE,
        execution: Execution | str = Execution.NEXT_OPEN,
        initial_cash: float = 100_000.0,
        whole_shares: bool = False,
    ) -> BacktestResult:
        """Return a recorded backtest beside buy-and-hold; the same backtest again comes from its record.

        `direction`, `sizing` and `stops` are for strategies that give signals, as in `il.simulate_signals`.

        Raises:
            InvalidInput: The panel was made from frames, or cannot be traded on these terms.
        """
        timing = parse_execution(execution)
        rules = PositionRules(direction, sizing, stops)
        return runs.run_backtest(
            self.context, runs.BacktestRequest(strategy, panel, costs, timing, initial_cash, whole_shares, rules)
        )

    def audit_lookahead(self, strategy: DecisionRule, panel: PricePanel, *, seed: int = 0) -> LeakReport:
        """Return whether a strategy's decisions use what their session's close did not know: `il.audit_lookahead`."""
        return audit_lookahead(strategy, panel, seed=seed)

    def sweep(
        self,
        strategy: type[Strategy],
        grid: Mapping[str, Sequence[Any]],
        panel: PricePanel,
        *,
        costs: Costs = FREE,
        execution: Execution | str = Execution.NEXT_OPEN,
        initial_cash: float = 100_000.0,
        executor: str = "auto",
    ) -> SweepResult:
        """Return a recorded sweep over every combination of the grid; its trials are counted in the ledger.

        `executor` is `auto` (Ray from about five seconds of work on), `serial` or `ray`; INVESTLAB_EXECUTOR overrides
        it. The result is the same to the bit.

        Raises:
            UnknownParameter: The strategy has no such parameter; near matches are named.
            InvalidInput: The panel was made from frames, or no combination can be traded on these terms.
        """
        request = runs.SweepRequest(strategy, grid, panel, costs, parse_execution(execution), initial_cash, executor)
        with self._progress(f"sweep of {getattr(strategy, 'name', strategy)}") as progress:
            return runs.run_sweep(self.context, request, progress)

    def features(self, panel: PricePanel, names: Sequence[str] = tuple(FEATURES)) -> FeatureMatrix:
        """Return features of a panel (sessions × instruments × features); row *t* uses only what *t*'s close knew.

        Raises:
            NotFound: There is no such feature; near matches are named.
        """
        return build_features(panel, tuple(names))

    def train(
        self,
        learner: str,
        panel: PricePanel,
        *,
        features: Sequence[str] | None = None,
        horizon_sessions: int = 21,
        folds: int = 5,
        sample_every_sessions: int = 5,
        parameters: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> TrainedModel:
        """Return a recorded training run with its out-of-sample scores; the same training again comes from its record.

        Raises:
            NotFound: Learner or feature is unknown; near matches are named.
            InvalidInput: The panel was made from frames, or is too short for the folds.
        """
        spec = TrainingSpec(
            learner=learner,
            features=tuple(features or FEATURES),
            horizon_sessions=horizon_sessions,
            folds=folds,
            sample_every_sessions=sample_every_sessions,
            parameters=dict(parameters or {}),
            seed=seed,
        )
        with self._progress(f"training {learner}") as progress:
            return run_training(self.context, spec, panel, progress)

    def register(self, trained: TrainedModel, model: str) -> ModelVersionInfo:
        """Make a trained model a version of `model`; the same content again is the same version.

        Raises:
            InvalidInput: The artifact cannot be read back safely, or its features are not known here.
        """
        return registry.register(self.context, trained, model)

    def assess(self, version: ModelVersionInfo) -> PromotionDecision:
        """Return what the promotion rule says of a version, without moving anything."""
        return registry.assess(self.context, version.model, version.number)

    def promote(self, version: ModelVersionInfo, *, force: bool = False) -> PromotionReceipt:
        """Make a version the champion of its model.

        Raises:
            Conflict: The rule refuses it; `force` overrides the rule, and the audit says so.
        """
        return registry.promote(self.context, version.model, version.number, actor=self.context.owner, force=force)

    def consider(self, version: ModelVersionInfo) -> PromotionReceipt:
        """Promote a version if the rule allows it, else make it challenger; the receipt holds the decision."""
        return registry.consider(self.context, version.model, version.number, actor=self.context.owner)

    def rollback(self, model: str) -> PromotionReceipt:
        """Give the name `champion` back to the version that had it before.

        Raises:
            Conflict: There is none.
        """
        return registry.rollback(self.context, model, actor=self.context.owner)

    def champion(self, model: str) -> ModelVersionInfo | None:
        """Return the version that is served, None when there is none."""
        return registry.champion(self.context, model)

    def models(self, model: str | None = None) -> pd.DataFrame:
        """Return the versions of one model or of all, ordered by model and number."""
        return frames.models_frame(registry.versions(self.context, model))

    def predict(self, symbols: Sequence[str], model: str | None = None) -> PredictResponse:
        """Return the champion's scores of symbols as of this workspace's time, in the answer envelope.

        Raises:
            ModelUnavailable: The model has no champion.
            NotFound: A symbol is unknown; near matches are named.
        """
        return predict_symbols(self.context, tuple(symbols), model or self.context.settings.model)

    def runs(self, query: RunQuery | None = None) -> pd.DataFrame:
        """Return recorded runs, newest first, indexed by run id."""
        return frames.runs_frame(self.list_runs(query))

    def list_runs(self, query: RunQuery | None = None) -> list[RunSummary]:
        """Return recorded runs, newest first."""
        with self.context.database.read() as session:
            return backtests.list_runs(session, query)

    def load(self, run_id: str) -> BacktestResult | SweepResult | TrainedModel:
        """Return the stored result of a run, named by its id or a unique beginning.

        Raises:
            NotFound: There is no such run.
            Conflict: The run did not complete.
        """
        if run_id.startswith(TRAINING_PREFIX):
            return load_training(self.context, run_id)
        return runs.load_run(self.context, run_id)

    def trace(self, record_id: str) -> Trace:
        """Return what a run, a notebook run or a dataset version stands on, back to the provider.

        Raises:
            NotFound: Nothing has that id.
        """
        return trace_record(self.context, record_id)

    def reproduce(self, run_id: str, *, executor: str = "auto") -> Reproduction:
        """Build a run again and say whether it is equal to the bit, or what differs.

        Raises:
            NotFound: There is no such run.
            NotReproducible: Its strategy is not installed.
        """
        with self._progress(f"reproducing {run_id}") as progress:
            return reproduce_run(self.context, run_id, executor, progress)

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

    def close(self) -> None:
        """Close the database's connections."""
        self.context.database.close()


def open_workspace(
    home: str | Path | None = None,
    *,
    settings: Settings | None = None,
    clock: Clock | None = None,
    progress: ProgressFactory | None = None,
) -> Workspace:
    """Open the workspace at `home` (INVESTLAB_HOME, else ./var), creating its folder and database when needed.

    Raises:
        InvalidSettings: A setting cannot be used.
        StorageUnavailable: The home or its database cannot be written.
        Conflict: The database belongs to a newer version of investlab.
    """
    chosen = settings or load_settings()
    if home is not None:
        chosen = chosen.model_copy(update={"home": Path(home)})
    configure_logging(chosen)
    root = chosen.home_path
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnavailable(
            f"The home folder {root} cannot be created: {error.strerror or error}.",
            remedy="Set INVESTLAB_HOME to a folder that can be written.",
        ) from error
    code_identity()
    used = clock or SystemClock()
    database = Database(chosen.sqlalchemy_url, used)
    upgrade_home(chosen, used)
    market = MarketStore(root / "market", lock_timeout_seconds=chosen.lock_timeout_seconds)
    context = Context(
        settings=chosen,
        clock=used,
        database=database,
        market=market,
        panels=PanelStore(root / "cache" / "panels", market, budget_mib=chosen.panel_cache_mib),
        artifacts=ArtifactStore(root / "artifacts"),
        predictions=PredictionStore(root / "predictions", lock_timeout_seconds=chosen.lock_timeout_seconds),
        quarantine=QuarantineStore(root / "quarantine"),
        staging=StagingStore(root / "cache" / "staging"),
    )
    return Workspace(replace(context, mended=repair_market(context)), progress or progress_bar)


def silent_progress(title: str) -> AbstractContextManager[Progress]:
    """Show no progress."""
    return nullcontext(no_progress)


def parse_execution(execution: Execution | str) -> Execution:
    """Return the execution of that name.

    Raises:
        InvalidInput: There is none.
    """
    try:
        return Execution(execution)
    except ValueError as error:
        raise InvalidInput(f"Unknown execution {execution!r}.", remedy=f"Use {', '.join(Execution)}.") from error


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
