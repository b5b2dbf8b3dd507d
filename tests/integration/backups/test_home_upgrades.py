"""Old homes under new code, new homes under old code, and going down: never without a backup or against the user."""

import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from investlab import migrations
from investlab.cli import database as commands
from investlab.cli.app import main
from investlab.core.config import Settings
from investlab.core.errors import Conflict, StorageUnavailable
from investlab.migrations import runner
from investlab.services import home_upgrade
from investlab.services.home_upgrade import KEPT, downgrade_home, upgrade_home
from investlab.services.workspace import open_workspace
from investlab.store.database_copies import content_of
from tests.support.databases import PostgresServer
from tests.support.homes import state_of
from tests.support.workspaces import START, TickingClock

Capture = pytest.CaptureFixture[str]


def url_of(home: Path) -> str:
    return f"sqlite:///{home / 'investlab.db'}"


def settings_of(home: Path, **given: object) -> Settings:
    return Settings.model_validate({"home": home, **given})


@pytest.fixture
def old_home(home: Path) -> Path:
    """A home whose database is at the first revision, its rows of that revision kept."""
    migrations.downgrade(url_of(home), "0001", lose_rows=True)
    return home


def saved(home: Path) -> list[Path]:
    return sorted((home / "backups").glob("before-*"))


def test_an_old_home_upgrades_itself_after_a_backup(old_home: Path, capsys: Capture) -> None:
    before = content_of(url_of(old_home))
    assert main(["data", "list"]) == 0
    [backup] = saved(old_home)
    assert backup.name.startswith(f"before-{migrations.head()}-")
    assert content_of(f"sqlite:///{backup}") == before
    after = content_of(url_of(old_home))
    assert after.revision == migrations.head()
    told = [line for line in capsys.readouterr().err.splitlines() if "The database was upgraded" in line]
    assert len(told) == 1
    assert f"from revision 0001 to {migrations.head()}; a backup of it as it was is {backup}" in told[0]


def test_opening_again_makes_no_backup_and_says_nothing(old_home: Path, capsys: Capture) -> None:
    open_workspace(old_home).close()
    capsys.readouterr()
    open_workspace(old_home).close()
    assert len(saved(old_home)) == 1
    assert "upgraded" not in capsys.readouterr().err


def test_a_new_home_needs_no_backup(tmp_path: Path) -> None:
    assert upgrade_home(settings_of(tmp_path / "new")) == migrations.head()
    assert not (tmp_path / "new" / "backups").exists()


def test_without_a_backup_nothing_is_upgraded(old_home: Path) -> None:
    (old_home / "backups").write_text("in the way", encoding="utf-8")
    before = content_of(url_of(old_home))
    with pytest.raises(StorageUnavailable, match="only changed after a backup"):
        open_workspace(old_home)
    assert content_of(url_of(old_home)) == before


def test_the_last_backups_are_kept(old_home: Path) -> None:
    clock = TickingClock()
    for _ in range(3):  # six migrations
        upgrade_home(settings_of(old_home), clock)
        downgrade_home(settings_of(old_home), "0001", lose_rows=True, clock=clock)
    names = [path.name for path in saved(old_home)]
    assert len(names) == KEPT
    newest = datetime.strptime(names[-1].split("-")[2], "%Y%m%dT%H%M%SZ.sqlite").replace(tzinfo=START.tzinfo)
    assert clock.at - newest < timedelta(seconds=5)


def test_a_newer_home_is_refused_by_every_command(home: Path, capsys: Capture) -> None:
    with sqlite3.connect(home / "investlab.db") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    before = (home / "investlab.db").read_bytes()
    for command in (["data", "list"], ["db", "upgrade"], ["db", "downgrade", "base", "--yes"], ["db", "backup"]):
        assert main(command) == 4, command
        assert (
            "Error: The database is at revision '9999', which this version of investlab does not know. "
            "Install the newer version that made it" in capsys.readouterr().err
        )
    assert (home / "investlab.db").read_bytes() == before
    assert main(["db", "current"]) == 0
    assert "9999" in capsys.readouterr().out
    assert main(["db", "verify"]) == 6
    assert "Install the newer version" in capsys.readouterr().out
    assert main(["doctor"]) == 1
    assert "does not know" in capsys.readouterr().out


def test_going_down_says_which_rows_would_be_lost(home: Path, capsys: Capture) -> None:
    before = state_of(home)
    assert main(["db", "downgrade", "base"]) == 4
    said = capsys.readouterr().err
    rows = before[0].rows  # type: ignore[attr-defined]
    assert f"Going down to base would lose {rows:,} rows: " in said
    assert "2 of dataset_versions" in said
    assert state_of(home) == before
    assert not saved(home)


def test_going_down_with_leave_makes_a_backup_first(home: Path) -> None:
    before = content_of(url_of(home))
    assert main(["db", "downgrade", "base", "--yes"]) == 0
    [backup] = saved(home)
    assert backup.name.startswith("before-base-")
    assert content_of(f"sqlite:///{backup}") == before
    assert migrations.current(url_of(home)) is None


def test_a_person_is_asked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(commands, "_is_interactive", lambda: True)
    monkeypatch.setattr(commands.typer, "confirm", lambda question: bool(asked.append(question)) or len(asked) > 1)
    assert main(["db", "downgrade", "base"]) == 4
    assert migrations.current(url_of(home)) == migrations.head()
    assert main(["db", "downgrade", "base"]) == 0
    assert migrations.current(url_of(home)) is None
    assert "would lose" in asked[0]


def test_going_down_without_loss_needs_no_leave(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "empty")
    upgrade_home(settings)
    assert downgrade_home(settings, "0001", lose_rows=False) == "0001"
    assert len(saved(settings.home_path)) == 1


def test_values_of_a_dropped_column_count_as_lost(home: Path) -> None:
    with runner.migrating(url_of(home)) as connection:
        connection.execute(text("ALTER TABLE venues ADD COLUMN note TEXT"))
        connection.execute(text("UPDATE venues SET note = 'kept'"))
        rows = connection.execute(text("SELECT count(*) FROM venues")).scalar_one()
        lost = runner.would_lose(connection, lambda: connection.execute(text("ALTER TABLE venues DROP COLUMN note")))
        assert lost == {"venues.note": rows}
        assert connection.execute(text("SELECT count(note) FROM venues")).scalar_one() == rows


def test_the_backup_holds_what_was_committed_before_the_migration(
    old_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export, kept = home_upgrade.export_database, []

    def noting(url: str, file: Path) -> None:
        kept.append(content_of(url))
        export(url, file)

    monkeypatch.setattr(home_upgrade, "export_database", noting)
    upgrade_home(settings_of(old_home))
    assert [content.revision for content in kept] == ["0001"]
    assert content_of(f"sqlite:///{saved(old_home)[0]}") == kept[0]


def test_a_restore_that_was_broken_off_keeps_the_home_closed(home: Path, capsys: Capture) -> None:
    (home / "restore-unfinished").write_text("/disk/home-1", encoding="utf-8")
    assert main(["data", "list"]) == 4
    assert "Run it again: `investlab db restore /disk/home-1 --replace`" in capsys.readouterr().err


@pytest.mark.postgres
def test_an_old_postgresql_home_is_saved_as_a_sqlite_file(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.create("old_home")
    settings = settings_of(tmp_path / "home", database_url=url)
    upgrade_home(settings, revision="0001")
    with runner.migrating(url) as connection:
        connection.execute(
            text("INSERT INTO venues (mic, name, timezone, calendar) VALUES ('XNYS', 'NYSE', 'UTC', 'XNYS')")
        )
    before = content_of(url)
    upgrade_home(settings)
    [backup] = saved(settings.home_path)
    assert content_of(f"sqlite:///{backup}") == before
    assert content_of(url).revision == migrations.head()
    with pytest.raises(Conflict, match="1 of venues"):
        downgrade_home(settings, "base", lose_rows=False)
    postgres.drop("old_home")


def test_a_place_is_told_without_its_password(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("INVESTLAB_DATABASE_URL", "postgresql://ann:secret-word@127.0.0.1:1/lab")
    assert main(["db", "current"]) == 5
    said = capsys.readouterr()
    assert "secret-word" not in said.out + said.err


def test_sizes_of_every_table_are_told(home: Path, capsys: Capture) -> None:
    assert main(["--json", "db", "stats"]) == 0
    said = capsys.readouterr()
    content = content_of(url_of(home))
    assert all(f'"table": "{name}",\n    "rows": {table.rows}' in said.out for name, table in content.tables.items())
    assert f"{content.rows:,} rows" in said.err


def test_the_command_copies_to_another_database(home: Path, tmp_path: Path, capsys: Capture) -> None:
    target = f"sqlite:///{tmp_path / 'copy.db'}"
    assert main(["db", "copy", "--to", target]) == 0
    assert content_of(target) == content_of(url_of(home))
    assert main(["db", "copy", "--to", target]) == 4
    assert "already has" in capsys.readouterr().err
