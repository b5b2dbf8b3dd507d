"""Linear models: exact JSON, strict reading, rows scored one by one."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from investlab.core.errors import Corrupt, InvalidInput
from investlab.ml.linear import LinearPredictor, LinearWeights
from investlab.ml.momentum_baseline import MomentumBaseline
from investlab.ml.predictor import load_predictor
from investlab.ml.training_sets import TrainingRows
from investlab.schemas.registry import InputSignature
from tests.support.panels import examples

SIGNATURE = InputSignature(features=("a", "b", "c"), horizon_sessions=5)
MODEL = LinearWeights(("a", "b", "c"), (0.1, -1.0 / 3.0, 1e-300), 0.7)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=4, max_size=4))
@examples(100)
def test_weights_are_read_back_exactly(numbers: list[float]) -> None:
    model = LinearWeights(("a", "b", "c"), tuple(numbers[:3]), numbers[3])
    assert LinearWeights.from_bytes(model.to_bytes()) == model


def test_scores_are_baseline_and_contributions() -> None:
    predictor = load_predictor(MODEL.to_bytes(), "linear_json", SIGNATURE)
    rows = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    assert predictor.scores(rows) == pytest.approx([0.7 + 0.1 - 2.0 / 3.0, 0.7])
    assert np.allclose(predictor.baseline(rows) + predictor.contributions(rows).sum(axis=1), predictor.scores(rows))
    assert predictor.contributions(rows).shape == (2, 3)


def test_a_score_does_not_depend_on_the_other_rows() -> None:
    predictor = LinearPredictor.load(MODEL.to_bytes(), SIGNATURE)
    rows = np.random.default_rng(0).normal(size=(257, 3))
    whole = predictor.scores(rows)
    for row in (0, 100, 256):
        assert predictor.scores(rows[row : row + 1])[0] == whole[row]
    assert np.array_equal(predictor.scores(rows[::-1])[::-1], whole)


def _changed(**changes: object) -> bytes:
    return json.dumps(json.loads(MODEL.to_bytes()) | changes).encode()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x80\x04\x95", id="no-text"),
        pytest.param(b"garbage", id="no-json"),
        pytest.param(b"[" * 100_000, id="too-deep"),
        pytest.param(b"[]", id="no-object"),
        pytest.param(MODEL.to_bytes()[:-20], id="truncated"),
        pytest.param(_changed(extra=1), id="another-key"),
        pytest.param(_changed(format="other"), id="another-format"),
        pytest.param(_changed(format_version=2), id="another-version"),
        pytest.param(_changed(features=["a", "b"]), id="a-feature-less"),
        pytest.param(_changed(features=["a", "b", "d"]), id="another-feature"),
        pytest.param(_changed(features=["a", "b", 3]), id="no-name"),
        pytest.param(_changed(weights=[1.0, 2.0]), id="a-weight-less"),
        pytest.param(_changed(weights=[1.0, 2.0, True]), id="no-number"),
        pytest.param(_changed(weights="abc"), id="no-list"),
        pytest.param(_changed(bias=None), id="no-bias"),
        pytest.param(MODEL.to_bytes().replace(b"0.7", b"NaN"), id="not-a-number"),
        pytest.param(MODEL.to_bytes().replace(b"0.7", b"1e999"), id="infinite"),
    ],
)
def test_damaged_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(Corrupt, match="linear model"):
        LinearPredictor.load(content, SIGNATURE)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (np.zeros((2, 2)), "do not fit 3 features"),
        (np.zeros(3), "do not fit 3 features"),
        (np.array([[0.0, 1.0, 2.0], [0.0, np.nan, 2.0]]), "Row 1 has no finite b"),
    ],
)
def test_rows_must_fit(rows: np.ndarray, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        LinearPredictor.load(MODEL.to_bytes(), SIGNATURE).scores(rows)


def test_values_too_large_give_no_warning_and_no_finite_score() -> None:
    model = LinearWeights(("a", "b", "c"), (10.0, -10.0, 0.0))
    scores = LinearPredictor.load(model.to_bytes(), SIGNATURE).scores(np.array([[1e308, 1e308, 0.0]]))
    assert not np.isfinite(scores).any()


@pytest.mark.parametrize("weights", [(1.0,), (1.0, 2.0, float("inf"))])
def test_weights_must_fit(weights: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInput, match="weight"):
        LinearWeights(("a", "b", "c"), weights)


def _rows(*names: str) -> TrainingRows:
    return TrainingRows(names, np.zeros((2, len(names))), np.zeros(2), np.array([2]))


def test_the_baseline_is_plain_momentum() -> None:
    artifact = MomentumBaseline().fit(_rows("return_5", "momentum_12_1"), seed=1)
    signature = InputSignature(features=("return_5", "momentum_12_1"), horizon_sessions=21)
    rows = np.array([[0.5, 0.1], [-0.2, 0.3]])
    assert np.array_equal(load_predictor(artifact, "linear_json", signature).scores(rows), rows[:, 1])
    assert artifact == MomentumBaseline().fit(_rows("return_5", "momentum_12_1"), seed=2)


def test_the_baseline_needs_its_feature() -> None:
    with pytest.raises(InvalidInput, match="needs the feature momentum_12_1"):
        MomentumBaseline().fit(_rows("return_5"), seed=0)
