"""Which tables a database would read from end to end for the queries that some code asks it."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.orm import Session

from investlab.store.database import Database

Asked = list[tuple[str, Any]]


def full_scans(database: Database, reading: Callable[[Session], object], *, may_walk: bool = False) -> list[str]:
    """Return, for every query of a reading, the tables that would be read whole, ordered; none is as it should be.

    With `may_walk`, for lists of the latest, an index walked in its order until there are enough rows is no full scan.
    """
    with _asked(database) as asked, database.read() as session:
        reading(session)
    found: set[str] = set()
    with database._reader.connect() as connection:
        for statement, parameters in asked:
            scanned = _sqlite_scans if database.is_sqlite else _postgres_scans
            found.update(scanned(connection, statement, parameters, may_walk))
    return sorted(found)


@contextmanager
def _asked(database: Database) -> Iterator[Asked]:
    asked: Asked = []

    def note(_c: object, _k: object, statement: str, parameters: Any, _x: object, _many: bool) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            asked.append((statement, parameters))

    event.listen(database._reader, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(database._reader, "before_cursor_execute", note)


def _sqlite_scans(connection: Connection, statement: str, parameters: Any, may_walk: bool) -> Iterator[str]:
    plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    words, steps = " ".join(statement.split()), [row.detail for row in plan]
    is_walk = may_walk and " ORDER BY " in words and " LIMIT " in words and "USE TEMP B-TREE FOR ORDER BY" not in steps
    for step in steps:
        scan = re.match(r"SCAN (\w+)", step)
        if scan and not is_walk:
            yield _named(statement, scan[1])


def _named(statement: str, alias: str) -> str:
    renamed = re.search(rf"(\w+) AS {re.escape(alias)}\b", statement)
    return renamed[1] if renamed else alias


def _postgres_scans(connection: Connection, statement: str, parameters: Any, may_walk: bool) -> Iterator[str]:
    connection.execute(text("SET LOCAL enable_seqscan = off"))
    # With next to no rows a bitmap of a whole index looks cheap; it is no way to walk an index in order.
    connection.execute(text("SET LOCAL enable_bitmapscan = off"))
    found = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()
    plan = json.loads(found) if isinstance(found, str) else found
    yield from _scans_below(plan[0]["Plan"], is_limited=False, may_walk=may_walk)


def _scans_below(node: dict[str, Any], *, is_limited: bool, may_walk: bool) -> Iterator[str]:
    """Give the tables read whole at or below a node of a plan; sorting what is below undoes a limit above."""
    kind = node["Node Type"]
    is_walk = may_walk and is_limited
    if kind == "Seq Scan" or (kind in {"Index Scan", "Index Only Scan"} and "Index Cond" not in node and not is_walk):
        yield node["Relation Name"]
    under_limit = kind == "Limit" or (is_limited and kind not in {"Sort", "Aggregate", "Hash"})
    for child in node.get("Plans", ()):
        yield from _scans_below(child, is_limited=under_limit, may_walk=may_walk)
