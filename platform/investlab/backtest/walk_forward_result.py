"""The result of a walk-forward: what parameters chosen on the past alone would have earned."""

from dataclasses import dataclass, replace
from functools import cached_property
from math import nan, sqrt
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from investlab.analytics.out_of_sample import WalkForwardPlan
from investlab.backtest.parameter_stability import mean_grid_steps, share_kept, share_of_most_frequent
from investlab.backtest.result import BacktestResult
from investlab.backtest.strategies import StrategyDescription
from investlab.backtest.sweep_result import UNCOUNTED
from investlab.backtest.verdict import Selection, Verdict, reach_verdict
from investlab.backtest.window_measures import MEASURES, Criterion, measure_stretch
from investlab.core.display import Displayable
from investlab.core.hashing import hash_arrays, hash_json
from investlab.market.panel import PanelSource

WALK_FORWARD, HINDSIGHT, BUY_AND_HOLD = "walk-forward", "best in hindsight", "buy and hold"


@dataclass(frozen=True, slots=True)
class Computation:
    """Who computed a result, why by this executor, and how long it took."""

    executor: str
    worker_pids: tuple[int, ...]
    reason: str
    elapsed_seconds: float


@dataclass(frozen=True, eq=False, repr=False)
class WalkForwardResult(Displayable):
    """Windows in order, the account that was traded through them, and what it is to be compared with.

    `windows` has a row for each window: train_start, train_end, test_start, test_end (sessions, both ends included),
    the chosen parameters, and numbers of the choice in training (`train_…`, from its run over the whole panel) and in
    the test (`test_…`, from the joined account, whose fills count in the window that decided them). `test_rank` is the
    share of trials that do worse in the test by the criterion, equals counted half. `switch_turnover` (one-way, share
    of NAV) and `switch_costs` (currency) are those of all fills decided at the close before a window with another
    choice than the one before.

    `out_of_sample` is the joined account from the close before the first test to the end of the last, beside
    buy-and-hold; `hindsight` the same account with the one set of parameters that would have been best over all tests.
    `trials` has each combination's parameters and measures over all tests, from its run over the whole panel.
    """

    renderer: ClassVar[str] = "walk_forward_result"

    windows: pd.DataFrame
    stability: pd.DataFrame
    trials: pd.DataFrame
    plan: WalkForwardPlan
    criterion: Criterion
    parameters: tuple[str, ...]
    leftover: int
    out_of_sample: BacktestResult
    hindsight: BacktestResult
    hindsight_parameters: dict[str, Any]
    block_moments: np.ndarray
    computation: Computation
    counted: bool = False
    cumulative_trials: int | None = None

    def __repr__(self) -> str:
        metrics = self.out_of_sample.metrics
        count = f"{self.cumulative_trials} in all" if self.cumulative_trials is not None else "uncounted"
        return (
            f"<WalkForwardResult {self.strategy.name} on {self.source.label}: {len(self.windows)} windows, "
            f"{len(self.trials)} trials ({count}), out-of-sample Sharpe {metrics['sharpe']:.2f}, "
            f"{self.share_kept:.0%} of choices kept; {self.verdict.kind}>"
        )

    def recorded(self, run_id: str, code_identity: str, remarks: tuple[str, ...] = ()) -> "WalkForwardResult":
        """Return the same walk-forward as the run that a ledger counts."""
        notes = (*(note for note in self.notes if note != UNCOUNTED), *remarks)
        signed = replace(self.out_of_sample, run_id=run_id, code_identity=code_identity, notes=notes)
        return replace(self, out_of_sample=signed, counted=True)

    @property
    def strategy(self) -> StrategyDescription:
        """Return the strategy whose parameters were chosen."""
        return self.out_of_sample.strategy

    @property
    def source(self) -> PanelSource:
        """Return where the prices come from."""
        return self.out_of_sample.source

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what is to be known about the numbers."""
        return self.out_of_sample.notes

    @property
    def run_id(self) -> str | None:
        """Return the id of the recorded run, None where nothing recorded it."""
        return self.out_of_sample.run_id

    @property
    def code_identity(self) -> str | None:
        """Return the identity of the code of the recorded run, None where nothing recorded it."""
        return self.out_of_sample.code_identity

    @property
    def metrics(self) -> dict[str, float]:
        """Return the metrics of the joined account, and how steady the choices were."""
        kept = {"share_kept": self.share_kept} if len(self.windows) > 1 else {}
        return {**self.out_of_sample.metrics, **kept, "switch_costs": self.switch_costs}

    @property
    def trial_sharpes(self) -> np.ndarray:
        """Return the annualised Sharpe ratio of each trial over all tests."""
        return self.trials["sharpe"].to_numpy(np.float64)

    @property
    def equity(self) -> pd.DataFrame:
        """Return the NAV by session of the walk-forward, of the best parameters in hindsight, and of buy-and-hold."""
        held = self.out_of_sample.benchmark
        curves = {WALK_FORWARD: self.out_of_sample.nav, HINDSIGHT: self.hindsight.nav, BUY_AND_HOLD: held}
        return pd.DataFrame(curves)

    @cached_property
    def comparison(self) -> pd.DataFrame:
        """Return a row for each curve of `equity` with its measures over all tests."""
        year = float(self.source.sessions_per_year)
        rows = np.zeros((self.equity.shape[1], len(MEASURES)))
        for row, name in zip(rows, self.equity, strict=True):
            measure_stretch(self.equity[name].pct_change().to_numpy()[1:], year, row)
        return pd.DataFrame(rows, index=self.equity.columns, columns=list(MEASURES))

    @property
    def share_kept(self) -> float:
        """Return the share of windows after the first that keep the choice of the window before."""
        return share_kept(self.stability)

    @property
    def share_of_most_frequent(self) -> float:
        """Return the share of windows with the choice that was made most often."""
        return share_of_most_frequent(self.stability)

    @property
    def mean_grid_steps(self) -> float:
        """Return the mean distance of successive choices in steps of the grid."""
        return mean_grid_steps(self.stability)

    @property
    def sharpe_kept(self) -> float:
        """Return the mean Sharpe ratio of the tests over that of the trainings; NaN where the latter is not above 0."""
        trained = float(self.windows["train_sharpe"].mean())
        return float(self.windows["test_sharpe"].mean()) / trained if trained > 0.0 else nan

    @property
    def switch_turnover(self) -> float:
        """Return what was traded because parameters changed, one-way, summed as shares of the NAV."""
        return float(self.windows["switch_turnover"].sum())

    @property
    def switch_costs(self) -> float:
        """Return the commission and slippage paid because parameters changed, in currency."""
        return float(self.windows["switch_costs"].sum())

    @property
    def trial_variance(self) -> float:
        """Return the variance (ddof 1) of the trials' Sharpe ratios per session over all tests."""
        ratios = self.trial_sharpes / sqrt(self.source.sessions_per_year)
        return float(ratios.var(ddof=1)) if len(ratios) > 1 else 0.0

    @cached_property
    def verdict(self) -> Verdict:
        """Return whether the out-of-sample returns are more than luck, judged as the best of all trials would be."""
        returns = self.out_of_sample.returns.to_numpy()
        sessions = int(self.windows["test_sessions"].sum())
        subject = f"the walk-forward over {len(self.windows)} {'window' if len(self.windows) == 1 else 'windows'}"
        selection = Selection(
            len(self.trials), self.cumulative_trials, self.trial_variance, sessions, self.block_moments, subject
        )
        return reach_verdict(returns, selection, float(self.source.sessions_per_year))

    @cached_property
    def hash(self) -> str:
        """Return the SHA-256 over windows, choices, the joined account and every trial's measures."""
        rows = {name: self.windows[name].tolist() for name in self.parameters}
        days = [self.windows[name].to_numpy("datetime64[D]").astype(np.int64) for name in ("test_start", "test_end")]
        arrays = [("test_start", days[0]), ("test_end", days[1])]
        arrays += [(f"trials.{name}", self.trials[name].to_numpy(np.float64)) for name in MEASURES]
        hindsight = {name: self.hindsight_parameters[name] for name in self.parameters}
        parts = [self.strategy.name, rows, hindsight, self.out_of_sample.hash, self.hindsight.hash]
        return hash_json([*parts, hash_arrays(arrays)])
