"""Runs migrations: one transaction a call, one process at a time, from the installed package.

SQLite rebuilds a table to alter it. The connection therefore has foreign keys off, and every foreign key is checked
before the commit. A rebuild by `batch_alter_table` forgets CHECK constraints: name them in its `table_args`.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection

from investlab.core.errors import Busy, Conflict, Corrupt, InvalidInput, StorageUnavailable
from investlab.migrations.losses import would_lose
from investlab.models.core import Base
from investlab.models.engines import Purpose, database_url, open_engine, sqlite_file
from investlab.models.failures import translated

LOCK_KEY = 0x696E7665  # the letters "inve": the advisory lock of whoever migrates on PostgreSQL
LOCK_TIMEOUT_SECONDS = 60

# Alembic keeps its running migration in module-level proxies. A backup before a migration may make a database of its
# own in the same thread, before Alembic runs: hence a lock that its holder may take again.
_one_at_a_time = threading.RLock()

Before = Callable[[str], None]


def _nothing(_revision: str) -> None:
    return None


def upgrade(url: str, revision: str = "head", *, before: Before = _nothing) -> str | None:
    """Bring the database up to a revision and return it; the file of a new SQLite database is created.

    Safe to call at any time from several processes: one migrates, the others wait and find nothing left to do.
    `before` is called with the revision that an existing database has, when and only when it is about to be changed;
    no other migration runs meanwhile, and what it raises stops this one.

    Raises:
        Conflict: The database is newer than this version of investlab.
        StorageUnavailable: The database cannot be reached or written.
    """
    with migrating(url) as connection:
        return upgrade_within(connection, revision, before=before)


def upgrade_within(connection: Connection, revision: str = "head", *, before: Before = _nothing) -> str | None:
    """Bring the database up to a revision in the transaction of a connection that `migrating` gave, and return it."""
    at = known_revision(connection)
    if at is not None and not _is_at(at, revision):
        before(at)
    _run(lambda config: command.upgrade(config, revision), connection)
    return _revision(connection)


def downgrade(url: str, revision: str, *, lose_rows: bool = False, before: Before = _nothing) -> str | None:
    """Take the database down to a revision (`base` = empty) and return it.

    What would be lost is found by trying it out first. `before` is called as by `upgrade`.

    Raises:
        Conflict: The database is newer than this version of investlab, or rows would be lost and `lose_rows` is not
            given; `details` says how many of which table.
    """
    with migrating(url) as connection:
        at = known_revision(connection)
        lost = {} if lose_rows else would_lose(connection, lambda: _down(connection, revision))
        if lost:
            told = ", ".join(f"{rows:,} of {name}" for name, rows in lost.items())
            raise Conflict(
                f"Going down to {revision} would lose {sum(lost.values()):,} rows: {told}.",
                remedy="Nothing was changed. Say --yes to lose them; a backup is made first.",
                details={"rows": lost},
            )
        if at is not None and not _is_at(at, revision):
            before(at)
        return _down(connection, revision)


def empty_within(connection: Connection) -> None:
    """Drop every table of ours and its rows in the transaction of a connection that `migrating` gave."""
    if known_revision(connection) is not None:
        _down(connection, "base")


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
    require_known(at)
    steps = [step.revision for step in _scripts().iterate_revisions("head", at or "base")]
    return list(reversed(steps))


def differences(url: str) -> list[str]:
    """Return in what the database's tables differ from the model, a sentence each; none when they are equal."""
    with _connected(database_url(url), Purpose.READ) as connection:
        options = {"compare_type": True, "compare_server_default": True, "target_metadata": Base.metadata}
        context = MigrationContext.configure(connection, opts=options)
        return [str(difference) for difference in compare_metadata(context, Base.metadata)]


def known_revision(connection: Connection) -> str | None:
    """Return the revision of a connection's database, None when it was never set up.

    Raises:
        Conflict: The database is newer than this version of investlab.
    """
    revision = _revision(connection)
    require_known(revision)
    return revision


def require_known(revision: str | None) -> None:
    """Check that this version of investlab knows a revision; None stands for no database.

    Raises:
        Conflict: It does not.
    """
    known = {step.revision for step in _scripts().walk_revisions()}
    if revision is not None and revision not in known:
        raise Conflict(
            f"The database is at revision {revision!r}, which this version of investlab does not know.",
            remedy="Install the newer version that made it, or restore a backup of the older database.",
        )


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
    _make_folder(address)
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


def _is_at(at: str, revision: str) -> bool:
    """Say whether a revision, as the caller named it, is where the database is; a relative one never is."""
    try:
        named = _scripts().get_revision(revision)
    except CommandError:
        return not revision.startswith(("+", "-"))  # an unknown one: nothing will be changed
    return bool(named) and named.revision == at


def _down(connection: Connection, revision: str) -> str | None:
    _run(lambda config: command.downgrade(config, revision), connection)
    return _revision(connection)


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
