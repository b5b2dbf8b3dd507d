"""The market store: durable appends, reads at a version and as of a time, and damage that is named."""

import multiprocessing
from datetime import UTC, date, datetime
from multiprocessing.synchronize import Event
from pathlib import Path

import pandas as pd
import pytest

from investlab.core.errors import Busy, Corrupt, NotFound, StorageUnavailable
from investlab.store import delta_log
from investlab.store.bar_tables import BarQuery
from investlab.store.market import AppendReceipt, MarketStore, VersionPin
from tests.support.bars import INGESTED_AT, make_bars
from tests.support.trees import checksums

DATASET = "test-bars"


@pytest.fixture
def store(tmp_path: Path) -> MarketStore:
    return MarketStore(tmp_path / "market", lock_timeout_seconds=0.05)


def append(store: MarketStore, bars: pd.DataFrame, after: AppendReceipt | None = None) -> AppendReceipt:
    with store.writing(DATASET):
        return store.append(
            DATASET,
            bars,
            acknowledged=after.pin if after else None,
            ingested_at=INGESTED_AT,
        )


def closes(store: MarketStore, pin: VersionPin, query: BarQuery | None = None) -> list[float]:
    found: list[float] = store.read(DATASET, pin, query)["close"].tolist()
    return found


def test_appended_bars_are_read_back_in_order(store: MarketStore) -> None:
    bars = make_bars()
    receipt = append(store, bars.sample(frac=1, random_state=7))
    assert (receipt.new_rows, receipt.changed_rows, receipt.same_rows) == (10, 0, 0)
    assert closes(store, receipt.pin) == bars["close"].tolist()


def test_the_same_bars_again_write_nothing(store: MarketStore) -> None:
    first = append(store, make_bars())
    before = checksums(store.root)
    second = append(store, make_bars(), first)
    assert second.is_unchanged
    assert (second.same_rows, second.pin, second.content_hash) == (10, first.pin, first.content_hash)
    assert checksums(store.root) == before


def test_the_content_hash_does_not_depend_on_row_order_or_time(tmp_path: Path) -> None:
    one, two = MarketStore(tmp_path / "one"), MarketStore(tmp_path / "two")
    bars = make_bars()
    assert append(one, bars).content_hash == append(two, bars.iloc[::-1]).content_hash
    assert append(one, bars.assign(close=bars["close"] + 1)).content_hash != append(two, bars).content_hash


def test_a_changed_bar_becomes_a_correction_known_when_received(store: MarketStore) -> None:
    bars = make_bars(instrument_ids=(1,))
    first = append(store, bars)
    second = append(store, bars.iloc[[2]].assign(close=99.0), first)
    assert (second.new_rows, second.changed_rows) == (0, 1)
    assert closes(store, second.pin)[2] == 99.0
    assert closes(store, first.pin)[2] == bars["close"][2]
    before_receipt = BarQuery(as_of=datetime(2023, 12, 31, tzinfo=UTC))
    assert closes(store, second.pin, before_receipt)[2] == bars["close"][2]


def test_the_latest_of_two_corrections_wins(store: MarketStore) -> None:
    bars = make_bars(instrument_ids=(1,))
    receipt = append(store, bars)
    for price in (98.0, 97.0):
        receipt = append(store, bars.iloc[[0]].assign(close=price), receipt)
    assert closes(store, receipt.pin)[0] == 97.0


def test_as_of_hides_bars_that_were_not_known(store: MarketStore) -> None:
    receipt = append(store, make_bars(instrument_ids=(1,)))
    known = store.read(DATASET, receipt.pin, BarQuery(as_of=datetime(2020, 1, 2, 21, tzinfo=UTC)))
    assert [day.date() for day in known["session"]] == [date(2020, 1, 1), date(2020, 1, 2)]


def test_a_query_narrows_instruments_and_sessions(store: MarketStore) -> None:
    receipt = append(store, make_bars(first="2019-12-30", sessions=6))
    query = BarQuery(instrument_ids=(2,), start=date(2019, 12, 31), end=date(2020, 1, 2))
    found = store.read(DATASET, receipt.pin, query)
    assert found["instrument_id"].unique().tolist() == [2]
    assert found["session"].dt.strftime("%m-%d").tolist() == ["12-31", "01-01", "01-02"]


def test_a_new_field_leaves_old_bars_without_it(store: MarketStore) -> None:
    first = append(store, make_bars(instrument_ids=(1,)))
    later = make_bars(instrument_ids=(1,), first="2020-02-03").assign(volume=5.0)
    second = append(store, later, first)
    assert store.read(DATASET, second.pin)["volume"].isna().tolist() == [True] * 5 + [False] * 5


def test_an_unknown_dataset_is_named(store: MarketStore) -> None:
    with pytest.raises(NotFound, match="test-bars"):
        store.read(DATASET, VersionPin(0))


@pytest.mark.parametrize("damage", ["torn", "empty", "missing"])
def test_a_damaged_commit_is_named_and_nothing_changes(store: MarketStore, damage: str) -> None:
    receipt = append(store, make_bars())
    commit = delta_log.commit_path(store.root / DATASET / "bars", 0)
    if damage == "missing":
        commit.unlink()
    else:
        commit.write_bytes(commit.read_bytes()[:200] if damage == "torn" else b"")
    before = checksums(store.root)
    with pytest.raises(Corrupt, match="Commit 0 of dataset 'test-bars'"):
        store.verify(DATASET, receipt.pin)
    with pytest.raises(Corrupt):
        store.read(DATASET, receipt.pin)
    with pytest.raises(Corrupt):
        append(store, make_bars(first="2021-01-04"), receipt)
    assert checksums(store.root) == before


def test_nothing_is_appended_to_a_table_whose_newest_file_is_gone(store: MarketStore) -> None:
    receipt = append(store, make_bars())
    next((store.root / DATASET).rglob("*.parquet")).unlink()
    before = checksums(store.root)
    with pytest.raises(Corrupt, match="A data file of dataset 'test-bars' is missing"):
        append(store, make_bars(first="2021-01-04"), receipt)
    assert checksums(store.root) == before


def test_a_truncated_data_file_is_named(store: MarketStore) -> None:
    receipt = append(store, make_bars())
    data = next((store.root / DATASET).rglob("*.parquet"))
    data.write_bytes(data.read_bytes()[:-10])
    with pytest.raises(Corrupt, match="bytes instead of"):
        store.verify(DATASET, receipt.pin)


def test_a_changed_bit_is_found_by_the_deep_check(store: MarketStore) -> None:
    receipt = append(store, make_bars())
    folder = store.root / DATASET / "bars"
    commit = delta_log.commit_path(folder, 0)
    recorded = str(delta_log.read_commit(folder, 0, DATASET).metadata["investlab.batch_hash"])
    commit.write_text(commit.read_text().replace(recorded, "0" * 64))
    store.verify(DATASET, receipt.pin)
    with pytest.raises(Corrupt, match="differ from their recorded hash"):
        store.verify(DATASET, receipt.pin, deep=True)


def test_the_deep_check_accepts_what_was_written(store: MarketStore) -> None:
    first = append(store, make_bars(first="2019-12-23", sessions=15))
    second = append(store, make_bars(first="2019-12-23", sessions=16).assign(open=3.0), first)
    assert store.verify(DATASET, second.pin, deep=True) == 3


@pytest.mark.parametrize("tail", [b"", b'{"add": {"pa', b"whole"])
def test_an_unacknowledged_tail_is_set_aside_not_deleted(store: MarketStore, tail: bytes) -> None:
    first = append(store, make_bars())
    folder = store.root / DATASET / "bars"
    if tail == b"whole":
        append(store, make_bars(first="2021-01-04"), first)
    else:
        delta_log.commit_path(folder, 1).write_bytes(tail)
    assert closes(store, first.pin) == make_bars()["close"].tolist()
    second = append(store, make_bars(first="2022-01-03"), first)
    assert second.pin.base_version == 1
    days = store.read(DATASET, second.pin)["session"]
    assert sorted(days.dt.year.unique()) == [2020, 2022]
    assert len(list((store.root / DATASET / "unacknowledged").iterdir())) == 1


def test_a_failed_write_leaves_everything_as_it_was(store: MarketStore, monkeypatch: pytest.MonkeyPatch) -> None:
    first = append(store, make_bars())
    before = checksums(store.root)

    def disk_full(table: Path, number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(delta_log, "make_durable", disk_full)
    with pytest.raises(StorageUnavailable, match="No space left on device"):
        append(store, make_bars(first="2021-01-04"), first)
    assert checksums(store.root) == before
    assert closes(store, first.pin) == make_bars()["close"].tolist()


def test_a_version_is_not_read_from_tables_built_anew(store: MarketStore) -> None:
    """A rebuild starts at commit 0 again, which must not pass for the old commit 0."""
    first = append(store, make_bars())
    store.set_aside(DATASET, "1")
    again = append(store, make_bars(start_price=20.0))
    assert again.pin.base_version == first.pin.base_version
    with pytest.raises(Corrupt, match="built anew"):
        store.read(DATASET, first.pin)
    assert closes(store, again.pin)[0] == 21.0


def _hold(root: Path, held: Event, release: Event) -> None:
    with MarketStore(root).writing(DATASET):
        held.set()
        release.wait(30)


@pytest.mark.slow
def test_a_second_writer_is_told_who_writes(store: MarketStore) -> None:
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(store.root, held, release))
    other.start()
    try:
        assert held.wait(30)
        with pytest.raises(Busy, match=f"pid {other.pid}") as caught, store.writing(DATASET):
            raise AssertionError("two writers at once")
        assert caught.value.exit_code == 5
    finally:
        release.set()
        other.join(30)
    with store.writing(DATASET):
        assert not (store.root / f"{DATASET}.set-aside").exists()
