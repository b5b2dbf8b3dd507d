"""Files with typed cells: sheets of Excel workbooks and Parquet tables."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import batched
from pathlib import Path
from zipfile import BadZipFile

import openpyxl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.workbook.workbook import Workbook

from investlab.core.errors import StorageUnavailable
from investlab.providers.file_blocks import BLOCK_ROWS, Block, Place, check_header, refusal

DAMAGE = (
    ArithmeticError,
    AttributeError,
    BadZipFile,
    EOFError,
    InvalidFileException,
    LookupError,
    NotImplementedError,
    SyntaxError,
    TypeError,
    ValueError,
    pa.ArrowException,
    zlib.error,
)
"""What the libraries raise on files that are damaged or of another kind: they check little of what they find there."""


def sheet_blocks(path: Path, file: str, sheet: str | None, header_line: int) -> Iterator[Block]:
    """Yield the rows of a sheet of an Excel workbook, of its only one unless it is named; lines are the sheet's rows.

    Cells keep their types; of a formula the value counts that the workbook holds. Empty rows at the end are left out.

    Raises:
        InvalidInput: The file is no workbook, its sheet is not clear, or an empty row lies between others.
        StorageUnavailable: It cannot be read.
    """
    with _told(file, "Excel workbook (.xlsx)"):
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            chosen = book[_sheet(book, file, sheet)]
            # A workbook may state a smaller size of its sheet than it has; rows beyond it would be lost.
            chosen.reset_dimensions()
            rows = chosen.iter_rows(values_only=True)
            numbered = ((line, row) for line, row in enumerate(rows, start=1) if line >= header_line)
            yield from _sheet_blocks(numbered, file, header_line)
        finally:
            book.close()


def _sheet(book: Workbook, file: str, name: str | None) -> str:
    names = [each.title for each in book.worksheets]
    if name is None and len(names) == 1:
        return str(names[0])
    if name is None or name not in names:
        known = ", ".join(repr(each) for each in names)
        what = f"it holds {len(names)} sheets" if name is None else f"it holds no sheet {name!r}"
        raise refusal(Place(file), what, f"Declare `sheet:` as one of {known}.")
    return name


def _sheet_blocks(rows: Iterator[tuple[int, tuple[object, ...]]], file: str, header_line: int) -> Iterator[Block]:
    _, header = next(rows, (0, ()))
    width = max((number for number, cell in enumerate(header, start=1) if cell is not None), default=0)
    if not width:
        raise refusal(Place(file, header_line), "it holds no header", "Declare `text: {header_line: …}`.")
    names = check_header(file, header_line, header[:width])
    yield Block(file, [], {name: [] for name in names})
    for group in batched(_filled(rows, file, width), BLOCK_ROWS):
        cells = zip(*(row for _, row in group), strict=True)
        columns = {name: list(column) for name, column in zip(names, cells, strict=True)}
        yield Block(file, [line for line, _ in group], columns)


def _filled(
    rows: Iterator[tuple[int, tuple[object, ...]]], file: str, width: int
) -> Iterator[tuple[int, tuple[object, ...]]]:
    """Yield rows as wide as the header."""
    empty = 0
    for line, row in rows:
        if all(cell is None for cell in row):
            empty = empty or line
            continue
        if empty:
            raise refusal(Place(file, empty), "the row is empty, but others follow", "Remove it from the sheet.")
        if any(cell is not None for cell in row[width:]):
            raise refusal(Place(file, line), "a cell lies beside the columns of the header", "Remove it, or name it.")
        yield line, (*row[:width], *([None] * (width - len(row))))


def parquet_blocks(path: Path, file: str) -> Iterator[Block]:
    """Yield the rows of a Parquet file; lines count its rows from 1.

    Raises:
        InvalidInput: The file is no Parquet table, or its columns do not bear one name each.
        StorageUnavailable: It cannot be read.
    """
    with _told(file, "Parquet file"), pq.ParquetFile(path) as table:
        names = check_header(file, None, table.schema_arrow.names)
        empty = zip(names, table.schema_arrow.types, strict=True)
        yield Block(file, range(0), {name: pa.array([], kind) for name, kind in empty})
        begun = 1
        for batch in table.iter_batches(BLOCK_ROWS):
            columns = {name: _classic(batch.column(place)) for place, name in enumerate(names)}
            yield Block(file, range(begun, begun + batch.num_rows), columns)
            begun += batch.num_rows


def _classic(cells: pa.Array) -> pa.Array:
    """Return text in the form for which Arrow has all functions."""
    return pc.cast(cells, pa.string()) if pa.types.is_string_view(cells.type) else cells


@contextmanager
def _told(file: str, kind: str) -> Iterator[None]:
    """Turn what libraries say about a file into sentences that name it."""
    try:
        yield
    except (*DAMAGE, OSError) as error:
        # Arrow tells damage as an error of the system, but without its number.
        if not isinstance(error, OSError) or error.errno is None:
            raise refusal(Place(file), f"it is no intact {kind}", "Write or fetch the file again.") from error
        raise StorageUnavailable(
            f"{file} cannot be read: {error.strerror or error}.", remedy="Check the file and its permissions."
        ) from error
