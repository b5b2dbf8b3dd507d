"""Instruments as providers tell them: the same one is known by any lasting name, and nothing recorded is overrun."""

from datetime import date
from typing import Any

import pytest

from investlab.core.errors import Conflict, InvalidInput
from investlab.schemas.catalog import Identifier, IdentifierDraft, IdentifierScheme
from investlab.schemas.market import InstrumentRef
from investlab.store.database import Database
from investlab.store.repositories import catalog
from tests.support.records import NASDAQ, NYSE, instrument_draft

LISTED, RENAMED_ON, REUSED_ON = date(2012, 5, 18), date(2022, 6, 9), date(2023, 1, 3)
SYMBOL, FIGI, CIK = IdentifierScheme.SYMBOL, IdentifierScheme.FIGI, IdentifierScheme.CIK


@pytest.fixture
def market(database: Database) -> Database:
    """Two venues without instruments."""
    database.write(lambda session: [catalog.ensure_venue(session, venue) for venue in (NASDAQ, NYSE)])
    return database


def _named(scheme: IdentifierScheme, value: str, start: date = LISTED, end: date | None = None) -> IdentifierDraft:
    return IdentifierDraft(scheme=scheme, value=value, valid_from=start, valid_to=end)


def _ensure(market: Database, **fields: Any) -> InstrumentRef:
    own = {"symbol": "FB", "name": "Meta Platforms", "valid_from": LISTED}
    return market.write(lambda session: catalog.ensure_instrument(session, instrument_draft(**own | fields)))


def _symbols(market: Database, instrument_id: int) -> list[tuple[str, date, date | None]]:
    with market.read() as session:
        names = catalog.identifiers(session, instrument_id)
    return [(name.value, name.valid_from, name.valid_to) for name in names if name.scheme is SYMBOL]


@pytest.mark.parametrize("scheme", ["figi", "isin", "cusip", "provider_symbol"])
def test_a_renamed_instrument_is_known_by_a_lasting_name(market: Database, scheme: str) -> None:
    same = _named(IdentifierScheme(scheme), "X1")
    before = _ensure(market, identifiers=(same,))
    former = _named(SYMBOL, "FB", LISTED, RENAMED_ON)
    after = _ensure(market, symbol="META", valid_from=RENAMED_ON, identifiers=(same, former))
    assert (after.instrument_id, after.symbol) == (before.instrument_id, "META")
    assert _symbols(market, before.instrument_id) == [("FB", LISTED, RENAMED_ON), ("META", RENAMED_ON, None)]


def test_a_renamed_instrument_is_known_by_its_former_symbol(market: Database) -> None:
    before = _ensure(market)
    after = _ensure(
        market, symbol="META", valid_from=RENAMED_ON, identifiers=(_named(SYMBOL, "FB", LISTED, RENAMED_ON),)
    )
    assert after.instrument_id == before.instrument_id


def test_a_symbol_told_again_without_its_end_keeps_the_end_recorded(market: Database) -> None:
    first = _ensure(market, symbol_until=RENAMED_ON)
    assert _ensure(market) == first
    assert _symbols(market, first.instrument_id) == [("FB", LISTED, RENAMED_ON)]


def test_an_end_told_later_is_recorded(market: Database) -> None:
    first = _ensure(market)
    assert _ensure(market, symbol_until=RENAMED_ON) == first
    assert _symbols(market, first.instrument_id) == [("FB", LISTED, RENAMED_ON)]


def test_another_figi_under_the_same_symbol_is_another_instrument(market: Database) -> None:
    old = _ensure(market, symbol_until=RENAMED_ON, identifiers=(_named(FIGI, "F1"),))
    new = _ensure(market, valid_from=REUSED_ON, identifiers=(_named(FIGI, "F2", REUSED_ON),))
    assert new.instrument_id != old.instrument_id
    with market.read() as session:
        dated = [("FB", date(2020, 1, 2)), ("FB", date(2024, 1, 2))]
        assert catalog.resolve_dated(session, dated) == [old, new]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["old-first", "new-first"])
def test_one_delivery_may_hold_both_bearers_of_a_symbol(market: Database, order: tuple[int, int]) -> None:
    _ensure(market)
    drafts = [
        instrument_draft(symbol="FB", valid_from=LISTED, symbol_until=RENAMED_ON),
        instrument_draft(symbol="FB", name="Fabled Bikes", valid_from=REUSED_ON),
    ]
    given = [drafts[place] for place in order]
    refs = market.write(lambda session: catalog.ensure_instruments(session, given))
    assert [ref.name for ref in refs] == [("Meta Platforms", "Fabled Bikes")[place] for place in order]


def test_an_open_symbol_is_not_taken_from_its_bearer(market: Database) -> None:
    _ensure(market, identifiers=(_named(FIGI, "F1"),))
    with pytest.raises(Conflict, match=r"cannot name a new instrument.*already names instrument \d+ from 2012-05-18"):
        _ensure(market, name="Fabled Bikes", valid_from=REUSED_ON, identifiers=(_named(FIGI, "F2", REUSED_ON),))


def test_a_new_symbol_needs_the_end_of_the_one_before(market: Database) -> None:
    _ensure(market, identifiers=(_named(FIGI, "F1"),))
    with pytest.raises(Conflict, match="symbol 'FB' already names instrument"):
        _ensure(market, symbol="META", valid_from=RENAMED_ON, identifiers=(_named(FIGI, "F1"),))


def test_a_history_told_under_todays_symbol_stops_at_the_symbol_before(market: Database) -> None:
    former = _named(SYMBOL, "FB", LISTED, RENAMED_ON)
    meta = _ensure(market, symbol="META", valid_from=RENAMED_ON, identifiers=(former,))
    assert _ensure(market, symbol="META", valid_from=LISTED) == meta
    assert _symbols(market, meta.instrument_id) == [("FB", LISTED, RENAMED_ON), ("META", RENAMED_ON, None)]


def test_a_former_symbol_without_an_end_ends_where_the_next_begins(market: Database) -> None:
    meta = _ensure(market, symbol="META", valid_from=RENAMED_ON, identifiers=(_named(SYMBOL, "FB"),))
    assert _symbols(market, meta.instrument_id) == [("FB", LISTED, RENAMED_ON), ("META", RENAMED_ON, None)]


def test_share_classes_of_one_company_share_its_cik(market: Database) -> None:
    first = _ensure(market, symbol="GOOG", identifiers=(_named(CIK, "1652044"),))
    second = _ensure(market, symbol="GOOGL", identifiers=(_named(CIK, "1652044"),))
    assert first.instrument_id != second.instrument_id


def test_provider_symbols_are_a_matter_of_each_source(market: Database) -> None:
    own = (_named(IdentifierScheme.PROVIDER_SYMBOL, "FB.US"),)
    first = _ensure(market, identifiers=own)
    second = _ensure(market, symbol="FBX", source="another", identifiers=own)
    assert first.instrument_id != second.instrument_id


def test_identifiers_of_two_instruments_are_refused(market: Database) -> None:
    _ensure(market, identifiers=(_named(FIGI, "F1"),))
    _ensure(market, symbol="IBM", identifiers=(_named(IdentifierScheme.ISIN, "I2"),))
    with pytest.raises(Conflict, match="cannot be told apart: figi 'F1' names instrument .* and isin 'I2' names"):
        _ensure(market, symbol="X", identifiers=(_named(FIGI, "F1"), _named(IdentifierScheme.ISIN, "I2")))


def test_a_period_that_ends_before_it_begins_is_refused(market: Database) -> None:
    with pytest.raises(InvalidInput, match="ends on 2012-05-18, before it begins"):
        _ensure(market, symbol_until=LISTED)


def test_a_delivery_that_is_refused_leaves_nothing(market: Database) -> None:
    _ensure(market)
    wrong = [instrument_draft(symbol="NEW"), instrument_draft(symbol="FB", currency="EUR")]
    with pytest.raises(Conflict, match="currency USD, not EUR"):
        market.write(lambda session: catalog.ensure_instruments(session, wrong))
    with market.read() as session:
        assert [ref.symbol for ref in catalog.find_instruments(session)] == ["FB"]


def test_a_sector_is_completed_and_replaced(market: Database) -> None:
    assert [_ensure(market, sector=sector).sector for sector in ("", "Media", "", "Software")] == [
        "",
        "Media",
        "Media",
        "Software",
    ]
    with market.read() as session:
        assert catalog.instruments(session, [1])[0].sector == "Software"


def test_an_instrument_has_one_symbol_at_a_time(market: Database) -> None:
    found = _ensure(market)
    second = Identifier(
        instrument_id=found.instrument_id, scheme=SYMBOL, value="META", valid_from=RENAMED_ON, source="test"
    )
    with pytest.raises(Conflict, match="symbol 'FB' already names"):
        market.write(lambda session: catalog.add_identifier(session, second))


def test_an_instrument_is_delisted_once(market: Database) -> None:
    found = _ensure(market)
    for _ in range(2):
        market.write(lambda session: catalog.delist_instrument(session, found.instrument_id, on=RENAMED_ON))
    assert _symbols(market, found.instrument_id) == [("FB", LISTED, RENAMED_ON)]
    with pytest.raises(Conflict, match="ended on 2022-06-09"):
        market.write(lambda session: catalog.delist_instrument(session, found.instrument_id, on=date(2020, 1, 2)))


def test_symbols_as_of_a_day_do_not_see_what_came_later(market: Database) -> None:
    old = _ensure(market, symbol_until=RENAMED_ON)
    _ensure(market, name="Fabled Bikes", valid_from=REUSED_ON)
    with market.read() as session:
        for day in (date(2020, 1, 2), RENAMED_ON, date(2022, 12, 30)):
            assert catalog.resolve_symbols_as_of(session, ["FB"], day=day) == [old]
        assert catalog.resolve_symbols_as_of(session, ["FB"], day=REUSED_ON) == catalog.resolve_symbols(session, ["FB"])


def test_instruments_on_a_day_bear_the_symbol_of_that_day(market: Database) -> None:
    former = _named(SYMBOL, "FB", LISTED, RENAMED_ON)
    meta = _ensure(market, symbol="META", valid_from=RENAMED_ON, symbol_until=REUSED_ON, identifiers=(former,))
    days = {date(2000, 1, 3): "FB", date(2020, 1, 2): "FB", RENAMED_ON: "META", date(2025, 1, 2): "META"}
    with market.read() as session:
        for day, symbol in days.items():
            assert [ref.symbol for ref in catalog.instruments_on(session, [meta.instrument_id], on=day)] == [symbol]
