"""Figures from reports: exact, and as they were known at any time."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from sqlalchemy.orm import Session

from investlab.core.errors import Conflict
from investlab.schemas.catalog import RowCounts
from investlab.schemas.fundamentals import FundamentalFact
from investlab.store.database import Database
from investlab.store.repositories import catalog, fundamentals
from tests.support.records import AT, add_dataset, at, fact, instrument_draft

FILED, RESTATED = datetime(2020, 2, 1, 21, 30, tzinfo=UTC), datetime(2020, 6, 1, tzinfo=UTC)
PERIOD = date(2019, 12, 31)


@pytest.fixture
def market(database: Database) -> Database:
    """Two instruments, and the book equity of the first as filed and as restated."""

    def unit(session: Session) -> None:
        add_dataset(session)
        catalog.ensure_instrument(session, instrument_draft(symbol="IBM"))
        told = [fact(), fact(value=Decimal("90000000000.01"), known_at=RESTATED)]
        fundamentals.add_facts(session, told, ingest_run_id="ingest-0001", at=AT)

    database.write(unit)
    return database


def _add(market: Database, *facts: FundamentalFact, minutes: float = 5) -> RowCounts:
    return market.write(
        lambda session: fundamentals.add_facts(session, facts, ingest_run_id="ingest-0001", at=at(minutes))
    )


def _known(market: Database, *given: Any, **times: datetime) -> list[Decimal]:
    with market.read() as session:
        return [found.value for found in fundamentals.facts_as_of(session, *given, **times)]


@pytest.mark.parametrize(
    ("as_of", "values"),
    [
        pytest.param(datetime(2020, 2, 1, 21, 29, tzinfo=UTC), [], id="before-the-filing"),
        pytest.param(FILED, ["90488000000.00"], id="at-the-filing"),
        pytest.param(datetime(2020, 5, 31, 23, 59, tzinfo=UTC), ["90488000000.00"], id="before-the-restatement"),
        pytest.param(RESTATED, ["90000000000.01"], id="restated"),
    ],
)
def test_facts_are_known_from_their_filing_on(market: Database, as_of: datetime, values: list[str]) -> None:
    assert _known(market, [1], ["book_equity"], as_of=as_of) == [Decimal(value) for value in values]


def test_digits_are_kept(market: Database) -> None:
    exact = Decimal("123456789012345678.901234567890123456")
    _add(market, fact(instrument_id=2, value=exact))
    assert _known(market, [2]) == [exact]


def test_a_fact_told_again_is_the_same(market: Database) -> None:
    again = (fact(), fact(known_at=datetime(2020, 3, 1, tzinfo=UTC)))
    assert _add(market, *again) == RowCounts(same=2)
    assert _known(market) == [Decimal("90000000000.01")]


def test_a_return_to_the_first_value_is_news(market: Database) -> None:
    assert _add(market, fact(known_at=datetime(2021, 1, 4, tzinfo=UTC))) == RowCounts(new=1)
    assert _known(market) == [Decimal("90488000000.00")]


def test_another_value_of_the_same_moment_is_refused(market: Database) -> None:
    with pytest.raises(Conflict, match="book_equity of instrument 1 for 2019-12-31 is recorded as 90488000000.00 USD"):
        _add(market, fact(value=Decimal(1)))


def test_what_was_stored_later_does_not_change_an_earlier_version(market: Database) -> None:
    _add(market, fact(metric="net_income_ttm", value=Decimal(5)), minutes=5)
    assert len(_known(market, ingested_by=AT)) == 1
    assert len(_known(market, ingested_by=at(5))) == 2


def test_facts_are_chosen_by_instrument_and_metric(market: Database) -> None:
    _add(market, fact(instrument_id=2), fact(metric="shares_outstanding", value=Decimal(7), currency=""))
    assert _known(market, [1], ["shares_outstanding"]) == [Decimal(7)]
    assert len(_known(market, [1, 2], ["book_equity"])) == 2
    assert _known(market, [], ["book_equity"]) == []
    with market.read() as session:
        assert fundamentals.metrics(session) == ["book_equity", "shares_outstanding"]


def test_long_lists_of_instruments_are_cut(market: Database) -> None:
    assert len(_known(market, list(range(1, 5000)), None)) == 1


def test_the_history_holds_every_filing(market: Database) -> None:
    with market.read() as session:
        history = fundamentals.facts_history(session, [1])
    assert history["value"].tolist() == [90488000000.0, 90000000000.01]
    assert history["known_at"].tolist() == [pd.Timestamp(FILED), pd.Timestamp(RESTATED)]
    assert history.dtypes.astype(str).to_dict() == {
        "instrument_id": "int64",
        "metric": "str",
        "period_end": "datetime64[s]",
        "known_at": "datetime64[us, UTC]",
        "value": "float64",
        "currency": "str",
        "source": "str",
    }


def test_an_empty_history_has_the_same_columns(market: Database) -> None:
    with market.read() as session:
        empty, full = fundamentals.facts_history(session, [2]), fundamentals.facts_history(session, [1])
    assert len(empty) == 0
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()
