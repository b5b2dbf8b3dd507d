"""The promotion rule: enough sessions, a real gain, and no luck."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from investlab.core.errors import InvalidInput
from investlab.ml.evaluation import Evaluation
from investlab.ml.registry import PromotionRule, decide_promotion, incomparable
from investlab.schemas.registry import ModelLineage

DAYS = tuple(date(2015, 1, 1) + timedelta(days=number) for number in range(1000))
NOISE = np.random.default_rng(0).normal(0.0, 0.05, len(DAYS))
RULE = PromotionRule(min_observations=250, min_gain=0.01)


def evaluation(mean: float, sessions: int = 1000, start: int = 0, horizon: int = 5) -> Evaluation:
    """Return coefficients around a mean; all evaluations share what the sessions do to everyone."""
    common = np.sin(np.arange(len(DAYS))) * 0.3
    values = (common + mean).clip(-1, 1)[start : start + sessions]
    days = DAYS[start : start + sessions]
    return Evaluation("some", horizon, "pn-1", (), days, tuple(values.tolist()))


def noisy(mean: float) -> Evaluation:
    plain = evaluation(mean)
    return replace(plain, coefficients=tuple((np.array(plain.coefficients) + NOISE).tolist()))


@pytest.mark.parametrize(
    ("challenger", "champion", "promote", "said"),
    [
        pytest.param(noisy(0.05), evaluation(0.02), True, "is better", id="clear-gain"),
        pytest.param(evaluation(0.05), evaluation(0.02), True, "is better", id="gain-without-noise"),
        pytest.param(evaluation(0.03), evaluation(0.0205), False, "too small", id="gain-too-small"),
        pytest.param(evaluation(0.02), evaluation(0.02), False, "too small", id="the-same-model"),
        pytest.param(evaluation(0.01), evaluation(0.05), False, "too small", id="worse"),
        pytest.param(evaluation(0.9, 249), evaluation(0.0), False, "249 of the same", id="too-few-in-common"),
        pytest.param(evaluation(0.5, 400), evaluation(0.0, 400, 300), False, "100 of the same", id="little-overlap"),
        pytest.param(evaluation(0.5, 100), evaluation(0.0, 100, 500), False, "0 of the same", id="nothing-in-common"),
        pytest.param(evaluation(0.5, horizon=5), evaluation(0.0, horizon=21), False, "compared", id="other-horizon"),
        pytest.param(evaluation(-0.2, 250), None, True, "no champion", id="first-with-enough"),
        pytest.param(evaluation(0.9, 249), None, False, "250 are needed", id="first-with-too-few"),
    ],
)
def test_promotion(challenger: Evaluation, champion: Evaluation | None, promote: bool, said: str) -> None:
    decision = decide_promotion(challenger, champion, RULE)
    assert decision.promote is promote
    assert said in decision.reason
    assert decision.rule == RULE.text


def test_a_gain_that_may_be_luck_is_not_enough() -> None:
    one = evaluation(0.02)
    wild = np.random.default_rng(1).uniform(-0.5, 0.5, 1000)
    other = replace(one, coefficients=tuple((np.array(one.coefficients) + wild - wild.mean() + 0.002).tolist()))
    decision = decide_promotion(other, one, PromotionRule())
    assert decision.gain is not None
    assert decision.gain_low is not None
    assert decision.gain > 0.0 > decision.gain_low
    assert not decision.promote
    assert "luck" in decision.reason


def test_overlap_makes_a_gain_less_sure() -> None:
    """The same differences over a longer horizon repeat each other more and prove less."""
    trend = np.sin(np.arange(1000) / 40.0) * 0.25 + 0.03
    decisions = []
    for horizon in (1, 21):
        one = evaluation(0.0, horizon=horizon)
        other = replace(one, coefficients=tuple((np.array(one.coefficients) + trend).clip(-1, 1).tolist()))
        decisions.append(decide_promotion(other, one, PromotionRule()).promote)
    assert decisions == [True, False]


def test_only_common_sessions_count() -> None:
    champion = evaluation(0.0, 600)
    challenger = evaluation(0.02, 1000)
    grown = replace(challenger, coefficients=(*challenger.coefficients[:600], *[1.0] * 400))
    assert decide_promotion(grown, champion).observations == 600
    assert decide_promotion(grown, champion).gain == pytest.approx(0.02)


def lineage(*symbols: str, dataset: str = "us", version: int = 1) -> ModelLineage:
    return ModelLineage(
        training_run="tr-1",
        dataset=dataset,
        dataset_version=version,
        as_of=None,
        panel_id="pn-1",
        symbols=symbols,
        pipeline_step=None,
        code_identity="code",
        lock_hash="lock",
        platform_version="0",
    )


@pytest.mark.parametrize(
    ("challenger", "champion", "said"),
    [
        pytest.param(lineage("A", "B"), lineage("B", "A", version=2), None, id="same-in-another-order-and-version"),
        pytest.param(lineage("A", "C"), lineage("A", "B"), "2 instruments .* 2 (1 new, 1 gone)", id="others"),
        pytest.param(lineage("A"), lineage("A", "B"), "1 instruments .* 2 (1 gone)", id="fewer"),
        pytest.param(lineage("A", "B"), lineage("A"), "2 instruments .* 1 (1 new)", id="more"),
        pytest.param(lineage("A"), lineage("A", dataset="eu"), "on us and the champion on eu", id="another-dataset"),
    ],
)
def test_coefficients_of_other_instruments_are_not_compared(
    challenger: ModelLineage, champion: ModelLineage, said: str | None
) -> None:
    reason = incomparable(challenger, champion)
    if said is None:
        assert reason is None
        return
    assert reason is not None
    assert all(part in reason for part in said.split(" .* "))
    assert "cannot be compared" in reason


def test_the_rule_states_its_numbers() -> None:
    text = PromotionRule(min_observations=333, min_gain=0.005, confidence=0.9).text
    assert "333" in text
    assert "0.005" in text
    assert "90%" in text
    assert "same instruments of the same dataset" in text


@pytest.mark.parametrize(
    "numbers",
    [{"min_observations": 0}, {"min_gain": -0.01}, {"min_gain": float("nan")}, {"confidence": 1.0}],
)
def test_an_impossible_rule_is_refused(numbers: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="make no rule"):
        PromotionRule(**numbers)  # type: ignore[arg-type]  # numbers of both kinds
