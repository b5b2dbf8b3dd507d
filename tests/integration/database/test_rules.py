"""What the tables themselves refuse, whoever writes: kinds, values of kinds, periods, and rows others stand on."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import delete, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from investlab.core.errors import Conflict, InvalidInput, InvestlabError
from investlab.models import core as rows
from investlab.store.database import Database
from tests.support.records import fill


@pytest.fixture
def filled(database: Database) -> Database:
    """A database with rows in every table; action 1 is a spin-off, action 2 a split."""
    database.write(fill)
    return database


def _set(filled: Database, table: type[rows.Base], key: int, **values: Any) -> None:
    column: InstrumentedAttribute[int] = table.id  # type: ignore[attr-defined]  # every table has one
    filled.write(lambda session: session.execute(update(table).where(column == key).values(**values)) and None)


@pytest.mark.parametrize(
    ("kind", "value", "is_right"),
    [
        pytest.param("split", "0.1", True, id="reverse-split"),
        pytest.param("split", "0", False, id="split-into-none"),
        pytest.param("dividend", "0.000000001", True, id="tiny-dividend"),
        pytest.param("dividend", "-0.5", False, id="negative-dividend"),
        pytest.param("stock_dividend", "0", False, id="stock-dividend-into-none"),
        pytest.param("spin_off", "0", False, id="worthless-spin-off"),
        pytest.param("merger", "0", True, id="merger-paid-in-shares"),
        pytest.param("merger", "-1", False, id="negative-merger"),
        pytest.param("delisting", "-1", True, id="all-lost"),
        pytest.param("delisting", "-1.01", False, id="more-than-all-lost"),
        pytest.param("delisting", "10", True, id="delisted-at-a-gain"),
    ],
)
def test_the_value_of_an_action_suits_its_kind(filled: Database, kind: str, value: str, is_right: bool) -> None:
    def attempt() -> None:
        _set(filled, rows.CorporateAction, 2, kind=kind, value=Decimal(value))

    if is_right:
        attempt()
        return
    with pytest.raises(InvalidInput, match="refuses a value"):
        attempt()


@pytest.mark.parametrize(
    ("table", "key", "values"),
    [
        pytest.param(rows.CorporateAction, 2, {"uncertainty": -0.1}, id="uncertainty"),
        pytest.param(rows.CorporateAction, 1, {"counterpart_ratio": Decimal(0)}, id="counterpart-ratio"),
        pytest.param(rows.CorporateAction, 1, {"kind": "dividend"}, id="counterpart-of-a-dividend"),
        pytest.param(rows.InstrumentIdentifier, 1, {"valid_to": date(1980, 12, 12)}, id="empty-period"),
        pytest.param(rows.UniverseMember, 1, {"valid_to": date(2020, 1, 9)}, id="empty-membership"),
        pytest.param(rows.FundamentalFact, 1, {"metric": ""}, id="nameless-metric"),
    ],
)
def test_other_rules_hold(filled: Database, table: type[rows.Base], key: int, values: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="refuses a value"):
        _set(filled, table, key, **values)


@pytest.mark.parametrize(
    ("table", "error"),
    [
        pytest.param(rows.Instrument, Conflict, id="instruments"),
        pytest.param(rows.DatasetVersion, Conflict, id="versions"),
        pytest.param(rows.IngestRun, Conflict, id="ingest-runs"),
        pytest.param(rows.User, Conflict, id="users"),
        pytest.param(rows.Dataset, Conflict, id="datasets"),
    ],
)
def test_rows_that_others_stand_on_stay(filled: Database, table: type[rows.Base], error: type[InvestlabError]) -> None:
    with pytest.raises(error, match="others still refer to it"):
        filled.write(lambda session: session.execute(delete(table)) and None)


def test_the_members_go_with_their_universe(filled: Database) -> None:
    def unit(session: Session) -> int:
        session.execute(delete(rows.Universe))
        return session.query(rows.UniverseMember).count()

    assert filled.write(unit) == 0
