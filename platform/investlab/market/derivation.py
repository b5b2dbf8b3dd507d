"""Corporate actions derived from a vendor's raw and adjusted closes."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

import numpy as np

from investlab.core.errors import QualityRejected
from investlab.schemas.market import ActionKind

SAME_FACTOR = 1e-6
"""Relative step of the adjustment factor below which nothing happened; exact vendors repeat it to 1e-13."""

SIMPLE_RATIO = 1e-7
SMALLEST_SPLIT = Fraction(6, 5)
LARGEST_PART = 20
LARGEST_DIVIDEND = 0.25
DECIMALS = 6


class AdjustmentRule(StrEnum):
    """How a vendor folds a dividend D into its adjustment factor.

    `ex_close` grows the factor by 1 + D / close of the ex-date (the rule of Quandl's WIKI prices); `prior_close`
    by 1 / (1 − D / close before the ex-date) (CRSP).
    """

    EX_CLOSE = "ex_close"
    PRIOR_CLOSE = "prior_close"


@dataclass(frozen=True, slots=True)
class DerivedAction:
    """An action found in the factor: the ex-date's position, its kind, and its ratio or amount per share.

    `uncertainty` is how far the true value may lie away because the vendor's prices are rounded, in the value's unit.
    """

    position: int
    kind: ActionKind
    value: float
    uncertainty: float = 0.0


def derive_actions(
    raw_close: np.ndarray, adjusted_close: np.ndarray, rule: AdjustmentRule, label: str
) -> list[DerivedAction]:
    """Return the splits and dividends that explain an adjusted close, ordered by session.

    Both arrays are one instrument's closes by session without gaps. A step of adjusted ÷ raw by a simple ratio of at
    least 6:5 (or at most 5:6) is a split; any other step up is a dividend by the vendor's rule, rounded to 6 decimals.
    A dividend is in doubt by that rounding, and to first order by that of the two adjusted closes around its ex-date.

    Raises:
        QualityRejected: A step down that is no split, or a dividend above a quarter of the price.
    """
    factor = adjusted_close / raw_close
    growth = factor[1:] / factor[:-1]
    # A raw price is what was traded, exactly; only a rounded adjusted one leaves a step in doubt.
    adjusted_ticks = _half_ticks(adjusted_close)
    actions = []
    for position in np.flatnonzero(np.abs(growth - 1.0) > SAME_FACTOR) + 1:
        step = float(growth[position - 1])
        ratio = _split_ratio(step)
        if ratio is not None:
            actions.append(DerivedAction(int(position), ActionKind.SPLIT, ratio))
            continue
        if rule is AdjustmentRule.EX_CLOSE:
            amount = (step - 1.0) * float(raw_close[position])
        else:
            amount = (1.0 - 1.0 / step) * float(raw_close[position - 1])
        if not 0 < amount < LARGEST_DIVIDEND * float(raw_close[position - 1]):
            raise QualityRejected(
                f"The adjusted close of {label} steps by {step:.6g} at row {position}, which is no split or dividend.",
                remedy="Check the vendor's adjusted closes, or ingest the prices without deriving actions.",
            )
        doubt = adjusted_ticks[position - 1 : position + 1].sum() * step * float(raw_close[position])
        doubt = float(doubt) + 0.5 * 10.0**-DECIMALS
        actions.append(DerivedAction(int(position), ActionKind.DIVIDEND, round(amount, DECIMALS), doubt))
    return actions


def _half_ticks(prices: np.ndarray) -> np.ndarray:
    """Return half of the last digit that prices are rounded to, as a share of each; zero for those with every digit."""
    for digits in range(2, DECIMALS + 1):
        if np.allclose(prices, prices.round(digits), rtol=0, atol=10.0 ** -(digits + 4)):
            return 0.5 * 10.0**-digits / prices
    return np.zeros(len(prices))


def rebuilt_steps(raw_close: np.ndarray, actions: Sequence[DerivedAction], rule: AdjustmentRule) -> np.ndarray:
    """Return the steps of the adjustment factor that actions imply by a vendor's rule, from the second session on.

    Raw return × step is the vendor's adjusted return, up to what is in doubt.
    """
    steps = np.ones(len(raw_close) - 1)
    for action in actions:
        before, after = float(raw_close[action.position - 1]), float(raw_close[action.position])
        if action.kind is ActionKind.SPLIT:
            steps[action.position - 1] *= action.value
        elif rule is AdjustmentRule.EX_CLOSE:
            steps[action.position - 1] *= 1.0 + action.value / after
        else:
            steps[action.position - 1] *= 1.0 / (1.0 - action.value / before)
    return steps


def _split_ratio(step: float) -> float | None:
    ratio = Fraction(step).limit_denominator(LARGEST_PART)
    if ratio.numerator > LARGEST_PART or ratio == 0:
        return None
    if 1 / SMALLEST_SPLIT < ratio < SMALLEST_SPLIT:
        return None
    return float(ratio) if abs(step / float(ratio) - 1.0) < SIMPLE_RATIO else None
