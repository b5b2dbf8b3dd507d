"""Reproducing a run: build it again from its record and say equal to the bit, or what differs."""

import hashlib

from investlab.backtest.costs import Costs
from investlab.backtest.engine import run_strategy
from investlab.backtest.grid import expand_grid
from investlab.backtest.limits import Limits
from investlab.backtest.portfolio_state import PortfolioState
from investlab.backtest.position_rules import PositionRules
from investlab.backtest.rates import Rates
from investlab.backtest.strategies import Strategy
from investlab.backtest.sweep import SweepTask, plan_sweep
from investlab.backtest.terms import agree_terms
from investlab.core.errors import Conflict, NotFound, NotReproducible
from investlab.core.executor import Progress
from investlab.core.identity import code_identity, identity_of, lock_hash, source_version
from investlab.ml.training import train
from investlab.schemas.ledger import RunKind, RunStatus
from investlab.schemas.market import Frozen
from investlab.services.context import Context
from investlab.services.executors import choose_executor
from investlab.services.out_of_sample import evaluate_again
from investlab.services.prices import build_panel
from investlab.services.run_planning import SweepRequest
from investlab.services.strategies import find_strategy
from investlab.services.training import TRAINING_PREFIX, learner_identity
from investlab.store.repositories import backtests, training


class Reproduction(Frozen):
    """What building a run again gave: its hash beside the recorded one, and what differs in what it stands on."""

    run_id: str
    recorded_hash: str
    hash: str
    executor: str
    differences: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Say whether the result is equal to the bit."""
        return self.hash == self.recorded_hash

    @property
    def sentence(self) -> str:
        """Return the verdict as text."""
        if self.is_equal:
            notes = f" ({'; '.join(self.differences)})" if self.differences else ""
            return f"{self.run_id}: equal to the bit, {self.hash[:16]}, computed by {self.executor}{notes}."
        reasons = "; ".join(self.differences) or "nothing recorded differs, so the computation itself does"
        return f"{self.run_id}: not equal, {self.hash[:16]} instead of {self.recorded_hash[:16]}: {reasons}."

    def __str__(self) -> str:
        return self.sentence


def reproduce_run(context: Context, run_id: str, executor: str, progress: Progress) -> Reproduction:
    """Return the outcome of building a backtest or training run again; nothing is recorded and no trial counted.

    Raises:
        NotFound: There is no such run.
        Conflict: The run did not complete.
        NotReproducible: Its strategy or learner is not installed, as when it was defined in a notebook.
    """
    if run_id.startswith(TRAINING_PREFIX):
        return _reproduce_training(context, run_id, progress)
    with context.database.read() as session:
        run = backtests.run(session, run_id)
        record = backtests.run_record(session, run.run_id)
    spec = record.spec
    if run.status != RunStatus.COMPLETED or run.result_hash is None:
        raise Conflict(f"Run {run.run_id} did not complete: it is {run.status}.", remedy=run.error or "Run it again.")
    strategy = _known_strategy(context, spec.strategy, run.run_id)
    panel = build_panel(context, spec.panel)
    differences = []
    if panel.id != run.panel_id:
        differences.append(f"the data differ: panel {panel.id} instead of {run.panel_id}")
    if code_identity() != run.code_identity:
        differences.append(_code_differs(record.platform_version))
    built = strategy(**spec.parameters) if run.kind == RunKind.BACKTEST else strategy
    if identity_of(built).hash != spec.strategy_identity:
        differences.append("the strategy's code differs")
    if lock_hash() != run.lock_hash:
        differences.append("the installed packages differ")
    costs = Costs.from_spec(spec.costs)
    rules = PositionRules.from_spec(spec.positions)
    if run.kind == RunKind.BACKTEST:
        single = run_strategy(
            strategy(**spec.parameters),
            panel,
            costs=costs,
            execution=spec.execution,
            initial_cash=spec.initial_cash,
            whole_shares=spec.whole_shares,
            limits=Limits.from_spec(spec.limits),
            rates=Rates.from_spec(spec.rates),
            initial_state=None if spec.initial_state is None else PortfolioState.from_spec(spec.initial_state),
            direction=rules.direction,
            sizing=rules.sizing,
            stops=rules.stops,
        )
        found, used = single.hash, "serial"
    elif spec.out_of_sample is not None:
        request = SweepRequest(strategy, spec.grid or {}, panel, costs, spec.execution, spec.initial_cash)
        with choose_executor(context.settings, executor, lambda: 0.0) as chosen:
            evaluated = evaluate_again(request, spec.out_of_sample, chosen, progress)
        found, used = evaluated.hash, chosen.name
    else:
        terms = agree_terms(panel, costs, spec.execution, spec.initial_cash)
        planned = plan_sweep(SweepTask(strategy, panel, terms), expand_grid(strategy, spec.grid or {}))
        with choose_executor(context.settings, executor, planned.measure, planned.threads) as chosen:
            swept = planned.run(chosen, progress)
        found, used = swept.hash, chosen.name
    return Reproduction(
        run_id=run.run_id, recorded_hash=run.result_hash, hash=found, executor=used, differences=tuple(differences)
    )


def _reproduce_training(context: Context, run_id: str, progress: Progress) -> Reproduction:
    """Train again from the record and compare the artifacts' bytes."""
    with context.database.read() as session:
        record = training.training_record(session, run_id)
    run = record.info
    if run.artifact_sha256 is None:
        raise Conflict(f"Run {run.run_id} did not complete: it is {run.status}.", remedy=run.error or "Train it again.")
    identity = _installed_learner(run.spec.learner, run.run_id)
    panel = build_panel(context, record.panel)
    outcome = train(run.spec, panel, progress)
    found = hashlib.sha256(outcome.artifact).hexdigest()
    evaluated = hashlib.sha256(outcome.evaluation.to_bytes()).hexdigest()
    lineage = run.lineage
    facts = (
        (panel.id != lineage.panel_id, f"the data differ: panel {panel.id} instead of {lineage.panel_id}"),
        (code_identity() != lineage.code_identity, _code_differs(lineage.platform_version)),
        (identity != record.learner_identity, "the learner's code differs"),
        (lock_hash() != lineage.lock_hash, "the installed packages differ"),
        (evaluated != run.evaluation_sha256, "the evaluation differs"),
    )
    return Reproduction(
        run_id=run.run_id,
        recorded_hash=run.artifact_sha256,
        hash=found,
        executor="serial",
        differences=tuple(text for differs, text in facts if differs),
    )


def _code_differs(recorded_version: str) -> str:
    return f"the package's code differs ({recorded_version} then, {source_version()} now)"


def _installed_learner(name: str, run_id: str) -> str | None:
    try:
        return learner_identity(name)
    except NotFound as error:
        raise NotReproducible(
            f"Run {run_id} used the learner {name!r}, which is not installed.",
            remedy="Install it as an extension of investlab.learners.",
        ) from error


def _known_strategy(context: Context, name: str, run_id: str) -> type[Strategy]:
    try:
        return find_strategy(context.settings, name)
    except NotFound as error:
        raise NotReproducible(
            f"Run {run_id} used the strategy {name!r}, which is not installed.",
            remedy="Run the notebook that defines it and call lab.save_strategy, or install it as an extension.",
        ) from error
