"""Runs migrations: one transaction a call, one process at a time, from the installed package.

SQLite rebuilds a table to alter it. The connection therefore has foreign keys off, and every foreign key is checked
before the commit. A rebuild by `batch_alter_table` forgets CHECK constraints: name them in its `table_args`.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection

from investlab.core.errors import Busy, Conflict, Corrupt, InvalidInput, StorageUnavailable
from investlab.models.engines import Purpose, database_url, open_engine, sqlite_file
from investlab.models.failures import translated

LOCK_KEY = 0x696E7665  # the letters "inve": the advisory lock of whoever migrates on PostgreSQL
LOCK_TIMEOUT_SECONDS = 60

_one_at_a_time = threading.Lock()  # Alembic keeps its running migration in module-level proxies


def upgrade(url: str, revision: str = "head") -> str | None:
    """Bring the database up to a revision and return it; the file of a new SQLite database is created.

    Safe to call at any time from several processes: one migrates, the others wait and find nothing left to do.

    Raises:
        Conflict: The database is newer than this version of investlab.
        StorageUnavailable: The database cannot be reached or written.
    """
    _make_folder(database_url(url))
    with migrating(url) as connection:
        _refuse_newer(connection)
        _run(lambda config: command.upgrade(config, revision), connection)
        return _revision(connection)


def downgrade(url: str, revision: str) -> str | None:
    """Take the database down to a revision (`base` = empty) and return it; what its tables held is lost.

    Raises:
        Conflict: The database is newer than this version of investlab.
    """
    with migrating(url) as connection:
        _refuse_newer(connection)
        _run(lambda config: command.downgrade(config, revision), connection)
        return _revision(connection)


def current(url: str) -> str | None:
    """Return the database's revision; None when it was never set up."""
    address = database_url(url)
    file = sqlite_file(address)
    if file is not None and "file:" not in (address.database or "") and not file.exists():
        return None
    with _connected(address, Purpose.READ) as connection:
        return _revision(connection)


def head() -> str:
    """Return the revision that this version of investlab works with."""
    return str(_scripts().get_current_head())


def pending(url: str) -> list[str]:
    """List the revisions that `upgrade` would apply, in order.

    Raises:
        Conflict: The database is newer than this version of investlab.
    """
    at = current(url)
    _refuse_unknown(at)
    steps = [step.revision for step in _scripts().iterate_revisions("head", at or "base")]
    return list(reversed(steps))


def configuration(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration; no file on disk is needed."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    if connection is not None:
        config.attributes["connection"] = connection
    return config


@contextmanager
def migrating(url: str) -> Iterator[Connection]:
    """Give a connection in a transaction that no other migration shares, and commit it when every foreign key holds.

    Raises:
        Corrupt: A foreign key points nowhere; nothing was changed.
    """
    address = database_url(url)
    with _one_at_a_time, _file_lock(address), _connected(address, Purpose.MIGRATE) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK_KEY})")
        yield connection
        if connection.dialect.name == "sqlite":
            _check_foreign_keys(connection)


@contextmanager
def _connected(url: URL, purpose: Purpose) -> Iterator[Connection]:
    engine = open_engine(url, purpose)
    try:
        with translated(), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _file_lock(url: URL) -> Iterator[None]:
    """Hold the lock beside a SQLite file: a new file's switch to WAL does not wait for others by itself."""
    file = sqlite_file(url)
    if file is None:
        yield
        return
    lock = FileLock(f"{file}.migrating", timeout=LOCK_TIMEOUT_SECONDS)
    try:
        lock.acquire()
    except Timeout as error:
        raise Busy("Another process is migrating the database.", remedy="Try again when it has ended.") from error
    except OSError as error:
        raise StorageUnavailable(
            f"The folder {file.parent} cannot be written.", remedy="Give this process leave to write to it."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _run(action: Callable[[Config], None], connection: Connection) -> None:
    try:
        action(configuration(connection))
    except CommandError as error:
        raise InvalidInput(f"The migration cannot run: {error}.", remedy="Name a known revision or `head`.") from error


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(configuration())


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_newer(connection: Connection) -> None:
    _refuse_unknown(_revision(connection))


def _refuse_unknown(revision: str | None) -> None:
    known = {step.revision for step in _scripts().walk_revisions()}
    if revision is not None and revision not in known:
        raise Conflict(
            f"The database is at revision {revision!r}, which this version of investlab does not know.",
            remedy="Install the newer version that made it, or restore a backup of the older database.",
        )


def _check_foreign_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        tables = sorted({str(row[0]) for row in broken})
        raise Corrupt(
            f"{len(broken)} rows of {', '.join(tables)} refer to rows that do not exist; nothing was migrated.",
            remedy="Restore the database from a backup, or remove those rows.",
        )


def _make_folder(url: URL) -> None:
    file = sqlite_file(url)
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnavailable(
            f"The folder {file.parent} cannot be created.", remedy="Choose another INVESTLAB_HOME."
        ) from error
