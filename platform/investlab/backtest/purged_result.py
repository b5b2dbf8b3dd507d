"""The result of combinatorial purged cross-validation: out-of-sample paths and what each split chose."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
import pandas as pd

from investlab.analytics.out_of_sample import CombinatorialPlan
from investlab.analytics.ratios import sharpe
from investlab.backtest.costs import Costs
from investlab.backtest.strategies import StrategyDescription
from investlab.backtest.sweep_result import UNCOUNTED
from investlab.backtest.walk_forward_result import Computation
from investlab.backtest.window_measures import Criterion
from investlab.core.display import Displayable
from investlab.core.hashing import hash_arrays, hash_json
from investlab.market.panel import PanelSource
from investlab.schemas.backtest import Execution


@dataclass(frozen=True, eq=False, repr=False)
class CrossValidationResult(Displayable):
    """Splits in lexical order of the groups they test, and the paths that their tests make up.

    `splits` has a row for each split: the groups tested (counted from 1), sessions to train and test on, the chosen
    parameters and the criterion in training and test. `paths` holds simple returns (sessions × paths); the first
    session has none and shows 0. `trial_sharpes` are the annualised Sharpe ratios of all trials over the whole panel.
    """

    renderer: ClassVar[str] = "cross_validation_result"

    splits: pd.DataFrame
    paths: pd.DataFrame
    trial_sharpes: np.ndarray
    plan: CombinatorialPlan
    criterion: Criterion
    parameters: tuple[str, ...]
    strategy: StrategyDescription
    costs: Costs
    execution: Execution
    panel_id: str
    source: PanelSource
    notes: tuple[str, ...]
    computation: Computation
    counted: bool = False
    cumulative_trials: int | None = None
    run_id: str | None = None
    code_identity: str | None = None

    def __repr__(self) -> str:
        return f"<CrossValidationResult {self.strategy.name} on {self.source.label}: {self.sentence}>"

    def recorded(self, run_id: str, code_identity: str, remarks: tuple[str, ...] = ()) -> "CrossValidationResult":
        """Return the same cross-validation as the run that a ledger counts."""
        notes = (*(note for note in self.notes if note != UNCOUNTED), *remarks)
        return replace(self, run_id=run_id, code_identity=code_identity, counted=True, notes=notes)

    @property
    def trials(self) -> int:
        """Return how many combinations were tried."""
        return len(self.trial_sharpes)

    @property
    def metrics(self) -> dict[str, float]:
        """Return mean, lowest and highest Sharpe ratio of the paths, and the share of paths below 0."""
        found = self.distribution
        names = {"mean": "sharpe", "min": "lowest_sharpe", "max": "highest_sharpe", "share below 0": "losing_paths"}
        return {name: float(found[label]) for label, name in names.items()}

    @cached_property
    def sharpes(self) -> pd.Series:
        """Return the annualised Sharpe ratio of each path."""
        year = float(self.source.sessions_per_year)
        values = [sharpe(self.paths[path].to_numpy()[1:].copy(), year) for path in self.paths]
        return pd.Series(values, index=self.paths.columns, name="sharpe", dtype=np.float64)

    @property
    def equity(self) -> pd.DataFrame:
        """Return what one unit of money grew to on each path (sessions × paths)."""
        return (1.0 + self.paths).cumprod()

    @property
    def distribution(self) -> pd.Series:
        """Return mean, std (ddof 1), min, 5 %, median, 95 % and max of the paths' Sharpe ratios, and the share < 0."""
        values = self.sharpes
        low, middle, high = values.quantile([0.05, 0.5, 0.95])
        return pd.Series(
            {
                "mean": values.mean(),
                "std": values.std(ddof=1),
                "min": values.min(),
                "5 %": low,
                "median": middle,
                "95 %": high,
                "max": values.max(),
                "share below 0": float((values < 0.0).mean()),
            },
            name="sharpe",
        )

    @property
    def sentence(self) -> str:
        """Return what the paths say in one plain sentence."""
        found, counted = self.distribution, self.cumulative_trials
        trials = f"{self.trials:,} trials ({'uncounted' if counted is None else f'{counted:,} in the ledger'})"
        return (
            f"Out of sample the choice among {trials} has a Sharpe ratio of {found['mean']:.2f} on average over "
            f"{self.plan.paths} {'path' if self.plan.paths == 1 else 'paths'} of {self.plan.splits} splits "
            f"({found['min']:.2f} to {found['max']:.2f}); {found['share below 0']:.0%} of the paths lose."
        )

    @cached_property
    def hash(self) -> str:
        """Return the SHA-256 over choices, paths and every trial's Sharpe ratio."""
        rows = {name: self.splits[name].tolist() for name in self.parameters}
        arrays = [("paths", np.ascontiguousarray(self.paths.to_numpy())), ("trials", self.trial_sharpes)]
        return hash_json([self.strategy.name, rows, hash_arrays(arrays)])
