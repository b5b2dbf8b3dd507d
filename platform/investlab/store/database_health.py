"""Whether the database is whole, and how large it is."""

from collections.abc import Iterator

from sqlalchemy import Connection, and_, func, select, text
from sqlalchemy.exc import DatabaseError

from investlab.core.errors import InvestlabError
from investlab.models.engines import database_url, sqlite_file
from investlab.schemas.backups import DatabaseStats, TableStats
from investlab.store.database_copies import reading
from investlab.store.table_copies import count_rows, digest_tables, tables_of

_MOST_FAULTS = 20


def integrity_faults(url: str) -> list[str]:
    """Return what is damaged in a database, a sentence each; every row is read.

    SQLite checks its pages and indexes; PostgreSQL reads each page of every table and reports what it cannot.
    """
    try:
        with reading(url) as connection:
            if connection.dialect.name == "sqlite":
                told = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check")]
                if told != ["ok"]:
                    return told[:_MOST_FAULTS]
            digest_tables(connection)
    except InvestlabError as error:
        return [error.detail]
    except (ValueError, TypeError, LookupError) as error:  # a value that its column's type cannot hold
        return [f"a stored value cannot be read: {error}"]
    return []


def reference_faults(url: str) -> list[str]:
    """Return which foreign keys point to rows that do not exist, a sentence each."""
    with reading(url) as connection:
        return list(_dangling(connection))


def database_stats(url: str) -> DatabaseStats:
    """Return how large a database and its tables are, largest first."""
    with reading(url) as connection:
        sizes = _sqlite_sizes(connection) if connection.dialect.name == "sqlite" else _postgres_sizes(connection)
        rows = count_rows(connection)
        tables = [
            TableStats(
                table=table.name,
                rows=rows[table.name],
                bytes=sizes.tables.get(table.name),
                indexes=len(sizes.indexes_of.get(table.name, ())),
                index_bytes=sizes.index_bytes(table.name),
            )
            for table in tables_of(connection)
        ]
    file = sqlite_file(database_url(url))
    wal = file.with_name(f"{file.name}-wal") if file is not None else None
    return DatabaseStats(
        bytes=sizes.whole,
        wal_bytes=wal.stat().st_size if wal is not None and wal.exists() else (0 if wal is not None else None),
        tables=tuple(sorted(tables, key=lambda found: (-(found.bytes or 0), found.table))),
    )


class _Sizes:
    """Bytes of tables and indexes by name; none where the database does not tell them."""

    def __init__(self, whole: int) -> None:
        self.whole = whole
        self.tables: dict[str, int] = {}
        self.indexes: dict[str, int] = {}
        self.indexes_of: dict[str, list[str]] = {}

    def index_bytes(self, table: str) -> int | None:
        """Return the bytes of a table's indexes."""
        return sum(self.indexes.get(name, 0) for name in self.indexes_of.get(table, ())) if self.tables else None


def _sqlite_sizes(connection: Connection) -> _Sizes:
    pages, size = (connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "page_size"))
    sizes = _Sizes(int(pages) * int(size))
    for index, table in connection.exec_driver_sql("SELECT name, tbl_name FROM sqlite_master WHERE type = 'index'"):
        sizes.indexes_of.setdefault(table, []).append(index)
    try:
        found = connection.exec_driver_sql("SELECT name, sum(pgsize) FROM dbstat GROUP BY name").all()
    except DatabaseError:  # this SQLite was built without the table that tells
        return sizes
    names = {index for indexes in sizes.indexes_of.values() for index in indexes}
    sizes.indexes = {name: int(size) for name, size in found if name in names}
    sizes.tables = {name: int(size) for name, size in found if name not in names}
    return sizes


def _postgres_sizes(connection: Connection) -> _Sizes:
    sizes = _Sizes(int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()))
    for table, size in connection.execute(
        text("SELECT relname, pg_table_size(oid) FROM pg_class WHERE relkind = 'r' AND pg_table_is_visible(oid)")
    ):
        sizes.tables[table] = int(size)
    for table, index, size in connection.execute(
        text(
            "SELECT owner.relname, found.relname, pg_relation_size(found.oid) FROM pg_index "
            "JOIN pg_class AS owner ON owner.oid = indrelid JOIN pg_class AS found ON found.oid = indexrelid"
        )
    ):
        sizes.indexes_of.setdefault(table, []).append(index)
        sizes.indexes[index] = int(size)
    return sizes


def _dangling(connection: Connection) -> Iterator[str]:
    for table in tables_of(connection):
        for constraint in table.foreign_key_constraints:
            parent = constraint.referred_table.alias("parent")
            pairs = [(element.parent, parent.columns[element.column.name]) for element in constraint.elements]
            query = (
                select(func.count())
                .select_from(table.outerjoin(parent, and_(*(child == key for child, key in pairs))))
                .where(*(child.is_not(None) for child, _ in pairs), pairs[0][1].is_(None))
            )
            lost = connection.execute(query).scalar_one()
            if lost:
                yield f"{lost} rows of {table.name} refer to rows of {constraint.referred_table.name} that are gone"
