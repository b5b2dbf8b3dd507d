"""Rows copied between databases of either kind, and hashes of tables that are equal on both.

Tables are read from the database itself, not from the model: a database at an older revision can be copied too. Values
are brought to one form before they are hashed: decimals as their digits, moments in UTC, NaN (which SQLite cannot hold)
as null.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isnan
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    DateTime,
    MetaData,
    Numeric,
    String,
    Table,
    bindparam,
    func,
    select,
    text,
)

from investlab.core.errors import Conflict
from investlab.migrations.losses import VERSION_TABLE
from investlab.schemas.backups import TableDigest

PAGE = 1000
"""Rows read and written at a time."""

Fit = Callable[[Any], Any]


def tables_of(connection: Connection) -> list[Table]:
    """Return a database's tables as they are there, parents before children, without the record of migrations."""
    metadata = MetaData()
    metadata.reflect(connection, only=lambda name, _: name != VERSION_TABLE)
    for table in metadata.tables.values():
        for column in table.columns:
            if isinstance(column.type, JSON):
                column.type.none_as_null = True
    return metadata.sorted_tables


def digest_tables(connection: Connection) -> dict[str, TableDigest]:
    """Return the content of every table by name."""
    return {table.name: _digest(connection, table) for table in tables_of(connection)}


def count_rows(connection: Connection) -> dict[str, int]:
    """Return how many rows each table has."""
    return {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in tables_of(connection)
    }


def copy_tables(source: Connection, target: Connection) -> dict[str, TableDigest]:
    """Copy every row into the equal, empty tables of another database and return the content that was read.

    Raises:
        Conflict: The target lacks a table or column.
    """
    places = {table.name: table for table in tables_of(target)}
    content = {}
    for table in tables_of(source):
        place = places.get(table.name)
        if place is None or set(table.columns.keys()) != set(place.columns.keys()):
            raise Conflict(
                f"The table {table.name} is not the same in both databases.",
                remedy="Bring both to one revision: `investlab db upgrade`.",
            )
        content[table.name] = _copy(source, table, target, place)
    return content


def reset_sequences(connection: Connection) -> None:
    """Let new rows get keys above the copied ones; SQLite does so by itself."""
    if connection.dialect.name != "postgresql":
        return
    for table in tables_of(connection):
        for column in table.primary_key:
            sequence = connection.execute(
                text("SELECT pg_get_serial_sequence(:name, :key)"), {"name": f'"{table.name}"', "key": column.name}
            ).scalar_one()
            if sequence is not None:
                last = connection.execute(select(func.max(column))).scalar_one()
                connection.execute(
                    text("SELECT setval(CAST(:sequence AS regclass), :last, :used)"),
                    {"sequence": sequence, "last": last or 1, "used": last is not None},
                )


def plain_value(value: Any) -> Any:
    """Return the one form of a value that both databases share."""
    match value:
        case float():
            return None if isnan(value) else value + 0.0
        case Decimal():
            return format(value, "f")
        case datetime():
            return (value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value).isoformat()
        case date():
            return value.isoformat()
        case _:
            return value


def _pages(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    query = select(table).order_by(*table.primary_key).execution_options(yield_per=PAGE)
    with connection.execute(query) as result:
        for page in result.partitions():
            yield [dict(row._mapping) for row in page]  # noqa: SLF001 - the documented way to a row's names


def _digest(connection: Connection, table: Table) -> TableDigest:
    hashing = _Hashing(table)
    for page in _pages(connection, table):
        hashing.add(page)
    return hashing.digest()


class _Hashing:
    """The hash of a table in the making."""

    def __init__(self, table: Table) -> None:
        self._names = sorted(table.columns.keys())
        self._rows = 0
        self._hash = hashlib.sha256(json.dumps(self._names).encode())

    def add(self, page: list[dict[str, Any]]) -> None:
        """Take rows in."""
        for row in page:
            values = [plain_value(row[name]) for name in self._names]
            self._hash.update(json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        self._rows += len(page)

    def digest(self) -> TableDigest:
        """Return the content of all rows taken in."""
        return TableDigest(rows=self._rows, sha256=self._hash.hexdigest())


def _copy(source: Connection, table: Table, target: Connection, place: Table) -> TableDigest:
    hashing = _Hashing(table)
    fits = {name: _fit(column) for name, column in place.columns.items()}
    own = _own_references(place)
    later: dict[str, list[dict[str, Any]]] = {name: [] for name in own}
    for page in _pages(source, table):
        hashing.add(page)
        fitted = [{name: fits[name](value) for name, value in row.items()} for row in page]
        for name in own:
            later[name] += [_reference(place, row, name) for row in fitted if row[name] is not None]
        target.execute(place.insert(), [row | dict.fromkeys(own) for row in fitted])
    chosen = [key == bindparam(f"key_{key.name}") for key in place.primary_key]
    for name, told in later.items():
        if told:
            target.execute(place.update().where(*chosen).values({name: bindparam("refers_to")}), told)
    return hashing.digest()


def _own_references(table: Table) -> list[str]:
    """Return the columns that refer to rows of the table itself: rows that may not be copied yet."""
    return [
        element.parent.name
        for constraint in table.foreign_key_constraints
        for element in constraint.elements
        if element.column.table is table
    ]


def _reference(table: Table, row: dict[str, Any], name: str) -> dict[str, Any]:
    return {f"key_{key.name}": row[key.name] for key in table.primary_key} | {"refers_to": row[name]}


def _fit(column: Column[Any]) -> Fit:
    """Return how a value becomes one that this column takes."""
    kind = column.type
    if isinstance(kind, DateTime):
        return _aware if kind.timezone else _naive
    if isinstance(kind, Numeric) and kind.asdecimal:
        return lambda value: Decimal(value) if isinstance(value, str) else value
    if isinstance(kind, String):
        return lambda value: format(value, "f") if isinstance(value, Decimal) else value
    return lambda value: None if isinstance(value, float) and isnan(value) else value


def _aware(value: datetime | None) -> datetime | None:
    return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


def _naive(value: datetime | None) -> datetime | None:
    return value if value is None or value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
