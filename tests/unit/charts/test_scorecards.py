"""A trained model in a cell: what it is worth, and what it stands on."""

from datetime import UTC, date, datetime

import holoviews as hv
import numpy as np
import pandas as pd
import pytest

from investlab.charts.scorecards import ScorecardRenderer
from investlab.ml.evaluation import Evaluation, FoldReport
from investlab.ml.trained import TrainedModel
from investlab.schemas.ledger import RunStatus
from investlab.schemas.registry import (
    ArtifactFormat,
    InputSignature,
    ModelLineage,
    TrainingRunInfo,
    TrainingSpec,
)
from tests.unit.charts.values import HOSTILE

pytestmark = pytest.mark.slow


def make_trained(learner: str = "lightgbm_ranker", dataset: str = "us-close") -> TrainedModel:
    days = [day.date() for day in pd.bdate_range("2019-01-02", periods=700)]
    values = np.random.default_rng(1).normal(0.04, 0.2, len(days)).clip(-1, 1)
    fold = FoldReport(date(1990, 1, 2), date(2018, 12, 3), 500, days[0], days[-1], float(values.mean()))
    evaluation = Evaluation(learner, 21, "pn-1", (fold,), tuple(days), tuple(map(float, values)))
    lineage = ModelLineage(
        training_run="tr-0123456789ab",
        dataset=dataset,
        dataset_version=1,
        as_of=datetime(2021, 12, 31, 21, tzinfo=UTC),
        panel_id="pn-0123456789abcdef",
        symbols=("AAPL", "MSFT"),
        pipeline_step=None,
        code_identity="c0" * 32,
        lock_hash="10" * 32,
        platform_version="0.1.0",
    )
    spec = TrainingSpec(learner=learner, features=("momentum_12_1", "return_21"), parameters={"num_leaves": 15})
    run = TrainingRunInfo(
        run_id="tr-0123456789ab",
        key="k",
        owner="system",
        status=RunStatus.COMPLETED,
        spec=spec,
        lineage=lineage,
        signature=InputSignature(features=spec.features, horizon_sessions=21),
        artifact_format=ArtifactFormat.LIGHTGBM_TEXT,
        artifact_sha256="ab" * 32,
        evaluation_sha256="cd" * 32,
        scorecard=evaluation.scorecard,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        ended_at=datetime(2026, 1, 1, tzinfo=UTC),
        error=None,
    )
    return TrainedModel(run, evaluation)


@pytest.mark.parametrize(
    "said",
    [
        "Trained model: lightgbm_ranker",
        "95% interval",
        "us-close@1",
        "tr-0123456789ab",
        "num_leaves=15",
        "rank correlation",
    ],
)
def test_a_cell_says(said: str) -> None:
    assert said in ScorecardRenderer.html(make_trained())


def test_the_interval_is_the_scorecards() -> None:
    trained = make_trained()
    card = trained.scorecard
    shown = f"{card.interval_low:+.4f} to {card.interval_high:+.4f}".replace("-", "−")
    assert shown in ScorecardRenderer.html(trained)


def test_the_plot_is_a_holoviews_object() -> None:
    assert isinstance(ScorecardRenderer.plot(make_trained()), hv.Overlay)


def test_the_report_has_the_folds() -> None:
    report = ScorecardRenderer.report(make_trained())
    assert "Folds, in the order of time" in report
    assert "1990-01-02 to 2018-12-03" in report


def test_a_trained_model_finds_its_renderer() -> None:
    assert "il-card" in make_trained()._repr_html_()


def test_hostile_names_are_escaped() -> None:
    html = ScorecardRenderer.html(make_trained(dataset=HOSTILE))
    assert "<img src=x" not in html
