"""Whose names are whose: instruments with their dated identifiers, held free of overlaps while new names are told.

On a venue, a symbol, FIGI, ISIN, CUSIP or (of one source) provider symbol names one instrument at a time, and an
instrument has one symbol at a time. A CIK names a company, whose share classes may be several instruments.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from investlab.core.errors import Conflict, InvalidInput
from investlab.schemas.catalog import IdentifierDraft, IdentifierScheme, InstrumentDraft, InstrumentKind, LevelBasis

SYMBOL = IdentifierScheme.SYMBOL
LASTING = frozenset({IdentifierScheme.FIGI, IdentifierScheme.ISIN, IdentifierScheme.CUSIP})
Key = tuple[int, IdentifierScheme, str, str]


@dataclass(slots=True, eq=False)
class Known:
    """An instrument, recorded or about to be; `key` is None before it is recorded."""

    key: int | None
    venue_id: int
    kind: InstrumentKind
    currency: str
    name: str
    level_basis: LevelBasis | None
    sector: str
    names: list["Name"] = field(default_factory=list)
    is_changed: bool = False

    @property
    def said(self) -> str:
        """Return how an error names the instrument."""
        return f"instrument {self.key}" if self.key is not None else f"a new instrument ({self.name or 'no name'})"


@dataclass(slots=True, eq=False)
class Name:
    """An identifier of an instrument from `start` up to, not including, `end`; `row` is None before it is recorded."""

    bearer: Known
    scheme: IdentifierScheme
    value: str
    start: date
    end: date | None
    source: str
    row: int | None = None
    is_changed: bool = False

    def overlaps(self, start: date, end: date | None) -> bool:
        """Say whether a period has a day in common with this one."""
        return (end is None or self.start < end) and (self.end is None or start < self.end)

    def holds(self, day: date) -> bool:
        """Say whether the name holds on a day."""
        return self.start <= day and (self.end is None or day < self.end)

    def move(self, start: date, end: date | None) -> None:
        """Give the name another period."""
        if (start, end) != (self.start, self.end):
            self.start, self.end, self.is_changed = start, end, True


def name_key(venue_id: int, scheme: IdentifierScheme, value: str, source: str) -> Key:
    """Return what names that must not overlap have in common; provider symbols are a matter of each source."""
    return venue_id, scheme, value, source if scheme is IdentifierScheme.PROVIDER_SYMBOL else ""


class Names:
    """The names of a set of instruments, to find an instrument by and to tell new names to.

    It must hold every recorded name that has the key of one to be told, and every name of those names' bearers.
    """

    def __init__(self, recorded: Iterable[Known] = ()) -> None:
        self.instruments: list[Known] = []
        self._by_key: dict[Key, list[Name]] = {}
        for instrument in recorded:
            self.instruments.append(instrument)
            for name in instrument.names:
                self._by_key.setdefault(_key(name), []).append(name)

    def ensure(self, draft: InstrumentDraft, venue_id: int) -> Known:
        """Return the instrument that a draft means, a new one where none is known, with every name the draft tells.

        Raises:
            Conflict: The draft contradicts what is recorded.
            InvalidInput: A period of the draft ends before it begins.
        """
        recorded = self._recorded(draft, venue_id)
        if recorded is not None:
            _agree(recorded, draft)
            return recorded
        instrument = self._meant(draft, venue_id)
        if instrument is None:
            instrument = Known(
                None, venue_id, draft.kind, draft.currency, draft.name, draft.level_basis, draft.sector, is_changed=True
            )
            self.instruments.append(instrument)
        else:
            _agree(instrument, draft)
        for told in told_names(draft):
            self.tell(instrument, told, draft.source)
        return instrument

    def tell(self, instrument: Known, told: IdentifierDraft, source: str) -> None:
        """Let an instrument bear a name during a period.

        A name it bears then already begins with the earlier and, if it had no end, ends with the one told. A name told
        without an end ends where a recorded one that excludes it begins. Nothing else that is recorded changes.

        Raises:
            Conflict: Another instrument bears it then, or the instrument bears another symbol.
        """
        rivals = self._rivals(instrument, told, source)
        own = self._own(instrument, told, source)
        if own:
            first = min(own, key=lambda name: name.start)
            start, end = _widened(first, told, rivals, may_end=len(own) == 1)
            _refuse(instrument, told.model_copy(update={"valid_from": start, "valid_to": end}), rivals)
            first.move(start, end)
            return
        following = [rival.start for rival in rivals if rival.start > told.valid_from]
        if told.valid_to is None and following:
            told = told.model_copy(update={"valid_to": min(following)})
        self._add(instrument, told, source)

    def add(self, instrument: Known, told: IdentifierDraft, source: str) -> Name:
        """Let an instrument bear a name during just this period, and return it; the same again changes nothing.

        Raises:
            Conflict: Part of the period is taken, by the instrument itself or another.
        """
        own = self._own(instrument, told, source)
        for name in own:
            if (name.start, name.end) == (told.valid_from, told.valid_to):
                return name
        _refuse(instrument, told, own)
        return self._add(instrument, told, source)

    def _add(self, instrument: Known, told: IdentifierDraft, source: str) -> Name:
        _refuse(instrument, told, self._rivals(instrument, told, source))
        name = Name(instrument, told.scheme, told.value, told.valid_from, told.valid_to, source, is_changed=True)
        instrument.names.append(name)
        self._by_key.setdefault(_key(name), []).append(name)
        return name

    def _recorded(self, draft: InstrumentDraft, venue_id: int) -> Known | None:
        """Return the instrument that bears every name a draft tells during just the period told, if one does.

        Nothing is to be told to it then. That is so for nearly all of a market's instruments on nearly every day.
        """
        bearer = self._bearer((venue_id, SYMBOL, draft.symbol, ""), draft.valid_from, draft.symbol_until)
        for told in draft.identifiers if bearer is not None else ():
            key = name_key(venue_id, told.scheme, told.value, draft.source)
            if self._bearer(key, told.valid_from, told.valid_to) is not bearer:
                return None
        return bearer

    def _bearer(self, key: Key, start: date, end: date | None) -> Known | None:
        """Return the only instrument that bears a name during just this period."""
        found = [name.bearer for name in self._by_key.get(key, ()) if (name.start, name.end) == (start, end)]
        return found[0] if len(found) == 1 else None

    def _own(self, instrument: Known, told: IdentifierDraft, source: str) -> list[Name]:
        """Return the same name where the instrument itself bears it on some of the days."""
        same = self._by_key.get(name_key(instrument.venue_id, told.scheme, told.value, source), ())
        return [name for name in same if name.bearer is instrument and name.overlaps(told.valid_from, told.valid_to)]

    def _rivals(self, instrument: Known, told: IdentifierDraft, source: str) -> list[Name]:
        """Return the names that exclude the one told: the same of other instruments, and the instrument's symbols."""
        if told.scheme is IdentifierScheme.CIK:
            return []
        same = self._by_key.get(name_key(instrument.venue_id, told.scheme, told.value, source), ())
        rivals = [name for name in same if name.bearer is not instrument]
        if told.scheme is SYMBOL:
            rivals += [name for name in instrument.names if name.scheme is SYMBOL and name.value != told.value]
        return rivals

    def _meant(self, draft: InstrumentDraft, venue_id: int) -> Known | None:
        """Return the instrument a draft means: by its lasting identifiers, else by its symbols where none contradicts.

        Of several that bore a symbol one after the other, the first is meant.
        """
        lasting = [told for told in draft.identifiers if told.scheme in LASTING]
        found = {told: self._bearers(told, draft.source, venue_id) for told in lasting}
        if not any(found.values()):
            symbols = [told for told in told_names(draft) if told.scheme in {SYMBOL, IdentifierScheme.PROVIDER_SYMBOL}]
            found = {told: self._bearers(told, draft.source, venue_id, unless=lasting)[:1] for told in symbols}
        meant = {id(name.bearer): name for names in found.values() for name in names}
        if len(meant) > 1:
            told = " and ".join(f"{name.scheme} {name.value!r} names {name.bearer.said}" for name in meant.values())
            raise Conflict(
                f"{draft.symbol} on {draft.venue} cannot be told apart: {told}.",
                remedy="Correct the identifiers, or give the periods in which they hold.",
            )
        return next(iter(meant.values())).bearer if meant else None

    def _bearers(
        self, told: IdentifierDraft, source: str, venue_id: int, unless: Sequence[IdentifierDraft] = ()
    ) -> list[Name]:
        """Return the names equal to one told that hold on some of its days, by their start."""
        same = self._by_key.get(name_key(venue_id, told.scheme, told.value, source), ())
        found = [
            name
            for name in same
            if name.overlaps(told.valid_from, told.valid_to)
            and not _contradicts(name.bearer, unless, max(told.valid_from, name.start))
        ]
        return sorted(found, key=lambda name: name.start)


def told_names(draft: InstrumentDraft) -> list[IdentifierDraft]:
    """Return every name that a draft tells, those that ended first, then the latest.

    Raises:
        InvalidInput: A period ends before it begins.
    """
    own = IdentifierDraft(scheme=SYMBOL, value=draft.symbol, valid_from=draft.valid_from, valid_to=draft.symbol_until)
    names = [*draft.identifiers, own]
    for name in names:
        if name.valid_to is not None and name.valid_to <= name.valid_from:
            raise InvalidInput(
                f"The {name.scheme} {name.value!r} of {draft.symbol} ends on {name.valid_to}, before it begins.",
                remedy="Exchange the two days.",
            )
    return sorted(names, key=lambda name: (name.valid_to is None, -name.valid_from.toordinal()))


def _key(name: Name) -> Key:
    return name_key(name.bearer.venue_id, name.scheme, name.value, name.source)


def _widened(own: Name, told: IdentifierDraft, rivals: Iterable[Name], *, may_end: bool) -> tuple[date, date | None]:
    """Return the period of a recorded name together with one told; rivals that ended before it bound its start."""
    start, end = own.start, own.end
    if told.valid_from < start:
        start = max([told.valid_from, *(r.end for r in rivals if r.end is not None and r.end <= start)])
    if told.valid_to is not None and may_end:
        end = told.valid_to if end is None else max(end, told.valid_to)
    return start, end


def _refuse(instrument: Known, told: IdentifierDraft, rivals: Iterable[Name]) -> None:
    for rival in rivals:
        if rival.overlaps(told.valid_from, told.valid_to):
            raise Conflict(
                f"{told.scheme} {told.value!r} cannot name {instrument.said} from {told.valid_from} to "
                f"{told.valid_to or 'today'}: {rival.scheme} {rival.value!r} already names {rival.bearer.said} from "
                f"{rival.start} to {rival.end or 'today'}.",
                remedy="End that period first, or give one that does not overlap.",
            )


def _contradicts(instrument: Known, lasting: Iterable[IdentifierDraft], day: date) -> bool:
    """Say whether an instrument's lasting identifiers of a day are others than those told."""
    for told in lasting:
        if told.valid_from <= day and (told.valid_to is None or day < told.valid_to):
            values = {name.value for name in instrument.names if name.scheme is told.scheme and name.holds(day)}
            if values and told.value not in values:
                return True
    return False


def _agree(instrument: Known, draft: InstrumentDraft) -> None:
    """Complete an instrument from a draft that means it.

    Raises:
        Conflict: It is recorded with another kind or currency.
    """
    for what, recorded, given in (
        ("kind", instrument.kind, draft.kind),
        ("currency", instrument.currency, draft.currency),
    ):
        if recorded != given:
            raise Conflict(
                f"{draft.symbol} on {draft.venue} is recorded with {what} {recorded}, not {given}.",
                remedy="Correct the source, or give the venue it really trades on.",
            )
    completed = (
        instrument.name or draft.name,
        instrument.level_basis or draft.level_basis,
        draft.sector or instrument.sector,
    )
    if completed != (instrument.name, instrument.level_basis, instrument.sector):
        instrument.name, instrument.level_basis, instrument.sector = completed
        instrument.is_changed = True
