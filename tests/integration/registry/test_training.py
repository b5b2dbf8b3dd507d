"""Recorded training on a small store: found again, traced to the provider, reproduced to the bit."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import investlab as il
from investlab.core.errors import Conflict, InvalidInput, NotFound, NotReproducible
from investlab.market.panel import PricePanel
from investlab.ml.evaluation import Evaluation
from investlab.ml.trained import TrainedModel
from investlab.ml.training import TrainingOutcome, train
from investlab.schemas.ledger import RunStatus
from investlab.schemas.registry import TrainingSpec
from investlab.services import registry
from investlab.services import training as service
from investlab.services.training import run_training
from investlab.services.workspace import Workspace
from investlab.store.repositories import audit, outbox, pipelines, training
from tests.support.models import MODEL
from tests.support.predictions import bare_prediction, prediction
from tests.support.records import pipeline_start, step_draft
from tests.support.workspaces import DATASET, open_with_bars

SPEC = TrainingSpec(learner="momentum_12_1", features=("momentum_12_1", "return_21"), horizon_sessions=5, folds=3)


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Workspace]:
    opened = open_with_bars(monkeypatch, tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture
def panel(lab: Workspace) -> PricePanel:
    return lab.panel(lab.universe(DATASET), adjust="all")


def test_a_model_is_trained_once_and_found_again(lab: Workspace, panel: PricePanel) -> None:
    first, again = run_training(lab.context, SPEC, panel), run_training(lab.context, SPEC, panel)
    assert again == first
    other = run_training(lab.context, SPEC.model_copy(update={"folds": 2}), panel)
    assert other.run_id != first.run_id
    with lab.context.database.read() as session:
        assert len(training.list_training(session)) == 2


def test_a_training_run_says_what_it_stands_on(lab: Workspace, panel: PricePanel) -> None:
    model = run_training(lab.context, SPEC, panel)
    run = model.run
    assert run.run_id.startswith("tr-")
    assert (run.status, run.spec, run.owner) == (RunStatus.COMPLETED, SPEC, lab.context.owner)
    assert (run.lineage.dataset, run.lineage.dataset_version, run.lineage.panel_id) == (DATASET, 1, panel.id)
    assert run.lineage.symbols == tuple(panel.symbols)
    assert run.scorecard == model.evaluation.scorecard
    assert model.scorecard.observations == len(model.evaluation.sessions)
    assert run.run_id in repr(model)


def test_a_loaded_model_equals_the_trained_one(lab: Workspace, panel: PricePanel) -> None:
    model = run_training(lab.context, SPEC, panel)
    assert lab.load(model.run_id[:8]) == model


def test_progress_is_told(lab: Workspace, panel: PricePanel) -> None:
    told: list[tuple[int, int]] = []
    run_training(lab.context, SPEC, panel, lambda done, total: told.append((done, total)))
    assert told[-1] == (SPEC.folds + 1, SPEC.folds + 1)


def test_a_training_is_audited_and_announced(lab: Workspace, panel: PricePanel) -> None:
    model = run_training(lab.context, SPEC, panel)
    with lab.context.database.read() as session:
        event = audit.list_events(session)[0]
        message = outbox.pending(session)[-1]
    assert (event.action, event.subject) == ("run.completed", model.run_id)
    assert event.details["artifact_sha256"] == model.run.artifact_sha256
    assert (message.topic, message.payload["run_id"]) == ("run.completed", model.run_id)


def test_a_failed_training_is_recorded_and_may_be_tried_again(lab: Workspace, panel: PricePanel) -> None:
    with pytest.raises(il.InvestlabError):
        run_training(lab.context, SPEC.model_copy(update={"folds": 400}), panel)
    with lab.context.database.read() as session:
        run = training.list_training(session)[0]
    assert run.status is RunStatus.FAILED
    assert run.error
    with pytest.raises(Conflict, match="has no model: it is failed"):
        lab.load(run.run_id)
    with pytest.raises(Conflict, match="did not complete: it is failed"):
        lab.reproduce(run.run_id)


def test_an_unknown_learner_is_named_and_nothing_recorded(lab: Workspace, panel: PricePanel) -> None:
    with pytest.raises(NotFound, match="Unknown learner 'momentum_12'. Did you mean momentum_12_1"):
        run_training(lab.context, SPEC.model_copy(update={"learner": "momentum_12"}), panel)
    with lab.context.database.read() as session:
        assert training.list_training(session) == []


def test_a_panel_from_frames_cannot_be_trained_on(lab: Workspace, panel: PricePanel) -> None:
    frames = il.PricePanel.from_frames(close=panel.close, basis="total_return")
    with pytest.raises(InvalidInput, match="made from frames"):
        run_training(lab.context, SPEC, frames)


def test_a_format_that_is_not_safe_is_refused(
    lab: Workspace, panel: PricePanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsafe(*arguments: object) -> TrainingOutcome:
        outcome = train(SPEC, panel)
        return TrainingOutcome(
            outcome.artifact,
            "joblib",  # type: ignore[arg-type] # what a foreign learner may give
            outcome.signature,
            outcome.evaluation,
        )

    monkeypatch.setattr(service, "train", unsafe)
    with pytest.raises(InvalidInput, match="'joblib', which is no safe format"):
        run_training(lab.context, SPEC, panel)


def test_of_two_processes_that_train_the_same_one_is_recorded(
    lab: Workspace, panel: PricePanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    winners: list[TrainedModel] = []

    def overtaken(*arguments: object) -> TrainingOutcome:
        monkeypatch.setattr(service, "train", train)
        winners.append(run_training(lab.context, SPEC, panel))
        return train(SPEC, panel)

    monkeypatch.setattr(service, "train", overtaken)
    model = run_training(lab.context, SPEC, panel)
    assert model == winners[0]
    with lab.context.database.read() as session:
        statuses = [run.status for run in training.list_training(session)]
    assert sorted(statuses) == [RunStatus.COMPLETED, RunStatus.FAILED]


def test_a_training_run_reproduces_to_the_bit(lab: Workspace, panel: PricePanel) -> None:
    model = run_training(lab.context, SPEC, panel)
    outcome = lab.reproduce(model.run_id)
    assert outcome.is_equal, outcome.sentence
    assert (outcome.recorded_hash, outcome.differences) == (model.run.artifact_sha256, ())


def test_what_differs_is_named(lab: Workspace, panel: PricePanel, monkeypatch: pytest.MonkeyPatch) -> None:
    model = run_training(lab.context, SPEC, panel)
    monkeypatch.setattr("investlab.services.reproduction.lock_hash", lambda: "other")
    monkeypatch.setattr("investlab.services.reproduction.train", _other)
    outcome = lab.reproduce(model.run_id)
    assert not outcome.is_equal
    assert outcome.differences == ("the installed packages differ", "the evaluation differs")


def _other(spec: TrainingSpec, panel: PricePanel, progress: object) -> TrainingOutcome:
    found = train(spec.model_copy(update={"features": ("momentum_12_1",), "folds": 2}), panel)
    assert isinstance(found.evaluation, Evaluation)
    return found


def test_a_learner_that_is_not_installed_cannot_be_reproduced(
    lab: Workspace, panel: PricePanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = run_training(lab.context, SPEC, panel)
    monkeypatch.setattr(service, "extensions", lambda group: [])
    monkeypatch.setattr(service, "LEARNERS", "investlab.no_such_group")
    with pytest.raises(NotReproducible, match="'momentum_12_1', which is not installed"):
        lab.reproduce(model.run_id)


CHAIN = ["training run", "code", "panel", "dataset version", "ingest run", "provider"]


def test_a_model_version_is_traced_by_id_and_by_label(lab: Workspace, panel: PricePanel) -> None:
    model = run_training(lab.context, SPEC, panel)
    version = registry.register(lab.context, model, MODEL)
    trace = lab.trace(version.version_id)
    assert [link.kind for link in trace.links] == ["model version", *CHAIN]
    assert lab.trace(version.label) == trace
    assert lab.trace(version.version_id[:7]) == trace
    assert lab.trace(model.run_id).links == trace.links[1:]
    assert lab.trace(panel.id).links == trace.links[3:]
    assert f"{DATASET}@1" in str(trace)


def test_a_prediction_is_traced_over_its_version_to_the_provider(lab: Workspace, panel: PricePanel) -> None:
    model = run_training(lab.context, SPEC, panel)
    version = registry.register(lab.context, model, MODEL)
    spool = lab.context.predictions.spool()
    for made in (prediction(1, version_id=version.version_id), bare_prediction(2)):
        spool.append(made.model_copy(update={"version_id": version.version_id}))
    spool.close()
    for number in (1, 2):
        trace = lab.trace(f"pd-{number:012x}")
        assert [link.kind for link in trace.links] == ["prediction", "model version", *CHAIN]
    facts = dict(lab.trace("pd-000000000001").links[0].facts)
    assert facts["source"] == "replay, pass rp-0001"
    assert (facts["session"], facts["data"]) == ("2022-01-03", "us@1")
    with pytest.raises(NotFound, match="no prediction"):
        lab.trace("pd-ffff")


def test_a_trace_names_the_notebook_that_trained(lab: Workspace, panel: PricePanel) -> None:
    now = lab.context.clock.now()
    lab.context.database.write(lambda session: pipelines.start_run(session, pipeline_start()))
    lab.context.database.write(lambda session: pipelines.start_step(session, step_draft(), at=now))
    settings = lab.context.settings.model_copy(update={"pipeline_step": "step-0001"})
    model = run_training(replace(lab.context, settings=settings), SPEC, panel)
    kinds = [link.kind for link in lab.trace(model.run_id).links]
    assert kinds == ["training run", "code", "notebook run", "pipeline run", *CHAIN[2:]]


def test_a_label_means_the_dataset_where_both_exist(lab: Workspace, panel: PricePanel) -> None:
    registry.register(lab.context, run_training(lab.context, SPEC, panel), DATASET)
    assert lab.trace(f"{DATASET}@1").links[0].kind == "dataset version"
    with pytest.raises(NotFound, match="Unknown dataset 'nothing'"):
        lab.trace("nothing@1")
