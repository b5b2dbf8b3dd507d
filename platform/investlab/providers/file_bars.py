"""The bars of one file: its columns checked against the description, its cells converted."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from investlab.core.errors import InvalidInput, NotFound
from investlab.providers.file_blocks import Block, Place, refusal
from investlab.providers.file_numbers import numbers_of
from investlab.providers.file_sessions import SessionReader, symbol_in, symbols_of
from investlab.providers.file_tables import parquet_blocks, sheet_blocks
from investlab.providers.file_text import text_blocks
from investlab.schemas.files import SESSION, SYMBOL, FileDataset, Unit

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
SUFFIXES = (*TEXT_SUFFIXES, *(f"{suffix}.gz" for suffix in TEXT_SUFFIXES), ".parquet", ".xlsx")
ALL_OTHERS = "*"


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of a dataset: where it lies, and its name within the dataset's folder."""

    path: Path
    name: str

    @property
    def suffix(self) -> str:
        """Return the suffix that says how it is read; empty when none does."""
        lower = self.path.name.lower()
        return next((suffix for suffix in sorted(SUFFIXES, key=len, reverse=True) if lower.endswith(suffix)), "")

    @property
    def stem(self) -> str:
        """Return the file's own name up to its suffix."""
        return self.path.name[: -len(self.suffix)] if self.suffix else self.path.name


def read_bars(file: DataFile, described: FileDataset, fields: tuple[str, ...]) -> Iterator[pd.DataFrame]:
    """Yield a file's bars, some thousands of rows at a time: symbol, session and the fields asked for.

    Raises:
        InvalidInput: The file is not as described; its name, line and column are told.
        StorageUnavailable: It cannot be read.
    """
    reader = SessionReader(described.dates, described.calendar)
    for block in _blocks(file, described):
        _check_columns(block, described)
        if len(block):
            for column, text in described.require.items():
                _check_constant(block, column, text)
            days = reader.sessions(block, described.columns[SESSION]).astype("datetime64[s]")
            values = _values(block, described, fields)
            yield pd.DataFrame({"symbol": _symbols(block, file, described), "session": days, **values})


def _blocks(file: DataFile, described: FileDataset) -> Iterator[Block]:
    if file.suffix == ".parquet":
        return parquet_blocks(file.path, file.name)
    if file.suffix == ".xlsx":
        return sheet_blocks(file.path, file.name, described.sheet, described.text.header_line)
    return text_blocks(file.path, file.name, described.text)


def _check_columns(block: Block, described: FileDataset) -> None:
    wanted = {**{theirs: ours for ours, theirs in described.columns.items()}, **dict.fromkeys(described.require, "")}
    for theirs, ours in wanted.items():
        if theirs not in block.columns:
            what = f"there is no such column{f' for our {ours}' if ours else ''}"
            near = NotFound.named("column", theirs, block.columns)
            raise refusal(Place(block.file, column=theirs), what, f"{near.remedy} Correct `columns`.")
        cells = block.columns[theirs]
        if isinstance(cells, pa.Array) and pa.types.is_nested(cells.type):
            raise refusal(Place(block.file, column=theirs), f"it holds {cells.type} values", "Name a plain column.")
    if ALL_OTHERS not in described.ignore:
        others = [name for name in block.columns if name not in wanted and name not in described.ignore]
        if others:
            raise refusal(
                Place(block.file, column=others[0]),
                "the description does not say what this column is",
                "Name it in `columns`, or in `ignore` to leave it out.",
            )


def _values(block: Block, described: FileDataset, fields: tuple[str, ...]) -> dict[str, np.ndarray]:
    numbers, units = described.numbers, described.units
    return {name: numbers_of(block, described.columns[name], numbers, units.get(name, Unit.ONES)) for name in fields}


def _check_constant(block: Block, column: str, text: str) -> None:
    cells = block.columns[column]
    written = pa.array([None if cell is None else str(cell) for cell in cells]) if isinstance(cells, list) else cells
    same = pc.fill_null(pc.equal(pc.cast(written, pa.string()), text), False)
    if not pc.all(same, min_count=0).as_py():
        row = pc.index(same, False).as_py()
        raise block.refusal(
            row, column, f"{written[row].as_py()!r} stands where {text!r} is required", "Leave such rows out."
        )


def _symbols(block: Block, file: DataFile, described: FileDataset) -> pd.Series:
    pattern = described.symbols.pattern
    if SYMBOL in described.columns:
        codes, symbols = symbols_of(block, described.columns[SYMBOL], pattern)
        return pd.Series(pa.array(symbols, pa.string()).take(pa.array(codes)).to_pandas(), dtype="str")
    return pd.Series([symbol_of_file(file, pattern)] * len(block), dtype="str")


def symbol_of_file(file: DataFile, pattern: str | None) -> str:
    """Return the symbol that a file's name tells.

    Raises:
        InvalidInput: The name does not match the pattern.
    """
    found = symbol_in(file.stem, pattern)
    if not found:
        raise _unmatched(file, pattern)
    return found


def _unmatched(file: DataFile, pattern: str | None) -> InvalidInput:
    what = f"its name {file.stem!r} does not match the pattern {pattern!r}"
    return refusal(Place(file.name), what, "Correct `symbols.pattern`, or choose files by `files`.")
