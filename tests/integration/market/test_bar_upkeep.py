"""Compaction, restore and vacuum: what a pin reads stays equal to the bit; damaged commits are repaired."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from investlab.core.errors import Corrupt, InvalidInput, NotFound
from investlab.store import delta_log
from investlab.store.bar_commits import COPIES
from investlab.store.bar_tables import BarQuery
from investlab.store.market import MarketStore, VersionPin
from tests.support.bars import INGESTED_AT, make_bars
from tests.support.trees import checksums

DATASET = "kept"
EARLY = BarQuery(as_of=datetime(2023, 6, 1, tzinfo=UTC))


class History:
    """A dataset with three appends: bars of two years, more of the same years, and corrections of the first."""

    def __init__(self, root: Path) -> None:
        self.store = MarketStore(root)
        self.pins: list[VersionPin] = []
        bars = make_bars(first="2019-12-23", sessions=15)
        self.append(bars)
        self.append(make_bars(instrument_ids=(3, 4), first="2019-12-23", sessions=20).assign(volume=7.0))
        self.append(bars.iloc[::3].assign(close=99.0))

    def append(self, bars: pd.DataFrame) -> VersionPin:
        """Append bars, and return the pin, which is the last one then."""
        with self.store.writing(DATASET):
            last = self.pins[-1] if self.pins else None
            self.pins.append(self.store.append(DATASET, bars, acknowledged=last, ingested_at=INGESTED_AT).pin)
        return self.pins[-1]

    def compact(self) -> VersionPin:
        """Compact, and return the pin, which is the last one then."""
        with self.store.writing(DATASET):
            self.pins.append(self.store.compact(DATASET, self.pins[-1]))
        return self.pins[-1]

    def restore(self, pin: VersionPin) -> VersionPin:
        """Restore an earlier pin, and return the pin of it, which is the last one then."""
        with self.store.writing(DATASET):
            self.pins.append(self.store.restore(DATASET, pin, acknowledged=self.pins[-1]))
        return self.pins[-1]

    def reads(self, pin: VersionPin) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return what a pin reads now, and as of a time before the corrections."""
        return self.store.read(DATASET, pin), self.store.read(DATASET, pin, EARLY)

    def files(self, pin: VersionPin) -> int:
        """Return how many data files the base table has at a pin."""
        commits = delta_log.read_commits(self.store.root / DATASET / "bars", pin.base_version, DATASET)
        return len(delta_log.active_files(commits))


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "market")


def equal(one: tuple[pd.DataFrame, pd.DataFrame], other: tuple[pd.DataFrame, pd.DataFrame]) -> bool:
    for left, right in zip(one, other, strict=True):
        pd.testing.assert_frame_equal(left, right, check_exact=True)
    return True


def test_compaction_changes_files_and_no_bar(history: History) -> None:
    last = history.pins[-1]
    before = history.reads(last)
    pin = history.compact()
    assert (history.files(last), history.files(pin)) == (4, 2)
    assert pin.content_hash == last.content_hash
    assert equal(history.reads(pin), before)
    assert equal(history.reads(last), before)
    assert history.store.extent(DATASET, pin) == history.store.extent(DATASET, last)
    history.store.verify(DATASET, pin, deep=True)


def test_a_compacted_table_takes_more_bars_and_is_compacted_once(history: History) -> None:
    pin = history.compact()
    assert history.compact() == pin
    with history.store.writing(DATASET):
        again = history.store.append(
            DATASET, make_bars(first="2019-12-23", sessions=16), acknowledged=pin, ingested_at=INGESTED_AT
        )
    assert (again.new_rows, again.changed_rows, again.same_rows) == (2, 10, 20)
    history.store.verify(DATASET, again.pin, deep=True)


def test_compaction_carries_no_damage_on(history: History) -> None:
    table = history.store.root / DATASET / "bars"
    name, _ = delta_log.read_commit(table, 0, DATASET).added[0]
    content = bytearray((table / name).read_bytes())
    column = pq.read_metadata(table / name).row_group(0).column(2)
    content[column.dictionary_page_offset + column.total_compressed_size - 1] ^= 1
    (table / name).write_bytes(content)
    before = checksums(history.store.root)
    with pytest.raises(Corrupt, match="part-00001"):
        history.compact()
    assert checksums(history.store.root) == before


def test_a_compacted_file_is_ordered_as_every_file_is(history: History) -> None:
    history.append(make_bars(instrument_ids=(1, 2), first="2019-12-02", sessions=5))
    history.append(make_bars(instrument_ids=(1, 2), first="2019-12-02", sessions=5).assign(close=3.0))
    history.compact()
    merged = list((history.store.root / DATASET).rglob("merged-*.parquet"))
    assert len(merged) == 3
    for path in merged:
        rows = pq.read_table(path, partitioning=None).to_pandas()
        order = ["instrument_id", "session", "known_at", "revision"]
        pd.testing.assert_frame_equal(rows, rows.sort_values(order, kind="stable"))


def test_a_compaction_nobody_recorded_is_as_if_it_had_not_been(history: History) -> None:
    last = history.pins[-1]
    with history.store.writing(DATASET):
        history.store.compact(DATASET, last)
        pin = last
        for first in ("2023-01-02", "2024-01-02"):
            pin = history.store.append(DATASET, make_bars(first=first), acknowledged=pin, ingested_at=INGESTED_AT).pin
    assert len(history.store.read(DATASET, pin)) == 90
    assert not list((history.store.root / DATASET).rglob("*.checkpoint.parquet"))
    history.store.verify(DATASET, pin, deep=True)


def test_restore_makes_an_older_version_the_newest(history: History) -> None:
    first, _, last = history.pins
    before, between = history.reads(first), history.reads(last)
    pin = history.restore(first)
    assert pin.base_version > last.base_version
    assert pin.content_hash == first.content_hash
    assert equal(history.reads(pin), before)
    assert equal(history.reads(last), between)
    assert history.store.extent(DATASET, pin) == history.store.extent(DATASET, first)
    history.store.verify(DATASET, pin, deep=True)
    back = history.restore(last)
    assert equal(history.reads(back), between)


def test_bars_after_a_restore_are_compared_with_what_was_restored(history: History) -> None:
    history.restore(history.pins[0])
    with history.store.writing(DATASET):
        receipt = history.store.append(
            DATASET,
            make_bars(instrument_ids=(1, 2, 3), first="2019-12-23", sessions=15).assign(close=99.0),
            acknowledged=history.pins[-1],
            ingested_at=INGESTED_AT,
        )
    assert (receipt.new_rows, receipt.changed_rows, receipt.same_rows) == (15, 30, 0)
    assert set(history.store.read(DATASET, receipt.pin)["close"]) == {99.0}


def test_vacuum_spares_what_pinned_versions_need(history: History) -> None:
    first, second, last = history.pins
    before = {pin: history.reads(pin) for pin in (first, last)}
    compacted = history.compact()
    with history.store.writing(DATASET):
        planned = history.store.vacuum(DATASET, [first, compacted], dry_run=True)
        assert history.store.verify(DATASET, second, deep=True)
        done = history.store.vacuum(DATASET, [first, compacted])
    assert planned == done
    assert (done.files, done.bytes > 1000) == (2, True)
    assert equal(history.reads(first), before[first])
    assert equal(history.reads(compacted), before[last])
    for pin in (first, compacted):
        assert history.store.verify(DATASET, pin, deep=True)
    with pytest.raises(NotFound, match="A vacuum removed this version"):
        history.store.verify(DATASET, second)
    with history.store.writing(DATASET):
        assert history.store.vacuum(DATASET, [first, compacted]).files == 0


def test_vacuum_removes_what_nobody_acknowledged(history: History) -> None:
    last = history.pins[-1]
    history.append(make_bars(first="2023-01-02"))
    with history.store.writing(DATASET):
        again = history.store.append(
            DATASET, make_bars(first="2024-01-02"), acknowledged=last, ingested_at=INGESTED_AT
        ).pin
        stray = history.store.root / DATASET / "bars" / "year=2019" / "stray.parquet"
        stray.write_bytes(b"left by a writer of long ago")
        assert history.store.vacuum(DATASET, [again]).files == 3  # its file, its commit, the stray
    assert history.store.verify(DATASET, again, deep=True)
    assert not stray.exists()


def test_a_vacuum_that_would_leave_nothing_is_refused(history: History) -> None:
    with history.store.writing(DATASET):
        with pytest.raises(InvalidInput, match="would leave nothing"):
            history.store.vacuum(DATASET, [])
        with pytest.raises(InvalidInput, match="would leave nothing"):
            history.store.vacuum(DATASET, [VersionPin(0, None, "of tables built anew")])


@pytest.mark.parametrize("change", ["begin", "compact", "restore", "vacuum", "repair"])
def test_nothing_is_changed_without_the_lock(history: History, change: str) -> None:
    store, last = history.store, history.pins[-1]
    with pytest.raises(InvalidInput, match="without its lock"):
        {
            "begin": lambda: store.begin(DATASET, acknowledged=last, ingested_at=INGESTED_AT),
            "compact": lambda: store.compact(DATASET, last),
            "restore": lambda: store.restore(DATASET, last, acknowledged=last),
            "vacuum": lambda: store.vacuum(DATASET, [last]),
            "repair": lambda: store.repair(DATASET, last),
        }[change]()


def damage_commit(history: History, damage: str) -> Path:
    path = delta_log.commit_path(history.store.root / DATASET / "bars", history.pins[-1].base_version)
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"torn": content[:300], "empty": b"", "altered": content.replace(b"2019", b"2018")}[damage])
    return path


@pytest.mark.parametrize("damage", ["torn", "empty", "missing", "altered"])
def test_a_damaged_last_commit_is_put_back_from_its_copy(history: History, damage: str) -> None:
    pin = history.pins[-1]
    before = history.reads(pin)
    assert not history.store.needs_repair(DATASET, pin)
    path = damage_commit(history, damage)
    assert history.store.needs_repair(DATASET, pin)
    with history.store.writing(DATASET):
        (done,) = history.store.repair(DATASET, pin)
    assert (done.table, done.commit, done.damage, done.action, done.lost) == ("bars", 1, damage, "restored", "nothing")
    assert (done.kept_at is None) == (damage == "missing")
    assert path.exists()
    assert equal(history.reads(pin), before)
    assert not history.store.needs_repair(DATASET, pin)
    history.store.verify(DATASET, pin, deep=True)


def test_a_damaged_commit_without_a_whole_copy_is_named_as_lost(history: History) -> None:
    first, _, last = history.pins
    for copy in (history.store.root / DATASET / COPIES).glob("bars-*1-*.json"):
        copy.write_bytes(copy.read_bytes()[:-1])
    damage_commit(history, "torn")
    with history.store.writing(DATASET):
        (done,) = history.store.repair(DATASET, last)
    assert done.action == "lost"
    assert done.lost.startswith("40 bars, whose 2 data files still lie in the folder")
    assert done.kept_at is not None
    assert done.kept_at.exists()
    assert len(history.store.read(DATASET, first)) == 30
    with pytest.raises(Corrupt):
        history.store.read(DATASET, last)


@pytest.mark.parametrize("content", [b"", b'{"add": {"pa'])
def test_a_torn_commit_nobody_acknowledged_is_set_aside(history: History, content: bytes) -> None:
    pin = history.pins[-1]
    delta_log.commit_path(history.store.root / DATASET / "bars", 2).write_bytes(content)
    assert history.store.needs_repair(DATASET, pin)
    with history.store.writing(DATASET):
        (done,) = history.store.repair(DATASET, pin)
    assert (done.action, done.lost) == ("set aside", "nothing that was acknowledged")
    assert len(list((history.store.root / DATASET / "unacknowledged").iterdir())) == 1
    history.append(make_bars(first="2023-01-02"))


def test_a_torn_checkpoint_is_removed(history: History) -> None:
    pin = history.compact()
    before = history.reads(pin)
    log = history.store.root / DATASET / "bars" / "_delta_log"
    checkpoint = next(log.glob("*.checkpoint.parquet"))
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    with history.store.writing(DATASET):
        (done,) = history.store.repair(DATASET, pin)
    assert (done.damage, done.action, done.lost) == ("torn checkpoint", "removed", "nothing")
    assert equal(history.reads(pin), before)
