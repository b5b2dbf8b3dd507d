"""Text files: any encoding, line end and delimiter that is declared, plain or compressed, read line by line."""

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self, cast

import pyarrow as pa

from investlab.core.errors import InvalidInput, StorageUnavailable
from investlab.providers.file_blocks import BLOCK_ROWS, Block, Place, check_header, refusal
from investlab.providers.file_plain import PlainLines
from investlab.schemas.files import TextRule

REPLACED = "\ufffd"
"""What decoders write for bytes that are no text."""

MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks; the longer ones come first, for one begins like another."""


def text_blocks(path: Path, file: str, rule: TextRule) -> Iterator[Block]:
    """Yield the rows of a text file; `file` is its name for people.

    Raises:
        InvalidInput: It breaks its rule; file, line and, where there is one, column are named.
        StorageUnavailable: It cannot be read.
    """
    with _told(path, file, rule):
        with _open_bytes(path) as raw:
            encoding = encoding_of(raw, file, rule.encoding)
            if _may_be_plain(rule, encoding):
                plain = PlainLines(raw, file, rule.delimiter)
                yield from plain.blocks()
                if plain.is_whole:
                    return
                header, start = plain.header, plain.lines_read
            else:
                header, start = [], rule.header_line - 1
        with _open_bytes(path) as raw, io.TextIOWrapper(cast("IO[bytes]", raw), encoding=encoding, newline="") as text:
            yield from _blocks(_Records(text, file, rule, start), header)


def _may_be_plain(rule: TextRule, encoding: str) -> bool:
    is_simple = not rule.comment and not rule.footer and rule.header_line == 1 and rule.delimiter.isascii()
    return is_simple and codecs.lookup(encoding).name in ("ascii", "utf-8", "utf-8-sig")


def encoding_of(raw: io.BufferedReader, file: str, declared: str | None) -> str:
    """Return the encoding of a file that is open at its beginning, where a byte order mark may stand.

    Raises:
        InvalidInput: The mark contradicts the declared encoding.
    """
    head = raw.peek(4)[:4]
    marked = next((encoding for mark, encoding in MARKS.items() if head.startswith(mark)), None)
    if marked is None and declared is not None and codecs.lookup(declared).name in ("utf-16", "utf-32"):
        raise refusal(
            Place(file),
            f"it begins with no byte order mark, so {declared} does not say which byte comes first",
            f"Declare `text.encoding: {codecs.lookup(declared).name}-le`, or -be.",
        )
    if declared is None or marked is None:
        return marked or declared or "utf-8"
    if codecs.lookup(declared).name.removesuffix("-sig").removesuffix("-le").removesuffix("-be") not in marked:
        raise refusal(
            Place(file),
            f"it begins with the mark of {marked.removesuffix('-sig').upper()}, but {declared} is declared",
            "Correct `text.encoding`, or leave it out: the mark says enough.",
        )
    return marked


def _open_bytes(path: Path) -> io.BufferedReader:
    if path.name.lower().endswith(".gz"):
        return io.BufferedReader(cast("io.RawIOBase", gzip.open(path, "rb")))
    return path.open("rb")


@contextmanager
def _told(path: Path, file: str, rule: TextRule) -> Iterator[None]:
    """Turn what libraries say about a file into sentences that name it."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise _undecodable(path, file, rule, error) from error
    except UnicodeError as error:
        raise refusal(Place(file), f"it cannot be decoded ({error})", "Correct `text.encoding`.") from error
    except EOFError as error:
        raise refusal(Place(file), "its compressed data end too soon", "Fetch the file again.") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise refusal(Place(file), "it is no intact gz file", "Fetch the file again.") from error
    except OSError as error:
        raise StorageUnavailable(
            f"{file} cannot be read: {error.strerror or error}.", remedy="Check the file and its permissions."
        ) from error


class _Records(Iterator[tuple[int, list[str]]]):
    """The records of a text file, without comments and footer, each with the line it begins at.

    A record may span lines within quotes. The reader of records draws lines from `_lines`, which is told by
    `_at_start` whether a line begins a record.
    """

    def __init__(self, text: io.TextIOWrapper, file: str, rule: TextRule, start: int) -> None:
        """Begin after line `start`."""
        self.file = file
        self._text, self._rule = text, rule
        self._line = self._first = start
        self._at_start = True
        for _ in range(start):
            text.readline()
        self._reader = csv.reader(self._lines(), delimiter=rule.delimiter, strict=True)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[int, list[str]]:
        self._at_start = True
        try:
            record = next(self._reader)
        except csv.Error as error:
            raise refusal(
                Place(self.file, self._first),
                f"the row that begins here is broken ({error})",
                "Look for a quotation mark that is not closed or stands inside a field.",
            ) from error
        return self._first, record

    def _lines(self) -> Iterator[str]:
        empty = 0
        for text in self._text:
            self._line += 1
            if self._at_start:
                if not text.strip():
                    empty = empty or self._line
                    continue
                if self._rule.comment and text.startswith(self._rule.comment):
                    continue
                if self._rule.footer and text.startswith(self._rule.footer):
                    self._check_footer()
                    return
                if empty:
                    raise refusal(
                        Place(self.file, empty), "the line is empty, but rows follow", "Remove it from the file."
                    )
                self._at_start, self._first = False, self._line
            yield text

    def _check_footer(self) -> None:
        begun = self._line
        for text in self._text:
            self._line += 1
            if text.strip() and not text.startswith(self._rule.footer):
                raise refusal(
                    Place(self.file, self._line),
                    f"it follows the footer that begins in line {begun}, but does not look like one",
                    "Correct `text.footer`: each line there begins with one of its texts.",
                )


def _blocks(records: _Records, names: Sequence[str]) -> Iterator[Block]:
    """Yield records as blocks; the first one is the header unless its names are known."""
    file = records.file
    if not names:
        names = _header(records)
    lines: list[int] = []
    rows: list[list[str]] = []
    for line, row in records:
        if len(row) != len(names):
            raise _wrong_length(Place(file, line), names, row)
        lines.append(line)
        rows.append(row)
        if len(rows) == BLOCK_ROWS:
            yield _block(file, lines, names, rows)
            lines, rows = [], []
    yield _block(file, lines, names, rows)


def _header(records: _Records) -> list[str]:
    line, header = next(records, (None, None))
    if line is None or header is None:
        raise refusal(Place(records.file), "it holds no header", "Check that the file is whole.")
    if "\0" in "".join(header):
        raise refusal(
            Place(records.file, line), "it holds zero bytes, as UTF-16 does", "Declare `text.encoding: utf-16-le`."
        )
    return check_header(records.file, line, header)


def _block(file: str, lines: list[int], names: Sequence[str], rows: list[list[str]]) -> Block:
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    return Block(file, lines, {name: pa.array(cells, pa.string()) for name, cells in zip(names, columns, strict=True)})


def _wrong_length(place: Place, names: Sequence[str], row: Sequence[str]) -> InvalidInput:
    if len(row) < len(names):
        missing = Place(place.file, place.line, names[len(row)])
        return refusal(
            missing, f"the row ends before it: {len(row)} fields for {len(names)} columns", "Complete the row."
        )
    return refusal(
        place,
        f"the row has {len(row)} fields for {len(names)} columns; the first too many is {row[len(names)]!r}",
        "Check the delimiter, and quote fields that contain it.",
    )


def _undecodable(path: Path, file: str, rule: TextRule, error: UnicodeDecodeError) -> InvalidInput:
    """Return the error that names the line and column of the first bytes that are no text."""
    header: list[str] = []
    with _open_bytes(path) as raw:
        encoding = encoding_of(raw, file, rule.encoding)
        what = f"the byte 0x{error.object[error.start]:02x} is no {encoding.removesuffix('-sig').upper()}"
        remedy = "Declare the file's encoding, such as `text: {encoding: cp1252}`."
        with io.TextIOWrapper(cast("IO[bytes]", raw), encoding=encoding, errors="replace", newline="") as text:
            for line, written in enumerate(text, start=1):
                fields = _fields(written.partition(REPLACED)[0], rule)
                if REPLACED in written:
                    column = header[len(fields) - 1] if 0 < len(fields) <= len(header) else None
                    return refusal(Place(file, line, column), what, remedy)
                if line == rule.header_line:
                    header = fields
    return refusal(Place(file), what, remedy)


def _fields(written: str, rule: TextRule) -> list[str]:
    """Return the fields of a line that may break off."""
    return next(csv.reader([written.rstrip("\r\n")], delimiter=rule.delimiter), [""])
