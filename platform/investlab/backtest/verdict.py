"""Whether the best trial of a sweep is more than luck: the numbers, the rule and one plain sentence."""

from dataclasses import dataclass
from enum import StrEnum
from math import floor, isfinite, sqrt

import numpy as np

from investlab.analytics.bootstrap import LEAST_RETURNS, Interval, bootstrap_intervals
from investlab.analytics.overfitting import (
    ReturnMoments,
    deflated_sharpe,
    expected_maximum_sharpe,
    minimum_backtest_years,
    minimum_track_record,
    probabilistic_sharpe,
)
from investlab.analytics.symmetric_splits import LEAST_PER_BLOCK, Overfitting, overfitting

CONFIDENCE = 0.95
"""The deflated Sharpe ratio that more than luck asks for, and the confidence of the intervals."""

OVERFITTED = 0.5
"""From this probability of backtest overfitting on, choosing the best trial is no better than tossing a coin."""

NOT_OVERFITTED = 0.05
"""Up to this probability the choice stands: the level at which the authors of the measure reject."""


class VerdictKind(StrEnum):
    """What a verdict says."""

    LUCK = "luck"
    UNCLEAR = "unclear"
    MORE_THAN_LUCK = "more than luck"


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What the best trial was chosen from.

    `counted_trials` are all trials of the ledger, None where nothing counts them; `trial_variance` is the variance of
    the sweep's Sharpe ratios per session; `block_moments` are the rows of `write_block_moments` over `sessions`.
    `subject` names what is judged where it is not the best trial itself.
    """

    trials: int
    counted_trials: int | None
    trial_variance: float
    sessions: int
    block_moments: np.ndarray | None
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The numbers behind a verdict; Sharpe ratios are annualised, means are per year, probabilities fractions.

    `luck_sharpe` is what the best of all trials without skill would be expected to show, `interval` and
    `mean_interval` are stationary-bootstrap intervals at 95 % (None for fewer than eight returns). `overfitting` is
    None where there is one trial or the panel is too short. `minimum_track_record_years` is how long the best trial's
    record would have to be to exceed `luck_sharpe` at 95 %, `minimum_backtest_years` how long one on which as many
    independent trials would by luck not show its Sharpe ratio; both may be infinite. `is_spread_known` is false where
    the ledger counts trials whose spread this sweep's own, narrower than chance alone would make it, cannot stand for.
    """

    trials: int
    counted_trials: int | None
    years: float
    sharpe: float
    luck_sharpe: float
    deflated_sharpe: float
    probabilistic_sharpe: float
    interval: Interval | None
    mean_interval: Interval | None
    overfitting: Overfitting | None
    minimum_track_record_years: float
    minimum_backtest_years: float
    is_spread_known: bool
    subject: str = ""

    @property
    def kind(self) -> VerdictKind:
        """Return what the rule of docs/conventions.md makes of the numbers; a doubt never counts in favour."""
        if self.fails:
            return VerdictKind.LUCK
        return VerdictKind.UNCLEAR if self.doubts else VerdictKind.MORE_THAN_LUCK

    @property
    def fails(self) -> tuple[str, ...]:
        """Return what speaks for luck, each as a clause; empty where nothing does."""
        found = []
        if not self.deflated_sharpe >= CONFIDENCE:
            found.append(f"its deflated Sharpe ratio is {_percent(self.deflated_sharpe)}, below {_percent(CONFIDENCE)}")
        if self.interval is None:
            found.append("its returns are too few for an interval")
        elif not self.interval.lower > 0.0:
            found.append(f"its Sharpe ratio may be {self.interval.lower:.2f} to {self.interval.upper:.2f}")
        if self.overfitting is not None and self.overfitting.probability >= OVERFITTED:
            found.append(self._splits(self.overfitting))
        return tuple(found)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Return what stands against more than luck without speaking for luck, each as a clause."""
        found = []
        if not self.is_spread_known:
            found.append("its trials differ too little to tell how far the ledger's others spread")
        if self.overfitting is None and self.trials > 1:
            found.append("the panel is too short to tell how often such a choice fails")
        elif self.overfitting is not None and NOT_OVERFITTED < self.overfitting.probability < OVERFITTED:
            found.append(self._splits(self.overfitting))
        return tuple(found)

    @property
    def sentence(self) -> str:
        """Return the verdict as one plain sentence with its numbers and reasons."""
        facts = f"{self._choice} has Sharpe {self.sharpe:.2f}, luck alone would show {self.luck_sharpe:.2f}"
        if self.kind is VerdictKind.LUCK:
            return f"Not distinguishable from luck: {'; '.join((facts, *self.fails))}."
        if self.kind is VerdictKind.UNCLEAR:
            return f"Unclear whether it is more than luck: {'; '.join((facts, *self.doubts))}."
        return f"More than luck at {_percent(CONFIDENCE)}: {'; '.join((facts, *self._support))}."

    @property
    def _choice(self) -> str:
        counted = "uncounted" if self.counted_trials is None else f"{self.counted_trials:,} in the ledger"
        subject = self.subject or "the best"
        return f"{subject} of {self.trials:,} {'trial' if self.trials == 1 else 'trials'} ({counted})"

    @property
    def _support(self) -> tuple[str, ...]:
        support = [f"its deflated Sharpe ratio is {_percent(self.deflated_sharpe)}"]
        if self.interval is not None:
            support.append(f"its Sharpe ratio may be {self.interval.lower:.2f} to {self.interval.upper:.2f}")
        if self.overfitting is not None:
            support.append(self._splits(self.overfitting))
        if isfinite(self.minimum_track_record_years):
            support.append(f"its {self.years:.1f} years reach the {self.minimum_track_record_years:.1f} that it takes")
        return tuple(support)

    @staticmethod
    def _splits(overfitting: Overfitting) -> str:
        return f"{_percent(overfitting.probability)} of splits pick a trial that is below the median afterwards"


def reach_verdict(best: np.ndarray, selection: Selection, sessions_per_year: float) -> Verdict:
    """Return the verdict on the best trial's returns per session; the same input gives the same bits.

    Raises:
        InvalidInput: There are fewer than two returns or no trial.
    """
    moments = ReturnMoments.of(best)
    counted = max(selection.trials, selection.counted_trials or 0)
    year = sqrt(sessions_per_year)
    luck = expected_maximum_sharpe(counted, selection.trial_variance)
    drawn = bootstrap_intervals(best, confidence=CONFIDENCE) if len(best) >= LEAST_RETURNS else None
    return Verdict(
        trials=selection.trials,
        counted_trials=selection.counted_trials,
        years=moments.observations / sessions_per_year,
        sharpe=moments.sharpe * year,
        luck_sharpe=luck * year,
        deflated_sharpe=deflated_sharpe(moments, counted, selection.trial_variance),
        probabilistic_sharpe=probabilistic_sharpe(moments),
        interval=None if drawn is None else _scaled(drawn.sharpe, year),
        mean_interval=None if drawn is None else _scaled(drawn.mean, sessions_per_year),
        overfitting=_overfitting(selection),
        minimum_track_record_years=minimum_track_record(moments, luck, CONFIDENCE) / sessions_per_year,
        minimum_backtest_years=minimum_backtest_years(counted, moments.sharpe * year),
        is_spread_known=counted == selection.trials or selection.trial_variance >= 1.0 / (moments.observations - 1),
        subject=selection.subject,
    )


def _overfitting(selection: Selection) -> Overfitting | None:
    moments = selection.block_moments
    if moments is None or len(moments) < 2 or selection.sessions < LEAST_PER_BLOCK * moments.shape[1] // 2:
        return None
    return overfitting(moments, selection.sessions)


def _scaled(interval: Interval, factor: float) -> Interval:
    return Interval(interval.lower * factor, interval.upper * factor)


def _percent(share: float) -> str:
    """Return a share in per cent, rounded down to a tenth, so that no number below a threshold reads as that one."""
    if not isfinite(share):
        return "unknown"
    return f"{floor(share * 1000.0) / 10.0:g} %"
