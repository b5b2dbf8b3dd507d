"""Bars survive `kill -9` at every step, and errors of the disk at every step leave everything as it was."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from investlab.core.errors import StorageUnavailable
from investlab.store import bar_leftovers
from investlab.store.market import MarketStore, VersionPin
from tests.support.bar_kills import DATASET, bars_of, killed_writers, recorded_pin, write
from tests.support.bars import INGESTED_AT
from tests.support.trees import checksums

ROUNDS = int(os.environ.get("INVESTLAB_FAULT_ROUNDS", "40"))
STEPS = 20
"""One more than an append has steps, so that some rounds end well."""
EVERY_OUTCOME = {
    "begun",
    "data file begun",
    "data file written",
    "data file flushed",
    "commit copied",
    "commit drafted",
    "commit visible",
    "commit durable",
    "ended",
    "acknowledged",
}
COLUMNS = ["instrument_id", "session", "close", "open"]


def expected(numbers: list[int]) -> pd.DataFrame:
    """Return what acknowledged appends have stored, the later value of a bar instead of the earlier."""
    told = pd.concat([bars_of(number) for number in numbers], ignore_index=True)
    rows = told.drop_duplicates(["instrument_id", "session"], keep="last")[COLUMNS]
    return rows.sort_values(["instrument_id", "session"], ignore_index=True).astype({"session": "datetime64[s]"})


def check_acknowledged(store: MarketStore, numbers: list[int], *, deep: bool) -> None:
    pin = recorded_pin(store.root)
    assert pin is not None
    pd.testing.assert_frame_equal(store.read(DATASET, pin)[COLUMNS], expected(numbers))
    store.verify(DATASET, pin, deep=deep)


@pytest.mark.drill
@pytest.mark.slow
def test_what_was_acknowledged_is_there_and_nothing_partial_after_every_kill(tmp_path: Path) -> None:
    store = MarketStore(tmp_path / "market")
    acknowledged = [0]
    died_at: dict[str, set[str]] = {"append": set(), "compact": set()}
    with killed_writers(store.root) as writers:
        assert write(store.root, "append", 0) == "acknowledged"
        for number in range(1, ROUNDS + 1):
            fatal = number // 2 % STEPS
            if number % 2:
                outcome = writers.run("append", number, fatal)
                died_at["append"].add(outcome)
                acknowledged += [number] if outcome == "acknowledged" else []
            else:
                assert write(store.root, "append", number) == "acknowledged"
                acknowledged.append(number)
                died_at["compact"].add(writers.run("compact", number, fatal))
            check_acknowledged(store, acknowledged, deep=number % 10 == 0)
        assert write(store.root, "append", ROUNDS + 1) == "acknowledged"
    check_acknowledged(store, [*acknowledged, ROUNDS + 1], deep=True)
    assert bar_leftovers.unnamed_files(store.root / DATASET) == []
    assert not bar_leftovers.is_flagged(store.root / DATASET)
    assert died_at == {"append": EVERY_OUTCOME, "compact": EVERY_OUTCOME}


@pytest.fixture
def stored(tmp_path: Path) -> tuple[MarketStore, VersionPin]:
    store = MarketStore(tmp_path / "market")
    with store.writing(DATASET):
        receipt = store.append(DATASET, bars_of(0), acknowledged=None, ingested_at=INGESTED_AT)
    return store, receipt.pin


class FailingStep:
    """A hook that raises an error of the disk at one step, and counts the steps."""

    def __init__(self, fatal: int) -> None:
        self.fatal = fatal
        self.steps = 0

    def __call__(self, name: str) -> None:
        self.steps += 1
        if self.steps - 1 == self.fatal:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


Operation = Callable[[MarketStore, VersionPin, VersionPin], object]
OPERATIONS: dict[str, Operation] = {
    "append": lambda store, _, last: store.append(DATASET, bars_of(2), acknowledged=last, ingested_at=INGESTED_AT),
    "compact": lambda store, _, last: store.compact(DATASET, last),
    "restore": lambda store, first, last: store.restore(DATASET, first, acknowledged=last),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_io_error_at_any_step_leaves_everything_as_it_was(
    stored: tuple[MarketStore, VersionPin], operation: str
) -> None:
    store, first = stored
    with store.writing(DATASET):
        last = store.append(DATASET, bars_of(1), acknowledged=first, ingested_at=INGESTED_AT).pin
    before, bars = checksums(store.root), store.read(DATASET, last)
    for fatal in range(count_steps(store, operation, first, last)):
        failing = MarketStore(store.root, steps=FailingStep(fatal))
        with failing.writing(DATASET), pytest.raises(StorageUnavailable, match="Input/output error"):
            OPERATIONS[operation](failing, first, last)
        assert checksums(store.root) == before
        pd.testing.assert_frame_equal(store.read(DATASET, last), bars)


def count_steps(store: MarketStore, operation: str, first: VersionPin, last: VersionPin) -> int:
    """Return how many steps an operation has, done in a copy of the store."""
    copy = store.root.with_name("copy")
    shutil.copytree(store.root, copy)
    step = FailingStep(-1)
    counting = MarketStore(copy, steps=step)
    with counting.writing(DATASET):
        OPERATIONS[operation](counting, first, last)
    assert step.steps >= 10
    return step.steps


@pytest.mark.parametrize("call", range(12))
def test_a_flush_that_fails_is_no_acknowledgement(
    stored: tuple[MarketStore, VersionPin], monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    store, pin = stored
    before = checksums(store.root)
    flushes = 0
    flush = os.fsync

    def failing(descriptor: int) -> None:
        nonlocal flushes
        flushes += 1
        if flushes - 1 == call:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    with store.writing(DATASET), pytest.raises(StorageUnavailable, match="Input/output error"):
        store.append(DATASET, bars_of(1), acknowledged=pin, ingested_at=INGESTED_AT)
    assert checksums(store.root) == before


def test_everything_is_flushed_before_it_is_acknowledged(
    stored: tuple[MarketStore, VersionPin], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, pin = stored
    before = set(store.root.rglob("*"))
    flush, flushed = os.fsync, set()

    def recorded(descriptor: int) -> None:
        flushed.add(Path(f"/proc/self/fd/{descriptor}").readlink())
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    with store.writing(DATASET):
        store.append(DATASET, bars_of(1), acknowledged=pin, ingested_at=INGESTED_AT)
        new = {path for path in set(store.root.rglob("*")) - before if path.suffix not in {".lock", ".pid"}}
    assert len([path for path in new if path.suffix == ".parquet"]) == 3
    assert new | {path.parent for path in new} <= flushed
