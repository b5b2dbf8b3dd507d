"""Sessions and symbols out of a file's cells, exactly as its description says they are written."""

import re
from collections.abc import Callable, Hashable
from datetime import date, datetime, time
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from investlab.market.calendars import FIRST_SESSION, LAST_DAY, calendar_zone, sessions_between
from investlab.providers.file_blocks import Block
from investlab.schemas.files import DateRule, SessionSource, zone_of

SOLID = re.compile(r"%[YmdHIMS]%[YmdHIMS]")
"""Digits without a separator between them: only text of full length is then unambiguous."""


class _Unfit(Exception):
    """A cell that cannot be what it should be: what it is, and the remedy."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


def symbols_of(block: Block, column: str, pattern: str | None) -> tuple[np.ndarray, list[str]]:
    """Return each row's place in a list of distinct symbols, and that list.

    Raises:
        InvalidInput: A cell is empty, no text, or does not match the pattern; its place is named.
    """

    def symbol(cell: object) -> str:
        if not isinstance(cell, str) or not cell.strip():
            raise _Unfit(f"{cell!r} is no symbol" if cell else "it is empty", "Write the symbol there as text.")
        found = symbol_in(cell, pattern)
        if found is None:
            reason = f"does not match the pattern {pattern!r}" if pattern else "is no symbol"
            raise _Unfit(f"{cell!r} {reason}", "Correct the cell or `symbols.pattern`.")
        return found

    codes, cells = _distinct(block, column)
    return codes, _each(block, column, codes, cells, symbol)


def symbol_in(text: str, pattern: str | None) -> str | None:
    """Return the symbol in a text: the pattern's group `symbol`, else all of it; None when there is none to print."""
    found = re.fullmatch(pattern or ".+", text.strip())
    if found is None:
        return None
    symbol = found["symbol"] if "symbol" in found.re.groupindex else found[0]
    return symbol if symbol and symbol.isprintable() else None


def _distinct(block: Block, column: str) -> tuple[np.ndarray, list[object]]:
    """Return each row's place in a list of distinct cells, and that list."""
    cells = block.columns[column]
    if isinstance(cells, list):
        places: dict[tuple[type, Hashable], int] = {}
        codes = [places.setdefault((type(cell), cast("Hashable", cell)), len(places)) for cell in cells]
        return np.array(codes, dtype=np.int64), [cell for _, cell in places]
    plain = cells.dictionary_decode() if pa.types.is_dictionary(cells.type) else cells
    coded = pc.dictionary_encode(plain, null_encoding="encode")
    try:
        return coded.indices.to_numpy().astype(np.int64), coded.dictionary.to_pylist()
    except (ArithmeticError, LookupError, ValueError) as error:
        what = f"its values of type {plain.type} are beyond all dates, or of an unknown zone"
        raise block.refusal(0, column, what, "Correct them, or write dates.") from error


def _each[T](
    block: Block, column: str, codes: np.ndarray, cells: list[object], convert: Callable[[object], T]
) -> list[T]:
    """Convert distinct cells; the first row that holds an unfit one is named."""
    found: list[T] = []
    for code, cell in enumerate(cells):
        try:
            found.append(convert(cell))
        except _Unfit as error:
            rows = np.flatnonzero(codes == code)
            row = int(rows[0]) if len(rows) else 0
            raise block.refusal(row, column, error.what, error.remedy) from error
    return found


def _weekday_fits(text: str, plain: str, moment: datetime) -> bool:
    """Say whether a weekday that is written is that of the date, which `strptime` does not check."""
    return all(moment.strftime(code).lower() in text.lower() for code in ("%A", "%a") if code in plain)


class SessionReader:
    """Reads the sessions of one dataset's files; cells that were met before are not read again.

    A time of day becomes the day it falls on where the calendar's exchange stands, and that must be a session; a plain
    date is taken as it is.
    """

    def __init__(self, rule: DateRule, calendar: str) -> None:
        self._rule, self._calendar = rule, calendar
        self._venue_zone = calendar_zone(calendar)
        self._zone = zone_of(rule.zone) if rule.zone else None
        self._known: dict[object, date] = {}

    def sessions(self, block: Block, column: str) -> np.ndarray:
        """Return a column's sessions as datetime64[D].

        Raises:
            InvalidInput: A cell is not written by the rule, or its moment lies in no session; its place is named.
        """
        codes, cells = _distinct(block, column)
        days = np.array(_each(block, column, codes, cells, self._session), dtype="datetime64[D]")
        moments = np.array([self._is_moment(cell) for cell in cells], dtype=bool)
        if moments.any():
            first, last = max(days.min().item(), FIRST_SESSION), min(days.max().item(), LAST_DAY)
            known = sessions_between(self._calendar, first, last) if first <= last else days[:0]
            wrong = moments & ~np.isin(days, known)
            if wrong.any():
                row = int(np.argmax(wrong[codes]))
                raise block.refusal(
                    row,
                    column,
                    f"{cells[codes[row]]!s} falls on {days[codes[row]]} in {self._venue_zone}, "
                    f"which is no session of {self._calendar}",
                    "Correct `dates.zone`; if the time means nothing, declare `dates: {session_from: written_date}`.",
                )
        placed: np.ndarray = days[codes]
        return placed

    def _is_moment(self, cell: object) -> bool:
        """Say whether a cell holds a time of day that counts."""
        if self._rule.session_from is SessionSource.WRITTEN_DATE:
            return False
        if isinstance(cell, str):
            return self._rule.has_time
        return isinstance(cell, datetime) and (cell.tzinfo is not None or self._zone is not None)

    def _session(self, cell: object) -> date:
        known = self._known.get(cell)
        if known is None:
            known = self._known[cell] = self._read(cell)
        return known

    def _read(self, cell: object) -> date:
        if isinstance(cell, str):
            return self._written(cell.strip())
        if isinstance(cell, datetime):
            return self._day_of(cell)
        if isinstance(cell, date):
            return cell
        raise _Unfit("it is empty" if cell is None else f"{cell!r} is no date", "Write a date there.")

    def _written(self, text: str) -> date:
        if not text:
            raise _Unfit("it is empty", "Write a date there.")
        rule, zone, rest = self._rule, None, text
        if "%Z" in rule.format:
            rest, _, name = text.rpartition(" ")
            if name not in rule.zone_names:
                raise _Unfit(f"{text!r} names the zone {name!r}", "Say what it means in `dates.zone_names`.")
            zone = zone_of(rule.zone_names[name])
        plain = rule.format.removesuffix(" %Z")
        try:
            moment = datetime.strptime(rest, plain)  # noqa: DTZ007  (the zone is added below)
        except ValueError:
            moment = None
        if moment is not None and not _weekday_fits(rest, plain, moment):
            raise _Unfit(f"{text!r} names another weekday than that of its date", "Correct the cell.")
        solid = SOLID.search(plain) is not None
        if moment is None or (solid and not rest.startswith(moment.strftime(plain.partition("%z")[0]))):
            raise _Unfit(
                f"{text!r} is no date written as {rule.format}",
                "Declare how it is written, such as `dates: {format: '%d.%m.%Y'}` (day first) or '%m/%d/%Y'.",
            )
        if not rule.has_time:
            return moment.date()
        return self._day_of(moment if zone is None else moment.replace(tzinfo=zone))

    def _day_of(self, moment: datetime) -> date:
        """Return the day on which a moment falls at the venue; without a zone only midnight is one, of its own date."""
        if self._rule.session_from is SessionSource.WRITTEN_DATE:
            return moment.date()
        if moment.tzinfo is None and self._zone is None:
            if moment.time() != time():
                raise _Unfit(f"{moment} has a time of day", "Declare `dates.zone`.")
            return moment.date()
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=self._zone)
        try:
            days = {aware.replace(fold=fold).astimezone(self._venue_zone).date() for fold in (0, 1)}
        except (OverflowError, ValueError) as error:
            raise _Unfit(f"{moment} is beyond all dates", "Correct the cell.") from error
        if len(days) > 1:
            raise _Unfit(f"{moment} came twice as the clocks went back, on two days at the venue", "Write the offset.")
        return days.pop()
