"""The ranker learns an order, gives the same bits everywhere, and damaged text never reaches LightGBM."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from investlab.core.errors import Corrupt, InvalidInput, NotFound, UnknownParameter
from investlab.ml import lightgbm_ranker
from investlab.ml.learner import build_learner
from investlab.ml.lightgbm_ranker import LightGBMPredictor, LightGBMRanker, grade_returns
from investlab.ml.lightgbm_text import check_model_text
from investlab.ml.predictor import load_predictor
from investlab.schemas.registry import InputSignature
from tests.support.planted import training_rows

ROOT = Path(__file__).resolve().parents[3]
SIGNATURE = InputSignature(features=("f0", "f1", "f2"), horizon_sessions=5)
SMALL = LightGBMRanker(trees=8, leaves=7, depth=6, min_rows_in_leaf=20, learning_rate=0.1)


@pytest.fixture(scope="module")
def text() -> str:
    return SMALL.fit(training_rows(), seed=0).decode()


@pytest.fixture(scope="module")
def predictor(text: str) -> LightGBMPredictor:
    return LightGBMPredictor.load(text.encode(), SIGNATURE)


ROWS = np.random.default_rng(5).normal(size=(300, 3))


def test_it_learns_the_order(predictor: LightGBMPredictor) -> None:
    assert np.corrcoef(predictor.scores(ROWS), ROWS[:, 0])[0, 1] > 0.8


def test_the_same_rows_and_seed_give_the_same_bytes(text: str) -> None:
    assert SMALL.fit(training_rows(), seed=0).decode() == text
    assert SMALL.fit(training_rows(), seed=1).decode() != text


@pytest.mark.slow
def test_another_process_with_other_threads_gives_the_same_bytes(text: str) -> None:
    probe = """
import hashlib
from investlab.ml.lightgbm_ranker import LightGBMRanker
from tests.support.planted import training_rows
ranker = LightGBMRanker(trees=8, leaves=7, depth=6, min_rows_in_leaf=20, learning_rate=0.1)
print(hashlib.sha256(ranker.fit(training_rows(), seed=0)).hexdigest())
"""
    for threads in ("1", "3"):
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "PYTHONPATH": str(ROOT)}
        outcome = subprocess.run(
            [sys.executable, "-c", probe], capture_output=True, text=True, env=environment, check=True
        )
        assert outcome.stdout.strip() == hashlib.sha256(text.encode()).hexdigest()


def test_a_score_does_not_depend_on_the_other_rows(predictor: LightGBMPredictor) -> None:
    scores, parts = predictor.scores(ROWS), predictor.contributions(ROWS)
    for row in (0, 17, 299):
        alone = ROWS[row : row + 1]
        assert predictor.scores(alone)[0] == scores[row]
        assert np.array_equal(predictor.contributions(alone)[0], parts[row])
    assert np.array_equal(predictor.scores(ROWS[::-1])[::-1], scores)
    assert np.array_equal(predictor.scores(np.asfortranarray(ROWS)), scores)


def test_contributions_and_baseline_sum_to_the_score(predictor: LightGBMPredictor) -> None:
    total = predictor.contributions(ROWS).sum(axis=1) + predictor.baseline(ROWS)
    assert np.allclose(total, predictor.scores(ROWS), rtol=0.0, atol=1e-12)
    assert len(set(predictor.baseline(ROWS))) == 1


def test_no_rows_have_no_scores(predictor: LightGBMPredictor) -> None:
    nothing = np.empty((0, 3))
    assert predictor.scores(nothing).shape == (0,)
    assert predictor.contributions(nothing).shape == (0, 3)
    assert predictor.baseline(nothing).shape == (0,)


@pytest.mark.parametrize("rows", [np.zeros((2, 4)), np.array([[0.0, np.inf, 0.0]])])
def test_rows_must_fit(predictor: LightGBMPredictor, rows: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match=r"do not fit|no finite f1"):
        predictor.scores(rows)


def test_returns_are_graded_within_their_session() -> None:
    returns = np.array([0.5, 0.1, 0.3, -0.9, -0.8, -0.8])
    assert grade_returns(returns, np.array([3, 3]), 3).tolist() == [2, 0, 1, 0, 2, 2]
    assert grade_returns(returns, np.array([6]), 2).tolist() == [1, 1, 1, 0, 0, 0]
    assert grade_returns(np.zeros(4), np.array([4]), 5).tolist() == [2, 2, 2, 2]


def test_sessions_with_nothing_to_learn_still_give_a_model() -> None:
    rows = training_rows(sessions=3, instruments=4)
    predictor = load_predictor(LightGBMRanker(trees=3).fit(rows, 0), "lightgbm_text", SIGNATURE)
    assert np.array_equal(predictor.scores(ROWS), np.zeros(len(ROWS)))
    assert np.array_equal(predictor.contributions(ROWS), np.zeros(ROWS.shape))


@pytest.mark.parametrize(
    "parameters",
    [
        {"trees": 0},
        {"trees": 1.5},
        {"leaves": 1},
        {"leaves": 257},
        {"depth": 0},
        {"learning_rate": 0.0},
        {"feature_fraction": 1.1},
        {"l2": -1.0},
        {"l2": float("nan")},
        {"grades": True},
        {"min_rows_in_leaf": "20"},
    ],
)
def test_parameters_out_of_range_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(parameters))):
        build_learner("lightgbm_ranker", parameters)


def test_unknown_learners_and_parameters_are_refused() -> None:
    with pytest.raises(UnknownParameter, match="no parameter 'tree'.*trees"):
        build_learner("lightgbm_ranker", {"tree": 5})
    with pytest.raises(UnknownParameter, match="It takes none"):
        build_learner("momentum_12_1", {"tree": 5})
    with pytest.raises(NotFound, match="lightgbm_ranker"):
        build_learner("lightgbm", {})


@pytest.mark.parametrize(
    ("pattern", "new"),
    [
        pytest.param(r"^tree\n", "three\n", id="first-line"),
        pytest.param(r"version=v4", "version=v3", id="version"),
        pytest.param(r"objective=lambdarank", "objective=regression", id="objective"),
        pytest.param(r"num_class=1", "num_class=2", id="classes"),
        pytest.param(r"f0 f1 f2", "f0 f2 f1", id="order-of-features"),
        pytest.param(r"feature_infos=\S+", "feature_infos=[nan:1]", id="range-of-a-feature"),
        pytest.param(r"tree_sizes=\d+", "tree_sizes=9", id="size-of-a-tree"),
        pytest.param(r"tree_sizes=\d+ ", "tree_sizes=", id="a-tree-less"),
        pytest.param(r"Tree=1", "Tree=2", id="number-of-a-tree"),
        pytest.param(r"num_leaves=7", "num_leaves=6", id="leaves"),
        pytest.param(r"num_cat=0", "num_cat=1", id="categories"),
        pytest.param(r"split_feature=\d", "split_feature=3", id="no-such-feature"),
        pytest.param(r"decision_type=2", "decision_type=1", id="kind-of-a-split"),
        pytest.param(r"leaf_value=\S", "leaf_value=x", id="no-number"),
        pytest.param(r"is_linear=0", "is_linear=1", id="linear-leaves"),
        pytest.param(r"leaf_count=\d", "leaf_count=-", id="negative-count"),
        pytest.param(r"end of trees\n", "end of trees\nmore\n", id="more-than-the-end"),
    ],
)
def test_changed_text_is_refused(text: str, pattern: str, new: str) -> None:
    changed = re.sub(pattern, new, text, count=1)
    assert changed != text
    with pytest.raises(Corrupt, match="LightGBM model"):
        LightGBMPredictor.load(changed.encode(), SIGNATURE)


def _with_children(text: str, left: str, right: str) -> str:
    """Return the text with other children in its first tree, and that tree's size put right."""
    begin, end = text.index("Tree=0"), text.index("Tree=1")
    tree = re.sub(r"left_child=.*", f"left_child={left}", text[begin:end])
    tree = re.sub(r"right_child=.*", f"right_child={right}", tree)
    head = re.sub(r"tree_sizes=\d+", f"tree_sizes={len(tree)}", text[:begin])
    return f"{head}{tree}{text[end:]}"


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [
        pytest.param("1 2 -1 -3 -5 -6", "3 4 5 -2 -4 -7", None, id="a-tree"),
        pytest.param("1 2 -1 -3 -5 -6", "3 4 6 -2 -4 -7", "connected", id="no-such-node"),
        pytest.param("1 2 -1 -3 -5 -6", "3 4 5 -2 -4 -8", "connected", id="no-such-leaf"),
        pytest.param("1 2 -1 -3 -5 -6", "3 4 5 -2 -4 -6", "connected", id="a-leaf-twice"),
        pytest.param("0 2 -1 -3 -5 -6", "3 4 5 -2 -4 -7", "connected", id="its-own-child"),
        pytest.param("-1 2 1 -3 -5 -6", "3 4 5 -2 -4 -7", "circle", id="a-circle"),
    ],
)
def test_nodes_must_be_one_tree(text: str, left: str, right: str, said: str | None) -> None:
    """Otherwise LightGBM runs in a circle or reads foreign memory."""
    changed = _with_children(text, left, right)
    if said is None:
        assert check_model_text(changed, SIGNATURE.features) == 8
        return
    with pytest.raises(Corrupt, match=said):
        check_model_text(changed, SIGNATURE.features)


def test_text_cut_anywhere_is_refused(text: str) -> None:
    for length in {*range(0, len(text) - 1, 37), len(text) - 1}:
        with pytest.raises(Corrupt, match="LightGBM model"):
            check_model_text(text[:length], SIGNATURE.features)


def test_a_changed_character_is_refused_or_harmless(text: str) -> None:
    """Whatever still reads as a complete tree of finite numbers loads and scores; the hash is for the rest."""
    rng = np.random.default_rng(3)
    for _ in range(150):
        place = int(rng.integers(len(text)))
        changed = text[:place] + chr(int(rng.integers(32, 127))) + text[place + 1 :]
        try:
            found = LightGBMPredictor.load(changed.encode(), SIGNATURE)
        except Corrupt:
            continue
        assert np.isfinite(found.scores(ROWS[:5])).all()


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"\x80\x04\x95\xff", b"tree\n\n", b"tree\nversion=v4\n" * 50, b"\n" * 5000]
)
def test_what_is_no_model_is_refused(content: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Corrupt, match="LightGBM model"):
        LightGBMPredictor.load(content, SIGNATURE)
    assert capfd.readouterr() == ("", "")


def test_a_model_of_other_features_is_refused(text: str) -> None:
    for features in (("f0", "f1"), ("f0", "f1", "f2", "f3"), ("f0", "f1", "return_5")):
        with pytest.raises(Corrupt, match="its header"):
            LightGBMPredictor.load(text.encode(), InputSignature(features=features, horizon_sessions=5))


def test_training_and_loading_print_nothing(capfd: pytest.CaptureFixture[str], text: str) -> None:
    SMALL.fit(training_rows(sessions=30), seed=0)
    LightGBMRanker(trees=3).fit(training_rows(sessions=2), seed=0)
    LightGBMPredictor.load(text.encode(), SIGNATURE).scores(ROWS)
    assert capfd.readouterr() == ("", "")


def test_the_runtime_is_loaded_before_lightgbm() -> None:
    source = Path(lightgbm_ranker.__file__).read_text(encoding="utf-8")
    assert source.index("import investlab.ml.openmp") < source.index("\nimport lightgbm")
