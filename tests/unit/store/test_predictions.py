"""The prediction store: recorded at once, compacted once, read as one, whatever happens in between."""

import os
from datetime import date
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd
import pytest
from deltalake import WriterProperties

from investlab.core.errors import Busy, Conflict, Corrupt, InvalidInput, InvestlabError, NotFound, StorageUnavailable
from investlab.schemas.serving import PredictionRecord
from investlab.store import prediction_spools, prediction_table, predictions
from investlab.store.locks import folder_lock
from investlab.store.prediction_rows import SCHEMA
from investlab.store.prediction_spools import PredictionSpool
from investlab.store.prediction_state import CompactionState, read_state
from investlab.store.predictions import PredictionStore
from tests.support.predictions import bare_prediction, prediction


@pytest.fixture
def store(tmp_path: Path) -> PredictionStore:
    return PredictionStore(tmp_path / "predictions", lock_timeout_seconds=0.05)


def record(store: PredictionStore, *records: PredictionRecord) -> None:
    """Record predictions as a process does that ends afterwards."""
    spool = store.spool()
    for found in records:
        spool.append(found)
    spool.close()


def ids(store: PredictionStore, **filters: Any) -> list[str]:
    """Return the id of every row that is read."""
    found: list[str] = store.read(**filters)["prediction_id"].tolist()
    return found


def spool_files(store: PredictionStore) -> list[Path]:
    return sorted((store.root / "spool").iterdir())


@pytest.mark.parametrize("is_compacted", [False, True], ids=["spooled", "compacted"])
@pytest.mark.parametrize("given", [prediction(), bare_prediction()], ids=["replay", "api"])
def test_a_prediction_comes_back_as_it_was_recorded(
    store: PredictionStore, given: PredictionRecord, is_compacted: bool
) -> None:
    spool = store.spool()
    spool.append(given)
    if is_compacted:
        assert store.compact() == 1
    assert store.find(given.prediction_id) == given
    spool.close()


@pytest.mark.parametrize("is_compacted", [False, True], ids=["spooled", "compacted"])
def test_a_frame_has_one_row_for_each_score_and_always_the_same_types(
    store: PredictionStore, is_compacted: bool
) -> None:
    empty = store.read()
    record(store, prediction(2), bare_prediction(1))
    if is_compacted:
        store.compact()
    frame = store.read()
    assert list(frame.columns) == SCHEMA.names
    assert frame["symbol"].fillna("none").tolist() == ["none", "AAPL", "MSFT"]
    assert frame["score"].tolist() == [1.5, 0.1 / 3, -2 / 7]
    assert frame["session"].tolist() == [pd.NaT, pd.Timestamp("2022-01-03"), pd.Timestamp("2022-01-03")]
    assert frame["at"].dt.tz is not None
    assert frame["instrument_id"].tolist() == [pd.NA, 7, 8]
    assert frame.dtypes.to_dict() == empty.dtypes.to_dict()


def test_compacting_again_adds_nothing_and_loses_nothing(store: PredictionStore) -> None:
    record(store, prediction(1), prediction(2))
    before = store.read()
    assert (store.compact(), store.compact()) == (2, 0)
    pd.testing.assert_frame_equal(store.read(), before)
    assert spool_files(store) == []


def test_an_open_spool_is_compacted_and_goes_on(store: PredictionStore) -> None:
    spool = store.spool()
    spool.append(prediction(1))
    assert store.compact() == 1
    [file] = spool_files(store)
    assert read_state(store.root / "state.json").offsets == {file.name: file.stat().st_size}
    spool.append(prediction(2))
    assert spool_files(store) == [file]
    assert ids(store) == [prediction(1).prediction_id] * 2 + [prediction(2).prediction_id] * 2
    assert store.compact() == 1
    spool.close()
    assert (store.compact(), spool_files(store)) == (0, [])
    assert len(store.read()) == 4


@pytest.mark.parametrize("compactions", [(), (1,), (1, 2), (2,)], ids=str)
def test_an_id_that_was_recorded_twice_counts_once(store: PredictionStore, compactions: tuple[int, ...]) -> None:
    compacted = 0
    for number in (1, 2):
        record(store, prediction(1))
        if number in compactions:
            compacted += store.compact()
    assert ids(store) == [prediction(1).prediction_id] * 2
    assert store.find(prediction(1).prediction_id) == prediction(1)
    assert compacted + store.compact() == 1


def test_reads_are_narrowed_in_both_parts(store: PredictionStore) -> None:
    record(store, prediction(1), prediction(2, pass_id="rp-0002"))
    store.compact()
    record(store, prediction(3, model="other"), bare_prediction(4))
    assert ids(store, pass_id="rp-0002") == [prediction(2).prediction_id] * 2
    assert ids(store, model="other") == [prediction(3).prediction_id] * 2
    assert ids(store, source="api") == [prediction(4).prediction_id]
    assert len(ids(store, pass_id="rp-0001", model="us-ranker", source="replay")) == 2


@pytest.mark.parametrize(
    ("given", "error", "sentence"),
    [
        pytest.param("pd-00000000001", Conflict, "Several ids begin", id="several"),
        pytest.param("pd-f", NotFound, "no prediction 'pd-f'", id="none"),
        pytest.param("pd-", InvalidInput, "too short", id="short"),
        pytest.param("pd-00000000_", NotFound, "no prediction", id="wildcard"),
    ],
)
def test_an_id_that_means_no_single_prediction_is_refused(
    store: PredictionStore, given: str, error: type[InvestlabError], sentence: str
) -> None:
    record(store, prediction(0x10))
    store.compact()
    record(store, prediction(0x11))
    with pytest.raises(error, match=sentence):
        store.find(given)


def test_a_unique_beginning_finds_a_prediction(store: PredictionStore) -> None:
    record(store, prediction(0x10))
    store.compact()
    record(store, prediction(0x20))
    assert store.find("pd-00000000001") == prediction(0x10)
    assert store.find("pd-00000000002") == prediction(0x20)


def test_predictions_are_found_in_a_folder_of_any_name(tmp_path: Path) -> None:
    store = PredictionStore(tmp_path / "for Zoë #1")
    record(store, prediction())
    store.compact()
    assert store.find(prediction().prediction_id) == prediction()


def test_a_prediction_is_found_in_any_group_of_rows(store: PredictionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_table, "_LAYOUT", WriterProperties(max_row_group_size=4))
    record(store, *(prediction(number) for number in range(1, 10)))
    store.compact()
    for number in range(1, 10):
        assert store.find(prediction(number).prediction_id) == prediction(number)


def test_a_torn_last_line_is_set_aside_and_never_fatal(store: PredictionStore) -> None:
    record(store, prediction(1))
    with spool_files(store)[0].open("ab") as stream:
        stream.write(b'{"prediction_id":"pd-torn')
    assert len(store.read()) == 2
    assert store.compact() == 1
    assert len(store.read()) == 2
    assert [path.read_bytes() for path in (store.root / "set-aside").iterdir()] == [b'{"prediction_id":"pd-torn']


def test_a_line_of_zeros_is_set_aside_and_its_neighbours_are_kept(store: PredictionStore) -> None:
    record(store, prediction(1))
    with spool_files(store)[0].open("ab") as stream:
        stream.write(b"\0" * 9 + b"\n" + prediction(2).model_dump_json().encode() + b"\n")
    assert store.compact() == 2
    assert [path.read_bytes() for path in (store.root / "set-aside").iterdir()] == [b"\0" * 9]


def test_a_line_that_is_being_written_waits_for_the_next_compaction(
    store: PredictionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = store.spool()
    spool.append(prediction(1))
    line = prediction(2).model_dump_json().encode() + b"\n"
    with spool_files(store)[0].open("ab") as other:
        other.write(line[:40])
        other.flush()
        assert store.compact() == 1
        other.write(line[40:])
    assert store.compact() == 1
    assert len(store.read()) == 4
    assert not (store.root / "set-aside").exists()
    spool.close()


def test_a_disk_that_takes_half_a_line_keeps_none_of_it(
    store: PredictionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = store.spool()
    spool.append(prediction(1))
    with monkeypatch.context() as patched:
        patched.setattr(prediction_spools.os, "write", lambda fd, line: _write(fd, line[:50]))
        with pytest.raises(StorageUnavailable, match="could not be recorded"):
            spool.append(prediction(2))
    spool.append(prediction(3))
    spool.close()
    assert store.compact() == 2
    assert set(ids(store)) == {prediction(1).prediction_id, prediction(3).prediction_id}
    assert not (store.root / "set-aside").exists()


_write = os.write


def test_a_prediction_without_scores_is_refused(store: PredictionStore) -> None:
    with pytest.raises(InvalidInput, match="has no scores"):
        store.spool().append(prediction(1, scores=()))
    assert not (store.root / "spool").exists()


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "predictions").write_text("in the way")
    with pytest.raises(StorageUnavailable, match="could not be recorded"):
        PredictionStore(tmp_path / "predictions").spool().append(prediction(1))


def test_a_long_spool_is_followed_by_a_new_one(store: PredictionStore) -> None:
    spool = PredictionSpool(store.root / "spool", most_bytes=2000)
    for number in range(10):
        spool.append(prediction(number))
    assert len(spool_files(store)) > 2
    assert store.compact() == 10
    assert len(spool_files(store)) == 1
    spool.close()
    assert len(store.read()) == 20


def test_syncing_needs_no_record(store: PredictionStore) -> None:
    spool = store.spool()
    spool.sync()
    spool.append(prediction(1))
    spool.sync()
    spool.close()
    spool.close()
    assert len(store.read()) == 2


@pytest.mark.slow
def test_files_stay_few_however_often_it_is_compacted(store: PredictionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_table, "MOST_FILES", 3)
    counts = []
    for number in range(12):
        record(store, prediction(number))
        store.compact()
        counts.append(len([path for path in store.root.rglob("*") if path.is_file()]))
    assert max(counts) < 16
    assert set(ids(store)) == {prediction(number).prediction_id for number in range(12)}
    assert len(store.read()) == 24


def test_a_compaction_that_was_not_acknowledged_is_done_again(
    store: PredictionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(store, prediction(1))
    with monkeypatch.context() as patched:
        patched.setattr(predictions, "write_state", _refuse)
        with pytest.raises(StorageUnavailable, match="Nothing was lost"):
            store.compact()
    assert len(store.read()) == 2
    assert store.compact() == 1
    assert len(store.read()) == 2
    assert [path.suffix for path in (store.root / "unacknowledged").iterdir()] == [".json"]


def _refuse(path: Path, state: CompactionState) -> None:
    raise OSError("the disk is full")


def test_a_checkpoint_that_was_not_acknowledged_is_removed(
    store: PredictionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_table, "MOST_FILES", 1)
    monkeypatch.setattr(prediction_table, "remove_before", _refuse)
    for number in (1, 2):
        record(store, prediction(number))
        if number == 1:
            store.compact()
    written = prediction_table.write_checkpoint

    def torn(table: Path, version: int) -> None:
        written(table, version)
        next((table / "_delta_log").glob("*.checkpoint.parquet")).write_bytes(b"torn")
        raise OSError("the power is gone")

    with monkeypatch.context() as patched:
        patched.setattr(prediction_table, "write_checkpoint", torn)
        with pytest.raises(StorageUnavailable):
            store.compact()
    record(store, prediction(3))
    monkeypatch.setattr(prediction_table, "MOST_FILES", 100)
    assert store.compact() == 1
    assert len(store.read()) == 6


def test_a_reader_that_is_overtaken_by_a_compaction_reads_again(
    store: PredictionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(store, prediction(1))
    reads: list[int] = []
    inner = prediction_table.read_rows

    def overtaken(table: Path, version: int, *rest: Any) -> Any:
        reads.append(version)
        if len(reads) == 1:
            record(store, prediction(2))
            store.compact()
        return inner(table, version, *rest)

    monkeypatch.setattr(prediction_table, "read_rows", overtaken)
    assert len(store.read()) == 4
    assert reads[0] == -1
    assert reads[-1] == 0


def test_reading_and_compacting_while_others_record_misses_and_repeats_nothing(store: PredictionStore) -> None:
    total, spool = 300, store.spool()
    acknowledged: list[str] = []

    def append() -> None:
        for number in range(total):
            spool.append(prediction(number))
            acknowledged.append(prediction(number).prediction_id)

    writer = Thread(target=append)
    writer.start()
    compacted = 0
    while compacted < total:
        known = set(acknowledged)
        rows = store.read()
        assert known <= set(rows["prediction_id"])
        assert not rows.duplicated(["prediction_id", "row"]).any()
        compacted += store.compact()
    writer.join()
    spool.close()
    assert (compacted, len(store.read())) == (total, 2 * total)


def test_a_compaction_waits_for_another_one(store: PredictionStore) -> None:
    record(store, prediction(1))
    with folder_lock(store.root / "predictions.lock", 1), pytest.raises(Busy):
        store.compact()


@pytest.mark.parametrize("victim", ["state.json", "table/*.parquet", "table/_delta_log/*.json"])
def test_damage_is_named(store: PredictionStore, victim: str) -> None:
    record(store, prediction(1))
    store.compact()
    next(store.root.glob(victim)).write_bytes(b"{")
    with pytest.raises(Corrupt, match="cannot be read"):
        store.read()


def test_an_empty_store_is_compacted_and_read(store: PredictionStore) -> None:
    assert store.compact() == 0
    assert store.read().empty
    assert not store.root.exists()


def test_what_a_process_left_while_opening_its_spool_is_removed(store: PredictionStore) -> None:
    record(store, prediction(1))
    (store.root / "spool" / "1-1.opening").touch()
    store.compact()
    assert spool_files(store) == []


@pytest.mark.slow
def test_the_newest_predictions_are_those_a_whole_read_ends_with(store: PredictionStore) -> None:
    numbers = [5, 3, 9, 1, 7, 2, 8, 4, 6, 0]
    record(store, *(prediction(number) for number in numbers[:7]))
    store.compact()
    record(store, *(prediction(number) for number in numbers[6:]))  # one of them is in the table as well
    for count in range(1, 12):
        everything = store.read()
        newest = list(dict.fromkeys(everything["prediction_id"]))[-count:]
        expected = everything[everything["prediction_id"].isin(newest)].reset_index(drop=True)
        pd.testing.assert_frame_equal(store.read(newest=count), expected)


def test_the_newest_of_a_session_are_of_that_session(store: PredictionStore) -> None:
    record(store, *(prediction(number, session=date(2022, 1, 3 + number % 2)) for number in range(6)))
    store.compact()
    record(store, prediction(6, session=date(2022, 1, 3)), prediction(7, session=date(2022, 1, 4)))
    found = ids(store, session=date(2022, 1, 3), newest=2)
    assert list(dict.fromkeys(found)) == [prediction(4).prediction_id, prediction(6).prediction_id]
    assert set(ids(store, session=date(2022, 1, 4))) == {prediction(n).prediction_id for n in (1, 3, 5, 7)}


def test_the_newest_of_nothing_are_none(store: PredictionStore) -> None:
    record(store, prediction(1))
    store.compact()
    assert ids(store, model="another", newest=3) == []


def test_reading_the_newest_reads_no_other_scores(store: PredictionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held in memory depends on how many are asked for, not on how many there are."""
    for start in range(0, 400, 100):
        record(store, *(prediction(number) for number in range(start, start + 100)))
        store.compact()
    read = prediction_table.read_rows
    sizes: list[int] = []

    def counted(*arguments: Any) -> Any:
        rows = read(*arguments)
        sizes.append(rows.num_rows)
        return rows

    monkeypatch.setattr(prediction_table, "read_rows", counted)
    assert len(set(ids(store, newest=5))) == 5
    assert sizes == [10]
