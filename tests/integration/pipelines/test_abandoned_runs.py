"""A pipeline whose runner was killed: recorded as failed by whoever looks next, and no other run is touched."""

from pathlib import Path

import pytest

from investlab.pipelines import launch
from investlab.pipelines.launch import ABANDONED, Launch, launch_pipeline, pipeline_runs
from investlab.schemas.pipelines import PipelineRunInfo, PipelineStatus, StepStatus
from investlab.services.workspace import Workspace
from investlab.store.locks import folder_lock
from investlab.store.repositories import pipelines
from tests.support.records import pipeline_start, step_draft
from tests.support.workspaces import make_workspace


@pytest.fixture
def lab(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path / "home")


def leave_running(lab: Workspace, run_id: str, pipeline: str = "daily", *, here: bool = True) -> None:
    """Record a run as a killed runner leaves it: running, with a running and a pending step."""
    at = lab.context.clock.now()
    start = pipeline_start(run_id=run_id, pipeline=pipeline)
    lab.context.database.write(lambda session: pipelines.start_run(session, start))
    for number, (name, begins) in enumerate((("ingest", True), ("report", False))):
        draft = step_draft(step_id=f"{run_id}-{name}", run_id=run_id, name=name, position=number)
        lab.context.database.write(
            lambda session, draft=draft, begins=begins: (
                pipelines.start_step(session, draft, at=at) if begins else pipelines.plan_step(session, draft)
            )
        )
    if here:
        (lab.context.settings.home_path / "runs" / run_id).mkdir(parents=True)


def by_id(found: list[PipelineRunInfo]) -> dict[str, PipelineRunInfo]:
    return {run.run_id: run for run in found}


def test_listing_records_a_killed_run_as_failed(lab: Workspace) -> None:
    leave_running(lab, "pl-killed")
    run = by_id(pipeline_runs(lab))["pl-killed"]
    assert (run.status, run.error) == (PipelineStatus.FAILED, ABANDONED)
    assert run.ended_at is not None
    assert [step.status for step in run.steps] == [StepStatus.FAILED, StepStatus.PENDING]


def test_a_run_whose_runner_lives_is_left_alone(lab: Workspace) -> None:
    leave_running(lab, "pl-lives")
    leave_running(lab, "pl-other", "weekly")
    with folder_lock(lab.context.settings.home_path / "runs" / "daily.lock", 1.0):
        found = by_id(pipeline_runs(lab))
    assert found["pl-lives"].status is PipelineStatus.RUNNING
    assert found["pl-other"].status is PipelineStatus.FAILED


def test_a_run_of_another_home_on_the_same_database_is_left_alone(lab: Workspace) -> None:
    leave_running(lab, "pl-elsewhere", here=False)
    assert by_id(pipeline_runs(lab))["pl-elsewhere"].status is PipelineStatus.RUNNING


def test_the_next_run_of_the_pipeline_records_it_too(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_running(lab, "pl-killed")
    seen: list[PipelineRunInfo] = []

    def looking(*_arguments: object) -> PipelineRunInfo:
        with lab.context.database.read() as session:
            seen.append(pipelines.run(session, "pl-killed"))
        return seen[0]

    monkeypatch.setattr(launch, "run_pipeline", looking)
    monkeypatch.setattr(launch, "find_pipeline", lambda _folder, _name: None)
    launch_pipeline(lab, Launch("daily"), lambda _line: None)
    assert seen[0].status is PipelineStatus.FAILED
