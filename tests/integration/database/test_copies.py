"""Copies between databases of either kind: counts and hashes equal, whole or not at all."""

import shutil
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from investlab import migrations
from investlab.core.errors import Conflict, Corrupt
from investlab.migrations.runner import migrating
from investlab.store import database_copies
from investlab.store.database import Database
from investlab.store.database_copies import content_of, copy_database, export_database
from investlab.store.repositories import outbox
from investlab.store.table_copies import plain_value
from tests.support.databases import PostgresServer
from tests.support.records import AT, fill

NewUrl = Callable[[], str]


@pytest.fixture
def new_url(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[NewUrl]:
    """Give URLs of databases that were never set up, of the other kind than the test's database."""
    if not database_url.startswith("sqlite"):
        yield lambda: f"sqlite:///{tmp_path / uuid.uuid4().hex / 'copy.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    made: list[str] = []

    def create() -> str:
        made.append(f"copy_{uuid.uuid4().hex}")
        return server.create(made[-1])

    yield create
    for name in made:
        server.drop(name)


def test_a_copy_holds_every_row_of_every_table(database: Database, database_url: str, new_url: NewUrl) -> None:
    database.write(fill)
    target = new_url()
    copied = copy_database(database_url, target)
    assert {name for name, table in copied.tables.items() if table.rows == 0} == set()
    assert content_of(target) == content_of(database_url) == copied
    assert migrations.current(target) == migrations.head()


def test_new_rows_follow_the_copied_ones_and_are_not_copied_over(
    database: Database, database_url: str, new_url: NewUrl
) -> None:
    database.write(fill)
    for _ in range(10):  # more than a write unit is repeated when its key is taken
        database.write(lambda session: outbox.enqueue(session, "system", {}, at=AT))
    target = new_url()
    copy_database(database_url, target)
    copy = Database(target, sleep=lambda _: None)
    copy.write(lambda session: outbox.enqueue(session, "system", {"more": 1}, at=AT))
    copy.close()
    after = content_of(target)
    assert after.rows == content_of(database_url).rows + 1
    with pytest.raises(Conflict, match="already has"):
        copy_database(database_url, target)
    assert content_of(target) == after


def test_a_target_at_another_revision_is_refused(database_url: str, new_url: NewUrl) -> None:
    target = new_url()
    migrations.upgrade(target, "0001")
    with pytest.raises(Conflict, match="at revision 0001"):
        copy_database(database_url, target)


def test_a_source_that_was_never_set_up_is_refused(empty_url: str, tmp_path: Path) -> None:
    if empty_url.startswith("sqlite"):
        Path(empty_url.removeprefix("sqlite:///")).parent.mkdir()
    with pytest.raises(Conflict, match="never set up"):
        copy_database(empty_url, f"sqlite:///{tmp_path / 'copy.db'}")


def test_a_copy_that_breaks_off_leaves_an_empty_target(
    database: Database, database_url: str, new_url: NewUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.write(fill)
    target = new_url()

    def cut_off(connection: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(database_copies, "digest_tables", cut_off)
        with pytest.raises(KeyboardInterrupt):
            copy_database(database_url, target)
    assert migrations.current(target) is None
    assert copy_database(database_url, target) == content_of(target)


def test_a_copy_that_is_not_equal_is_refused(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite_database.write(fill)
    target = f"sqlite:///{tmp_path / 'copy.db'}"
    digest = database_copies.digest_tables
    monkeypatch.setattr(database_copies, "digest_tables", lambda connection: digest(connection) | {"venues": None})
    with pytest.raises(Corrupt, match="venues is not equal"):
        copy_database(str(sqlite_database.url), target)
    assert migrations.current(target) is None


def test_an_exported_database_is_one_file_with_equal_content(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    database.write(fill)
    folder = tmp_path / "export"
    folder.mkdir()
    export_database(database_url, folder / "database.sqlite")
    assert [path.name for path in folder.iterdir()] == ["database.sqlite"]
    assert content_of(f"sqlite:///{folder / 'database.sqlite'}") == content_of(database_url)


def test_an_older_database_is_exported_at_its_revision(database: Database, database_url: str, tmp_path: Path) -> None:
    database.write(fill)
    database.close()
    migrations.downgrade(database_url, "0001", lose_rows=True)
    export_database(database_url, tmp_path / "old.sqlite")
    old = content_of(f"sqlite:///{tmp_path / 'old.sqlite'}")
    assert old.revision == "0001"
    assert old == content_of(database_url)


def test_an_export_reads_one_moment_while_others_write(database: Database, database_url: str, tmp_path: Path) -> None:
    database.write(fill)
    before = content_of(database_url)
    with migrating(database_url) as other:
        other.execute(text("UPDATE outbox SET topic = 'changed'"))
        export_database(database_url, tmp_path / "export.sqlite")
    assert content_of(f"sqlite:///{tmp_path / 'export.sqlite'}") == before


def test_a_damaged_database_is_not_exported(sqlite_database: Database, tmp_path: Path) -> None:
    sqlite_database.write(fill)
    file = Path(sqlite_database.place)
    sqlite_database.close()
    with sqlite3.connect(file) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'audit_events'").fetchone()[0]
        size = raw.execute("PRAGMA page_size").fetchone()[0]
    raw.close()
    damaged = tmp_path / "damaged.db"
    shutil.copy(file, damaged)
    with damaged.open("r+b") as stream:
        stream.seek((page - 1) * size + 1)
        stream.write(b"\xff" * 64)
    with pytest.raises(Corrupt, match="damaged"):
        export_database(f"sqlite:///{damaged}", tmp_path / "export.sqlite")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        pytest.param(float("nan"), None, id="nan-is-null"),
        pytest.param(-0.0, 0.0, id="no-negative-zero"),
        pytest.param(Decimal("1.500"), "1.500", id="digits"),
        pytest.param(datetime(2024, 1, 2, tzinfo=UTC), "2024-01-02T00:00:00", id="utc"),
        pytest.param("text", "text", id="text"),
    ],
)
def test_values_have_one_form(value: object, plain: object) -> None:
    assert plain_value(value) == plain
