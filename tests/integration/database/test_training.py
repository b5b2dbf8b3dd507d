"""Training runs and the rows of the registry."""

from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from investlab.core.errors import Conflict, InvestlabError, NotFound
from investlab.schemas.ledger import RunStatus
from investlab.schemas.pipelines import StepOutcome
from investlab.schemas.registry import Alias, ModelVersionInfo, TrainingRunInfo
from investlab.store.database import Database
from investlab.store.repositories import datasets, pipelines, registry, training
from tests.support.records import (
    AT,
    add_dataset,
    add_training,
    at,
    pipeline_start,
    step_draft,
    training_end,
    training_start,
)

MODEL = "us-ranker"


@pytest.fixture
def stored(database: Database) -> Database:
    """The dataset us with version 1."""
    database.write(add_dataset)
    return database


def _run(stored: Database, run_id: str) -> TrainingRunInfo:
    with stored.read() as session:
        return training.training_run(session, run_id)


def test_a_training_run_comes_back_as_it_was_started_and_ended(stored: Database) -> None:
    started = stored.write(lambda session: training.start_training(session, training_start()))
    assert (started.status, started.signature, started.scorecard, started.ended_at) == (RunStatus.RUNNING, *[None] * 3)
    done = stored.write(lambda session: training.complete_training(session, "tr-0001", training_end()))
    end = training_end()
    assert done == _run(stored, "tr-00")
    assert (done.status, done.spec, done.signature) == (RunStatus.COMPLETED, training_start().spec, end.signature)
    assert (done.artifact_sha256, done.scorecard, done.ended_at) == (end.artifact_sha256, end.scorecard, end.ended_at)
    lineage = done.lineage
    assert (lineage.dataset, lineage.dataset_version, lineage.as_of) == ("us", 1, AT)
    assert (lineage.symbols, lineage.panel_id, lineage.code_identity) == (("AAPL",), "pn-1", "code-1")
    with stored.read() as session:
        record = training.training_record(session, "tr-0001")
    assert (record.panel, record.learner_identity) == (training_start().panel, "learner-1")


def test_a_completed_key_is_found_and_trained_once(stored: Database) -> None:
    stored.write(lambda session: training.start_training(session, training_start(run_id="tr-early")))
    stored.write(add_training)
    with stored.read() as session:
        found = training.find_by_key(session, "training-key-1")
    assert found is not None
    assert found.run_id == "tr-0001"
    for attempt in (
        lambda session: training.start_training(session, training_start(run_id="tr-again")),
        lambda session: training.complete_training(session, "tr-early", training_end()),
    ):
        with pytest.raises(Conflict, match="with the same key has completed") as raised:
            stored.write(attempt)
        assert raised.value.details == {"run_id": "tr-0001"}


def test_a_failed_training_stays_beside_a_later_one(stored: Database) -> None:
    stored.write(lambda session: training.start_training(session, training_start(run_id="tr-bad")))
    failed = stored.write(lambda session: training.fail_training(session, "tr-bad", error="no rows", at=at(1)))
    assert (failed.status, failed.error, failed.ended_at) == (RunStatus.FAILED, "no rows", at(1))
    stored.write(add_training)
    with stored.read() as session:
        assert [run.run_id for run in training.list_training(session)] == ["tr-0001", "tr-bad"]
        assert training.list_training(session, learner="other") == []
    with pytest.raises(Conflict, match="already ended as failed"):
        stored.write(lambda session: training.fail_training(session, "tr-bad", error="again", at=at(2)))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        pytest.param({"dataset_version": 9}, NotFound, id="version"),
        pytest.param({"pipeline_step": "nowhere"}, NotFound, id="step"),
    ],
)
def test_a_training_run_stands_on_what_exists(
    stored: Database, fields: dict[str, object], error: type[InvestlabError]
) -> None:
    with pytest.raises(error):
        stored.write(lambda session: training.start_training(session, training_start(**fields)))


def test_a_version_that_a_training_run_stands_on_is_pinned(stored: Database) -> None:
    stored.write(add_training)
    with stored.read() as session:
        assert [version.number for version in datasets.pinned_versions(session, "us")] == [1]


def test_a_training_run_is_found_by_its_panel(stored: Database) -> None:
    stored.write(add_training)
    with stored.read() as session:
        found = training.find_by_panel(session, "pn-")
        assert found is not None
        assert found.run_id == "tr-0001"
        assert training.find_by_panel(session, "pn_1") is None


def _add(stored: Database, run_id: str, model: str = MODEL) -> tuple[ModelVersionInfo, bool]:
    return stored.write(lambda session: registry.add_version(session, model, run_id, at=at(3)))


def test_versions_count_up_in_each_model(stored: Database) -> None:
    for number in (1, 2):
        stored.write(lambda session, n=number: add_training(session, n))
    added = [_add(stored, "tr-0001"), _add(stored, "tr-0002"), _add(stored, "tr-0001", "other")]
    assert [(version.label, is_new) for version, is_new in added] == [
        ("us-ranker@1", True),
        ("us-ranker@2", True),
        ("other@1", True),
    ]
    with stored.read() as session:
        assert [version.label for version in registry.versions(session)] == ["other@1", "us-ranker@1", "us-ranker@2"]
        assert registry.models(session) == ["other", "us-ranker"]
        assert registry.version(session, MODEL, 2) == added[1][0]
        assert registry.version_by_id(session, added[1][0].version_id[:9]) == added[1][0]


def test_equal_content_again_is_the_same_version(stored: Database) -> None:
    stored.write(add_training)
    first, again = _add(stored, "tr-0001"), _add(stored, "tr-0001")
    assert again == (first[0], False)
    with stored.read() as session:
        assert registry.recomputed_hash(session, first[0].version_id) == first[0].content_hash


def test_a_version_says_what_it_stands_on(stored: Database) -> None:
    stored.write(lambda session: pipelines.start_run(session, pipeline_start()))
    stored.write(lambda session: pipelines.start_step(session, step_draft(), at=AT))
    start = training_start(pipeline_step="step-0001")
    stored.write(lambda session: training.start_training(session, start))
    stored.write(lambda session: training.complete_training(session, "tr-0001", training_end()))
    stored.write(lambda session: pipelines.complete_step(session, "step-0001", StepOutcome(), at=at(2)))
    version, _ = _add(stored, "tr-0001")
    assert version.lineage == _run(stored, "tr-0001").lineage
    assert (version.lineage.training_run, version.lineage.pipeline_step) == ("tr-0001", "step-0001")
    assert version.version_id == f"mv-{version.content_hash[:12]}"
    assert (version.created_at, version.aliases) == (at(3), ())


def test_an_unfinished_training_gives_no_version(stored: Database) -> None:
    stored.write(lambda session: training.start_training(session, training_start()))
    with pytest.raises(Conflict, match="gave no model: it is running"):
        _add(stored, "tr-0001")


def test_an_unknown_model_or_version_is_named(stored: Database) -> None:
    stored.write(add_training)
    _add(stored, "tr-0001")
    with stored.read() as session:
        with pytest.raises(NotFound, match="Unknown model 'us-rankr'. Did you mean us-ranker"):
            registry.version(session, "us-rankr", 1)
        with pytest.raises(NotFound, match="no version 7. Its versions are 1 to 1"):
            registry.version(session, MODEL, 7)


def test_aliases_move_between_versions(stored: Database) -> None:
    for number in (1, 2):
        stored.write(lambda session, n=number: add_training(session, n))
        _add(stored, f"tr-{number:04d}")

    def unit(session: Session) -> None:
        registry.move_alias(session, MODEL, Alias.CHAMPION, 1, at=at(4))
        registry.move_alias(session, MODEL, Alias.CHALLENGER, 2, at=at(4))
        registry.move_alias(session, MODEL, Alias.CHAMPION, 2, at=at(5))
        registry.move_alias(session, MODEL, Alias.CHALLENGER, None, at=at(5))
        registry.move_alias(session, MODEL, Alias.CHALLENGER, None, at=at(5))

    stored.write(unit)
    with stored.read() as session:
        assert registry.aliases(session, MODEL) == {Alias.CHAMPION: 2}
        assert registry.alias_table(session) == {MODEL: {Alias.CHAMPION: 2}}
        assert registry.aliased(session, MODEL, Alias.CHALLENGER) is None
        champion = registry.aliased(session, MODEL, Alias.CHAMPION)
        assert champion is not None
        assert (champion.number, champion.aliases) == (2, (Alias.CHAMPION,))


def test_an_alias_names_no_version_that_does_not_exist(stored: Database) -> None:
    stored.write(add_training)
    _add(stored, "tr-0001")
    with pytest.raises(NotFound):
        stored.write(lambda session: registry.move_alias(session, MODEL, Alias.CHAMPION, 2, at=AT))


def test_two_writers_of_one_model_get_consecutive_numbers(stored: Database) -> None:
    for number in (1, 2):
        stored.write(lambda session, n=number: add_training(session, n))
    other = Database(stored.url.render_as_string(hide_password=False), sleep=lambda _: None)
    attempts: list[int] = []

    def unit(session: Session) -> int:
        attempts.append(len(registry.versions(session)))
        if len(attempts) == 1 and not stored.is_sqlite:
            other.write(lambda inner: registry.add_version(inner, MODEL, "tr-0002", at=AT) and None)
        return registry.add_version(session, MODEL, "tr-0001", at=datetime(2024, 1, 3, tzinfo=UTC))[0].number

    number = stored.write(unit)
    other.close()
    assert number == (1 if stored.is_sqlite else 2)
