"""Venues, instruments and dated identifiers."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy.orm import Session

from investlab.core.errors import Conflict, InvalidInput, InvestlabError, NotFound
from investlab.schemas.catalog import Identifier, IdentifierScheme, InstrumentKind, LevelBasis
from investlab.schemas.market import InstrumentRef
from investlab.store.database import Database
from investlab.store.repositories import catalog
from tests.support.records import NASDAQ, NYSE, instrument_draft

RENAMED_ON = date(2022, 6, 9)


@pytest.fixture
def market(database: Database) -> Database:
    """Two venues; Apple, Meta (FB until its renaming) and an index."""

    def unit(session: Session) -> None:
        catalog.ensure_venue(session, NASDAQ)
        catalog.ensure_venue(session, NYSE)
        catalog.ensure_instrument(session, instrument_draft())
        meta = catalog.ensure_instrument(
            session, instrument_draft(symbol="FB", name="Meta Platforms", valid_from=date(2012, 5, 18))
        )
        catalog.rename_instrument(session, meta.instrument_id, "META", on=RENAMED_ON, source="test")
        index = instrument_draft(
            symbol="SPX", venue="XNYS", kind=InstrumentKind.INDEX, name="S&P 500", level_basis=LevelBasis.PRICE
        )
        catalog.ensure_instrument(session, index)

    database.write(unit)
    return database


def _resolve(market: Database, *symbols: str, **narrowed: Any) -> list[InstrumentRef]:
    with market.read() as session:
        return catalog.resolve_symbols(session, symbols, **narrowed)


def _ensure(market: Database, **fields: Any) -> InstrumentRef:
    return market.write(lambda session: catalog.ensure_instrument(session, instrument_draft(**fields)))


def test_a_venue_is_brought_up_to_date(market: Database) -> None:
    better = NASDAQ.model_copy(update={"name": "Nasdaq Stock Market"})
    market.write(lambda session: catalog.ensure_venue(session, better))
    with market.read() as session:
        assert catalog.venues(session) == [better, NYSE]


def test_an_instrument_is_recorded_once(market: Database) -> None:
    first = _resolve(market, "AAPL")[0]
    assert _ensure(market) == _ensure(market, valid_from=date(2019, 1, 2)) == first
    assert (first.symbol, first.name, first.currency, first.venue) == ("AAPL", "Apple", "USD", "XNAS")


def test_an_earlier_start_moves_the_symbol_s_period_back(market: Database) -> None:
    first = _resolve(market, "AAPL")[0]
    with pytest.raises(NotFound):
        _resolve(market, "AAPL", on=date(1980, 1, 2))
    assert _ensure(market, valid_from=date(1980, 1, 2)) == first
    assert _resolve(market, "AAPL", on=date(1980, 1, 2)) == [first]


def test_a_symbol_given_up_and_used_again_names_another_instrument(market: Database) -> None:
    old = _resolve(market, "FB", on=date(2015, 1, 2))[0]
    new = _ensure(market, symbol="FB", name="Fabled Bikes", valid_from=date(2023, 1, 3))
    assert new.instrument_id != old.instrument_id
    assert _resolve(market, "FB") == [new]
    assert _resolve(market, "FB", on=date(2015, 1, 2)) == [old]


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        pytest.param({"currency": "EUR"}, Conflict, "currency USD, not EUR", id="currency"),
        pytest.param({"kind": InstrumentKind.ETF}, Conflict, "kind equity, not etf", id="kind"),
        pytest.param({"venue": "XNAX"}, NotFound, "Did you mean XNAS", id="venue"),
        pytest.param({"level_basis": LevelBasis.PRICE}, InvalidInput, "no index", id="level-basis"),
    ],
)
def test_what_contradicts_the_catalog_is_refused(
    market: Database, fields: dict[str, Any], error: type[InvestlabError], words: str
) -> None:
    with pytest.raises(error, match=words):
        _ensure(market, **fields)


def test_the_same_symbol_on_another_venue_is_another_instrument(market: Database) -> None:
    other = _ensure(market, venue="XNYS", name="Another Apple")
    with pytest.raises(Conflict, match="AAPL trades on XNAS, XNYS"):
        _resolve(market, "AAPL")
    assert _resolve(market, "AAPL", venue="XNYS") == [other]
    assert _resolve(market, "AAPL", among={other.instrument_id}) == [other]


@pytest.mark.parametrize(
    ("symbol", "on"),
    [
        pytest.param("FB", date(2022, 6, 8), id="last-day-of-the-old"),
        pytest.param("META", RENAMED_ON, id="first-day-of-the-new"),
        pytest.param("FB", None, id="old-one-without-a-day"),
        pytest.param("META", None, id="new-one-without-a-day"),
    ],
)
def test_a_renamed_instrument_is_found_by_both_symbols(market: Database, symbol: str, on: date | None) -> None:
    found = _resolve(market, symbol, on=on)[0]
    assert (found.symbol, found.name) == (symbol, "Meta Platforms")


@pytest.mark.parametrize(("symbol", "on"), [("FB", RENAMED_ON), ("META", date(2022, 6, 8))])
def test_a_symbol_holds_only_during_its_period(market: Database, symbol: str, on: date) -> None:
    with pytest.raises(NotFound, match=f"must hold on {on}"):
        _resolve(market, symbol, on=on)


def test_symbols_are_resolved_in_the_order_given(market: Database) -> None:
    assert [ref.symbol for ref in _resolve(market, "SPX", "AAPL", "META")] == ["SPX", "AAPL", "META"]


def test_an_unknown_symbol_names_its_near_matches(market: Database) -> None:
    with pytest.raises(NotFound, match="Unknown symbol 'APPL'. Did you mean AAPL"):
        _resolve(market, "META", "APPL")


def test_renaming_twice_on_a_day_changes_nothing_more(market: Database) -> None:
    meta = _resolve(market, "META")[0]
    again = market.write(
        lambda session: catalog.rename_instrument(session, meta.instrument_id, "META", on=RENAMED_ON, source="test")
    )
    with market.read() as session:
        periods = [(i.value, i.valid_from, i.valid_to) for i in catalog.identifiers(session, meta.instrument_id)]
    assert again == meta
    assert periods == [("FB", date(2012, 5, 18), RENAMED_ON), ("META", RENAMED_ON, None)]


@pytest.mark.parametrize(
    ("symbol", "on", "error", "words"),
    [
        pytest.param("MVRS", date(2015, 1, 2), Conflict, "already renamed", id="inside-a-closed-period"),
        pytest.param("AAPL", date(2023, 1, 3), Conflict, "already names", id="another-instrument-s"),
        pytest.param("MVRS", date(2000, 1, 3), NotFound, "no symbol on", id="before-it-was-listed"),
    ],
)
def test_a_renaming_that_contradicts_is_refused(
    market: Database, symbol: str, on: date, error: type[InvestlabError], words: str
) -> None:
    meta = _resolve(market, "META")[0]
    with pytest.raises(error, match=words):
        market.write(
            lambda session: catalog.rename_instrument(session, meta.instrument_id, symbol, on=on, source="test")
        )
    assert _resolve(market, "META", on=RENAMED_ON) == [meta]


def _figi(instrument_id: int, **fields: Any) -> Identifier:
    own = {"scheme": IdentifierScheme.FIGI, "value": "BBG1", "valid_from": date(2000, 1, 3), "source": "test"}
    return Identifier(instrument_id=instrument_id, **own | fields)


def test_an_identifier_is_recorded_once(market: Database) -> None:
    apple = _resolve(market, "AAPL")[0].instrument_id
    for _ in range(2):
        market.write(lambda session: catalog.add_identifier(session, _figi(apple)))
    with market.read() as session:
        assert [i.value for i in catalog.identifiers(session, apple)] == ["BBG1", "AAPL"]


@pytest.mark.parametrize(
    ("first", "second", "overlaps"),
    [
        pytest.param((2000, None), (2010, None), True, id="both-open"),
        pytest.param((2000, 2010), (2009, 2020), True, id="a-year-in-common"),
        pytest.param((2000, 2010), (2010, 2020), False, id="one-after-the-other"),
        pytest.param((2010, None), (2000, 2010), False, id="one-before-the-other"),
        pytest.param((2000, 2020), (2005, 2010), True, id="one-inside-the-other"),
    ],
)
def test_an_identifier_names_one_thing_at_a_time(
    market: Database, first: tuple[int, int | None], second: tuple[int, int | None], overlaps: bool
) -> None:
    apple, meta = (ref.instrument_id for ref in _resolve(market, "AAPL", "META"))

    def add(instrument: int, years: tuple[int, int | None]) -> None:
        start, end = (None if year is None else date(year, 1, 1) for year in years)
        identifier = _figi(instrument, valid_from=start, valid_to=end)
        market.write(lambda session: catalog.add_identifier(session, identifier))

    add(apple, first)
    if overlaps:
        with pytest.raises(Conflict, match=f"already names instrument {apple}"):
            add(meta, second)
    else:
        add(meta, second)


def test_an_identifier_on_another_venue_may_be_the_same(market: Database) -> None:
    for symbol in ("AAPL", "SPX"):
        found = _resolve(market, symbol)[0].instrument_id
        market.write(lambda session, found=found: catalog.add_identifier(session, _figi(found)))


def test_an_identifier_needs_its_instrument(market: Database) -> None:
    with pytest.raises(NotFound, match="no instrument 999"):
        market.write(lambda session: catalog.add_identifier(session, _figi(999)))


@pytest.mark.parametrize(
    ("query", "symbols"),
    [
        pytest.param("", ["AAPL", "META", "SPX"], id="all"),
        pytest.param("aap", ["AAPL"], id="part-of-a-symbol"),
        pytest.param("platforms", ["META"], id="part-of-a-name"),
        pytest.param("fb", ["META"], id="former-symbol"),
        pytest.param("%", [], id="wildcards-are-letters"),
        pytest.param("' OR 1=1 --", [], id="quotes-are-letters"),
    ],
)
def test_finding_instruments(market: Database, query: str, symbols: list[str]) -> None:
    with market.read() as session:
        assert [ref.symbol for ref in catalog.find_instruments(session, query)] == symbols


def test_finding_is_narrowed_by_kind_and_limit(market: Database) -> None:
    with market.read() as session:
        found = catalog.find_instruments(session, kind=InstrumentKind.INDEX)
        assert [ref.symbol for ref in found] == ["SPX"]
        assert len(catalog.find_instruments(session, limit=2)) == 2


def test_instruments_by_id_keep_the_order_given(market: Database) -> None:
    with market.read() as session:
        ids = [ref.instrument_id for ref in catalog.find_instruments(session)][::-1]
        assert [ref.instrument_id for ref in catalog.instruments(session, ids)] == ids
        with pytest.raises(NotFound, match="no instrument 999"):
            catalog.instruments(session, [*ids, 999])


def test_two_writers_of_one_instrument_record_it_once(market: Database) -> None:
    other = Database(market.url.render_as_string(hide_password=False), sleep=lambda _: None)
    attempts: list[int] = []

    def unit(session: Session) -> InstrumentRef:
        attempts.append(len(catalog.find_instruments(session, "MSFT")))
        if len(attempts) == 1 and not market.is_sqlite:
            other.write(lambda inner: catalog.ensure_instrument(inner, instrument_draft(symbol="MSFT")))
        return catalog.ensure_instrument(session, instrument_draft(symbol="MSFT"))

    ref = market.write(unit)
    other.close()
    with market.read() as session:
        assert catalog.find_instruments(session, "MSFT") == [ref]
