"""What a workspace does with strategies: backtests, sweeps, testing out of sample, holdouts."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Self

import pandas as pd

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
from investlab.core.errors import InvalidInput
from investlab.market.panel import PricePanel
from investlab.schemas.backtest import CrossValidationSpec, Execution, WalkForwardSpec
from investlab.schemas.positions import Direction
from investlab.services.holdouts import Holdout, admitted, holdouts_frame, open_holdout, seal_holdout
from investlab.services.out_of_sample import record_cross_validation, record_walk_forward
from investlab.services.run_labels import parse_labels
from investlab.services.run_planning import BacktestRequest, SweepRequest
from investlab.services.runs import run_backtest, run_sweep
from investlab.services.saved_strategies import SavedStrategy, save_strategy
from investlab.services.strategies import find_strategy
from investlab.services.workspace_base import WorkspaceBase


class BacktestMethods(WorkspaceBase):
    """The methods of a workspace about strategies."""

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

        `direction`, `sizing` and `stops` are for strategies that give signals, as in `il.simulate_signals`; limits
        and rates for those that give weights, as in `il.simulate_weights`. `initial_state` is the `final_state` of
        another run of the same kind. `name`, `tags` and `note` label the run, as `lab.label` does.

        Raises:
            InvalidInput: The panel was made from frames, or cannot be traded on these terms.
        """
        timing, labels = parse_execution(execution), parse_labels(name, tags, note)
        panel, rules = admitted(self.context, panel), PositionRules(direction, sizing, stops)
        traded = (strategy, panel, costs, timing, initial_cash, whole_shares, limits, rates, initial_state)
        return run_backtest(self.context, BacktestRequest(*traded, labels=labels, rules=rules))

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
        request = SweepRequest(strategy, grid, panel, costs, timing, initial_cash, executor, labels)
        with self._progress(f"sweep of {getattr(strategy, 'name', strategy)}") as progress:
            return run_sweep(self.context, request, progress)

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
        request = SweepRequest(strategy, grid, panel, costs, parse_execution(execution), initial_cash, executor)
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
        request = SweepRequest(strategy, grid, panel, costs, parse_execution(execution), initial_cash, executor)
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

    def open_holdout(self, dataset: str, *, reason: str) -> Self:
        """Return the workspace with a dataset's holdout open; the opening is recorded for good and counted.

        Raises:
            InvalidInput: The dataset has no holdout, or no reason is given.
        """
        context, _ = open_holdout(self.context, dataset, reason)
        return type(self)(context, self._progress)

    def holdouts(self) -> pd.DataFrame:
        """Return the sealed holdouts by dataset: start, openings, and when and why each was opened last."""
        return holdouts_frame(self.context)


def parse_execution(execution: Execution | str) -> Execution:
    """Return the execution of that name.

    Raises:
        InvalidInput: There is none.
    """
    try:
        return Execution(execution)
    except ValueError as error:
        raise InvalidInput(f"Unknown execution {execution!r}.", remedy=f"Use {', '.join(Execution)}.") from error
