"""The table of a walk-forward's windows: where they lie, what was chosen, and what it earned before and after."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from investlab.analytics.splits import Fold
from investlab.backtest.result import BacktestResult
from investlab.backtest.window_measures import MEASURES, Criterion, measure_stretch
from investlab.market.panel import PricePanel

SHOWN = ("sharpe", "total_return", "max_drawdown")


@dataclass(frozen=True, slots=True, eq=False)
class WindowChoices:
    """Windows, the trial chosen in each, and the measures of all trials (trials × windows × measures).

    The measures hold the trainings of all windows, then their tests.
    """

    folds: Sequence[Fold]
    chosen: Sequence[int]
    measures: np.ndarray
    criterion: Criterion

    @property
    def shown(self) -> tuple[str, ...]:
        """Return the measures that the table shows, the criterion among them."""
        return SHOWN if self.criterion in SHOWN else (self.criterion.value, *SHOWN)


def windows_table(
    choices: WindowChoices, stability: pd.DataFrame, account: BacktestResult, panel: PricePanel
) -> pd.DataFrame:
    """Return the columns that `WalkForwardResult.windows` describes, one row for each window from 1 on."""
    folds, days = choices.folds, panel.index
    columns: dict[str, Any] = {
        "train_start": days[[fold.train.start for fold in folds]],
        "train_end": days[[fold.train.stop - 1 for fold in folds]],
        "test_start": days[[fold.test.start for fold in folds]],
        "test_end": days[[fold.test.stop - 1 for fold in folds]],
        "train_sessions": [len(fold.train) for fold in folds],
        "test_sessions": [len(fold.test) for fold in folds],
    }
    steps = [name for name in stability.columns if str(name).endswith(" step")]
    columns |= {str(name): stability[name].to_numpy() for name in stability.columns.drop(steps)}
    columns |= _training(choices) | _tests(choices, account) | {"test_rank": _ranks(choices)}
    columns |= _fills(choices, account, stability["changed"].to_numpy())
    return pd.DataFrame(columns, index=stability.index)


def _training(choices: WindowChoices) -> dict[str, np.ndarray]:
    places = np.arange(len(choices.folds))
    rows = choices.measures[np.asarray(choices.chosen), places]
    return {f"train_{name}": rows[:, MEASURES.index(name)] for name in choices.shown}


def _tests(choices: WindowChoices, account: BacktestResult) -> dict[str, np.ndarray]:
    """Return the measures of the joined account within each test."""
    nav, first = account.nav.to_numpy(), choices.folds[0].test.start - 1
    returns = nav[1:] / nav[:-1] - 1.0
    rows = np.zeros((len(choices.folds), len(MEASURES)))
    year = float(account.source.sessions_per_year)
    for row, fold in zip(rows, choices.folds, strict=True):
        measure_stretch(returns[fold.test.start - 1 - first : fold.test.stop - 1 - first], year, row)
    return {f"test_{name}": rows[:, MEASURES.index(name)] for name in choices.shown}


def _ranks(choices: WindowChoices) -> np.ndarray:
    """Return the share of trials that do worse than the choice in each test, equals counted half."""
    count = len(choices.folds)
    tested = choices.measures[:, count : 2 * count, choices.criterion.column]
    own = tested[np.asarray(choices.chosen), np.arange(count)]
    below: np.ndarray = (tested < own).mean(axis=0) + 0.5 * (tested == own).mean(axis=0)
    return below


def _fills(choices: WindowChoices, account: BacktestResult, changed: np.ndarray) -> dict[str, np.ndarray]:
    """Return turnover a year and costs by the window that decided the fills, and those of changes of parameters."""
    fills = account.fills
    decided = np.searchsorted(account.nav.index.to_numpy(), fills["decided"].to_numpy())
    value = (fills["quantity"] * fills["reference_price"]).to_numpy()
    share = 0.5 * value / account.nav.loc[fills["session"]].to_numpy()
    paid = (fills["commission"] + fills["slippage_cost"]).to_numpy()
    first = choices.folds[0].test.start
    starts = np.array([fold.test.start - first for fold in choices.folds])
    window = np.searchsorted(starts, decided, side="right") - 1
    at_border = (decided == starts[window]) & changed[window]
    count = len(starts)
    years = np.array([len(fold.test) for fold in choices.folds]) / account.source.sessions_per_year
    return {
        "test_turnover": np.bincount(window, share, count) / years,
        "test_costs": np.bincount(window, paid, count),
        "switch_turnover": np.bincount(window[at_border], share[at_border], count),
        "switch_costs": np.bincount(window[at_border], paid[at_border], count),
    }
