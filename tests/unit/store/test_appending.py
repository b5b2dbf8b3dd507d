"""Appends in parts: one commit for all of them, repeated bars, statistics that readers prune by."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from investlab.core.errors import InvalidInput, StorageUnavailable
from investlab.store import bar_changes, delta_log
from investlab.store.bar_columns import columns_of, years_of
from investlab.store.market import Appending, AppendReceipt, Extent, MarketStore
from tests.support.bars import INGESTED_AT, make_bars
from tests.support.trees import checksums

DATASET = "parts"


@pytest.fixture
def store(tmp_path: Path) -> MarketStore:
    return MarketStore(tmp_path / "market")


def append(store: MarketStore, *parts: pd.DataFrame, after: AppendReceipt | None = None) -> AppendReceipt:
    with store.writing(DATASET):
        appending = begin(store, after)
        for part in parts:
            appending.add(part)
        return appending.commit()


def begin(store: MarketStore, after: AppendReceipt | None = None) -> Appending:
    return store.begin(DATASET, acknowledged=after.pin if after else None, ingested_at=INGESTED_AT)


def files(store: MarketStore) -> list[str]:
    return sorted(checksums(store.root))


def test_parts_become_one_commit(store: MarketStore) -> None:
    one, two = make_bars(first="2019-12-30"), make_bars(instrument_ids=(5,), first="2019-12-30").assign(volume=1.0)
    receipt = append(store, one, two)
    assert (receipt.new_rows, receipt.pin.base_version, receipt.pin.corrections_version) == (15, 0, None)
    assert store.read(DATASET, receipt.pin)["instrument_id"].tolist() == [1] * 5 + [2] * 5 + [5] * 5
    assert store.extent(DATASET, receipt.pin) == Extent(
        15, 3, pd.Timestamp("2019-12-30").date(), pd.Timestamp("2020-01-03").date()
    )
    assert store.verify(DATASET, receipt.pin, deep=True) == 1


def test_each_part_tells_what_it_held(store: MarketStore) -> None:
    first = append(store, make_bars())
    with store.writing(DATASET):
        appending = begin(store, first)
        told = appending.add(make_bars(sessions=6))
        corrected = appending.add(make_bars(instrument_ids=(2,), first="2019-01-01").assign(open=1.0))
        appending.abort()
    assert (told.new, told.changed, told.same) == (2, 0, 10)
    assert (corrected.new, corrected.changed, corrected.same) == (5, 0, 0)


def test_an_aborted_append_leaves_nothing(store: MarketStore) -> None:
    first = append(store, make_bars())
    before = files(store)
    with store.writing(DATASET):
        appending = begin(store, first)
        appending.add(make_bars(first="2022-01-03"))
        assert files(store) != before
        appending.abort()
        appending.abort()
    assert files(store) == before
    with pytest.raises(InvalidInput, match="has ended"):
        appending.add(make_bars(first="2022-01-03"))


def test_a_dataset_whose_first_append_is_aborted_does_not_exist(store: MarketStore) -> None:
    with store.writing(DATASET):
        appending = begin(store)
        appending.add(make_bars())
        appending.abort()
    assert not list((store.root / DATASET).iterdir())


def test_parts_that_tell_the_same_bar_again_store_it_once(store: MarketStore) -> None:
    receipt = append(store, make_bars(), make_bars(sessions=6))
    assert (receipt.new_rows, receipt.same_rows) == (12, 10)
    assert len(store.read(DATASET, receipt.pin)) == 12


def test_parts_that_contradict_each_other_are_refused(store: MarketStore) -> None:
    with pytest.raises(InvalidInput, match="instrument 1 on 2020-01-01 is given more than once"):
        append(store, make_bars(), make_bars().assign(close=5.0))
    assert files(store) == []


def test_a_bar_given_twice_is_refused(store: MarketStore) -> None:
    bars = pd.concat([make_bars(), make_bars().iloc[[7]]], ignore_index=True)
    with pytest.raises(InvalidInput, match="instrument 2 on 2020-01-03 is given more than once"):
        append(store, bars)


def test_a_value_that_returns_is_a_correction_too(store: MarketStore) -> None:
    bars = make_bars(instrument_ids=(1,))
    receipt = append(store, bars)
    for price in (98.0, float(bars["close"][0]), 98.0):
        receipt = append(store, bars.iloc[[0]].assign(close=price), after=receipt)
        assert (receipt.changed_rows, receipt.same_rows) == (1, 0)
        assert store.read(DATASET, receipt.pin)["close"][0] == price


def test_a_correction_of_one_field_keeps_the_others(store: MarketStore) -> None:
    bars = make_bars(instrument_ids=(1,))
    receipt = append(store, bars)
    receipt = append(store, bars.iloc[[1]].assign(close=50.0).drop(columns="open"), after=receipt)
    row = store.read(DATASET, receipt.pin).iloc[1]
    assert (row["close"], row["open"]) == (50.0, bars["open"][1])


def test_a_correction_is_never_known_before_what_it_corrects(store: MarketStore) -> None:
    early = pd.Timestamp("2020-01-01", tz="UTC")
    bars = make_bars(instrument_ids=(1,))
    receipt = append(store, bars)
    with store.writing(DATASET):
        receipt = store.append(
            DATASET, bars.iloc[[2]].assign(close=50.0), acknowledged=receipt.pin, ingested_at=early.to_pydatetime()
        )
    assert store.read(DATASET, receipt.pin)["close"][2] == 50.0


def test_a_bar_that_fills_a_gap_is_known_when_it_was_received(store: MarketStore) -> None:
    bars = make_bars(instrument_ids=(1,), first="2019-12-30", sessions=8)
    receipt = append(store, bars.iloc[[2, 5]], make_bars(first="2010-01-04"))
    receipt = append(store, bars, make_bars(instrument_ids=(9,), first="2020-01-02"), after=receipt)
    stored = store.read(DATASET, receipt.pin)
    received = stored[stored["known_at"] == pd.Timestamp(INGESTED_AT)]
    assert received["instrument_id"].unique().tolist() == [1]
    assert received["session"].dt.strftime("%m-%d").tolist() == ["12-30", "12-31", "01-02", "01-03"]


@pytest.mark.parametrize("order", ["instrument", "session", "none"])
def test_the_order_of_rows_changes_neither_files_nor_hash(tmp_path: Path, order: str) -> None:
    bars = make_bars(instrument_ids=(1, 2, 70_000), first="2019-12-23", sessions=15)
    given = {
        "instrument": bars,
        "session": bars.sort_values(["session", "instrument_id"]),
        "none": bars.sample(frac=1, random_state=3),
    }[order]
    store, known = MarketStore(tmp_path / "given"), MarketStore(tmp_path / "known")
    assert append(store, given).content_hash == append(known, bars).content_hash
    for path in (store.root / DATASET / "bars").rglob("*.parquet"):
        stored = pq.read_table(path, partitioning=None).to_pandas()
        keys = stored[["instrument_id", "session"]]
        pd.testing.assert_frame_equal(keys, keys.sort_values(["instrument_id", "session"]))


def test_the_log_holds_the_statistics_that_readers_prune_by(store: MarketStore) -> None:
    append(store, make_bars(instrument_ids=(4, 9), first="2019-12-30"))
    commit = delta_log.read_commit(store.root / DATASET / "bars", 0, DATASET)
    stats = {name.split("/")[0]: json.loads(text) for name, text in commit.stats.items()}
    assert stats["year=2020"]["numRecords"] == 6
    assert stats["year=2020"]["minValues"] == {
        "instrument_id": 4,
        "session": "2020-01-01",
        "known_at": "2020-01-01T21:00:00.000000Z",
    }
    assert stats["year=2020"]["maxValues"]["session"] == "2020-01-03"
    assert stats["year=2020"]["nullCount"]["close"] == 0


@pytest.mark.parametrize(
    ("bars", "files_read"),
    [
        pytest.param(make_bars(first="2021-03-01", sessions=1), 0, id="later"),
        pytest.param(make_bars(instrument_ids=(7,), first="2020-01-01"), 0, id="other-instrument"),
        pytest.param(make_bars(first="2020-01-02", sessions=1), 1, id="stored-session"),
        pytest.param(make_bars(first="2020-01-20", sessions=1), 3, id="in-a-gap"),
    ],
)
def test_only_files_that_may_hold_the_bars_are_read(
    store: MarketStore, monkeypatch: pytest.MonkeyPatch, bars: pd.DataFrame, files_read: int
) -> None:
    receipt = append(store, make_bars(first="2019-12-02", sessions=27), after=None)
    receipt = append(store, make_bars(instrument_ids=(1, 2), first="2021-01-04"), after=receipt)
    read, looked_at = bar_changes.read_files, []

    def counted(*arguments: object) -> object:
        looked_at.extend(arguments[1])  # type: ignore[call-overload]
        return read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(bar_changes, "read_files", counted)
    append(store, bars, after=receipt)
    assert len(looked_at) == files_read


def test_leftovers_of_a_killed_writer_go_with_the_next_append(store: MarketStore) -> None:
    first = append(store, make_bars())
    folder = store.root / DATASET
    (folder / "writing").touch()
    stray = folder / "bars" / "year=1999" / "part-00001-stray.parquet"
    stray.parent.mkdir()
    stray.write_bytes(b"half a fi")
    (folder / "bars" / "_delta_log" / "_commit_stray.json.tmp").write_bytes(b"{")
    second = append(store, make_bars(first="2022-01-03"), after=first)
    assert not stray.parent.exists()
    assert not list((folder / "bars" / "_delta_log").glob("*.tmp"))
    assert store.verify(DATASET, second.pin, deep=True) == 2


def test_a_commit_number_that_is_taken_is_not_overwritten(store: MarketStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A last guard, should the lock fail on some file system."""
    first = append(store, make_bars())
    other = delta_log.commit_path(store.root / DATASET / "bars", 1)
    link = os.link

    def taken(source: Path, target: Path) -> None:
        other.write_bytes(b"of another writer")
        link(source, target)

    monkeypatch.setattr(os, "link", taken)
    with pytest.raises(StorageUnavailable, match="File exists"):
        append(store, make_bars(first="2022-01-03"), after=first)
    assert other.read_bytes() == b"of another writer"
    assert not (store.root / DATASET / "bars" / "year=2022").exists()


def test_commits_work_on_a_file_system_without_links(store: MarketStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refused)
    first = append(store, make_bars())
    second = append(store, make_bars(first="2022-01-03"), after=first)
    assert store.verify(DATASET, second.pin, deep=True) == 2


def test_years_of_days() -> None:
    days = pd.to_datetime(["1969-12-31", "1970-01-01", "2019-12-31", "2020-12-31"])
    assert years_of(days.to_numpy("datetime64[D]").astype(np.int64)).tolist() == [1969, 1970, 2019, 2020]
    assert years_of(np.empty(0, np.int32)).tolist() == []


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_columns_do_not_depend_on_the_unit_of_times(unit: str) -> None:
    bars = make_bars()
    columns = columns_of(
        bars.assign(session=bars["session"].astype(f"datetime64[{unit}]"), known_at=bars["known_at"].dt.as_unit(unit))
    )
    assert columns.days[0] == 18_262
    assert columns.known_at[0] == (18_262 * 24 + 21) * 3_600_000_000
