"""Labels and archive of backtest runs, and the runs that match what is asked of both and of metrics."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from investlab.core.errors import NotFound
from investlab.models import core as rows
from investlab.schemas.ledger import RunQuery
from investlab.schemas.run_labels import RunLabels
from investlab.store.repositories.lookup import row_by_uid

_READ_AT_ONCE = 500
_NEAR = 2_000
"""The latest runs among which near matches of a wrong id are looked for."""


def label_run(session: Session, run_id: str, labels: RunLabels) -> str:
    """Set what is given of a run's name, tags and note; return the run's whole id.

    Raises:
        NotFound: No run matches.
        Conflict: Several do.
    """
    row = row_by_uid(session, rows.BacktestRun, run_id, "backtest run")
    for name, value in labels.given.items():
        setattr(row, name, (list(value) if name == "tags" else value) or None)
    session.flush()
    return row.uid


def archive_run(session: Session, run_id: str, *, at: datetime | None) -> str:
    """Put a run into the archive, or take it out when `at` is None; return the run's whole id.

    Raises:
        NotFound: No run matches.
        Conflict: Several do.
    """
    row = row_by_uid(session, rows.BacktestRun, run_id, "backtest run")
    row.archived_at = at if row.archived_at is None or at is None else row.archived_at
    session.flush()
    return row.uid


def latest_ids(session: Session) -> list[str]:
    """Return the ids of the latest runs, newest first."""
    run = rows.BacktestRun
    return list(session.scalars(select(run.uid).order_by(run.started_at.desc(), run.id.desc()).limit(_NEAR)))


def matching_keys(session: Session, chosen: Select[int], query: RunQuery) -> Sequence[int]:
    """Return the keys of the first `query.limit` runs of a selection that match the query's further demands.

    Raises:
        NotFound: No run of the selection has a metric that the query names; near matches are named.
    """
    run = rows.BacktestRun
    if query.since is not None:
        chosen = chosen.where(run.started_at >= query.since)
    if query.archived is not None:
        chosen = chosen.where(run.archived_at.is_not(None) if query.archived else run.archived_at.is_(None))
    if not (query.text or query.tags or query.conditions):
        return session.scalars(chosen.limit(query.limit)).all()
    wide = chosen.with_only_columns(run.id, run.uid, run.name, run.note, run.strategy, run.tags, run.metrics)
    keys: list[int] = []
    seen: set[str] = set()
    for key, *words, tags, metrics in session.execute(wide.execution_options(yield_per=_READ_AT_ONCE)):
        seen.update(metrics)
        if _fits(query, words, tags or [], metrics):
            keys.append(key)
            if len(keys) == query.limit:
                return keys
    _require_metrics(query, seen)
    return keys


def _fits(query: RunQuery, words: Sequence[str | None], tags: Sequence[str], metrics: Mapping[str, Any]) -> bool:
    text = "\n".join([*(word for word in words if word), *tags]).casefold()
    return (
        set(query.tags) <= set(tags)
        and all(part.casefold() in text for part in query.text)
        and all(condition.is_met(_number(metrics.get(condition.metric))) for condition in query.conditions)
    )


def _number(value: Any) -> float | None:
    """Return a metric, which a document holds as text where it is undefined or infinite."""
    return None if value is None else float(value)


def _require_metrics(query: RunQuery, known: set[str]) -> None:
    for condition in query.conditions:
        if known and condition.metric not in known:
            raise NotFound.named("metric", condition.metric, known)
