"""Migrations on both databases: up, down, up with rows; equal to the model; safe when run twice at once."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, Connection, Inspector, MetaData, Text, inspect, text

from investlab import migrations
from investlab.core.errors import Conflict, Corrupt, InvalidInput, InvestlabError
from investlab.core.hashing import hash_json
from investlab.migrations.runner import migrating
from investlab.models.core import Base
from investlab.models.engines import Purpose, open_engine
from investlab.models.engines import database_url as engine_url
from investlab.store.database import Database
from tests.support.records import AT, fill

TABLES = Base.metadata.sorted_tables
Rows = dict[str, list[dict[str, Any]]]
LOWER = ("0003", "0002", "0001")
LOST = {"corporate_actions": 1, "instrument_identifiers": 1}  # the spin-off and the CUSIP, unknown before 0003


def _rows(connection: Connection) -> Rows:
    found: Rows = {}
    for table in TABLES:
        result = connection.execute(table.select().order_by(table.c.id))
        found[table.name] = [dict(row._mapping) for row in result]
    return found


def _checksums(rows: Rows) -> dict[str, tuple[int, str]]:
    return {name: (len(found), hash_json(found)) for name, found in rows.items()}


def _stored(url: str) -> Rows:
    engine = open_engine(engine_url(url), Purpose.READ)
    with engine.connect() as connection:
        found = _rows(connection)
    engine.dispose()
    return found


def _tables(url: str) -> set[str]:
    engine = open_engine(engine_url(url), Purpose.READ)
    with engine.connect() as connection:
        names = set(inspect(connection).get_table_names())
    engine.dispose()
    return names - {"alembic_version"}


def test_up_down_up_with_rows_in_every_table(database: Database, database_url: str) -> None:
    database.write(fill)
    before = _stored(database_url)
    assert {name for name, rows in before.items() if not rows} == set()

    database.close()
    assert migrations.downgrade(database_url, "base", lose_rows=True) is None
    assert _tables(database_url) == set()
    assert migrations.upgrade(database_url) == migrations.head()
    assert all(not rows for rows in _stored(database_url).values())

    def give_back(connection: Connection) -> None:
        for table in TABLES:
            connection.execute(table.insert(), before[table.name])

    with migrating(database_url) as connection:
        give_back(connection)
    assert _checksums(_stored(database_url)) == _checksums(before)


def test_rebuilding_every_table_up_and_down_keeps_every_row(database: Database, database_url: str) -> None:
    database.write(fill)
    before = _checksums(_stored(database_url))
    database.close()
    for column_is_added in (True, False):
        with migrating(database_url) as connection:
            operations = Operations(MigrationContext.configure(connection))
            for table in TABLES:
                with operations.batch_alter_table(table.name, recreate="auto") as batch:
                    if connection.dialect.name == "sqlite":
                        batch.alter_column("id", existing_type=table.c.id.type, nullable=False)
                    if column_is_added:
                        batch.add_column(Column("remark", Text()))
                    else:
                        batch.drop_column("remark")
        assert _checksums(_stored(database_url)) == before


def test_a_rebuild_with_foreign_keys_on_would_delete_the_children(sqlite_database: Database) -> None:
    sqlite_database.write(fill)
    engine = open_engine(sqlite_database.url, Purpose.WRITE)
    with engine.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        for child in ("backtest_runs", "ingest_runs", "training_runs"):
            connection.execute(text(f"UPDATE {child} SET pipeline_step_uid = NULL"))
        connection.execute(text("UPDATE pipeline_steps SET reused_from = NULL"))
        with operations.batch_alter_table("pipeline_runs", recreate="always") as batch:
            batch.add_column(Column("note", Text()))
        assert connection.execute(text("SELECT count(*) FROM pipeline_steps")).scalar_one() == 0
    engine.dispose()


def test_a_migration_that_breaks_a_foreign_key_changes_nothing(sqlite_database: Database) -> None:
    sqlite_database.write(fill)
    url = str(sqlite_database.url)
    before = _checksums(_stored(url))
    with pytest.raises(Corrupt, match="pipeline_steps"), migrating(url) as connection:
        connection.execute(text("DELETE FROM pipeline_runs"))
    assert _checksums(_stored(url)) == before


def test_the_migrated_schema_is_the_model(database_url: str) -> None:
    engine = open_engine(engine_url(database_url), Purpose.READ)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "target_metadata": Base.metadata}
        )
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_the_migrated_schema_has_the_model_s_checks_keys_and_indexes(empty_url: str) -> None:
    migrations.upgrade(empty_url)
    with migrating(empty_url) as connection:
        migrated = _schema(inspect(connection))
    migrations.downgrade(empty_url, "base")
    with migrating(empty_url) as connection:
        Base.metadata.create_all(connection)
        made = _schema(inspect(connection))
    assert migrated == made


def _schema(inspector: Inspector) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        return sorted((key, plain(item)) for key, item in value.items()) if isinstance(value, dict) else str(value)

    def by_name(found: Any) -> list[str]:
        return sorted(str(plain(item)) for item in found)

    return {
        name: {
            "columns": by_name(inspector.get_columns(name)),
            "checks": by_name(inspector.get_check_constraints(name)),
            "uniques": by_name(inspector.get_unique_constraints(name)),
            "foreign": by_name(inspector.get_foreign_keys(name)),
            "indexes": by_name(inspector.get_indexes(name)),
            "primary": str(inspector.get_pk_constraint(name)),
        }
        for name in sorted(inspector.get_table_names())
        if name != "alembic_version"
    }


def test_a_new_database_is_pending_until_it_is_upgraded(empty_url: str) -> None:
    assert (migrations.current(empty_url), migrations.pending(empty_url)) == (None, ["0001", "0002", "0003", "0004"])
    assert migrations.upgrade(empty_url) == "0004"
    assert (migrations.current(empty_url), migrations.pending(empty_url)) == ("0004", [])


def test_upgrading_again_changes_nothing(database: Database, database_url: str) -> None:
    database.write(fill)
    before = _checksums(_stored(database_url))
    migrations.upgrade(database_url)
    assert _checksums(_stored(database_url)) == before


def test_a_database_newer_than_the_code_is_refused(database_url: str) -> None:
    with migrating(database_url) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for attempt in (
        lambda: migrations.upgrade(database_url),
        lambda: migrations.downgrade(database_url, "base"),
        lambda: migrations.pending(database_url),
    ):
        with pytest.raises(Conflict, match="'9999', which this version of investlab does not know"):
            attempt()
    assert migrations.current(database_url) == "9999"


@pytest.mark.parametrize("revision", LOWER)
def test_steps_down_and_up_keep_every_row_that_the_lower_revision_holds(
    database: Database, database_url: str, revision: str
) -> None:
    database.write(fill)
    database.close()
    at_head = _reflected(database_url)
    migrations.downgrade(database_url, revision, lose_rows=True)
    below = _reflected(database_url)
    lost = LOST if revision < "0003" else {}
    kept = {name: len(rows) for name, rows in below.items()}
    assert kept == {name: len(at_head[name]) - lost.get(name, 0) for name in below}
    assert below == _restricted(at_head, to=below)
    migrations.upgrade(database_url)
    assert _checksums(_restricted(_reflected(database_url), to=below)) == _checksums(below)
    migrations.downgrade(database_url, revision, lose_rows=True)
    assert _checksums(_reflected(database_url)) == _checksums(below)


def _reflected(url: str) -> Rows:
    """Return every row as the tables are at the database's revision, whatever the model says."""
    engine, metadata = open_engine(engine_url(url), Purpose.READ), MetaData()
    with engine.connect() as connection:
        metadata.reflect(connection)
        found = {
            table.name: [dict(row._mapping) for row in connection.execute(table.select().order_by(table.c.id))]
            for table in metadata.sorted_tables
            if table.name != "alembic_version"
        }
    engine.dispose()
    return found


def _restricted(rows: Rows, *, to: Rows) -> Rows:
    """Return the rows that another revision has too, with the columns it has."""
    return {
        name: [
            {column: row[column] for column in others[0]}
            for row in rows[name]
            if row["id"] in {other["id"] for other in others}
        ]
        for name, others in to.items()
    }


def test_an_unknown_revision_is_named(empty_url: str) -> None:
    with pytest.raises(InvalidInput, match="nowhere"):
        migrations.upgrade(empty_url, "nowhere")


@pytest.mark.slow
def test_processes_that_upgrade_at_once_all_succeed(empty_url: str) -> None:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(migrations.upgrade, [empty_url] * 4)) == ["0004"] * 4
    assert _tables(empty_url) == {table.name for table in TABLES}


def test_a_failing_migration_leaves_nothing_behind(empty_url: str) -> None:
    migrations.upgrade(empty_url)
    migrations.downgrade(empty_url, "base")
    with migrating(empty_url) as connection:
        connection.execute(text("CREATE TABLE venues (id INTEGER)"))
    with pytest.raises(InvestlabError):
        migrations.upgrade(empty_url)
    assert (_tables(empty_url), migrations.current(empty_url)) == ({"venues"}, None)


def test_written_moments_come_back_in_utc_from_both(database: Database) -> None:
    database.write(fill)
    rows = _stored(database.url.render_as_string(hide_password=False))
    assert rows["pipeline_runs"][0]["started_at"] == AT
    assert rows["pipeline_runs"][0]["started_at"].tzinfo is AT.tzinfo
