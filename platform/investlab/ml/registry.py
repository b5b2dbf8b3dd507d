"""The registry's rule: when a challenger has earned the champion alias."""

from dataclasses import dataclass

import numpy as np

from investlab.analytics.information import MeanInterval, mean_interval
from investlab.core.errors import InvalidInput
from investlab.ml.evaluation import Evaluation
from investlab.schemas.registry import ModelLineage, PromotionDecision

LARGEST_GAIN = 2.0
"""Between coefficients of −1 and 1; bounds of what cannot be told are cut to it."""


@dataclass(frozen=True, slots=True)
class PromotionRule:
    """What a challenger must show; `text` is the rule in words, recorded with every decision.

    Raises:
        InvalidInput: A number is out of range.
    """

    min_observations: int = 250
    min_gain: float = 0.0
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if self.min_observations < 1 or not 0.0 <= self.min_gain < LARGEST_GAIN or not 0.0 < self.confidence < 1.0:
            raise InvalidInput(
                f"min_observations {self.min_observations}, min_gain {self.min_gain} and confidence {self.confidence} "
                "make no rule.",
                remedy="Give at least one observation, a gain that is not negative, a confidence between 0 and 1.",
            )

    @property
    def text(self) -> str:
        """Return the rule in words."""
        return (
            "Both must be trained and scored on the same instruments of the same dataset. On the out-of-sample "
            f"sessions that both were scored on, at least {self.min_observations}, the challenger's mean information "
            f" coefficient must exceed the champion's by more than {self.min_gain:g}, and the "
            f"{self.confidence:.0%} confidence interval of the mean difference, which allows for overlapping forward "
            f"returns, must lie above zero. Without a champion, {self.min_observations} out-of-sample sessions are "
            "enough."
        )


def decide_promotion(
    challenger: Evaluation, champion: Evaluation | None, rule: PromotionRule | None = None
) -> PromotionDecision:
    """Return what a rule, by default `PromotionRule()`, says of a challenger.

    The mean of a difference has a narrower interval than the difference of two means: both models are tried by the
    same sessions, so what those sessions had in common drops out.
    """
    rule = rule or PromotionRule()
    if champion is None:
        return _without_champion(challenger, rule)
    if challenger.horizon_sessions != champion.horizon_sessions:
        return refuse_promotion(
            f"The challenger looks {challenger.horizon_sessions} sessions ahead and the champion "
            f"{champion.horizon_sessions}: their information coefficients cannot be compared.",
            rule,
        )
    differences = _differences(challenger, champion)
    found = mean_interval(differences, challenger.horizon_sessions, rule.confidence)
    promote, reason = _judge(found, rule)
    return PromotionDecision(
        promote=promote,
        rule=rule.text,
        reason=reason,
        gain=found.mean if found.observations else None,
        gain_low=max(found.low, -LARGEST_GAIN) if found.observations else None,
        gain_high=min(found.high, LARGEST_GAIN) if found.observations else None,
        observations=found.observations,
    )


def refuse_promotion(reason: str, rule: PromotionRule) -> PromotionDecision:
    """Return the decision against a challenger whose numbers say nothing about the champion's."""
    return PromotionDecision(promote=False, rule=rule.text, reason=reason)


def incomparable(challenger: ModelLineage, champion: ModelLineage) -> str | None:
    """Return why coefficients measured on these grounds cannot be compared, None where they can.

    A coefficient over other instruments answers another question: some universes are easier to order than others, so
    the same model gains by being scored on them. Versions of a dataset may differ: data grows.
    """
    if challenger.dataset != champion.dataset:
        return (
            f"The challenger was scored on {challenger.dataset} and the champion on {champion.dataset}: their "
            "information coefficients cannot be compared."
        )
    own, other = set(challenger.symbols), set(champion.symbols)
    if own == other:
        return None
    apart = [f"{len(found)} {side}" for found, side in ((own - other, "new"), (other - own, "gone")) if found]
    return (
        f"The challenger was scored on {len(own)} instruments and the champion on {len(other)} ({', '.join(apart)}): "
        "their information coefficients cannot be compared."
    )


def _without_champion(challenger: Evaluation, rule: PromotionRule) -> PromotionDecision:
    count = len(challenger.sessions)
    enough = count >= rule.min_observations
    return PromotionDecision(
        promote=enough,
        rule=rule.text,
        reason=(
            f"There is no champion, and the challenger was scored on {count} out-of-sample sessions"
            f"{'.' if enough else f'; {rule.min_observations} are needed.'}"
        ),
        observations=count,
    )


def _differences(challenger: Evaluation, champion: Evaluation) -> np.ndarray:
    """Return challenger less champion on the sessions both were scored on, in order."""
    others = dict(zip(champion.sessions, champion.coefficients, strict=True))
    pairs = zip(challenger.sessions, challenger.coefficients, strict=True)
    return np.array([own - others[session] for session, own in pairs if session in others], dtype=np.float64)


def _judge(found: MeanInterval, rule: PromotionRule) -> tuple[bool, str]:
    if found.observations < rule.min_observations:
        return False, (
            f"Both were scored on {found.observations} of the same out-of-sample sessions; {rule.min_observations} are "
            "needed."
        )
    interval = f"{rule.confidence:.0%} interval [{found.low:+.4f}, {found.high:+.4f}]"
    said = f"gain in mean information coefficient {found.mean:+.4f}, {interval}, on {found.observations} sessions"
    if found.mean <= rule.min_gain:
        return False, f"The gain is too small: {said}."
    if found.low <= 0.0:
        return False, f"The gain may be luck, for its interval reaches zero: {said}."
    return True, f"The challenger is better: {said}."
