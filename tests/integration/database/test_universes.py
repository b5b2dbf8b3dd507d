"""Universes: members hold by the day, and a new definition leaves the past as it was."""

from datetime import date

import pytest
from sqlalchemy.orm import Session

from investlab.core.errors import Conflict, NotFound
from investlab.schemas.universes import Membership
from investlab.store.database import Database
from investlab.store.repositories import catalog, universes
from tests.support.records import AT, add_dataset, at, instrument_draft, universe_draft

FIRST, SECOND, THIRD = date(2020, 1, 2), date(2021, 1, 4), date(2022, 1, 3)


@pytest.fixture
def market(database: Database) -> Database:
    """Three instruments, and a universe whose members change with every year."""

    def unit(session: Session) -> None:
        add_dataset(session)
        catalog.ensure_instruments(session, [instrument_draft(symbol=symbol) for symbol in ("IBM", "MSFT")])
        universes.define_universe(session, universe_draft(), at=AT)
        for day, ids in ((FIRST, [1, 2]), (SECOND, [2, 3]), (THIRD, [1, 2])):
            universes.set_members(session, "large", ids, on=day)

    database.write(unit)
    return database


def _members(market: Database, on: date) -> list[int]:
    with market.read() as session:
        return universes.members(session, "large", on=on)


@pytest.mark.parametrize(
    ("day", "members"),
    [
        pytest.param(date(2019, 12, 31), [], id="before-the-first"),
        pytest.param(FIRST, [1, 2], id="first-day"),
        pytest.param(date(2021, 1, 3), [1, 2], id="last-day-of-the-first"),
        pytest.param(SECOND, [2, 3], id="second"),
        pytest.param(date(2030, 1, 2), [1, 2], id="open-end"),
    ],
)
def test_members_hold_by_the_day(market: Database, day: date, members: list[int]) -> None:
    assert _members(market, day) == members


def test_one_who_stays_has_one_period(market: Database) -> None:
    with market.read() as session:
        found = universes.memberships(session, "large")
    assert found == [
        Membership(instrument_id=1, valid_from=FIRST, valid_to=SECOND),
        Membership(instrument_id=2, valid_from=FIRST),
        Membership(instrument_id=3, valid_from=SECOND, valid_to=THIRD),
        Membership(instrument_id=1, valid_from=THIRD),
    ]


def test_new_members_from_a_day_on_replace_what_followed_and_leave_what_was(market: Database) -> None:
    market.write(lambda session: universes.set_members(session, "large", [3], on=SECOND))
    assert [_members(market, day) for day in (FIRST, SECOND, THIRD)] == [[1, 2], [3], [3]]


def test_the_same_members_again_change_nothing(market: Database) -> None:
    with market.read() as session:
        before = universes.memberships(session, "large")
    market.write(lambda session: universes.set_members(session, "large", [1, 2], on=THIRD))
    with market.read() as session:
        assert universes.memberships(session, "large") == before


def test_a_new_definition_keeps_the_beginning_and_the_members(market: Database) -> None:
    again = universe_draft(definition={"screen": {"top": 2}}, owner="ada")
    info = market.write(lambda session: universes.define_universe(session, again, at=at(5)))
    with market.read() as session:
        assert universes.universe(session, "large") == info == universes.list_universes(session)[0]
    assert (info.created_at, info.changed_at, info.owner) == (AT, at(5), "ada")
    assert info.definition == {"screen": {"top": 2}}
    assert _members(market, FIRST) == [1, 2]


def test_a_universe_stays_in_its_dataset(market: Database) -> None:
    market.write(lambda session: add_dataset(session, name="eu"))
    with pytest.raises(Conflict, match="one of dataset 'us'"):
        market.write(lambda session: universes.define_universe(session, universe_draft(dataset="eu"), at=AT))


def test_an_unknown_universe_names_its_near_matches(market: Database) -> None:
    with market.read() as session, pytest.raises(NotFound, match="Unknown universe 'larg'. Did you mean large"):
        universes.members(session, "larg", on=FIRST)


def test_an_unknown_instrument_is_no_member(market: Database) -> None:
    with pytest.raises(Conflict, match="does not exist"):
        market.write(lambda session: universes.set_members(session, "large", [999], on=THIRD))
    assert _members(market, THIRD) == [1, 2]
