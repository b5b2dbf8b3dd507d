"""Training tests each session once by a model that knew nothing of it, and the better model wins, or none does."""

import numpy as np
import pytest

from investlab.core.errors import InvalidInput, NotFound
from investlab.features.matrix import build_features
from investlab.market.panel import PricePanel
from investlab.ml.learner import build_learner
from investlab.ml.predictor import load_predictor
from investlab.ml.registry import decide_promotion
from investlab.ml.training import TrainingOutcome, train
from investlab.ml.training_sets import build_training_set
from investlab.schemas.registry import ArtifactFormat, InputSignature, TrainingSpec
from tests.support.panels import random_panel, with_another_future
from tests.support.planted import planted_panel

HORIZON = 5
BASELINE = TrainingSpec(learner="momentum_12_1", features=("momentum_12_1",), horizon_sessions=HORIZON, folds=3)
RANKER = TrainingSpec(
    learner="lightgbm_ranker",
    features=("momentum_12_1", "return_5", "return_21", "return_21_rank", "volatility_21"),
    horizon_sessions=HORIZON,
    folds=3,
    parameters={"trees": 40, "min_rows_in_leaf": 50},
)
QUICK = TrainingSpec(
    learner="lightgbm_ranker",
    features=("return_5", "return_21"),
    horizon_sessions=HORIZON,
    folds=2,
    parameters={"trees": 5, "min_rows_in_leaf": 20},
)


@pytest.fixture(scope="module")
def panel() -> PricePanel:
    return random_panel(0, sessions=200, instruments=6, basis="total_return")


@pytest.fixture(scope="module")
def outcome(panel: PricePanel) -> TrainingOutcome:
    return train(QUICK, panel)


def test_a_planted_signal_makes_the_ranker_win() -> None:
    """On synthetic prices that lean against the last month, which twelve-month momentum cannot see."""
    synthetic = planted_panel(seed=0, strength=0.03)
    challenger, champion = (train(spec, synthetic).evaluation for spec in (RANKER, BASELINE))
    assert challenger.sessions == champion.sessions
    assert challenger.scorecard.interval_low > 0.05
    decision = decide_promotion(challenger, champion)
    assert decision.promote, decision.reason


def test_without_a_signal_the_baseline_stays() -> None:
    """On synthetic prices whose returns are independent of every feature."""
    synthetic = planted_panel(seed=0, strength=0.0)
    challenger, champion = (train(spec, synthetic).evaluation for spec in (RANKER, BASELINE))
    card = challenger.scorecard
    assert card.interval_low < 0.0 < card.interval_high
    decision = decide_promotion(challenger, champion)
    assert not decision.promote, decision.reason


def test_training_again_gives_the_same_bits(panel: PricePanel, outcome: TrainingOutcome) -> None:
    again = train(QUICK, panel)
    assert again.artifact == outcome.artifact
    assert again.evaluation.to_bytes() == outcome.evaluation.to_bytes()


def test_the_outcome_is_what_the_spec_asks_for(panel: PricePanel, outcome: TrainingOutcome) -> None:
    assert outcome.artifact_format is ArtifactFormat.LIGHTGBM_TEXT
    assert outcome.signature == InputSignature(features=QUICK.features, horizon_sessions=HORIZON)
    assert outcome.evaluation.panel_id == panel.id
    predictor = load_predictor(outcome.artifact, outcome.artifact_format, outcome.signature)
    row = build_features(panel, QUICK.features).row(panel.last_session)
    assert np.isfinite(predictor.scores(row)).all()


def test_folds_are_purged_and_test_every_session_once(panel: PricePanel, outcome: TrainingOutcome) -> None:
    evaluation = outcome.evaluation
    place = {session: row for row, session in enumerate(panel.sessions.tolist())}
    for fold in evaluation.folds:
        assert place[fold.train_last] + HORIZON < place[fold.test_first]
        assert fold.training_sessions == (place[fold.train_last] - place[fold.train_first]) // 5 + 1
    tested = [place[session] for session in evaluation.sessions]
    assert tested == list(range(place[evaluation.folds[0].test_first], 200 - HORIZON))
    assert place[evaluation.folds[0].train_first] == 21


def test_a_fold_is_scored_by_a_model_of_its_past(panel: PricePanel, outcome: TrainingOutcome) -> None:
    """Whatever happens after the first test block's outcomes are known leaves its coefficients as they are."""
    place = {session: row for row, session in enumerate(panel.sessions.tolist())}
    block = outcome.evaluation.folds[0]
    cut = place[block.test_last] + HORIZON
    other = train(QUICK, with_another_future(panel, cut)).evaluation
    count = place[block.test_last] - place[block.test_first] + 1
    assert other.coefficients[:count] == outcome.evaluation.coefficients[:count]
    assert other.coefficients[count:] != outcome.evaluation.coefficients[count:]


def test_the_last_fit_uses_every_known_outcome_and_no_other(panel: PricePanel, outcome: TrainingOutcome) -> None:
    given = build_training_set(panel, build_features(panel, QUICK.features), HORIZON)
    learner = build_learner(QUICK.learner, QUICK.parameters)
    assert outcome.artifact == learner.fit(given.rows(range(21, 200 - HORIZON, 5)), QUICK.seed)
    assert np.isnan(given.forward_returns[200 - HORIZON :]).all()


def test_progress_is_told(panel: PricePanel) -> None:
    told: list[tuple[int, int]] = []
    train(BASELINE, random_panel(0, 330, 3, basis="total_return"), lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"learner": "lightgbm"}, NotFound, "lightgbm_ranker"),
        ({"features": ("return_7",)}, NotFound, "return_"),
        ({"folds": 40}, InvalidInput, "too few for 40 folds"),
        ({"horizon_sessions": 190}, InvalidInput, "two instruments"),
        ({"learner": "momentum_12_1", "parameters": {}}, InvalidInput, "needs the feature momentum_12_1"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    panel: PricePanel, changes: dict[str, object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        train(QUICK.model_copy(update=changes), panel)
