"""Figures from companies' reports as known at a time; restatements are further rows, nothing is ever overwritten."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import batched
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Select, insert, select
from sqlalchemy.orm import Session

from investlab.core.clock import require_aware
from investlab.core.errors import Conflict
from investlab.models import core as rows
from investlab.schemas.catalog import RowCounts
from investlab.schemas.fundamentals import FundamentalFact
from investlab.store.repositories.lookup import row_by_uid

FactKey = tuple[int, str, date]
_MOST_IN_LIST = 1000
_HISTORY = ("instrument_id", "metric", "period_end", "known_at", "value", "currency", "source")


def add_facts(session: Session, facts: Iterable[FundamentalFact], *, ingest_run_id: str, at: datetime) -> RowCounts:
    """Record facts as ingested at `at` and return how many were new and same.

    A fact that says what was already known by its `known_at` is the same; one with another value and a later
    `known_at` is a restatement and new.

    Raises:
        NotFound: The ingest run does not exist.
        Conflict: The same fact was recorded with the same `known_at` and another value or currency.
    """
    ingest = row_by_uid(session, rows.IngestRun, ingest_run_id, "ingest run")
    given = sorted(facts, key=lambda fact: (fact.known_at, _key(fact)))
    known = _known(session, given)
    fresh = []
    for fact in given:
        told = known.setdefault(_key(fact), {})
        if _is_news(fact, told):
            told[require_aware(fact.known_at)] = (fact.value, fact.currency)
            fresh.append({**fact.model_dump(), "ingested_at": at, "ingest_run_id": ingest.id})
    if fresh:
        session.execute(insert(rows.FundamentalFact), fresh)
    return RowCounts(new=len(fresh), same=len(given) - len(fresh))


def facts_as_of(
    session: Session,
    instrument_ids: Sequence[int] | None = None,
    metrics: Sequence[str] | None = None,
    *,
    as_of: datetime | None = None,
    ingested_by: datetime | None = None,
) -> list[FundamentalFact]:
    """List facts ordered by instrument, metric and period, each as it was last known; exact.

    `as_of` leaves out what was not yet filed, `ingested_by` (a dataset version's `ingested_at`) what was not yet
    stored; both moments count themselves. All instruments or metrics are meant where none are given.
    """
    latest: dict[FactKey, FundamentalFact] = {}
    for query in _queries(rows.FundamentalFact, instrument_ids, metrics, (as_of, ingested_by)):
        for row in session.scalars(query.order_by(rows.FundamentalFact.known_at)):
            latest[row.instrument_id, row.metric, row.period_end] = _fact(row)
    return sorted(latest.values(), key=_key)


def facts_history(
    session: Session,
    instrument_ids: Sequence[int] | None = None,
    metrics: Sequence[str] | None = None,
    *,
    as_of: datetime | None = None,
    ingested_by: datetime | None = None,
) -> pd.DataFrame:
    """Return every filing, first ones and restatements, one row each; for research: values are float64.

    Columns: instrument_id (int64), metric, period_end (datetime64[s]), known_at (UTC, microseconds), value, currency,
    source; ordered by instrument, metric, period and `known_at`. `as_of` and `ingested_by` as in `facts_as_of`.
    """
    columns = [getattr(rows.FundamentalFact, name) for name in _HISTORY]
    found = [
        row
        for query in _queries(columns, instrument_ids, metrics, (as_of, ingested_by))
        for row in session.execute(query)
    ]
    told = dict(zip(_HISTORY, zip(*found, strict=True), strict=True)) if found else dict.fromkeys(_HISTORY, ())
    frame = pd.DataFrame(
        {
            "instrument_id": np.array(told["instrument_id"], dtype=np.int64),
            "metric": pd.Series(told["metric"], dtype="str"),
            "period_end": np.array(told["period_end"], dtype="datetime64[s]"),
            "known_at": pd.DatetimeIndex(told["known_at"]).tz_convert("UTC").as_unit("us") if found else _NO_MOMENTS,
            "value": np.array([float(value) for value in told["value"]], dtype=np.float64),
            "currency": pd.Series(told["currency"], dtype="str"),
            "source": pd.Series(told["source"], dtype="str"),
        }
    )
    order = ["instrument_id", "metric", "period_end", "known_at"]
    return frame.sort_values(order, kind="stable", ignore_index=True)


def metrics(session: Session) -> list[str]:
    """List the metrics that have facts, ordered."""
    return sorted(session.scalars(select(rows.FundamentalFact.metric).distinct()))


_NO_MOMENTS = pd.DatetimeIndex([], dtype="datetime64[us, UTC]")


def _queries(
    what: Any,
    instrument_ids: Sequence[int] | None,
    metrics: Sequence[str] | None,
    times: tuple[datetime | None, datetime | None],
) -> Iterable[Select[Any]]:
    """Give the queries that together select the facts meant: long lists of instruments are cut into several."""
    fact = rows.FundamentalFact
    query = select(*what) if isinstance(what, list) else select(what)
    if metrics is not None:
        query = query.where(fact.metric.in_(sorted(set(metrics))))
    as_of, ingested_by = times
    if as_of is not None:
        query = query.where(fact.known_at <= as_of)
    if ingested_by is not None:
        query = query.where(fact.ingested_at <= ingested_by)
    if instrument_ids is None:
        return [query]
    lists = batched(sorted(set(instrument_ids)), _MOST_IN_LIST)
    return [query.where(fact.instrument_id.in_(some)) for some in lists]


def _known(session: Session, given: Sequence[FundamentalFact]) -> dict[FactKey, dict[datetime, tuple[Decimal, str]]]:
    known: dict[FactKey, dict[datetime, tuple[Decimal, str]]] = {}
    ids, told = {fact.instrument_id for fact in given}, {fact.metric for fact in given}
    fact = rows.FundamentalFact
    columns = [fact.instrument_id, fact.metric, fact.period_end, fact.known_at, fact.value, fact.currency]
    for query in _queries(columns, sorted(ids), sorted(told), (None, None)):
        for instrument_id, metric, period_end, known_at, value, currency in session.execute(query):
            known.setdefault((instrument_id, metric, period_end), {})[known_at] = (value, currency)
    return known


def _is_news(fact: FundamentalFact, told: dict[datetime, tuple[Decimal, str]]) -> bool:
    known_at = require_aware(fact.known_at)
    if known_at in told and told[known_at] != (fact.value, fact.currency):
        value, currency = told[known_at]
        raise Conflict(
            f"The {fact.metric} of instrument {fact.instrument_id} for {fact.period_end} is recorded as "
            f"{value} {currency}, not {fact.value} {fact.currency}, with the same known_at.".replace(" ,", ","),
            remedy="Give the restatement its own, later known_at.",
        )
    earlier = [moment for moment in told if moment <= known_at]
    return not earlier or told[max(earlier)] != (fact.value, fact.currency)


def _key(fact: FundamentalFact) -> FactKey:
    return fact.instrument_id, fact.metric, fact.period_end


def _fact(row: rows.FundamentalFact) -> FundamentalFact:
    return FundamentalFact(
        instrument_id=row.instrument_id,
        metric=row.metric,
        period_end=row.period_end,
        value=row.value,
        currency=row.currency,
        known_at=row.known_at,
        source=row.source,
    )
