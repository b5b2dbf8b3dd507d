"""Recorded results side by side: metrics, what their specs differ in, equity curves, and whether comparing is fair."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from investlab.backtest.result import BacktestResult
from investlab.core.display import Displayable
from investlab.core.errors import InvalidInput

LEAST, MOST = 2, 8
_LEAST_RETURNS = 2


@dataclass(frozen=True, slots=True, eq=False)
class ComparedRun:
    """A result to compare: how it is called, its facts by name (data, terms, code), and how many trials chose it."""

    label: str
    result: BacktestResult
    facts: Mapping[str, Any]
    trials: int = 1


@dataclass(frozen=True, eq=False, repr=False)
class RunComparison(Displayable):
    """What runs have in common and what not; columns are the runs by label, in the order asked for.

    `metrics` has a row per metric (fractions, currency for costs). `differences` has a row per fact of data, terms or
    code that is not the same for all. `nav` holds NAV over initial cash by session, NaN where a run has none.
    `correlation` is that of the simple returns on the `common_sessions` that all runs have, NaN where undefined.
    `unfair` says in which ways the runs stand on different data or periods, and `cautions` what else to bear in mind.
    """

    renderer: ClassVar[str] = "run_comparison"

    metrics: pd.DataFrame
    differences: pd.DataFrame
    nav: pd.DataFrame
    correlation: pd.DataFrame
    common_sessions: int
    unfair: tuple[str, ...]
    cautions: tuple[str, ...]

    @property
    def is_fair(self) -> bool:
        """Say whether all runs stand on the same data and period."""
        return not self.unfair

    @property
    def sentence(self) -> str:
        """Return the verdict on the comparison as text."""
        if self.unfair:
            return f"Comparing is unfair: {'; '.join(self.unfair)}."
        what = ", ".join(str(name) for name in self.differences.index) or "nothing that is recorded"
        return f"The runs stand on the same data and period; they differ in {what}."

    def __repr__(self) -> str:
        parts = (self.sentence, *self.cautions, "", self.metrics.to_string(), "", self.differences.to_string())
        return "\n".join(parts)


def compare_results(runs: list[ComparedRun]) -> RunComparison:
    """Return results side by side.

    Raises:
        InvalidInput: There are fewer than two runs or more than eight, or two have the same label.
    """
    labels = [run.label for run in runs]
    if not LEAST <= len(runs) <= MOST or len(set(labels)) < len(labels):
        raise InvalidInput(f"{len(runs)} runs cannot be compared.", remedy=f"Give {LEAST} to {MOST} different runs.")
    returns = pd.concat({run.label: run.result.returns for run in runs}, axis=1, join="inner").dropna()
    enough = len(returns) >= _LEAST_RETURNS
    correlation = returns.corr() if enough else pd.DataFrame(float("nan"), index=labels, columns=labels)
    return RunComparison(
        metrics=pd.DataFrame({run.label: dict(run.result.metrics) for run in runs}).rename_axis("metric"),
        differences=_differences(runs),
        nav=pd.concat({run.label: run.result.nav / run.result.initial_cash for run in runs}, axis=1).sort_index(),
        correlation=correlation,
        common_sessions=len(returns),
        unfair=tuple(_unfair(runs)),
        cautions=tuple(_cautions(runs)),
    )


def _differences(runs: list[ComparedRun]) -> pd.DataFrame:
    names = list(dict.fromkeys(name for run in runs for name in run.facts))
    rows = {name: [run.facts.get(name, "–") for run in runs] for name in names}
    kept = {name: values for name, values in rows.items() if len({str(value) for value in values}) > 1}
    labels = [run.label for run in runs]
    return pd.DataFrame.from_dict(kept, orient="index", columns=labels, dtype=object).rename_axis("fact")


def _unfair(runs: list[ComparedRun]) -> list[str]:
    """Return how the runs' data or periods differ."""
    said = {
        "they stand on different data": [_data(run.result) for run in runs],
        "they cover different periods": [_period(run.result) for run in runs],
        "they trade in different instruments": [_instruments(run.result) for run in runs],
    }
    found = []
    for sentence, values in said.items():
        if len(set(values)) > 1:
            shown = ", ".join(f"{run.label}: {value}" for run, value in zip(runs, values, strict=True))
            found.append(f"{sentence} ({shown})")
    return found


def _data(result: BacktestResult) -> str:
    source = result.source
    known = f", as of {source.as_of:%Y-%m-%d %H:%M}" if source.as_of else ""
    return f"{source.label}, {result.basis}, adjust {source.adjust}{known}"


def _period(result: BacktestResult) -> str:
    return f"{result.nav.index[0]:%Y-%m-%d} to {result.nav.index[-1]:%Y-%m-%d}"


def _instruments(result: BacktestResult) -> str:
    symbols = sorted(str(symbol) for symbol in result.instruments.index)
    return " ".join(symbols) if len(symbols) <= MOST else f"{' '.join(symbols[:MOST])} … {len(symbols)} in all"


def _cautions(runs: list[ComparedRun]) -> list[str]:
    found = [
        f"{run.label} is the best of {run.trials:,} trials, chosen after they were seen, which flatters it."
        for run in runs
        if run.trials > 1
    ]
    terms = {
        "costs": {str(run.result.costs) for run in runs},
        "times of execution": {str(run.result.execution) for run in runs},
    }
    found += [f"The {n} differ, so part of the difference is theirs." for n, v in terms.items() if len(v) > 1]
    return found
