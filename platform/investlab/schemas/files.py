"""What the description beside a folder of market data files declares: nothing about a file is ever guessed."""

import codecs
import re
from collections.abc import Mapping
from datetime import timedelta, timezone, tzinfo
from enum import StrEnum
from typing import Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, field_validator, model_validator

from investlab.schemas.catalog import InstrumentKind, LevelBasis
from investlab.schemas.market import BAR_FIELDS, Frozen, PriceBasis

SYMBOL, SESSION = "symbol", "session"
TIME_OF_DAY = re.compile(r"%[HIMSpfXcT]")
NAME = re.compile(r"\w[\w.-]{0,63}")
OFFSET = re.compile(r"([+-])(\d{2}):(\d{2})")


class Unit(StrEnum):
    """What one of a file's figures is, against ours: powers of ten, so that conversion is exact."""

    CENTS = "cents"
    TENTHS = "tenths"
    ONES = "ones"
    HUNDREDS = "hundreds"
    THOUSANDS = "thousands"
    MILLIONS = "millions"

    @property
    def exponent(self) -> int:
        """Return the power of ten that one of these is."""
        return {"cents": -2, "tenths": -1, "ones": 0, "hundreds": 2, "thousands": 3, "millions": 6}[self]


class SymbolSource(StrEnum):
    """Where a bar's symbol stands: in a column of its own, or in the file's name up to its suffix."""

    COLUMN = "column"
    FILE_NAME = "file_name"


class SessionSource(StrEnum):
    """How a time becomes a session.

    `moment`: the day on which it falls where the calendar's exchange stands. `written_date`: the date as it is
    written, whatever the time beside it.
    """

    MOMENT = "moment"
    WRITTEN_DATE = "written_date"


class DateRule(Frozen):
    """How dates are written, in the codes of `strptime`; years have four digits.

    A format with a time of day needs to know where its clock stands: by `%z` (an offset in the text), by `%Z` at its
    end (a name, explained in `zone_names`) or by `zone`. Zones are IANA names or offsets such as −05:00.
    """

    format: str = "%Y-%m-%d"
    zone: str | None = None
    zone_names: Mapping[str, str] = Field(default_factory=dict)
    session_from: SessionSource = SessionSource.MOMENT

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, value: str | None) -> str | None:
        return value if value is None else zone_name(value)

    @field_validator("zone_names")
    @classmethod
    def _zones_exist(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        return {name: zone_name(zone) for name, zone in value.items()}

    @model_validator(mode="after")
    def _says_enough(self) -> Self:
        if "%y" in self.format:
            raise ValueError("years of two digits could mean two centuries; have them written with four")
        if not all(re.search(codes, self.format) for codes in ("%Y", "%[mbB]", "%d")):
            raise ValueError(f"the format {self.format!r} lacks the year %Y, the month %m or the day %d")
        if ("%p" in self.format) is not ("%I" in self.format):
            raise ValueError("hours of a half day, %I, need %p to say which half, and %p counts with %I alone")
        if "%Z" in self.format and not (self.format.endswith(" %Z") and self.zone_names):
            raise ValueError("%Z must end the format after a space, and zone_names must say what each name means")
        if self.has_time and not (self.tells_zone or self.zone or self.session_from is SessionSource.WRITTEN_DATE):
            raise ValueError(f"the format {self.format!r} has a time of day; declare its zone")
        return self

    @property
    def has_time(self) -> bool:
        """Say whether the text holds a time of day."""
        return TIME_OF_DAY.search(self.format) is not None

    @property
    def tells_zone(self) -> bool:
        """Say whether the text itself names its zone or offset."""
        return "%z" in self.format or "%Z" in self.format


class NumberRule(Frozen):
    """How numbers are written; `missing` are the texts that stand for no value (the empty text only if listed)."""

    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", "'", "’", " ", "\u00a0", "\u202f"] = ""
    missing: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _separators_differ(self) -> Self:
        if self.decimal == self.thousands:
            raise ValueError("decimal and thousands cannot be the same separator")
        return self

    @property
    def wording(self) -> str:
        """Return the rule in words."""
        return f"decimal {self.decimal!r}, {f'thousands {self.thousands!r}' if self.thousands else 'no thousands'}"


class TextRule(Frozen):
    """How a text file is laid out.

    Without `encoding` a byte order mark decides, else it is UTF-8. The header stands in line `header_line`. Lines that
    begin with `comment` are left out, and so is what stands at the end of a file from the first line on that begins
    with one of `footer`: each line there must begin so.
    """

    encoding: str | None = None
    delimiter: str = Field(",", min_length=1, max_length=1)
    comment: str = ""
    footer: tuple[str, ...] = ()
    header_line: int = Field(1, ge=1)

    @field_validator("encoding")
    @classmethod
    def _encoding_exists(cls, value: str | None) -> str | None:
        try:
            is_text = "a\n".encode(value or "utf-8").decode(value or "utf-8") == "a\n"
            is_ours = codecs.lookup(value or "utf-8").name not in ("idna", "punycode")
        except (LookupError, UnicodeError) as error:
            raise ValueError(f"{value!r} is no encoding; write utf-8, utf-16-le, cp1252 or the like") from error
        if not (is_text and is_ours):
            raise ValueError(f"{value!r} is no encoding of files")
        return value

    @field_validator("delimiter")
    @classmethod
    def _delimiter_delimits(cls, value: str) -> str:
        if value.isalnum() or value in '"\r\n\0':
            raise ValueError(f"{value!r} cannot stand between fields; write ',', ';', '|' or a tab")
        return value

    @field_validator("comment")
    @classmethod
    def _comment_is_no_field(cls, value: str) -> str:
        if value.startswith('"'):
            raise ValueError("a quotation mark begins fields, not comments")
        return value

    @field_validator("footer")
    @classmethod
    def _footer_is_told(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(value):
            raise ValueError("an empty text would make every line a footer")
        return value


class SymbolRule(Frozen):
    """Where symbols stand; `pattern` must match the whole text, and its group `symbol` (else all of it) counts."""

    source: SymbolSource = SymbolSource.COLUMN
    pattern: str | None = None

    @field_validator("pattern")
    @classmethod
    def _pattern_compiles(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"the pattern is no regular expression: {error}") from error
        return value


class FileLayout(Frozen):
    """How files are read: `columns` maps our names to theirs.

    Columns of a file that are neither named there nor in `ignore` (`*` = all others) nor in `require` are an error.
    `require` names columns that must hold one text in every row, such as a period that must be daily.
    """

    columns: Mapping[str, str] = Field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    require: Mapping[str, str] = Field(default_factory=dict)
    dates: DateRule = DateRule()
    numbers: NumberRule = NumberRule()
    units: Mapping[str, Unit] = Field(default_factory=dict)
    text: TextRule = TextRule()
    symbols: SymbolRule = SymbolRule()
    sheet: str | None = None


class InstrumentFacts(Frozen):
    """What the description tells of one instrument."""

    name: str = ""
    sector: str = ""
    kind: InstrumentKind = InstrumentKind.EQUITY
    level_basis: LevelBasis | None = None


class FileDataset(FileLayout):
    """A dataset described beside its files; its name is the folder's unless it is given.

    `layout` names a known layout whose rules hold where none are given. `files` are patterns of file names.
    `adjustment_rule` says that corporate actions are to be derived from close and adjusted close by that rule.
    """

    name: str = ""
    title: str = Field(min_length=1)
    source: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    biases: tuple[str, ...] = Field(min_length=1)
    price_basis: PriceBasis
    currency: str = Field(min_length=3, max_length=3)
    calendar: str
    venue: str = Field(min_length=1)
    synthetic: bool = False
    lag_seconds: int = Field(0, ge=0)
    layout: str | None = None
    files: tuple[str, ...] = ("*",)
    adjustment_rule: str | None = None
    instruments: Mapping[str, InstrumentFacts] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _name_is_plain(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError(f"{value!r} is no name of a dataset; use up to 64 letters, digits, '-', '_' and '.'")
        return value

    @field_validator("files")
    @classmethod
    def _files_lie_within(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            if not pattern or pattern.startswith("/") or ".." in pattern.split("/"):
                raise ValueError(f"the pattern {pattern!r} does not stay within the dataset's folder")
        return value

    @model_validator(mode="after")
    def _columns_suffice(self) -> Self:
        known = (SYMBOL, SESSION, *BAR_FIELDS)
        unknown = sorted({*self.columns, *self.units} - set(known))
        if unknown:
            raise ValueError(f"unknown column {unknown[0]!r}: ours are {', '.join(known)}")
        if SYMBOL in self.units or SESSION in self.units:
            raise ValueError("symbols and sessions have no unit")
        missing = [name for name in (SESSION, "close") if name not in self.columns]
        if missing:
            raise ValueError(f"columns does not say which column is the {missing[0]}")
        if (SYMBOL in self.columns) is (self.symbols.source is SymbolSource.FILE_NAME):
            raise ValueError("symbols come either from a column or, with symbols.source: file_name, from the file name")
        theirs = [*self.columns.values(), *self.require]
        twice = sorted({name for name in theirs if theirs.count(name) > 1})
        if twice:
            raise ValueError(f"the column {twice[0]!r} is used twice")
        return self

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the bar fields that the files hold, in their usual order."""
        return tuple(name for name in BAR_FIELDS if name in self.columns)


def zone_of(name: str) -> tzinfo:
    """Return the zone of an IANA name or an offset such as −05:00.

    Raises:
        ValueError: It is neither.
    """
    offset = OFFSET.fullmatch(name)
    if offset:
        sign, hours, minutes = offset.groups()
        return timezone((1 if sign == "+" else -1) * timedelta(hours=int(hours), minutes=int(minutes)))
    if name not in available_timezones():
        raise ValueError(f"{name!r} is no time zone; write America/New_York or -05:00")
    return ZoneInfo(name)


def zone_name(name: str) -> str:
    """Return the name of a zone that exists.

    Raises:
        ValueError: There is none.
    """
    zone_of(name)
    return name
