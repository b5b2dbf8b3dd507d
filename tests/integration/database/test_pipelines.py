"""Pipeline runs and steps: their life, reuse of steps, and tracing of ids."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from investlab.core.errors import Conflict, InvalidInput, InvestlabError, NotFound
from investlab.schemas.audit import Located, RecordKind
from investlab.schemas.pipelines import PipelineRunInfo, PipelineStatus, PipelineStepInfo, StepOutcome
from investlab.store.database import Database
from investlab.store.repositories import pipelines, trace
from tests.support.records import AT, at, fill, pipeline_start, step_draft

OUTCOME = StepOutcome(notebook_path="runs/1.ipynb", html_path="runs/1.html", outputs={"rows": 10})


@pytest.fixture
def started(database: Database) -> Database:
    """A running pipeline run."""
    database.write(lambda session: pipelines.start_run(session, pipeline_start(as_of=at(-60))))
    return database


def _start(started: Database, **fields: Any) -> PipelineStepInfo:
    return started.write(lambda session: pipelines.start_step(session, step_draft(**fields), at=AT))


def _complete(started: Database, step_id: str = "step-0001") -> PipelineStepInfo:
    return started.write(lambda session: pipelines.complete_step(session, step_id, OUTCOME, at=at(1)))


def _finish(started: Database, status: PipelineStatus, error: str | None = None) -> PipelineRunInfo:
    return started.write(lambda session: pipelines.finish_run(session, "pipeline-0001", status, at=at(2), error=error))


def _run(started: Database, run_id: str = "pipeline-0001") -> PipelineRunInfo:
    with started.read() as session:
        return pipelines.run(session, run_id)


def test_a_run_goes_from_start_to_end(started: Database) -> None:
    _start(started)
    _complete(started)
    ended = _finish(started, PipelineStatus.COMPLETED)
    assert ended == _run(started)
    assert (ended.status, ended.started_at, ended.ended_at, ended.as_of) == ("completed", AT, at(2), at(-60))
    assert [(step.name, step.status, step.outputs) for step in ended.steps] == [("ingest", "completed", {"rows": 10})]


def test_steps_are_ordered_by_position(started: Database) -> None:
    _start(started, step_id="step-0002", name="later", position=2)
    _start(started, step_id="step-0001", name="first", position=0)
    assert [step.name for step in _run(started).steps] == ["first", "later"]


def test_a_planned_step_starts_with_what_is_known_then(started: Database) -> None:
    planned = started.write(lambda session: pipelines.plan_step(session, step_draft(key="")))
    assert (planned.status, planned.started_at) == ("pending", None)
    running = _start(started)
    assert (running.status, running.key, running.started_at) == ("running", "step-key", AT)


def test_a_completed_step_is_found_by_pipeline_name_and_key(started: Database) -> None:
    _start(started)
    with started.read() as session:
        assert pipelines.find_reusable_step(session, "nightly", "ingest", "step-key") is None
    done = _complete(started)
    with started.read() as session:
        assert pipelines.find_reusable_step(session, "nightly", "ingest", "step-key") == done
        for wrong in (("weekly", "ingest", "step-key"), ("nightly", "x", "step-key"), ("nightly", "ingest", "x")):
            assert pipelines.find_reusable_step(session, *wrong) is None


def test_the_latest_of_equal_steps_is_reused(started: Database) -> None:
    _start(started)
    _complete(started)
    started.write(lambda session: pipelines.start_run(session, pipeline_start(run_id="pipeline-0002")))
    _start(started, run_id="pipeline-0002", step_id="step-0002")
    _complete(started, "step-0002")
    with started.read() as session:
        found = pipelines.find_reusable_step(session, "nightly", "ingest", "step-key")
    assert found is not None
    assert found.step_id == "step-0002"


def test_a_skipped_step_takes_over_what_it_reuses(started: Database) -> None:
    _start(started)
    _complete(started)
    _start(started, step_id="step-0002", name="again", position=1)
    skipped = started.write(
        lambda session: pipelines.skip_step(session, "step-0002", reused_from="step-0001", at=at(2))
    )
    assert (skipped.status, skipped.reused_from, skipped.ended_at) == ("skipped", "step-0001", at(2))
    assert StepOutcome(**skipped.model_dump(include=set(StepOutcome.model_fields))) == OUTCOME
    with started.read() as session:
        found = pipelines.find_reusable_step(session, "nightly", "again", "step-key")
    assert found is None


def test_only_a_completed_step_stands_in_for_another(started: Database) -> None:
    _start(started)
    _start(started, step_id="step-0002", name="again", position=1)
    with pytest.raises(Conflict, match="'step-0001' is running, not completed"):
        started.write(lambda session: pipelines.skip_step(session, "step-0002", reused_from="step-0001", at=at(2)))


def test_a_step_fails_with_the_notebook_it_left(started: Database) -> None:
    _start(started)
    left = StepOutcome(notebook_path="runs/1.ipynb")
    failed = started.write(
        lambda session: pipelines.fail_step(session, "step-0001", error="cell 3", at=at(1), outcome=left)
    )
    assert (failed.status, failed.error, failed.notebook_path) == ("failed", "cell 3", "runs/1.ipynb")


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        (PipelineStatus.FAILED, "cell 3 failed", "cell 3 failed"),
        (PipelineStatus.INTERRUPTED, None, "The pipeline run was interrupted."),
    ],
)
def test_steps_still_running_at_the_end_have_failed(
    started: Database, status: PipelineStatus, error: str | None, told: str
) -> None:
    _start(started)
    ended = _finish(started, status, error)
    assert [(step.status, step.error, step.ended_at) for step in ended.steps] == [("failed", told, at(2))]


def test_ended_runs_and_steps_stay_ended(started: Database) -> None:
    _start(started)
    _complete(started)
    with pytest.raises(Conflict, match="is completed, not running"):
        _complete(started)
    with pytest.raises(Conflict, match="is completed, not pending"):
        _start(started)
    _finish(started, PipelineStatus.COMPLETED)
    with pytest.raises(Conflict, match="already ended as completed"):
        _finish(started, PipelineStatus.FAILED)
    with pytest.raises(Conflict, match="already ended as completed"):
        _start(started, step_id="step-0003", name="late")


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        pytest.param(
            {"run_id": "pipeline-9", "step_id": "step-0002"}, NotFound, "no pipeline run 'pipeline-9'", id="run"
        ),
        pytest.param({"step_id": "step-0002"}, Conflict, "already has a step 'ingest'", id="name"),
    ],
)
def test_a_step_that_cannot_be_is_refused(
    started: Database, fields: dict[str, Any], error: type[InvestlabError], words: str
) -> None:
    _start(started)
    with pytest.raises(error, match=words):
        _start(started, **fields)


def test_running_is_no_end(started: Database) -> None:
    with pytest.raises(InvalidInput, match="cannot end as running"):
        _finish(started, PipelineStatus.RUNNING)


def test_listing_runs(started: Database) -> None:
    def unit(session: Session) -> None:
        pipelines.start_run(session, pipeline_start(run_id="pipeline-0002", started_at=at(1)))
        pipelines.start_run(session, pipeline_start(run_id="weekly-0001", pipeline="weekly", started_at=at(2)))

    started.write(unit)
    _start(started)
    with started.read() as session:
        assert [run.run_id for run in pipelines.list_runs(session)] == ["weekly-0001", "pipeline-0002", "pipeline-0001"]
        nightly = pipelines.list_runs(session, "nightly")
        assert [len(run.steps) for run in nightly] == [0, 1]
        assert pipelines.list_runs(session, "none") == []


@pytest.mark.parametrize(
    ("given", "kind", "record_id"),
    [
        ("us", RecordKind.DATASET, "us"),
        ("ingest-0001", RecordKind.INGEST_RUN, "ingest-0001"),
        ("run-0001", RecordKind.BACKTEST_RUN, "run-0001"),
        ("run-", RecordKind.BACKTEST_RUN, "run-0001"),
        ("pipe", RecordKind.PIPELINE_RUN, "pipeline-0001"),
        ("step-0002", RecordKind.PIPELINE_STEP, "step-0002"),
    ],
)
def test_an_id_is_located(database: Database, given: str, kind: RecordKind, record_id: str) -> None:
    database.write(fill)
    with database.read() as session:
        assert trace.locate(session, given) == Located(kind=kind, record_id=record_id)


@pytest.mark.parametrize(("given", "error"), [("nowhere", NotFound), ("step", Conflict), ("st", InvalidInput)])
def test_an_id_that_names_no_single_record(database: Database, given: str, error: type[InvestlabError]) -> None:
    database.write(fill)
    with database.read() as session, pytest.raises(error):
        trace.locate(session, given)
