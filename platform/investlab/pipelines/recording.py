"""Where a pipeline's progress is recorded: the port that the runner needs, and the database behind it."""

from datetime import datetime
from typing import Protocol

from investlab.schemas.pipelines import (
    PipelineRunInfo,
    PipelineStart,
    PipelineStatus,
    PipelineStepInfo,
    StepDraft,
    StepOutcome,
)
from investlab.store.database import Database
from investlab.store.repositories import pipelines as records


class RunRecorder(Protocol):
    """Keeps pipeline runs and their steps; every call is durable when it returns."""

    def start_run(self, start: PipelineStart) -> None:
        """Record that a run began."""
        ...

    def plan_step(self, draft: StepDraft) -> None:
        """Record a step that will run later."""
        ...

    def start_step(self, draft: StepDraft, at: datetime) -> None:
        """Record that a planned step began."""
        ...

    def complete_step(self, step_id: str, outcome: StepOutcome, at: datetime) -> None:
        """Record that a step completed and what it left behind."""
        ...

    def skip_step(self, step_id: str, reused_from: str, at: datetime) -> None:
        """Record that an earlier step stands in for this one."""
        ...

    def fail_step(self, step_id: str, error: str, outcome: StepOutcome, at: datetime) -> None:
        """Record that a step failed."""
        ...

    def finish_run(self, run_id: str, status: PipelineStatus, error: str | None, at: datetime) -> PipelineRunInfo:
        """Record that a run ended, and return it."""
        ...

    def run(self, run_id: str) -> PipelineRunInfo:
        """Return a run with its steps."""
        ...

    def reusable_step(self, pipeline: str, name: str, key: str) -> PipelineStepInfo | None:
        """Return the latest completed step of that pipeline, name and key."""
        ...


class DatabaseRecorder:
    """Records in the database, each call in a write unit of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start_run(self, start: PipelineStart) -> None:
        """Record that a run began."""
        self._database.write(lambda session: records.start_run(session, start))

    def plan_step(self, draft: StepDraft) -> None:
        """Record a step that will run later."""
        self._database.write(lambda session: records.plan_step(session, draft))

    def start_step(self, draft: StepDraft, at: datetime) -> None:
        """Record that a planned step began."""
        self._database.write(lambda session: records.start_step(session, draft, at=at))

    def complete_step(self, step_id: str, outcome: StepOutcome, at: datetime) -> None:
        """Record that a step completed and what it left behind."""
        self._database.write(lambda session: records.complete_step(session, step_id, outcome, at=at))

    def skip_step(self, step_id: str, reused_from: str, at: datetime) -> None:
        """Record that an earlier step stands in for this one."""
        self._database.write(lambda session: records.skip_step(session, step_id, reused_from=reused_from, at=at))

    def fail_step(self, step_id: str, error: str, outcome: StepOutcome, at: datetime) -> None:
        """Record that a step failed."""
        self._database.write(lambda session: records.fail_step(session, step_id, error=error, outcome=outcome, at=at))

    def finish_run(self, run_id: str, status: PipelineStatus, error: str | None, at: datetime) -> PipelineRunInfo:
        """Record that a run ended, and return it."""
        return self._database.write(lambda session: records.finish_run(session, run_id, status, error=error, at=at))

    def run(self, run_id: str) -> PipelineRunInfo:
        """Return a run with its steps."""
        with self._database.read() as session:
            return records.run(session, run_id)

    def reusable_step(self, pipeline: str, name: str, key: str) -> PipelineStepInfo | None:
        """Return the latest completed step of that pipeline, name and key."""
        with self._database.read() as session:
            return records.find_reusable_step(session, pipeline, name, key)
