"""Backups: whole, consistent, portable; a damaged one restores nothing, and a restore deletes nothing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from investlab.cli.app import main
from investlab.core.config import Settings
from investlab.core.errors import Busy, Conflict, Corrupt, InvalidInput, NotFound, StorageUnavailable
from investlab.schemas.backups import BackedUpFile, BackupManifest
from investlab.services.backup import MANIFEST, back_up
from investlab.services.restoring import RestoreRequest, read_manifest, restore, verify_backup
from investlab.services.workspace import open_workspace
from investlab.store.database_copies import content_of
from tests.support.databases import PostgresServer
from tests.support.homes import fill_home, flip, state_of
from tests.support.trees import checksums
from tests.support.workspaces import DATASET, START

Capture = pytest.CaptureFixture[str]
ROOT = Path(__file__).resolve().parents[3]
PARTS = {
    "database": "investlab.db",
    "bars": f"market/{DATASET}/bars/year=2020/*.parquet",
    "artifact": "artifacts/*/*",
    "predictions": "predictions/table/*.parquet",
}


def saved(home: Path, to: Path | None = None) -> Path:
    workspace = open_workspace(home)
    receipt = back_up(workspace.context, to)
    workspace.close()
    assert receipt.left_out == ()
    return Path(receipt.path)


def settings_of(home: Path, **given: object) -> Settings:
    return Settings.model_validate({"home": home, **given})


@pytest.mark.parametrize("part", PARTS)
def test_what_is_damaged_is_found_and_restored(home: Path, backup: Path, capsys: Capture, part: str) -> None:
    before = state_of(home)
    damaged = next(iter(sorted(home.glob(PARTS[part]))))
    flip(damaged)
    assert main(["db", "verify"]) == 6
    assert "problem" in capsys.readouterr().out
    assert main(["db", "restore", str(backup), "--replace"]) == 0
    assert state_of(home) == before
    assert main(["db", "verify"]) == 0
    assert "problem" not in capsys.readouterr().out


def test_a_damaged_commit_is_mended_from_its_copy_and_told(home: Path, capsys: Capture) -> None:
    commit = home / f"market/{DATASET}/bars/_delta_log/00000000000000000000.json"
    before = commit.read_bytes()
    flip(commit)
    assert main(["--json", "db", "verify"]) == 0
    findings = json.loads(capsys.readouterr().out)
    (mended,) = [finding for finding in findings if finding["state"] == "warning"]
    assert mended["check"] == f"bars of {DATASET}"
    assert "lost: nothing" in mended["seen"]
    assert commit.read_bytes() == before


def test_a_damaged_commit_without_a_copy_is_found_and_restored(home: Path, backup: Path, capsys: Capture) -> None:
    before = state_of(home)
    flip(home / f"market/{DATASET}/bars/_delta_log/00000000000000000000.json")
    for copy in home.glob(f"market/{DATASET}/commits/*.json"):
        flip(copy)
    assert main(["db", "verify"]) == 6
    assert "problem" in capsys.readouterr().out
    assert main(["db", "restore", str(backup), "--replace"]) == 0
    assert state_of(home) == before


@pytest.mark.parametrize("part", ["database", "bars"])
def test_what_is_lost_is_found_and_restored(home: Path, backup: Path, part: str) -> None:
    before = state_of(home)
    lost = next(iter(sorted(home.glob(PARTS[part]))))
    lost.unlink()
    if part != "database":  # its absence is a beginning
        assert main(["db", "verify"]) == 6
    assert main(["db", "restore", str(backup), "--replace"]) == 0
    assert state_of(home) == before


def test_a_backup_of_another_machine_becomes_this_home(home: Path, tmp_path: Path) -> None:
    before = state_of(home)
    backup = saved(home, tmp_path / "disk")
    moved = tmp_path / "elsewhere" / "copy"
    shutil.copytree(backup, moved)
    shutil.rmtree(home)
    shutil.rmtree(tmp_path / "disk")
    other = tmp_path / "other" / "home"
    restore(settings_of(other), RestoreRequest(moved))
    assert state_of(other) == before
    lab = open_workspace(other)
    assert lab.verify(deep=True) == {DATASET: 2}
    assert len(lab.context.predictions.read()) == 4
    assert lab.load(lab.list_runs()[0].run_id).nav is not None
    lab.close()


def test_nothing_in_a_backup_names_the_place_it_was_made_at(home: Path, tmp_path: Path) -> None:
    backup = saved(home)
    for path in backup.rglob("*"):
        assert not path.is_file() or str(tmp_path).encode() not in path.read_bytes(), path


def test_a_home_with_data_is_not_overwritten(home: Path, backup: Path, capsys: Capture) -> None:
    before = checksums(home)
    assert main(["db", "restore", str(backup)]) == 4
    assert "already holds a database with" in capsys.readouterr().err
    assert checksums(home) == before


def test_what_the_home_held_is_set_aside(home: Path, backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "runs" / "pl-0001" / "index.html").write_text("<p>newer</p>", encoding="utf-8")
    held = state_of(home)
    receipt = restore(settings_of(home), RestoreRequest(backup, replace=True))
    aside = Path(receipt.set_aside or "")
    assert state_of(aside) == held
    assert state_of(home) != held
    assert aside.is_relative_to(home)


def test_an_empty_home_needs_no_leave(home: Path, backup: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    open_workspace(other).close()
    receipt = restore(settings_of(other), RestoreRequest(backup))
    assert receipt.set_aside is None
    assert state_of(other) == state_of(home)


def test_a_database_in_use_is_not_replaced(home: Path, backup: Path) -> None:
    lab = open_workspace(home)
    lab.datasets()
    before = checksums(home / "market")
    with pytest.raises(Busy, match="has the database"):
        restore(settings_of(home), RestoreRequest(backup, replace=True))
    lab.close()
    assert checksums(home / "market") == before


@pytest.mark.parametrize("name", ["database.sqlite", f"market/{DATASET}/bars", "artifacts"])
def test_a_damaged_backup_restores_nothing(home: Path, backup: Path, name: str) -> None:
    before = checksums(home, ignore=())
    place = backup / name
    file = place if place.is_file() else next(path for path in sorted(place.rglob("*")) if path.is_file())
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(Corrupt, match="other bytes"):
        restore(settings_of(home), RestoreRequest(backup, replace=True))
    file.write_bytes(content)
    assert checksums(home, ignore=()) == before


def test_a_backup_that_lacks_a_file_restores_nothing(home: Path, backup: Path) -> None:
    before = state_of(home)
    next(iter((backup / "artifacts").rglob("*/*"))).unlink()
    with pytest.raises(Corrupt, match="is missing"):
        restore(settings_of(home), RestoreRequest(backup, replace=True))
    assert state_of(home) == before


def rewritten(backup: Path, **fields: object) -> BackupManifest:
    manifest = read_manifest(backup).model_copy(update=fields).sealed()
    (backup / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")
    return manifest


def test_a_manifest_cannot_name_files_elsewhere(home: Path, backup: Path, tmp_path: Path) -> None:
    file = BackedUpFile(path="runs/../../outside.html", bytes=1, sha256="0")
    rewritten(backup, files=(*read_manifest(backup).files, file))
    with pytest.raises(InvalidInput, match="no file inside a backup"):
        restore(settings_of(tmp_path / "other"), RestoreRequest(backup))
    assert not (tmp_path / "other").exists()


def test_a_backup_with_a_link_in_it_is_refused(home: Path, backup: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    shutil.move(backup / "runs" / "pl-0001" / "index.html", tmp_path / "secret")
    (backup / "runs" / "pl-0001").rmdir()
    (backup / "runs" / "pl-0001").symlink_to(tmp_path / "secret")
    with pytest.raises(Corrupt, match="through a link"):
        verify_backup(backup, read_manifest(backup))


def test_a_manifest_that_was_changed_is_refused(home: Path, backup: Path) -> None:
    told = json.loads((backup / MANIFEST).read_text(encoding="utf-8"))
    told["tables"]["venues"]["rows"] += 1
    (backup / MANIFEST).write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(Corrupt, match="was changed"):
        read_manifest(backup)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        pytest.param({"format": 99}, "format 99", id="format"),
        pytest.param({"revision": "9999"}, "'9999', which this version of investlab does not know", id="revision"),
    ],
)
def test_a_backup_of_a_newer_version_is_refused(home: Path, backup: Path, fields: dict[str, object], says: str) -> None:
    rewritten(backup, **fields)
    with pytest.raises(Conflict, match=says):
        restore(settings_of(home), RestoreRequest(backup, replace=True))


def test_a_folder_without_a_backup_is_refused(home: Path) -> None:
    with pytest.raises(NotFound, match="no backup"):
        restore(settings_of(home), RestoreRequest(home / "runs", replace=True))


def test_backups_never_overwrite_each_other(home: Path, tmp_path: Path) -> None:
    class Stopped:
        def now(self) -> object:
            return START

    lab = open_workspace(home, clock=Stopped())
    paths = {back_up(lab.context, tmp_path / "disk").path for _ in range(2)}
    lab.close()
    assert len(paths) == 2
    assert {Path(path).name for path in paths} == {path.name for path in (tmp_path / "disk").iterdir()}


def test_a_backup_that_cannot_be_written_leaves_nothing(home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    lab = open_workspace(home)
    with pytest.raises(StorageUnavailable, match="could not be written"):
        back_up(lab.context, tmp_path / "file")
    lab.close()
    assert not (home / "backups").exists()


def test_a_damaged_artifact_is_named_and_left_out(home: Path, capsys: Capture) -> None:
    flip(next(iter(sorted(home.glob("artifacts/*/*")))))
    assert main(["db", "backup"]) == 6
    said = capsys.readouterr()
    assert "Not in the backup: artifacts/" in said.err
    [backup] = (home / "backups").iterdir()
    verify_backup(backup, read_manifest(backup))


def test_bars_that_a_run_holds_and_are_gone_are_named(home: Path, capsys: Capture) -> None:
    next(iter(home.glob(PARTS["bars"]))).unlink()
    assert main(["db", "backup"]) == 6
    assert f"Not in the backup: {DATASET}@2" in capsys.readouterr().err


def test_rows_of_another_hash_are_named(home: Path, capsys: Capture) -> None:
    file = next(iter(home.glob(PARTS["bars"])))
    size = file.stat().st_size
    flip(file)
    assert file.stat().st_size == size
    assert main(["db", "backup"]) == 6
    assert f"Not in the backup: {DATASET}@2" in capsys.readouterr().err


def test_commits_beyond_the_recorded_version_are_not_taken(home: Path) -> None:
    log = home / "market" / DATASET / "bars" / "_delta_log"
    (log / f"{1:020d}.json").write_bytes(b"torn")
    backup = saved(home)
    assert [path.name for path in sorted((backup / log.relative_to(home)).iterdir())] == [f"{0:020d}.json"]


@pytest.mark.slow
@pytest.mark.parametrize("step", ["copied", "set aside"])
def test_a_restore_that_is_killed_is_finished_by_the_next(home: Path, backup: Path, tmp_path: Path, step: str) -> None:
    whole = state_of(home)
    report = home / "runs" / "pl-0001" / "index.html"
    report.write_text("<p>newer</p>", encoding="utf-8")
    newer = state_of(home)
    command = [sys.executable, "-m", "tests.support.homes", str(backup), step]
    outcome = subprocess.run(command, cwd=ROOT, env=os.environ, check=False)
    assert outcome.returncode == 137
    if step == "copied":
        assert state_of(home) == newer
    else:
        with pytest.raises(Conflict, match="was broken off"):
            open_workspace(home)
    restore(settings_of(home), RestoreRequest(backup, replace=True))
    assert state_of(home) == whole
    open_workspace(home).close()
    assert not list(home.glob(".restoring-*"))
    kept = [checksums(path) for path in (home / "set-aside").iterdir()]
    assert any(found.get("runs/pl-0001/index.html") == newer[1]["runs/pl-0001/index.html"] for found in kept)


@pytest.mark.postgres
def test_a_home_moves_from_postgresql_to_sqlite_and_back(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = [postgres.create(f"backup_{number}") for number in range(2)]
    first = fill_home(monkeypatch, tmp_path / "first", database_url=urls[0])
    before = state_of(tmp_path / "first", urls[0])
    backup = Path(back_up(first.context).path)
    first.close()
    on_sqlite = tmp_path / "second"
    restore(settings_of(on_sqlite), RestoreRequest(backup))
    assert state_of(on_sqlite) == before
    again = saved(on_sqlite)
    third = settings_of(tmp_path / "third", database_url=urls[1])
    restore(third, RestoreRequest(again))
    assert state_of(tmp_path / "third", urls[1]) == before
    receipt = restore(third, RestoreRequest(again, replace=True))
    assert content_of(f"sqlite:///{receipt.set_aside}/database.sqlite") == before[0]
    for number in range(2):
        postgres.drop(f"backup_{number}")
