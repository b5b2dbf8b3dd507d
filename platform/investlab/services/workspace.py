"""The workspace: one home, its stores and its as-of time; the composition root and the public face for notebooks."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import date, datetime
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from investlab.backtest.comparison import RunComparison
from investlab.backtest.costs import FREE, Costs
from investlab.backtest.decisions import DecisionRule
from investlab.backtest.limits import UNLIMITED, Limits
from investlab.backtest.lookahead import audit_lookahead
from investlab.backtest.lookahead_report import LeakReport
from investlab.backtest.portfolio_state import PortfolioState
from investlab.backtest.position_rules import PositionRules
from investlab.backtest.purged_result import CrossValidationResult
from investlab.backtest.rates import NO_RATES, Rates
from investlab.backtest.result import BacktestResult
from investlab.backtest.sizing import ALL_IN, Sizing
from investlab.backtest.stops import NO_STOPS, Stops
from investlab.backtest.strategies import Strategy
from investlab.backtest.sweep_result import SweepResult
from investlab.backtest.walk_forward_result import WalkForwardResult
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
from investlab.schemas.backtest import CrossValidationSpec, Execution, PanelRequest, RunSummary, WalkForwardSpec
from investlab.schemas.fundamentals import FundamentalsReceipt
from investlab.schemas.ledger import RunKind, RunQuery
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
from investlab.services.holdouts import Holdout, admitted, holdouts_frame, open_holdout, seal_holdout
from investlab.services.home_upgrade import upgrade_home
from investlab.services.out_of_sample import record_cross_validation, record_walk_forward
from investlab.services.predicting import predict_symbols
from investlab.services.progress import progress_bar
from investlab.services.quality import quality_report, quarantined_bars
from investlab.services.repairs import repair_market
from investlab.services.reproduction import Reproduction, reproduce_run
from investlab.services.run_comparison import compare_runs
from investlab.services.run_labels import archive_run, label_run, parse_labels
from investlab.services.run_listing import runs_frame
from investlab.services.run_queries import parse_query, parse_since
from investlab.services.saved_strategies import SavedStrategy, save_strategy
from investlab.services.strategies import find_strategy
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
        limits: Limits = UNLIMITED,
        rates: Rates = NO_RATES,
        initial_state: PortfolioState | None = None,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        note: str | None = None,
    ) -> BacktestResult:
        """Return a recorded backtest beside buy-and-hold; the same backtest again comes from its record.

        `direction`, `sizing` and `stops` are for strategies that give signals, as in `il.simulate_signals`; limits,
        rates and an initial state (the `final_state` of another run) for those that give weights, as in
        `il.simulate_weights`. `name`, `tags` and `note` label the run, as `lab.label` does.

        Raises:
            InvalidInput: The panel was made from frames, or cannot be traded on these terms.
        """
        timing, labels = parse_execution(execution), parse_labels(name, tags, note)
        panel, rules = admitted(self.context, panel), PositionRules(direction, sizing, stops)
        traded = (strategy, panel, costs, timing, initial_cash, whole_shares, limits, rates, initial_state)
        return runs.run_backtest(self.context, runs.BacktestRequest(*traded, labels=labels, rules=rules))

    def strategy(self, name: str) -> type[Strategy]:
        """Return the strategy class of that name: of an installed package, or of a file in the home's `extensions`.

        Raises:
            NotFound: There is none; near matches are named.
            InvalidInput: The file that declares it failed; its line is named.
        """
        return find_strategy(self.context.settings, name)

    def save_strategy(
        self, strategy: Strategy | type[Strategy], name: str | None = None, *, replace: bool = False
    ) -> SavedStrategy:
        """Write a strategy of this notebook, with all it reaches, to the home's `extensions`, and a stub of tests.

        From then on `investlab backtest run --strategy <name>`, `lab.strategy(name)` and `lab.reproduce` know it.

        Raises:
            InvalidInput: Something that it reaches has no source; each is named.
            Conflict: The name is taken, or its file is there and `replace` is not given.
        """
        return save_strategy(self.context, strategy, name, replace=replace)

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
        name: str | None = None,
        tags: Sequence[str] | None = None,
        note: str | None = None,
    ) -> SweepResult:
        """Return a recorded sweep over every combination of the grid; its trials are counted in the ledger.

        `executor` is `auto` (chosen by the measured work), `serial`, `threads` or `ray`; INVESTLAB_EXECUTOR overrides
        it. The result is the same to the bit. A sweep that broke off goes on with what is missing when it is called
        again. `name`, `tags` and `note` label the run, as `lab.label` does.

        Raises:
            UnknownParameter: The strategy has no such parameter; near matches are named.
            InvalidInput: The panel was made from frames, or no combination can be traded on these terms.
            Busy: Another process is computing the same sweep.
        """
        timing, labels = parse_execution(execution), parse_labels(name, tags, note)
        panel = admitted(self.context, panel)
        request = runs.SweepRequest(strategy, grid, panel, costs, timing, initial_cash, executor, labels)
        with self._progress(f"sweep of {getattr(strategy, 'name', strategy)}") as progress:
            return runs.run_sweep(self.context, request, progress)

    def walk_forward(
        self,
        strategy: type[Strategy],
        grid: Mapping[str, Sequence[Any]],
        panel: PricePanel,
        *,
        train: int,
        test: int,
        anchored: bool = False,
        purge: int = 0,
        embargo: int = 0,
        criterion: str = "sharpe",
        costs: Costs = FREE,
        execution: Execution | str = Execution.NEXT_OPEN,
        initial_cash: float = 100_000.0,
        executor: str = "auto",
    ) -> WalkForwardResult:
        """Return a recorded `il.walk_forward`; its combinations are counted in the ledger as a sweep's are.

        Raises:
            HoldoutSealed: The panel reaches into a sealed holdout.
            InvalidInput: The panel was made from frames or is too short for one window.
        """
        panel = admitted(self.context, panel)
        request = runs.SweepRequest(strategy, grid, panel, costs, parse_execution(execution), initial_cash, executor)
        spec = WalkForwardSpec(
            train=train, test=test, anchored=anchored, purge=purge, embargo=embargo, criterion=criterion
        )
        with self._progress(f"walk-forward of {getattr(strategy, 'name', strategy)}") as progress:
            return record_walk_forward(self.context, request, spec, progress)

    def purged_cross_validation(
        self,
        strategy: type[Strategy],
        grid: Mapping[str, Sequence[Any]],
        panel: PricePanel,
        *,
        groups: int = 6,
        test_groups: int = 2,
        purge: int = 0,
        embargo: int = 0,
        criterion: str = "sharpe",
        costs: Costs = FREE,
        execution: Execution | str = Execution.NEXT_OPEN,
        initial_cash: float = 100_000.0,
        executor: str = "auto",
    ) -> CrossValidationResult:
        """Return a recorded `il.purged_cross_validation`; its combinations are counted in the ledger.

        Raises:
            HoldoutSealed: The panel reaches into a sealed holdout.
            InvalidInput: The panel was made from frames or cannot be split so.
        """
        panel = admitted(self.context, panel)
        request = runs.SweepRequest(strategy, grid, panel, costs, parse_execution(execution), initial_cash, executor)
        spec = CrossValidationSpec(
            groups=groups, test_groups=test_groups, purge=purge, embargo=embargo, criterion=criterion
        )
        with self._progress(f"cross-validation of {getattr(strategy, 'name', strategy)}") as progress:
            return record_cross_validation(self.context, request, spec, progress)

    def seal_holdout(self, dataset: str, *, start: str | date) -> Holdout:
        """Seal a dataset's sessions from `start` on: panels that reach into them are refused until they are opened.

        Raises:
            Conflict: A seal starts earlier already: a holdout may grow, never shrink.
        """
        return seal_holdout(self.context, dataset, start)

    def open_holdout(self, dataset: str, *, reason: str) -> "Workspace":
        """Return the workspace with a dataset's holdout open; the opening is recorded for good and counted.

        Raises:
            InvalidInput: The dataset has no holdout, or no reason is given.
        """
        context, _ = open_holdout(self.context, dataset, reason)
        return Workspace(context, self._progress)

    def holdouts(self) -> pd.DataFrame:
        """Return the sealed holdouts by dataset: start, openings, and when and why each was opened last."""
        return holdouts_frame(self.context)

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
            return run_training(self.context, spec, admitted(self.context, panel), progress)

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

    def runs(
        self,
        query: str | RunQuery | None = None,
        *,
        tag: str | None = None,
        strategy: str | None = None,
        dataset: str | None = None,
        kind: RunKind | str | None = None,
        since: str | date | datetime | None = None,
        archived: bool | None = False,
        limit: int = 50,
    ) -> pd.DataFrame:
        """Return recorded backtests and sweeps, newest first, indexed by run id.

        `query` is text such as `momentum tag:paper sharpe > 1 max_drawdown > -20%`: words that id, name, note,
        strategy or tags contain, and conditions on metrics, all of which must hold. Archived runs are left out, listed
        alone (`archived=True`), or listed too (None).

        Raises:
            InvalidInput: The query cannot be read.
            NotFound: The dataset, a metric or a key of the query does not exist; near matches are named.
        """
        if not isinstance(query, RunQuery):
            named = {"strategy": strategy, "dataset": dataset, "kind": kind, "since": parse_since(since)}
            hidden = {} if archived is False else {"archived": archived}
            tags = () if tag is None else (tag,)
            query = parse_query(query or "", **named, **hidden, tags=tags, limit=limit)
        return runs_frame(self.list_runs(query))

    def label(
        self, run_id: str, *, name: str | None = None, tags: Sequence[str] | None = None, note: str | None = None
    ) -> None:
        """Set a run's name, tags and note; what is not given stays, an empty text or list takes away.

        Raises:
            NotFound: There is no such run; near matches are named.
            InvalidInput: A tag is no single word.
        """
        label_run(self.context, run_id, parse_labels(name, tags, note))

    def archive(self, run_id: str, *, archived: bool = True) -> None:
        """Leave a run out of listings, or list it again; it stays loadable and its trials stay counted.

        Raises:
            NotFound: There is no such run; near matches are named.
        """
        archive_run(self.context, run_id, archived=archived)

    def list_runs(self, query: RunQuery | None = None) -> list[RunSummary]:
        """Return recorded runs, newest first."""
        with self.context.database.read() as session:
            return backtests.list_runs(session, query)

    def load(
        self, run_id: str
    ) -> BacktestResult | SweepResult | WalkForwardResult | CrossValidationResult | TrainedModel:
        """Return the stored result of a run, named by its id or a unique beginning.

        Raises:
            NotFound: There is no such run.
            Conflict: The run did not complete.
        """
        if run_id.startswith(TRAINING_PREFIX):
            return load_training(self.context, run_id)
        return runs.load_run(self.context, run_id)

    def compare(self, run_ids: Sequence[str]) -> RunComparison:
        """Return recorded runs side by side: metrics, what differs, equity curves, and whether comparing is fair.

        Raises:
            NotFound: There is no such run; near matches are named.
            InvalidInput: There are fewer than two or more than eight different runs.
        """
        return compare_runs(self.context, run_ids)

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
