"""A sweep ends in one plain sentence, and the rule behind it never gives a doubt away."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from investlab.analytics.bootstrap import Interval
from investlab.analytics.overfitting import ReturnMoments, deflated_sharpe, expected_maximum_sharpe
from investlab.analytics.symmetric_splits import Overfitting, overfitting_of
from investlab.backtest.costs import Costs
from investlab.backtest.engine import run_strategy
from investlab.backtest.strategies import SmaCross
from investlab.backtest.sweep import CROSS_VALIDATED, split_sweep, sweep
from investlab.backtest.verdict import Selection, Verdict, VerdictKind, reach_verdict
from investlab.core.errors import InvalidInput
from investlab.market.panel import PricePanel
from tests.support.panels import random_panel

SPLITS = Overfitting(0.01, 0.02, 0.3, 0.0, 0.1, 12_870, 1_035)

GOOD = Verdict(
    trials=1_035,
    counted_trials=3_210,
    years=8.5,
    sharpe=1.94,
    luck_sharpe=0.93,
    deflated_sharpe=0.991,
    probabilistic_sharpe=0.999,
    interval=Interval(0.81, 2.7),
    mean_interval=Interval(0.04, 0.2),
    overfitting=SPLITS,
    minimum_track_record_years=2.71,
    minimum_backtest_years=3.4,
    is_spread_known=True,
)


def splits(probability: float) -> Overfitting:
    return replace(SPLITS, probability=probability)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        pytest.param({}, "more than luck", id="all-good"),
        pytest.param({"deflated_sharpe": 0.95}, "more than luck", id="at-the-confidence"),
        pytest.param({"deflated_sharpe": 0.9499}, "luck", id="below-the-confidence"),
        pytest.param({"deflated_sharpe": float("nan")}, "luck", id="no-deflated-sharpe"),
        pytest.param({"interval": Interval(0.0, 2.7)}, "luck", id="interval-touches-nothing"),
        pytest.param({"interval": None}, "luck", id="no-interval"),
        pytest.param({"overfitting": splits(0.5)}, "luck", id="coin-toss"),
        pytest.param({"overfitting": splits(0.4999)}, "unclear", id="better-than-a-coin"),
        pytest.param({"overfitting": splits(0.0501)}, "unclear", id="above-five-per-cent"),
        pytest.param({"overfitting": splits(0.05)}, "more than luck", id="at-five-per-cent"),
        pytest.param({"overfitting": None}, "unclear", id="too-short"),
        pytest.param({"overfitting": None, "trials": 1}, "more than luck", id="nothing-chosen"),
        pytest.param({"is_spread_known": False}, "unclear", id="unknown-spread"),
        pytest.param({"is_spread_known": False, "deflated_sharpe": 0.2}, "luck", id="luck-beats-doubt"),
    ],
)
def test_the_rule(changes: dict, kind: str) -> None:
    assert replace(GOOD, **changes).kind == VerdictKind(kind)


def test_the_sentences() -> None:
    assert GOOD.sentence == (
        "More than luck at 95 %: the best of 1,035 trials (3,210 in the ledger) has Sharpe 1.94, luck alone would show "
        "0.93; its deflated Sharpe ratio is 99.1 %; its Sharpe ratio may be 0.81 to 2.70; 1 % of splits pick a trial "
        "that is below the median afterwards; its 8.5 years reach the 2.7 that it takes."
    )
    bad = replace(GOOD, sharpe=0.71, deflated_sharpe=0.3112, overfitting=splits(0.62), counted_trials=None)
    assert bad.sentence == (
        "Not distinguishable from luck: the best of 1,035 trials (uncounted) has Sharpe 0.71, luck alone would show "
        "0.93; its deflated Sharpe ratio is 31.1 %, below 95 %; 62 % of splits pick a trial that is below the median "
        "afterwards."
    )
    assert replace(GOOD, overfitting=None).sentence == (
        "Unclear whether it is more than luck: the best of 1,035 trials (3,210 in the ledger) has Sharpe 1.94, luck "
        "alone would show 0.93; the panel is too short to tell how often such a choice fails."
    )


def test_no_number_below_a_threshold_reads_as_the_threshold() -> None:
    assert "is 94.9 %, below 95 %" in replace(GOOD, deflated_sharpe=0.94999).sentence


def test_the_numbers_are_those_of_the_formulas() -> None:
    returns = np.random.default_rng(0).normal(0.001, 0.01, 500)
    found = reach_verdict(returns, Selection(40, 90, 0.01, 500, None), 252.0)
    moments = ReturnMoments.of(returns)
    assert found.sharpe == pytest.approx(moments.sharpe * np.sqrt(252))
    assert found.luck_sharpe == pytest.approx(expected_maximum_sharpe(90, 0.01) * np.sqrt(252))
    assert found.deflated_sharpe == deflated_sharpe(moments, 90, 0.01)
    assert (found.overfitting, found.years) == (None, pytest.approx(500 / 252))


@pytest.mark.parametrize(
    ("counted", "variance", "known"), [(None, 0.0, True), (40, 0.0, True), (90, 0.0, False), (90, 0.01, True)]
)
def test_trials_beyond_the_sweep_need_a_spread(counted: int | None, variance: float, known: bool) -> None:
    returns = np.random.default_rng(0).normal(0.001, 0.01, 500)
    assert reach_verdict(returns, Selection(40, counted, variance, 500, None), 252.0).is_spread_known is known


def test_too_few_returns_are_refused() -> None:
    with pytest.raises(InvalidInput, match="two returns"):
        reach_verdict(np.array([0.1]), Selection(1, None, 0.0, 2, None), 252.0)


@pytest.mark.parametrize("execution", ["next_open", "same_close"])
def test_a_sweep_is_cross_validated_as_its_trials_returns_are(execution: str) -> None:
    panel = random_panel(5, sessions=203, missing=0.02, actions=6)
    costs = Costs.bps(5, 2)
    result = sweep(SmaCross, {"fast": [2, 3, 5], "slow": [8, 13, 21]}, panel, costs=costs, execution=execution)
    columns = []
    for row in result.table.to_dict("records"):
        single = run_strategy(SmaCross(row["fast"], row["slow"]), panel, costs=costs, execution=execution)
        columns.append(single.returns.reindex(panel.index, fill_value=0.0).to_numpy())
    assert result.verdict.overfitting == overfitting_of(np.array(columns).T)


def test_a_large_sweep_keeps_the_same_trials_in_any_chunks() -> None:
    combinations = tuple({"fast": number} for number in range(5_003))
    kept = []
    for size in (1, 256, 5_003):
        parts = split_sweep(combinations, size)
        kept.append([part.combinations[place]["fast"] for part in parts for place in part.kept])
    assert kept[0] == kept[1] == kept[2] == sorted(kept[0])
    assert len(set(kept[0])) == CROSS_VALIDATED


def test_a_ledger_that_counts_more_trials_makes_luck_likelier() -> None:
    result = sweep(SmaCross, {"fast": [2, 5], "slow": [8, 13, 30]}, random_panel(5, sessions=203))
    counted = replace(result, counted=True, cumulative_trials=9_000)
    assert counted.verdict.luck_sharpe > result.verdict.luck_sharpe
    assert "(9,000 in the ledger)" in counted.verdict.sentence


@dataclass(frozen=True)
class Insider:
    """Trades at random; number 7 knows the session after for every fourth session."""

    name: ClassVar[str] = "insider"
    family: ClassVar[str] = "insider"
    number: int = 0

    def signals(self, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
        draws = np.random.default_rng(self.number).random(panel.shape)
        if self.number != 7:
            return draws < 0.1, draws > 0.9
        close = panel.values("close")
        rises = np.vstack([close[1:] > close[:-1], np.zeros((1, close.shape[1]), dtype=bool)])
        knows = np.random.default_rng(1_000).random(panel.shape) < 0.25
        return np.where(knows, rises, draws < 0.1), np.where(knows, ~rises, draws > 0.9)


def test_a_planted_edge_is_more_than_luck() -> None:
    panel = random_panel(3, sessions=1_000, instruments=2)
    result = sweep(Insider, {"number": list(range(60))}, panel, execution="same_close")
    assert result.best_parameters == {"number": 7}
    assert result.verdict.kind is VerdictKind.MORE_THAN_LUCK
