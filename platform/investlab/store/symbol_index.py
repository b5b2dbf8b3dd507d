"""Symbols in memory: who bears which symbol when, looked up without asking the database for each."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import NamedTuple

from investlab.core.errors import Conflict, NotFound
from investlab.schemas.market import InstrumentRef

DATED = "@"
"""Between a symbol and the day on which the instrument meant bore it."""


class SymbolPeriod(NamedTuple):
    """A symbol of an instrument, as `ref` bears it, from `valid_from` up to, not including, `valid_to`."""

    ref: InstrumentRef
    valid_from: date
    valid_to: date | None

    @property
    def end(self) -> date:
        """Return the day the symbol ends, the last day there is when it still holds."""
        return self.valid_to or date.max

    def holds(self, on: date) -> bool:
        """Say whether the instrument bears the symbol on a day."""
        return self.valid_from <= on < self.end


@dataclass(frozen=True, slots=True)
class Scope:
    """Which bearers of a symbol are meant.

    With `on` only those that bear it on that day, with `begun_by` those that bore it then or before; of several that
    follow each other on a venue, the latest. `venue` is a MIC, `among` holds instrument ids such as a dataset's.
    """

    on: date | None = None
    begun_by: date | None = None
    venue: str | None = None
    among: Collection[int] | None = None

    def takes(self, period: SymbolPeriod) -> bool:
        """Say whether a period is one of those meant."""
        return (
            (self.on is None or period.holds(self.on))
            and (self.begun_by is None or period.valid_from <= self.begun_by)
            and (self.venue is None or period.ref.venue == self.venue)
            and (self.among is None or period.ref.instrument_id in self.among)
        )


EVERYWHERE = Scope()


class SymbolIndex:
    """The symbol periods of some or all instruments as they stood at one moment; it never changes."""

    def __init__(self, periods: Iterable[SymbolPeriod]) -> None:
        ordered = sorted(periods, key=lambda period: (period.end, period.valid_from, period.ref.instrument_id))
        self._by_symbol: dict[str, list[SymbolPeriod]] = {}
        self._by_instrument: dict[int, list[SymbolPeriod]] = {}
        for period in ordered:
            self._by_symbol.setdefault(period.ref.symbol, []).append(period)
            self._by_instrument.setdefault(period.ref.instrument_id, []).append(period)

    def __len__(self) -> int:
        return len(self._by_instrument)

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._by_symbol

    def __iter__(self) -> Iterator[InstrumentRef]:
        """Give every instrument under its latest symbol, ordered by symbol."""
        latest = (periods[-1].ref for periods in self._by_instrument.values())
        return iter(sorted(latest, key=lambda ref: (ref.symbol, ref.venue, ref.instrument_id)))

    def periods(self, symbol: str) -> tuple[SymbolPeriod, ...]:
        """Return the times during which instruments bore a symbol, ordered by their end."""
        return tuple(self._by_symbol.get(symbol, ()))

    def bearer(self, symbol: str, scope: Scope = EVERYWHERE) -> InstrumentRef:
        """Return the instrument that bears a symbol; `SYMBOL@2007-07-02` is the one that bore it on that day.

        Raises:
            NotFound: Nothing bears it; near matches are named.
            Conflict: Instruments of several venues bear it.
        """
        periods = self._by_symbol.get(symbol, ())
        if len(periods) == 1 and scope.takes(periods[0]):
            return periods[0].ref
        if not periods and DATED in symbol:
            return self._bearer_then(symbol, scope)
        found: Mapping[str, InstrumentRef] = {p.ref.venue: p.ref for p in periods if scope.takes(p)}
        if len(found) > 1:
            raise Conflict(f"{symbol} trades on {', '.join(sorted(found))}.", remedy="Name the venue.")
        if not found:
            known = {name for name, theirs in self._by_symbol.items() if any(scope.takes(p) for p in theirs)}
            raise NotFound.named("symbol", symbol, known, remedy=f"It must hold on {scope.on}." if scope.on else "")
        return next(iter(found.values()))

    def bearers(self, symbols: Iterable[str], scope: Scope = EVERYWHERE) -> list[InstrumentRef]:
        """Return the instruments that bear symbols, in the order given, each under the symbol asked for.

        Raises:
            NotFound: Nothing bears one of them; near matches are named.
            Conflict: Instruments of several venues bear one.
        """
        return [self.bearer(symbol, scope) for symbol in symbols]

    def bearers_on(self, dated: Iterable[tuple[str, date]], *, venue: str | None = None) -> list[InstrumentRef]:
        """Return the instruments that bear symbols, each on a day of its own, in the order given.

        Raises:
            NotFound: Nothing bears one of them on its day; near matches are named.
            Conflict: Instruments of several venues bear one.
        """
        return [self._bearer_on(symbol, day, venue) for symbol, day in dated]

    def instruments(self, instrument_ids: Sequence[int], *, on: date | None = None) -> list[InstrumentRef]:
        """Return instruments in the order given, each under the symbol it had on a day, its latest unless given.

        One that had none on the day is given under the last symbol before it, else under its first.

        Raises:
            NotFound: One of them does not exist.
        """
        try:
            periods = [self._by_instrument[key] for key in instrument_ids]
        except KeyError as error:
            raise NotFound(f"There is no instrument {error.args[0]}.", remedy="Ingest its bars first.") from None
        return [_ref_on(own, on) for own in periods]

    def named(
        self, instrument_ids: Sequence[int], *, on: date | None = None, among: Collection[int] | None = None
    ) -> list[InstrumentRef]:
        """Return what `instruments` does, each under a name by which `bearer` finds it again among some instruments.

        Where another one bore an instrument's symbol after it, the name is the symbol with the last day it was borne.

        Raises:
            NotFound: One of them does not exist.
        """
        scope = Scope(begun_by=on, among=among)
        return [self._named(ref, on, scope) for ref in self.instruments(instrument_ids, on=on)]

    def _named(self, ref: InstrumentRef, on: date | None, scope: Scope) -> InstrumentRef:
        bearers = [period for period in self._by_symbol[ref.symbol] if scope.takes(period)]
        if not bearers or bearers[-1].ref.instrument_id == ref.instrument_id:
            return ref
        own = [period for period in bearers if period.ref.instrument_id == ref.instrument_id]
        if not own or own[-1].valid_to is None:
            return ref
        last = min(own[-1].valid_to - timedelta(days=1), on or date.max)
        return ref.model_copy(update={"symbol": f"{ref.symbol}{DATED}{last}"})

    def _bearer_then(self, dated: str, scope: Scope) -> InstrumentRef:
        symbol, _, day = dated.rpartition(DATED)
        try:
            then = replace(scope, on=date.fromisoformat(day), begun_by=None)
        except ValueError:
            raise NotFound.named("symbol", dated, self._by_symbol) from None
        return self.bearer(symbol, then).model_copy(update={"symbol": dated})

    def _bearer_on(self, symbol: str, day: date, venue: str | None) -> InstrumentRef:
        periods = self._by_symbol.get(symbol, ())
        if len(periods) == 1 and venue is None and periods[0].holds(day):
            return periods[0].ref
        return self.bearer(symbol, Scope(on=day, venue=venue))


def _ref_on(periods: Sequence[SymbolPeriod], on: date | None) -> InstrumentRef:
    if on is None:
        return periods[-1].ref
    begun = [period for period in periods if period.valid_from <= on]
    return (begun or periods[:1])[-1].ref
