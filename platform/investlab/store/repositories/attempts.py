"""Backtest runs that are under way, and those whose process is gone."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from investlab.models import core as rows
from investlab.schemas.ledger import RunStatus


def note_trials(session: Session, run_id: str, trials: int) -> None:
    """Record how many trials a run under way has computed; nothing is counted in the ledger before it completes."""
    run = rows.BacktestRun
    session.execute(
        update(run).where(run.uid == run_id, run.status == RunStatus.RUNNING).values(trials=trials),
        execution_options={"synchronize_session": False},
    )


def fail_abandoned(session: Session, run_ids: Sequence[str], *, error: str, at: datetime) -> int:
    """Record of those of the runs that never ended that they failed, and return how many these were."""
    run = rows.BacktestRun
    left = session.scalars(select(run).where(run.uid.in_(run_ids), run.status == RunStatus.RUNNING)).all()
    for row in left:
        row.status, row.error, row.ended_at = RunStatus.FAILED, error, at
    session.flush()
    return len(left)
