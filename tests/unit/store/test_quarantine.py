"""Quarantine keeps bars that cannot be true with their reasons, durably, apart from the stored ones."""

import os
from pathlib import Path

import pandas as pd
import pytest

from investlab.core.errors import Corrupt, StorageUnavailable
from investlab.store.quarantine import QuarantineStore


def rows(symbol: str = "AAA", day: str = "2020-01-02", reason: str = "high_below_low") -> pd.DataFrame:
    bars = {"symbol": pd.Categorical([symbol]), "session": [pd.Timestamp(day)], "close": [-1.0], "reason": [reason]}
    return pd.DataFrame(bars)


@pytest.fixture
def store(tmp_path: Path) -> QuarantineStore:
    return QuarantineStore(tmp_path / "quarantine")


def test_kept_bars_read_back_with_reason_and_run(store: QuarantineStore) -> None:
    store.keep("us", "in-1", rows("BBB"))
    store.keep("us", "in-1", rows("AAA"), part=1)
    store.keep("us", "in-2", rows("CCC", reason="extra_sessions"))
    found = store.read("us")
    assert list(found.columns) == ["symbol", "session", "reason", "ingest_run_id", "close"]
    assert found[["symbol", "reason", "ingest_run_id"]].to_numpy().tolist() == [
        ["AAA", "high_below_low", "in-1"],
        ["BBB", "high_below_low", "in-1"],
        ["CCC", "extra_sessions", "in-2"],
    ]
    assert store.read("us", "in-2")["symbol"].tolist() == ["CCC"]


def test_parts_with_other_fields_read_together(store: QuarantineStore) -> None:
    store.keep("us", "in-1", rows())
    store.keep("us", "in-2", rows().assign(volume=3.0))
    assert store.read("us")["volume"].isna().tolist() == [True, False]


def test_keeping_a_part_again_replaces_it(store: QuarantineStore) -> None:
    for _ in range(2):
        store.keep("us", "in-1", rows())
    assert len(store.read("us")) == 1


def test_nothing_in_quarantine_is_an_empty_frame(store: QuarantineStore) -> None:
    assert list(store.read("us").columns) == ["symbol", "session", "reason", "ingest_run_id"]
    assert store.read("us").empty


def test_a_run_that_did_not_end_well_leaves_nothing(store: QuarantineStore) -> None:
    store.keep("us", "in-1", rows())
    store.keep("us", "in-11", rows())
    assert store.remove("in-1") == 1
    assert store.read("us")["ingest_run_id"].tolist() == ["in-11"]


def test_removing_from_a_read_only_disk_raises_nothing(store: QuarantineStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    store.keep("us", "in-1", rows())
    monkeypatch.setattr(Path, "unlink", refuse)
    assert store.remove("in-1") == 1
    assert len(store.read("us")) == 1


def test_what_is_kept_is_flushed_before_it_gets_its_name(
    store: QuarantineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[list[str]] = []
    real = os.fsync

    def watched(descriptor: int) -> None:
        flushed.append(sorted(path.suffix for path in store.root.rglob("*.*")))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    store.keep("us", "in-1", rows())
    assert flushed[0] == [".building"]
    assert flushed[1:] == [[".parquet"]] * 3


def test_a_write_that_fails_is_a_clean_error_and_leaves_nothing_partial(
    store: QuarantineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageUnavailable, match="No space left"):
        store.keep("us", "in-1", rows())
    assert list(store.root.rglob("*.*")) == []


def test_a_damaged_file_is_named(store: QuarantineStore) -> None:
    store.keep("us", "in-1", rows()).write_bytes(b"PAR1")
    with pytest.raises(Corrupt, match="in-1"):
        store.read("us")
