"""Training: purged walk-forward evaluation, then one fit on everything whose outcome is known."""

from dataclasses import dataclass

import numpy as np

from investlab.analytics.information import rank_ic
from investlab.analytics.splits import Fold, purged_walk_forward
from investlab.core.errors import InvalidInput
from investlab.core.executor import Progress, no_progress
from investlab.features.matrix import build_features
from investlab.market.panel import PricePanel
from investlab.ml.evaluation import Evaluation, FoldReport
from investlab.ml.learner import Learner, build_learner
from investlab.ml.predictor import Predictor, predictor_kind
from investlab.ml.training_sets import TrainingSet, build_training_set
from investlab.schemas.registry import ArtifactFormat, InputSignature, TrainingSpec


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """A trained model as bytes in a safe format, what it takes, and how it did out of sample."""

    artifact: bytes
    artifact_format: ArtifactFormat
    signature: InputSignature
    evaluation: Evaluation


def train(spec: TrainingSpec, panel: PricePanel, progress: Progress = no_progress) -> TrainingOutcome:
    """Return the model that a spec's learner makes of a panel, evaluated out of sample.

    Sessions whose forward return is known are cut into folds (see `purged_walk_forward`). A fold trains on every
    `sample_every_sessions`-th session before its test block, purged by the horizon, and the model, loaded back from
    its artifact as it would be for serving, scores every session of the block. So each session of the evaluation was
    scored once, by a model that knew nothing of it. The model returned is fitted last, on every sampled session of the
    panel whose forward return is known; nothing after the panel's last session enters anywhere.

    Raises:
        NotFound: Learner or feature is unknown; near matches are named.
        UnknownParameter: The learner has no such parameter.
        InvalidInput: The panel is too short for features, horizon and folds, or has fewer than two instruments.
    """
    learner = build_learner(spec.learner, spec.parameters)
    kind = predictor_kind(learner.artifact_format)
    features = build_features(panel, spec.features)
    given = build_training_set(panel, features, spec.horizon_sessions)
    signature = InputSignature(features=features.names, horizon_sessions=spec.horizon_sessions)
    labelled = given.labelled_sessions()
    folds = purged_walk_forward(labelled, folds=spec.folds, horizon_sessions=spec.horizon_sessions)
    coefficients = np.full(len(given.sessions), np.nan)
    reports = []
    for number, fold in enumerate(folds):
        predictor = kind.load(_fit(learner, given, fold.train, spec), signature)
        coefficients[fold.test.start : fold.test.stop] = _tested(given, predictor, fold.test)
        reports.append(_report(given, coefficients, fold, spec))
        progress(number + 1, len(folds) + 1)
    artifact = _fit(learner, given, labelled, spec)
    kind.load(artifact, signature)
    progress(len(folds) + 1, len(folds) + 1)
    return TrainingOutcome(
        artifact, learner.artifact_format, signature, _evaluation(given, coefficients, reports, spec)
    )


def _sampled(positions: range, spec: TrainingSpec) -> range:
    """Return every so many-th position from the first on, so that a longer panel samples the same ones again."""
    return range(positions.start, positions.stop, spec.sample_every_sessions)


def _fit(learner: Learner, given: TrainingSet, positions: range, spec: TrainingSpec) -> bytes:
    return learner.fit(given.rows(_sampled(positions, spec)), spec.seed)


def _tested(given: TrainingSet, predictor: Predictor, block: range) -> np.ndarray:
    """Return the information coefficient of each session of a test block, NaN where there is nothing to order."""
    span = slice(block.start, block.stop)
    outcomes = given.forward_returns[span]
    kept = given.usable[span] & ~np.isnan(outcomes)
    scores = np.full(outcomes.shape, np.nan)
    if kept.any():
        scores[kept] = predictor.scores(given.features[span][kept])
    return rank_ic(scores, outcomes)


def _report(given: TrainingSet, coefficients: np.ndarray, fold: Fold, spec: TrainingSpec) -> FoldReport:
    found = coefficients[fold.test.start : fold.test.stop]
    if np.isnan(found).all():
        raise InvalidInput(
            f"Nothing can be evaluated between {given.sessions[fold.test[0]]} and {given.sessions[fold.test[-1]]}: "
            "no session has two instruments with all features and different forward returns.",
            remedy="Use more instruments or fewer folds.",
        )
    return FoldReport(
        train_first=given.sessions[fold.train[0]].item(),
        train_last=given.sessions[fold.train[-1]].item(),
        training_sessions=len(_sampled(fold.train, spec)),
        test_first=given.sessions[fold.test[0]].item(),
        test_last=given.sessions[fold.test[-1]].item(),
        information_coefficient=float(np.nanmean(found)),
    )


def _evaluation(
    given: TrainingSet, coefficients: np.ndarray, reports: list[FoldReport], spec: TrainingSpec
) -> Evaluation:
    known = ~np.isnan(coefficients)
    return Evaluation(
        learner=spec.learner,
        horizon_sessions=spec.horizon_sessions,
        panel_id=given.panel_id,
        folds=tuple(reports),
        sessions=tuple(given.sessions[known].tolist()),
        coefficients=tuple(coefficients[known].tolist()),
    )
