"""Numbers out of a file's cells, exactly as its description says they are written; nothing is guessed."""

import math
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from investlab.providers.file_blocks import Block
from investlab.schemas.files import NumberRule, Unit

MOST = 10**308
"""Whole numbers of a sheet have no bound, ours have this one."""

EMPTY_REMEDY = "Fill it, or list the text that stands for no value in `numbers.missing` ('' for an empty cell)."


def numbers_of(block: Block, column: str, rule: NumberRule, unit: Unit) -> np.ndarray:
    """Return a column's numbers in our unit as float64, each the nearest to what is written; NaN = missing.

    Raises:
        InvalidInput: A cell is not written by the rule; file, line and column are named.
    """
    cells = block.columns[column]
    if isinstance(cells, list):
        return _mixed(block, column, rule, unit)
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type):
        return _written(block, column, cells, rule, unit)
    if pa.types.is_floating(cells.type) or pa.types.is_integer(cells.type) or pa.types.is_decimal(cells.type):
        return _typed(block, column, cells, rule, unit)
    raise block.refusal(0, column, f"it holds {cells.type} values, no numbers", "Name another column.")


def _written(block: Block, column: str, cells: pa.Array, rule: NumberRule, unit: Unit) -> np.ndarray:
    """Convert text; a unit becomes an exponent of the text, so that 12345 cents are the number nearest to 123.45."""
    texts = pc.ascii_trim_whitespace(pc.fill_null(cells, ""))
    missing = pc.is_in(texts, value_set=pa.array(rule.missing, texts.type))
    good = pc.or_(missing, pc.match_substring_regex(texts, _pattern(rule, unit)))
    if not pc.all(good, min_count=0).as_py():
        row = pc.index(good, False).as_py()
        text = cells[row].as_py()
        if not (text or "").strip():
            raise block.refusal(row, column, "it is empty", EMPTY_REMEDY)
        raise block.refusal(row, column, f"{text!r} is no number ({rule.wording})", _remedy(text, rule))
    plain = pc.if_else(missing, pa.scalar(None, texts.type), texts)
    if rule.thousands:
        plain = pc.replace_substring(plain, rule.thousands, "")
    if rule.decimal != ".":
        plain = pc.replace_substring(plain, rule.decimal, ".")
    if unit.exponent:
        plain = pc.binary_join_element_wise(plain, f"e{unit.exponent}", "")
    values: np.ndarray = pc.cast(plain, pa.float64()).to_numpy(zero_copy_only=False)
    return _finite(block, column, values)


def _pattern(rule: NumberRule, unit: Unit) -> str:
    point, comma = re.escape(rule.decimal), re.escape(rule.thousands)
    whole = rf"(?:\d+|[1-9]\d{{0,2}}(?:{comma}\d{{3}})+)" if comma else r"\d+"
    exponent = "" if unit.exponent else r"(?:[eE][+-]?\d+)?"
    return rf"^[+-]?(?:{whole}(?:{point}\d*)?|{point}\d+){exponent}$"


def _remedy(text: str, rule: NumberRule) -> str:
    """Say which declaration would fit what is written, where one might."""
    other = "," if rule.decimal == "." else "."
    if other in text and rule.thousands != other:
        return (
            f"Declare what {other!r} means: `numbers: {{decimal: '{other}'}}` or `numbers: {{thousands: '{other}'}}`."
        )
    return "Correct the cell, or list the text in `numbers.missing` if it stands for no value."


def _typed(block: Block, column: str, cells: pa.Array, rule: NumberRule, unit: Unit) -> np.ndarray:
    if pa.types.is_decimal(cells.type):
        cells = pc.cast(pc.cast(cells, pa.string()), pa.float64())
    values = pc.cast(cells, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    empty = np.isnan(values)
    if empty.any() and "" not in rule.missing:
        raise block.refusal(int(np.argmax(empty)), column, "it is empty", EMPTY_REMEDY)
    return _finite(block, column, _scaled(values, unit))


def _scaled(values: np.ndarray, unit: Unit) -> np.ndarray:
    """Return values in our unit; dividing by a power of ten rounds once, multiplying by its inverse would twice."""
    power = 10.0 ** abs(unit.exponent)
    return values / power if unit.exponent < 0 else values * power


def _mixed(block: Block, column: str, rule: NumberRule, unit: Unit) -> np.ndarray:
    """Convert a sheet's cells: numbers are taken as they are, text by the rule."""
    cells: list[object] = block.columns[column]
    values = np.full(len(block), np.nan)
    texts: list[str] = []
    places: list[int] = []
    for row, cell in enumerate(cells):
        if cell is None or isinstance(cell, str):
            texts.append(cell or "")
            places.append(row)
        elif isinstance(cell, (int, float)) and not isinstance(cell, bool):
            values[row] = cell if isinstance(cell, float) or abs(cell) < MOST else math.inf
        else:
            raise block.refusal(row, column, f"{cell!r} is no number", "Correct the cell or its format.")
    values = _scaled(values, unit)
    if texts:
        part = Block(block.file, [block.lines[row] for row in places], {column: pa.array(texts, pa.string())})
        values[places] = _written(part, column, part.columns[column], rule, unit)
    return _finite(block, column, values)


def _finite(block: Block, column: str, values: np.ndarray) -> np.ndarray:
    infinite = np.isinf(values)
    if infinite.any():
        raise block.refusal(int(np.argmax(infinite)), column, f"{math.inf} is no figure", "Correct the cell.")
    return values
