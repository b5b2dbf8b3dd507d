"""Corporate actions as known at a time; here, and only here, their values pass between float64 and exact decimal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from investlab.core.clock import require_aware
from investlab.core.errors import Conflict, InvalidInput
from investlab.models import core as rows
from investlab.schemas.catalog import RowCounts
from investlab.schemas.market import ActionKind, CorporateAction
from investlab.store.repositories.lookup import dataset_row, row_by_uid

ActionKey = tuple[int, ActionKind, date]
_MOST_IN_LIST = 1000
_WITH_COUNTERPART = frozenset({ActionKind.SPIN_OFF, ActionKind.MERGER})


@dataclass(frozen=True, slots=True)
class _Terms:
    """What an action says; how uncertain it is, is no part of it."""

    value: Decimal
    counterpart_id: int | None
    counterpart_ratio: Decimal | None


def add_actions(
    session: Session, dataset: str, actions: Iterable[CorporateAction], *, ingest_run_id: str, at: datetime
) -> RowCounts:
    """Record corporate actions of a dataset, in its currency, as ingested at `at`; return how many were new and same.

    An action that says what was already known by its `known_at` is the same; one with another value, counterpart or
    ratio and a later `known_at` is a correction and new.

    Raises:
        NotFound: The dataset or the ingest run does not exist.
        Conflict: The same action was recorded with the same `known_at` and other terms.
        InvalidInput: An action that is no spin-off or merger has a counterpart.
    """
    owner = dataset_row(session, dataset)
    ingest = row_by_uid(session, rows.IngestRun, ingest_run_id, "ingest run")
    given = sorted(actions, key=lambda action: (action.known_at, _key(action)))
    _check_counterparts(given)
    known = _known_terms(session, owner.id, {action.instrument_id for action in given})
    fresh = []
    for action in given:
        told = known.setdefault(_key(action), {})
        if not _is_news(action, told):
            continue
        terms = _terms(action)
        told[require_aware(action.known_at)] = terms
        fresh.append(
            rows.CorporateAction(
                **action.model_dump(exclude={"value", "counterpart_id", "counterpart_ratio"}),
                value=terms.value,
                counterpart_instrument_id=terms.counterpart_id,
                counterpart_ratio=terms.counterpart_ratio,
                dataset_id=owner.id,
                currency=owner.currency,
                ingested_at=at,
                ingest_run_id=ingest.id,
            )
        )
    session.add_all(fresh)
    session.flush()
    return RowCounts(new=len(fresh), same=len(given) - len(fresh))


def actions_as_of(
    session: Session,
    dataset: str,
    instrument_ids: Sequence[int] | None = None,
    *,
    as_of: datetime | None = None,
    ingested_by: datetime | None = None,
) -> list[CorporateAction]:
    """List a dataset's corporate actions ordered by ex-date, instrument and kind, each as it was last known.

    `as_of` leaves out what the market could not know yet, `ingested_by` (a dataset version's `ingested_at`) what was
    not yet stored; both moments count themselves.

    Raises:
        NotFound: There is no dataset of that name.
    """
    query = select(rows.CorporateAction).where(rows.CorporateAction.dataset_id == dataset_row(session, dataset).id)
    if instrument_ids is not None and len(instrument_ids) <= _MOST_IN_LIST:
        query = query.where(rows.CorporateAction.instrument_id.in_(sorted(set(instrument_ids))))
    if as_of is not None:
        query = query.where(rows.CorporateAction.known_at <= as_of)
    if ingested_by is not None:
        query = query.where(rows.CorporateAction.ingested_at <= ingested_by)
    wanted = None if instrument_ids is None else set(instrument_ids)
    latest: dict[ActionKey, CorporateAction] = {}
    for row in session.scalars(query.order_by(rows.CorporateAction.known_at)):
        if wanted is None or row.instrument_id in wanted:
            action = _action(row)
            latest[_key(action)] = action
    return sorted(latest.values(), key=lambda action: (action.ex_date, action.instrument_id, action.kind))


def exact(value: float) -> Decimal:
    """Return the shortest decimal that stands for the float; `float()` of it gives the same float back."""
    return Decimal(repr(float(value)))


def _check_counterparts(actions: Iterable[CorporateAction]) -> None:
    for action in actions:
        has_counterpart = action.counterpart_id is not None or action.counterpart_ratio is not None
        if has_counterpart and action.kind not in _WITH_COUNTERPART:
            raise InvalidInput(
                f"The {action.kind} of instrument {action.instrument_id} on {action.ex_date} has a counterpart.",
                remedy="Only a spin-off or a merger hands out another instrument; leave the counterpart out.",
            )


def _is_news(action: CorporateAction, told: dict[datetime, _Terms]) -> bool:
    known_at, terms = require_aware(action.known_at), _terms(action)
    if known_at in told and told[known_at] != terms:
        raise Conflict(
            f"The {action.kind} of instrument {action.instrument_id} on {action.ex_date} is recorded as "
            f"{told[known_at].value}, not {terms.value}, with the same known_at."
            if told[known_at].value != terms.value
            else f"The {action.kind} of instrument {action.instrument_id} on {action.ex_date} is recorded with another "
            "counterpart or ratio and the same known_at.",
            remedy="Give the correction its own, later known_at.",
        )
    earlier = [moment for moment in told if moment <= known_at]
    return not earlier or told[max(earlier)] != terms


def _known_terms(
    session: Session, dataset_id: int, instrument_ids: set[int]
) -> dict[ActionKey, dict[datetime, _Terms]]:
    query = select(rows.CorporateAction).where(rows.CorporateAction.dataset_id == dataset_id)
    if len(instrument_ids) <= _MOST_IN_LIST:
        query = query.where(rows.CorporateAction.instrument_id.in_(sorted(instrument_ids)))
    known: dict[ActionKey, dict[datetime, _Terms]] = {}
    for row in session.scalars(query):
        terms = _Terms(row.value, row.counterpart_instrument_id, row.counterpart_ratio)
        known.setdefault((row.instrument_id, row.kind, row.ex_date), {})[row.known_at] = terms
    return known


def _terms(action: CorporateAction) -> _Terms:
    ratio = None if action.counterpart_ratio is None else exact(action.counterpart_ratio)
    return _Terms(exact(action.value), action.counterpart_id, ratio)


def _key(action: CorporateAction) -> ActionKey:
    return action.instrument_id, action.kind, action.ex_date


def _action(row: rows.CorporateAction) -> CorporateAction:
    return CorporateAction(
        instrument_id=row.instrument_id,
        kind=row.kind,
        ex_date=row.ex_date,
        value=float(row.value),
        known_at=row.known_at,
        assumed=row.assumed,
        source=row.source,
        uncertainty=row.uncertainty,
        counterpart_id=row.counterpart_instrument_id,
        counterpart_ratio=None if row.counterpart_ratio is None else float(row.counterpart_ratio),
    )
