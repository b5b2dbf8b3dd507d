"""Bars on shaky ground: several writers at once, a full disk, a read-only disk, tables of an older version."""

import json
from pathlib import Path

import pandas as pd
import pytest

from investlab.core.errors import Corrupt
from investlab.store import delta_log
from investlab.store.database import Database
from investlab.store.market import Extent, MarketStore
from tests.support.bar_writers import DATASET, make_pins, recorded_pin, run_writers
from tests.support.bars import INGESTED_AT, make_bars
from tests.support.mounts import require_mounts, run_mounted
from tests.support.older_tables import append_as_before

ROOT = Path(__file__).resolve().parents[3]
WRITERS, TIMES = 4, 10


@pytest.mark.slow
def test_of_four_writers_at_once_no_append_is_lost(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'pins.db'}"
    database = Database(url)
    make_pins(database)
    store = MarketStore(tmp_path / "market")
    assert run_writers(store.root, url, writers=WRITERS, times=TIMES) == WRITERS * TIMES
    pin = recorded_pin(database)
    database.close()
    assert pin is not None
    bars = store.read(DATASET, pin)
    assert bars.groupby("instrument_id").size().tolist() == [TIMES] * WRITERS
    assert store.verify(DATASET, pin, deep=True) == WRITERS * TIMES
    assert not (store.root / DATASET / "unacknowledged").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ground", "says"), [("full", "No space left on device"), ("read-only", "Read-only file system")]
)
def test_a_disk_that_takes_nothing_is_named_and_nothing_changes(tmp_path: Path, ground: str, says: str) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    require_mounts(folder)
    script = f'cd {ROOT} && "$python" -m tests.support.bar_disks "$mounted" {ground}'
    outcome = run_mounted(folder, script, {}, size="4m")
    assert outcome.stderr == ""
    told = json.loads(outcome.stdout)
    refusals = told.pop("refusals")
    assert len(refusals) == 2
    assert all(says in refusal and "'small' could not be written" in refusal for refusal in refusals)
    assert told == {"unchanged": True, "readable": 10_000, "verified": 2, "afterwards": 30_000}


def test_tables_of_the_first_version_stay_readable_and_take_more_bars(tmp_path: Path) -> None:
    store, name = MarketStore(tmp_path / "market"), "older"
    bars = make_bars(first="2019-12-23", sessions=15)
    pin = append_as_before(store.root / name, bars, bars.iloc[:0], None)
    pin = append_as_before(store.root / name, make_bars(first="2020-03-02"), bars.iloc[[3]].assign(close=77.0), pin)
    assert store.extent(name, pin) == Extent(40, 2, bars["session"].min().date(), pd.Timestamp("2020-03-06").date())
    assert store.verify(name, pin, deep=True) == 3
    before = store.read(name, pin)
    more = make_bars(first="2019-12-23", sessions=16).assign(volume=5.0)
    with store.writing(name):
        receipt = store.append(name, more, acknowledged=pin, ingested_at=INGESTED_AT)
        compacted = store.compact(name, receipt.pin)
        restored = store.restore(name, pin, acknowledged=compacted)
    assert (receipt.new_rows, receipt.changed_rows, receipt.same_rows) == (2, 30, 0)
    pd.testing.assert_frame_equal(store.read(name, pin), before)
    pd.testing.assert_frame_equal(store.read(name, restored), before)
    pd.testing.assert_frame_equal(store.read(name, compacted), store.read(name, receipt.pin))
    assert store.extent(name, compacted).rows == len(store.read(name, compacted)) == 42
    for known in (pin, receipt.pin, compacted, restored):
        store.verify(name, known, deep=True)


def test_a_changed_value_in_a_table_of_the_first_version_is_found(tmp_path: Path) -> None:
    store, name = MarketStore(tmp_path / "market"), "older"
    bars = make_bars()
    pin = append_as_before(store.root / name, bars, bars.iloc[:0], None)
    commit = delta_log.commit_path(store.root / name / "bars", 0)
    recorded = delta_log.read_commit(store.root / name / "bars", 0, name).metadata["investlab.batch_hash"]
    commit.write_text(commit.read_text().replace(str(recorded), "0" * 64))
    with pytest.raises(Corrupt, match="differ from their recorded hash"):
        store.verify(name, pin, deep=True)
