"""The index of symbols: who bore which when, without a database."""

from datetime import date

import pytest

from investlab.core.errors import Conflict, NotFound
from investlab.schemas.market import InstrumentRef
from investlab.store.symbol_index import Scope, SymbolIndex, SymbolPeriod

D = date


def _period(key: int, symbol: str, start: date, end: date | None = None, venue: str = "XNAS") -> SymbolPeriod:
    return SymbolPeriod(InstrumentRef(instrument_id=key, symbol=symbol, venue=venue), start, end)


INDEX = SymbolIndex(
    [
        _period(1, "META", D(2022, 6, 9)),
        _period(2, "FB", D(2023, 1, 3)),
        _period(1, "FB", D(2012, 5, 18), D(2022, 6, 9)),
        _period(3, "GONE", D(2000, 1, 3), D(2010, 1, 4)),
        _period(4, "TWO", D(2000, 1, 3)),
        _period(5, "TWO", D(2000, 1, 3), venue="XLON"),
    ]
)


@pytest.mark.parametrize(
    ("symbol", "scope", "key"),
    [
        pytest.param("FB", Scope(), 2, id="latest-bearer"),
        pytest.param("FB", Scope(on=D(2022, 6, 8)), 1, id="last-day"),
        pytest.param("FB", Scope(on=D(2023, 1, 3)), 2, id="first-day"),
        pytest.param("FB", Scope(begun_by=D(2022, 12, 30)), 1, id="last-bearer-by-then"),
        pytest.param("FB", Scope(among={1}), 1, id="among"),
        pytest.param("GONE", Scope(begun_by=D(2024, 1, 2)), 3, id="delisted-since"),
        pytest.param("GONE", Scope(), 3, id="delisted"),
        pytest.param("TWO", Scope(venue="XLON"), 5, id="venue"),
    ],
)
def test_a_symbol_is_borne_by(symbol: str, scope: Scope, key: int) -> None:
    assert INDEX.bearer(symbol, scope).instrument_id == key


@pytest.mark.parametrize(
    ("symbol", "scope", "words"),
    [
        pytest.param("FB", Scope(on=D(2022, 6, 9)), "It must hold on 2022-06-09", id="between-bearers"),
        pytest.param("GONE", Scope(on=D(2010, 1, 4)), "It must hold", id="delisted"),
        pytest.param("META", Scope(begun_by=D(2022, 6, 8)), "Unknown symbol", id="not-yet"),
        pytest.param("METAA", Scope(), "Did you mean META", id="near-match"),
        pytest.param("META", Scope(among={2}), "Unknown symbol", id="of-another-dataset"),
    ],
)
def test_a_symbol_is_borne_by_nobody(symbol: str, scope: Scope, words: str) -> None:
    with pytest.raises(NotFound, match=words):
        INDEX.bearer(symbol, scope)


def test_a_symbol_of_several_venues_needs_one() -> None:
    with pytest.raises(Conflict, match="TWO trades on XLON, XNAS"):
        INDEX.bearer("TWO")


def test_each_symbol_on_its_own_day() -> None:
    dated = [("FB", D(2015, 1, 2)), ("FB", D(2024, 1, 2)), ("META", D(2024, 1, 2))]
    assert [ref.instrument_id for ref in INDEX.bearers_on(dated)] == [1, 2, 1]
    assert INDEX.bearers_on([("TWO", D(2024, 1, 2))], venue="XNAS")[0].instrument_id == 4


def test_instruments_are_listed_under_their_latest_symbol() -> None:
    assert [ref.symbol for ref in INDEX] == ["FB", "GONE", "META", "TWO", "TWO"]
    assert len(INDEX) == 5


def test_instruments_bear_the_symbol_of_a_day_or_the_nearest() -> None:
    days = (D(2000, 1, 3), D(2015, 1, 2), D(2022, 6, 9), None)
    assert [INDEX.instruments([1], on=day)[0].symbol for day in days] == ["FB", "FB", "META", "META"]
    with pytest.raises(NotFound, match="no instrument 99"):
        INDEX.instruments([1, 99])
