"""The result of a sweep: every trial with its metrics, and how much of the best one may be luck."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import sqrt
from typing import Any, ClassVar, Protocol, cast

import numpy as np
import pandas as pd

from investlab.analytics.overfitting import ReturnMoments, deflated_sharpe, expected_maximum_sharpe
from investlab.backtest.costs import Costs
from investlab.backtest.kernels import METRICS
from investlab.backtest.result import BacktestResult
from investlab.backtest.stability import Stability, stability, widest
from investlab.backtest.strategies import StrategyDescription
from investlab.backtest.verdict import Selection, Verdict, reach_verdict
from investlab.core.display import Reported
from investlab.core.errors import NotFound
from investlab.core.hashing import BLOCK_VALUES, canonical_json, hash_arrays
from investlab.market.panel import PanelSource
from investlab.schemas.backtest import Execution
from investlab.schemas.market import PriceBasis

UNCOUNTED = "These trials are counted nowhere: the deflated Sharpe ratio knows only them."


class SweepPictures(Protocol):
    """What the renderer of sweeps draws beside the usual; each returns a HoloViews object."""

    def heatmap(self, sweep: "SweepResult", parameters: tuple[str, ...], metric: str) -> Any:
        """Return a metric over one or two parameters."""
        ...

    def stability_surface(self, sweep: "SweepResult", found: Stability) -> Any:
        """Return a metric raw beside smoothed, with the robust region."""
        ...

    def parallel_coordinates(self, sweep: "SweepResult", metric: str) -> Any:
        """Return a line for each trial through its parameters to a metric."""
        ...


@dataclass(frozen=True, eq=False, repr=False)
class SweepResult(Reported):
    """Trials in grid order; `table` has a column for each parameter and each metric of a backtest.

    `parameters` are the grid's names, `invalid` the combinations the strategy refused. `counted` and
    `cumulative_trials` are set when a ledger counted the trials; until then they are uncounted. `reason` says why this
    executor was chosen, where there was a choice. `block_moments` (trials × 2·blocks) holds the sums of returns and of
    their squares by block of sessions, of all trials or, in a large sweep, of a fixed random choice of them; it is None
    in sweeps stored by earlier versions. `resumed_trials` were computed by an attempt that broke off before it ended.
    """

    renderer: ClassVar[str] = "sweep_result"

    table: pd.DataFrame
    parameters: tuple[str, ...]
    invalid: int
    best_result: BacktestResult
    best_moments: ReturnMoments
    strategy: StrategyDescription
    costs: Costs
    execution: Execution
    initial_cash: float
    basis: PriceBasis
    panel_id: str
    source: PanelSource
    instruments: pd.DataFrame
    notes: tuple[str, ...]
    executor: str
    worker_pids: tuple[int, ...]
    reason: str
    elapsed_seconds: float
    counted: bool = False
    cumulative_trials: int | None = None
    run_id: str | None = None
    code_identity: str | None = None
    block_moments: np.ndarray | None = None
    resumed_trials: int = 0

    def __repr__(self) -> str:
        best = ", ".join(f"{name}={value}" for name, value in self.best_parameters.items())
        count = f"{self.cumulative_trials} in all" if self.cumulative_trials is not None else "uncounted trials"
        return (
            f"<SweepResult {self.strategy.name} on {self.source.label}: {self.trials} trials ({count}), "
            f"best Sharpe {self.best['sharpe']:.2f} ({best}), deflated {self.deflated_sharpe:.1%}; {self.verdict.kind}>"
        )

    def recorded(self, run_id: str, code_identity: str, remarks: tuple[str, ...] = ()) -> "SweepResult":
        """Return the same sweep as the run that a ledger counts."""
        notes = tuple(note for note in self.notes if note != UNCOUNTED)
        return replace(self, run_id=run_id, code_identity=code_identity, counted=True, notes=(*notes, *remarks))

    @property
    def trials(self) -> int:
        """Return how many combinations were tried."""
        return len(self.table)

    @property
    def best(self) -> pd.Series:
        """Return the row with the highest Sharpe ratio, the first of equals."""
        best = int(self.table["sharpe"].to_numpy().argmax())
        return self.table.iloc[[best]].astype(object).iloc[0]

    @property
    def best_parameters(self) -> dict[str, Any]:
        """Return the parameters of the best row."""
        return {name: self.best[name] for name in self.parameters}

    @property
    def trial_variance(self) -> float:
        """Return the variance (ddof 1) of the trials' Sharpe ratios per session."""
        per_session = self.table["sharpe"].to_numpy() / sqrt(self.source.sessions_per_year)
        return float(per_session.var(ddof=1)) if len(per_session) > 1 else 0.0

    @property
    def deflated_sharpe(self) -> float:
        """Return the probability that the best Sharpe ratio is more than luck, given how many trials there were.

        It counts all trials of the ledger where they are counted, else this sweep's.
        """
        return deflated_sharpe(self.best_moments, self.cumulative_trials or self.trials, self.trial_variance)

    @property
    def deflated_sharpe_of_sweep(self) -> float:
        """Return the deflated Sharpe ratio for this sweep's trials alone."""
        return deflated_sharpe(self.best_moments, self.trials, self.trial_variance)

    @property
    def expected_maximum_sharpe(self) -> float:
        """Return the annualised Sharpe ratio that luck alone lets the best trial show."""
        expected = expected_maximum_sharpe(self.cumulative_trials or self.trials, self.trial_variance)
        return expected * sqrt(self.source.sessions_per_year)

    @cached_property
    def verdict(self) -> Verdict:
        """Return whether the best trial is more than luck, in one sentence and with the numbers behind it."""
        selection = Selection(
            self.trials, self.cumulative_trials, self.trial_variance, self.best_result.nav.size, self.block_moments
        )
        best = self.best_result.returns.to_numpy()
        return reach_verdict(best, selection, float(self.source.sessions_per_year))

    def stability(self, *parameters: str, metric: str = "sharpe") -> Stability:
        """Return the metric smoothed over neighbouring parameters, its robust region, and where the best trial stands.

        Without names the two parameters with most values are taken; of the others the median counts.

        Raises:
            InvalidInput: There are more than two parameters, or a higher metric is not a better one.
            NotFound: A parameter was not varied by that name.
        """
        return stability(self.table, self._named(parameters), metric)

    def heatmap(self, *parameters: str, metric: str = "sharpe") -> Any:
        """Return a metric over one or two parameters as a HoloViews object; see `stability` for the names."""
        return self._pictures().heatmap(self, self._named(parameters), metric)

    def stability_surface(self, *parameters: str, metric: str = "sharpe") -> Any:
        """Return the metric raw beside smoothed as a HoloViews object, the robust region outlined."""
        return self._pictures().stability_surface(self, self.stability(*parameters, metric=metric))

    def parallel_coordinates(self, metric: str = "sharpe") -> Any:
        """Return each trial as a line through its parameters to the metric, as a HoloViews object."""
        return self._pictures().parallel_coordinates(self, metric)

    def _named(self, parameters: tuple[str, ...]) -> tuple[str, ...]:
        for name in parameters:
            if name not in self.parameters:
                raise NotFound.named("parameter", name, self.parameters)
        return parameters or tuple(widest(self.table, self.parameters))

    def _pictures(self) -> SweepPictures:
        return cast("SweepPictures", self._renderer())

    @property
    def combos_per_second(self) -> float:
        """Return the combinations computed in a second, without those of an earlier attempt."""
        return (self.trials - self.resumed_trials) / self.elapsed_seconds if self.elapsed_seconds > 0 else 0.0

    @cached_property
    def hash(self) -> str:
        """Return the SHA-256 over strategy, parameters and metrics of every trial."""
        digest = hashlib.sha256()
        for piece in self._canonical_text():
            digest.update(piece.encode())
        return digest.hexdigest()

    def _canonical_text(self) -> Iterator[str]:
        """Yield the canonical JSON of name, parameters, their values and the metrics' hash, piece by piece."""
        yield f"[{canonical_json(self.strategy.name)},{canonical_json(self.parameters)},{{"
        for number, name in enumerate(sorted(self.parameters)):
            yield f"{',' if number else ''}{canonical_json(name)}:["
            for start in range(0, self.trials, BLOCK_VALUES):
                values = self.table[name].iloc[start : start + BLOCK_VALUES].tolist()
                yield ("," if start else "") + canonical_json(values)[1:-1]
            yield "]"
        arrays = hash_arrays((name, self.table[name].to_numpy()) for name in METRICS)
        yield f"}},{canonical_json(arrays)}]"
