"""What a run is before it is computed: what was asked for, its spec and its key."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from investlab.backtest.costs import Costs
from investlab.backtest.limits import UNLIMITED, Limits
from investlab.backtest.portfolio_state import PortfolioState
from investlab.backtest.position_rules import PLAIN, PositionRules
from investlab.backtest.rates import NO_RATES, Rates
from investlab.backtest.strategies import Strategy, StrategyDescription
from investlab.backtest.terms import agree_terms
from investlab.core.errors import InvalidInput
from investlab.core.hashing import canonical_json, hash_json
from investlab.core.identity import code_identity, identity_of, lock_hash, source_version
from investlab.market.panel import PricePanel
from investlab.schemas.backtest import BacktestSpec, Execution
from investlab.schemas.ledger import RunKind, RunStart
from investlab.schemas.run_labels import UNLABELLED, RunLabels
from investlab.services.context import Context
from investlab.services.prices import request_of


@dataclass(frozen=True, slots=True)
class BacktestRequest:
    """One backtest: a strategy on a panel, on stated terms; `rules` say what its signals may open."""

    strategy: Strategy
    panel: PricePanel
    costs: Costs
    execution: Execution
    initial_cash: float
    whole_shares: bool = False
    limits: Limits = UNLIMITED
    rates: Rates = NO_RATES
    initial_state: PortfolioState | None = None
    labels: RunLabels = UNLABELLED
    rules: PositionRules = PLAIN

    @property
    def beyond_costs(self) -> dict[str, Any]:
        """Return limits, rates and initial state by keyword."""
        return {"limits": self.limits, "rates": self.rates, "initial_state": self.initial_state}


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """One sweep: a strategy class over a grid on a panel, on stated terms, by the named executor."""

    strategy: type[Strategy]
    grid: Mapping[str, Sequence[Any]]
    panel: PricePanel
    costs: Costs
    execution: Execution
    initial_cash: float
    executor: str = "auto"
    labels: RunLabels = UNLABELLED


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run before it is computed; `uncached` lists what of the strategy's code could not be determined."""

    start: RunStart
    uncached: tuple[str, ...]


def plan_run(
    context: Context,
    kind: RunKind,
    strategy: Strategy | type[Strategy],
    described: StrategyDescription,
    request: BacktestRequest | SweepRequest,
    grid: Mapping[str, Sequence[Any]] | None,
) -> PlannedRun:
    """Return the run with its id and its key: equal for the same code, spec, panel, seed and environment.

    Raises:
        InvalidInput: The panel was made from frames or cannot be traded so, or a parameter cannot be recorded.
    """
    panel = request.panel
    single = request if isinstance(request, BacktestRequest) else None
    whole_shares = single is not None and single.whole_shares
    asked = request_of(panel)
    beyond_costs = single.beyond_costs if single else {}
    agree_terms(panel, request.costs, request.execution, request.initial_cash, whole_shares, **beyond_costs)
    identity = identity_of(strategy)
    spec = BacktestSpec(
        panel=asked,
        strategy=described.name,
        strategy_identity=identity.hash,
        parameters=_plain(described.parameters),
        grid=None if grid is None else _plain({name: list(values) for name, values in grid.items()}),
        execution=request.execution,
        costs=request.costs.to_spec(),
        initial_cash=request.initial_cash,
        whole_shares=whole_shares,
        **{name: value.to_spec() for name, value in beyond_costs.items() if value is not None},
        positions=(request.rules if isinstance(request, BacktestRequest) else PLAIN).to_spec(),
    )
    terms = spec.model_dump(mode="json", exclude={"panel"})
    content = [kind, code_identity(), terms, panel.id, spec.seed, lock_hash()]
    run_id = context.new_id("bt", *content)
    start = RunStart(
        run_id=run_id,
        key=hash_json(content if identity.hash else [*content, run_id]),
        kind=kind,
        owner=context.owner,
        strategy=described.name,
        family=described.family,
        dataset=panel.source.dataset,
        dataset_version=cast("int", panel.source.dataset_version),
        as_of=panel.source.as_of,
        panel_id=panel.id,
        basis=panel.basis,
        spec=spec,
        seed=spec.seed,
        code_identity=code_identity(),
        lock_hash=lock_hash(),
        platform_version=source_version(),
        started_at=context.clock.now(),
        pipeline_step=context.settings.pipeline_step,
        **request.labels.given,
    )
    return PlannedRun(start, () if identity.hash else identity.undetermined)


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as the plain JSON values that a record can hold.

    Raises:
        InvalidInput: A parameter is no number, text, boolean, or list or mapping of those.
    """
    plain = {}
    for name, value in parameters.items():
        try:
            plain[name] = json.loads(canonical_json(value))
        except (TypeError, ValueError) as error:
            raise InvalidInput(
                f"The parameter {name} is a {type(value).__name__}, which cannot be recorded.",
                remedy="Give numbers, texts, booleans, or lists and mappings of those.",
            ) from error
    return plain


def remarks(planned: PlannedRun) -> tuple[str, ...]:
    """Return the sentence that says why a run is not cached; none where it is."""
    if not planned.uncached:
        return ()
    return (f"Not cached: what the strategy's code reaches could not be determined ({', '.join(planned.uncached)}).",)
