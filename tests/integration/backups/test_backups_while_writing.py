"""Backups while others write: each is one moment, whatever was ingested, predicted, compacted or vacuumed meanwhile."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from investlab.core.config import Settings
from investlab.core.errors import Busy
from investlab.schemas.catalog import DatasetVersionInfo
from investlab.services.backup import back_up
from investlab.services.restoring import RestoreRequest, restore
from investlab.services.verification import verify_database, verify_stores
from investlab.services.workspace import open_workspace
from investlab.store import market_backups
from investlab.store.database import Database
from investlab.store.durable_files import copy_file
from investlab.store.market import MarketStore
from investlab.store.repositories import datasets
from tests.support.workspaces import DATASET

ROOT = Path(__file__).resolve().parents[3]
ROUNDS = int(os.environ.get("INVESTLAB_FAULT_ROUNDS", "20")) // 8


@pytest.fixture
def writer(home: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that writes into the home until the test ends; the first rounds are over."""
    command = [sys.executable, "-m", "tests.support.home_writers", str(home)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "10"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def recorded(home: Path) -> list[DatasetVersionInfo]:
    database = Database(f"sqlite:///{home / 'investlab.db'}")
    with database.read() as session:
        found = datasets.versions(session, DATASET)
    database.close()
    return found


@pytest.mark.slow
@pytest.mark.drill
def test_every_backup_is_one_moment(home: Path, writer: subprocess.Popen[str], tmp_path: Path) -> None:
    lab = open_workspace(home)
    receipts = []
    for _ in range(ROUNDS):
        first = len(recorded(home))
        receipts.append((first, back_up(lab.context, tmp_path / "disk"), len(recorded(home))))
    lab.close()
    assert writer.poll() is None
    assert receipts[-1][2] > receipts[0][0], "nothing was written meanwhile"
    for number, (earlier, receipt, later) in enumerate(receipts):
        assert receipt.left_out == ()
        restored = Settings.model_validate({"home": tmp_path / f"restored-{number}"})
        restore(restored, RestoreRequest(Path(receipt.path)))
        assert earlier <= len(recorded(restored.home_path)) <= later
        opened = open_workspace(settings=restored)
        findings = verify_database(restored) + verify_stores(opened.context, lambda text: None)
        assert [finding for finding in findings if finding.state != "ok"] == []
        ids = opened.context.predictions.read()["prediction_id"].unique()
        told = sorted(int(name.removeprefix("pd-"), 16) for name in ids)
        assert told == [1, 2, *range(10, 10 + len(told) - 2)]
        opened.close()


def test_a_file_that_a_vacuum_takes_meanwhile_is_no_loss(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = []

    def taken_once(source: Path, root: Path, name: str) -> object:
        if source.suffix == ".parquet" and not attempts:
            attempts.append(name)
            raise FileNotFoundError(name)
        return copy_file(source, root, name)

    monkeypatch.setattr(market_backups, "copy_file", taken_once)
    lab = open_workspace(home)
    receipt = back_up(lab.context, tmp_path / "disk")
    lab.close()
    assert attempts
    assert (receipt.left_out, receipt.versions) == ((), 2)
    assert [path.name for path in (tmp_path / "disk").iterdir()] == [Path(receipt.path).name]


def test_where_bars_are_taken_all_the_time_writers_wait(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, taken = open_workspace(home), []

    def take(source: Path, root: Path, name: str) -> object:
        """Take the file away, as a vacuum does that gets the writer's lock."""
        try:
            with MarketStore(lab.context.market.root).writing(DATASET, timeout_seconds=0.0):
                taken.append(name)
        except Busy:
            return copy_file(source, root, name)
        raise FileNotFoundError(name)

    monkeypatch.setattr(market_backups, "copy_file", take)
    receipt = back_up(lab.context, tmp_path / "disk")
    with lab.context.market.writing(DATASET, timeout_seconds=0.0):
        lab.close()
    assert len(taken) == 2
    assert (receipt.left_out, receipt.versions) == ((), 2)
