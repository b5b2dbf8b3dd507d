"""Random histories of listings, renamings, delistings and reused symbols: each symbol resolves by its day."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from investlab.core.errors import InvestlabError, NotFound
from investlab.schemas.catalog import IdentifierDraft, IdentifierScheme
from investlab.store.database import Database
from investlab.store.repositories import catalog
from investlab.store.symbol_directory import read_symbols
from investlab.store.symbol_index import Scope, SymbolIndex
from tests.support.records import NASDAQ, instrument_draft

DAYS = 12
SYMBOLS = ("AA", "BB", "CC")
FIRST = date(2020, 1, 1)
_venues = count()


@dataclass
class Book:
    """What a history should come to, kept day by day: who bears which symbol."""

    bearers: list[dict[str, int]] = field(default_factory=lambda: [{} for _ in range(DAYS + 1)])

    def listed(self, number: int, symbol: str, day: int) -> bool:
        """A new instrument bears the symbol from a day on, until another's next period."""
        if symbol in self.bearers[day]:
            return False
        for bearers in self.bearers[day:]:
            if symbol in bearers:
                break
            bearers[symbol] = number
        return True

    def renamed(self, number: int, symbol: str, day: int) -> bool:
        """An instrument that would go on under its symbol bears another from a day on."""
        old = self.symbol(number, day)
        if old is None or old == symbol:
            return old == symbol
        if self.symbol(number, DAYS) != old or day == 0 or self.symbol(number, day - 1) != old:
            return False
        if any(symbol in bearers for bearers in self.bearers[day:]):
            return False
        for bearers in self.bearers[day:]:
            del bearers[old]
            bearers[symbol] = number
        return True

    def delisted(self, number: int, day: int) -> bool:
        """An instrument bears no symbol from a day on."""
        old = self.symbol(number, day - 1) if day else None
        if old is None or (self.symbol(number, day) == old and self.symbol(number, DAYS) != old):
            return False
        for bearers in self.bearers[day:]:
            if bearers.get(old) == number:
                del bearers[old]
        return True

    def symbol(self, number: int, day: int) -> str | None:
        """Return the symbol an instrument bears on a day."""
        return next((symbol for symbol, bearer in self.bearers[day].items() if bearer == number), None)


Step = tuple[str, int, str, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(("list", "list", "rename", "rename", "delist")),
        st.integers(0, 3),
        st.sampled_from(SYMBOLS),
        st.integers(0, DAYS - 1),
    ),
    max_size=14,
)


def _day(number: int) -> date:
    return FIRST + timedelta(days=number)


def _apply(session: Session, mic: str, keys: list[int], step: Step) -> bool:
    kind, number, symbol, day = step
    try:
        if kind == "list":
            figi = IdentifierDraft(scheme=IdentifierScheme.FIGI, value=f"{mic}-{len(keys)}", valid_from=FIRST)
            draft = instrument_draft(symbol=symbol, venue=mic, valid_from=_day(day), identifiers=(figi,))
            keys.append(catalog.ensure_instrument(session, draft).instrument_id)
        elif kind == "rename":
            catalog.rename_instrument(session, keys[number], symbol, on=_day(day), source="test")
        else:
            catalog.delist_instrument(session, keys[number], on=_day(day))
    except InvestlabError:
        return False
    return True


def _expect(book: Book, instruments: int, step: Step) -> bool:
    kind, number, symbol, day = step
    if kind == "list":
        return book.listed(instruments, symbol, day)
    return book.renamed(number, symbol, day) if kind == "rename" else book.delisted(number, day)


def _seen(symbols: SymbolIndex, mic: str, keys: list[int]) -> list[dict[str, int]]:
    found: list[dict[str, int]] = []
    for day in range(DAYS + 1):
        found.append({})
        for symbol in SYMBOLS:
            try:
                ref = symbols.bearer(symbol, Scope(on=_day(day), venue=mic))
            except NotFound:
                continue
            found[-1][symbol] = keys.index(ref.instrument_id)
    return found


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=steps)
def test_every_symbol_resolves_by_its_day_and_the_past_stays(database: Database, history: list[Step]) -> None:
    mic, keys, book = f"X{next(_venues):05d}", [], Book()

    def unit(session: Session) -> None:
        keys.clear()
        book.__init__()  # type: ignore[misc]  # the unit may run again
        catalog.ensure_venue(session, NASDAQ.model_copy(update={"mic": mic}))
        for step in history:
            if step[0] != "list" and step[1] >= len(keys):
                continue
            before = [dict(bearers) for bearers in book.bearers]
            assert _apply(session, mic, keys, step) is _expect(book, len(keys) - (step[0] == "list"), step)
            assert _seen(read_symbols(session), mic, keys) == book.bearers
            assert book.bearers[: step[3]] == before[: step[3]]

    database.write(unit)
    with database.read() as session:
        assert _seen(database.symbols(), mic, keys) == book.bearers
        periods = [name for key in keys for name in catalog.identifiers(session, key)]
    for day in range(DAYS + 1):
        held = [
            name.value
            for name in periods
            if name.scheme is IdentifierScheme.SYMBOL
            and name.valid_from <= _day(day)
            and (name.valid_to is None or name.valid_to > _day(day))
        ]
        assert sorted(held) == sorted(book.bearers[day])
