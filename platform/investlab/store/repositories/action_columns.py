"""Corporate actions as known at a time, as columns: a whole market's, read past the unit of work."""

from collections.abc import Collection
from datetime import datetime

import numpy as np
from sqlalchemy import String, func, select, type_coerce
from sqlalchemy.orm import Session

from investlab.market.told_actions import NONE, ToldActions
from investlab.models import core as rows
from investlab.store.repositories.lookup import dataset_row

_MOST_IN_LIST = 1000


def newest_action(session: Session) -> int:
    """Return a number that grows whenever an action is recorded; 0 before the first."""
    return session.scalar(select(func.max(rows.CorporateAction.id))) or 0


def told_actions(
    session: Session,
    dataset: str,
    instrument_ids: Collection[int] | None = None,
    *,
    as_of: datetime | None = None,
    ingested_by: datetime | None = None,
) -> ToldActions:
    """Return what `actions_as_of` lists, as columns: ordered by ex-date, instrument and kind, each as last known.

    Raises:
        NotFound: There is no dataset of that name.
    """
    table = rows.CorporateAction
    columns = table.__table__.c
    # Exact decimals and dates come as the database has them: making objects of them takes most of the time.
    query = (
        select(
            columns.instrument_id,
            type_coerce(columns.kind, String),
            type_coerce(columns.ex_date, String),
            type_coerce(columns.value, String),
            columns.counterpart_instrument_id,
            type_coerce(columns.counterpart_ratio, String),
        )
        .where(table.dataset_id == dataset_row(session, dataset).id)
        .order_by(columns.known_at)
    )
    if instrument_ids is not None and len(instrument_ids) <= _MOST_IN_LIST:
        query = query.where(columns.instrument_id.in_(sorted(set(instrument_ids))))
    if as_of is not None:
        query = query.where(columns.known_at <= as_of)
    if ingested_by is not None:
        query = query.where(columns.ingested_at <= ingested_by)
    latest = {(str(row[2]), row[0], row[1]): row for row in session.execute(query)}
    found = [latest[key] for key in sorted(latest)]
    told = ToldActions(
        np.array([row[0] for row in found], np.int64),
        np.array([row[1] for row in found], np.str_),
        np.array([str(row[2]) for row in found], "datetime64[D]"),
        np.array([float(row[3]) for row in found], np.float64),
        np.array([NONE if row[4] is None else row[4] for row in found], np.int64),
        np.array([np.nan if row[5] is None else float(row[5]) for row in found], np.float64),
    )
    if instrument_ids is None or len(instrument_ids) <= _MOST_IN_LIST:
        return told
    return told.take(np.isin(told.instrument_ids, list(instrument_ids)))
