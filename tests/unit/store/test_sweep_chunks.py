"""Chunks of sweeps under way: exact to the bit, whole or not there, one process at a time, gone in the end."""

import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from investlab.backtest.kernels import METRICS
from investlab.backtest.sweep_work import SweepRows
from investlab.core.errors import Busy, StorageUnavailable
from investlab.store.sweep_chunks import KEEP_SECONDS, SweepChunks, SweepChunkStore


@pytest.fixture
def store(tmp_path: Path) -> SweepChunkStore:
    return SweepChunkStore(tmp_path / "sweeps", lock_timeout_seconds=0.01)


def rows(start: int, count: int, kept: tuple[int, ...] = ()) -> SweepRows:
    metrics = np.random.default_rng(start).normal(size=(count, len(METRICS)))
    return SweepRows(start, metrics, np.array(kept, dtype=np.int64), np.arange(4.0 * len(kept)).reshape(len(kept), 4))


def described(units: list[SweepRows]) -> list[tuple[int, bytes, list[int], bytes]]:
    return [(unit.start, unit.metrics.tobytes(), unit.kept.tolist(), unit.moments.tobytes()) for unit in units]


def test_what_is_kept_comes_back_to_the_bit(store: SweepChunkStore) -> None:
    odd = rows(0, 3, (0, 2))
    odd.metrics[:, :3] = [[-0.0, 0.0, np.nan], [np.inf, -np.inf, 5e-324], [0.1, -np.nan, 1e308]]
    units = [odd, rows(10, 2), rows(5, 4, (6,))]
    with store.writing("key") as chunks:
        chunks.keep(units[:2])
        chunks.keep(units[2:])
        assert described(list(chunks.kept())) == described(units)


def test_a_table_that_people_can_read(store: SweepChunkStore) -> None:
    with store.writing("key") as chunks:
        chunks.keep([rows(3, 2, (4,))])
        table = pq.read_table(chunks.files()[0])
    assert table.column_names == ["trial", *METRICS, "block_moments"]
    assert table["trial"].to_pylist() == [3, 4]
    assert table["block_moments"].to_pylist() == [[], [0.0, 1.0, 2.0, 3.0]]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_file_is_dropped_and_the_others_stay(store: SweepChunkStore, damage: str) -> None:
    with store.writing("key") as chunks:
        chunks.keep([rows(0, 200)])
        chunks.keep([rows(200, 3)])
        path = chunks.files()[0]
        content = bytearray(path.read_bytes())
        content[600] ^= 255
        path.write_bytes({"cut": content[:-9], "flipped": content, "empty": b""}[damage])
        assert [unit.start for unit in chunks.kept()] == [200]
        assert not path.exists()


def test_another_process_waits_and_is_told_why(store: SweepChunkStore) -> None:
    with store.writing("key"), pytest.raises(Busy, match="computing this very sweep"), store.writing("key"):
        raise AssertionError("two writers")


def test_nothing_partial_is_left_by_a_write_that_fails(store: SweepChunkStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with store.writing("key") as chunks:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StorageUnavailable):
            chunks.keep([rows(0, 2)])
        assert {path.suffix for path in chunks.folder.iterdir()} <= {".lock", ".pid"}


def test_a_sweep_that_kept_nothing_leaves_nothing(store: SweepChunkStore) -> None:
    with store.writing("key"):
        assert [path.name for path in store.root.iterdir()] == ["key"]
    assert not list(store.root.iterdir())


def test_old_sweeps_are_forgotten_and_others_are_not(store: SweepChunkStore) -> None:
    for key in ("old", "young"):
        with store.writing(key) as chunks:
            chunks.keep([rows(0, 2)])
    long_ago = (store.root / "old").stat().st_mtime - KEEP_SECONDS - 60.0
    os.utime(store.root / "old", (long_ago, long_ago))
    with store.writing("new") as chunks:
        assert isinstance(chunks, SweepChunks)
        assert sorted(path.name for path in store.root.iterdir()) == ["new", "young"]
