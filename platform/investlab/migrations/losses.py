"""What a migration would lose, found by running it and taking it back."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, MetaData, Table, func, select

VERSION_TABLE = "alembic_version"


@dataclass(frozen=True, slots=True)
class _Filled:
    """How many rows a table has, and how many of them have a value in each column."""

    rows: int
    values: dict[str, int]


def would_lose(connection: Connection, change: Callable[[], object]) -> dict[str, int]:
    """Return how many rows a change of the database would lose, by table, or by `table.column` where values go.

    The change is made within the connection's transaction and undone.
    """
    before = _filled(connection)
    attempt = connection.begin_nested()
    try:
        change()
        after = _filled(connection)
    finally:
        attempt.rollback()
    lost: dict[str, int] = {}
    for name, had in before.items():
        has = after.get(name)
        if has is None:
            lost[name] = had.rows
            continue
        lost[name] = had.rows - has.rows
        lost |= {f"{name}.{column}": n for column, n in had.values.items() if column not in has.values}
    return {name: rows for name, rows in sorted(lost.items()) if rows > 0}


def _filled(connection: Connection) -> dict[str, _Filled]:
    metadata = MetaData()
    metadata.reflect(connection, only=lambda name, _: name != VERSION_TABLE)
    return {table.name: _counted(connection, table) for table in metadata.tables.values()}


def _counted(connection: Connection, table: Table) -> _Filled:
    rows, *values = connection.execute(select(func.count(), *(func.count(column) for column in table.columns))).one()
    return _Filled(rows, dict(zip(table.columns.keys(), values, strict=True)))
