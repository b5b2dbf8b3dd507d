"""Rows of a data file as they are written, some thousands at a time, each knowing where it stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from investlab.core.errors import InvalidInput

BLOCK_ROWS = 100_000

type Cells = list[Any] | pa.Array
"""A column as written: text or typed values of Arrow, or the mixed cells of a sheet (None = empty)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a file, for people; `column` is the file's own name for it."""

    file: str
    line: int | None = None
    column: str | None = None

    def __str__(self) -> str:
        line = f", line {self.line}" if self.line is not None else ""
        return f"{self.file}{line}" + (f", column {self.column!r}" if self.column is not None else "")


def refusal(place: Place, what: str, remedy: str) -> InvalidInput:
    """Return the error that says what stands at a place and what to do about it."""
    details = {"file": place.file, "line": place.line, "column": place.column}
    return InvalidInput(f"{place}: {what}.", remedy=remedy, details=details)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some rows of a file: columns by the names in its header, and the line at which each row begins."""

    file: str
    lines: Sequence[int]
    columns: Mapping[str, Cells]

    def __len__(self) -> int:
        return len(self.lines)

    def refusal(self, row: int, column: str, what: str, remedy: str) -> InvalidInput:
        """Return the error for the cell of a row."""
        return refusal(Place(self.file, int(self.lines[row]), column), what, remedy)


def check_header(file: str, line: int | None, names: Sequence[Any]) -> list[str]:
    """Return a header's names without spaces around them.

    Raises:
        InvalidInput: A name is empty or no text, or stands in it twice.
    """
    found: list[str] = []
    for number, name in enumerate(names, start=1):
        text = name.strip() if isinstance(name, str) else ""
        if not text:
            raise refusal(
                Place(file, line), f"column {number} has no name in the header", "Name it, or remove the column."
            )
        if text in found:
            raise refusal(
                Place(file, line, text),
                f"the header names it twice, as columns {found.index(text) + 1} and {number}",
                "Keep one of them, so that it is clear which one is meant.",
            )
        found.append(text)
    return found
