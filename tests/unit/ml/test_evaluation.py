"""Evaluations are kept exactly and read strictly."""

import json
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from investlab.core.errors import Corrupt, InvalidInput
from investlab.ml.evaluation import Evaluation, FoldReport
from tests.support.panels import examples

DAY = date(2020, 1, 1)
FOLD = FoldReport(DAY, DAY, 1, DAY, DAY, 0.125)


def evaluation(coefficients: list[float], horizon: int = 5) -> Evaluation:
    days = tuple(DAY + timedelta(days=number) for number in range(len(coefficients)))
    return Evaluation("some", horizon, "pn-1", (FOLD,), days, tuple(coefficients))


@given(st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=20))
@examples(100)
def test_an_evaluation_is_read_back_exactly(coefficients: list[float]) -> None:
    given_one = evaluation(coefficients)
    assert Evaluation.from_bytes(given_one.to_bytes()) == given_one
    assert Evaluation.from_bytes(given_one.to_bytes()).to_bytes() == given_one.to_bytes()


def test_the_scorecard_tells_the_mean_with_its_interval() -> None:
    coefficients = np.random.default_rng(0).normal(0.05, 0.2, 500).clip(-1, 1)
    card = evaluation(coefficients.tolist()).scorecard
    assert card.information_coefficient == pytest.approx(coefficients.mean())
    assert -1.0 < card.interval_low < card.information_coefficient < card.interval_high < 1.0
    assert (card.observations, card.effective_observations, card.folds) == (500, 100, 1)
    assert (card.first_session, card.last_session) == (DAY, DAY + timedelta(days=499))


def test_a_scorecard_of_few_sessions_promises_nothing() -> None:
    card = evaluation([0.9, 0.8], horizon=5).scorecard
    assert (card.interval_low, card.interval_high) == (-1.0, 1.0)


def test_coefficients_are_indexed_by_session() -> None:
    series = evaluation([0.1, 0.2]).by_session
    assert series.index[1].date() == DAY + timedelta(days=1)
    assert series.tolist() == [0.1, 0.2]


def _changed(**changes: object) -> bytes:
    return json.dumps(json.loads(evaluation([0.1, 0.2]).to_bytes()) | changes).encode()


def _fold(**changes: object) -> list[dict[str, object]]:
    folds: list[dict[str, object]] = json.loads(evaluation([0.1]).to_bytes())["folds"]
    return [folds[0] | changes]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe", id="no-text"),
        pytest.param(b"[]", id="no-object"),
        pytest.param(b"[" * 100_000, id="too-deep"),
        pytest.param(evaluation([0.1, 0.2]).to_bytes()[:-9], id="truncated"),
        pytest.param(_changed(more=1), id="another-key"),
        pytest.param(_changed(format_version=2), id="another-version"),
        pytest.param(_changed(coefficients=[0.1]), id="a-coefficient-less"),
        pytest.param(_changed(coefficients=[0.1, 2.0]), id="out-of-range"),
        pytest.param(_changed(coefficients=[0.1, True]), id="no-number"),
        pytest.param(_changed(coefficients=None), id="no-list"),
        pytest.param(_changed(sessions=["2020-01-02", "2020-01-01"]), id="unsorted"),
        pytest.param(_changed(sessions=["2020-01-01", "now"]), id="no-date"),
        pytest.param(_changed(horizon_sessions=0), id="no-horizon"),
        pytest.param(_changed(horizon_sessions=5.0), id="no-whole-number"),
        pytest.param(_changed(learner=3), id="no-name"),
        pytest.param(_changed(folds=[{}]), id="empty-fold"),
        pytest.param(_changed(folds=_fold(training_sessions=1.5)), id="damaged-fold"),
        pytest.param(evaluation([0.5]).to_bytes().replace(b"0.5", b"NaN"), id="not-a-number"),
    ],
)
def test_damaged_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(Corrupt, match="evaluation is damaged"):
        Evaluation.from_bytes(content)


def test_an_evaluation_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least one"):
        evaluation([])
    with pytest.raises(InvalidInput, match="horizon"):
        replace(evaluation([0.1]), horizon_sessions=0)
