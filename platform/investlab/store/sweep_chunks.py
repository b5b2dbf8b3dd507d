"""Finished trials of sweeps under way as Parquet files, so that a sweep that broke off goes on from there."""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from investlab.backtest.kernels import METRICS
from investlab.backtest.sweep_work import SweepRows
from investlab.core.errors import Busy
from investlab.store.bar_tables import storage_errors
from investlab.store.delta_log import flush
from investlab.store.locks import folder_lock

KEEP_SECONDS = 14 * 86_400.0
"""Sweeps that broke off so long ago are not waited for any more."""

ATTEMPTS = "attempts.txt"
MOMENTS = "block_moments"


class SweepChunkStore:
    """One folder for each sweep under way, named by its key; it is gone once the sweep's result is stored."""

    def __init__(self, root: Path, *, lock_timeout_seconds: float) -> None:
        self.root = root
        self._timeout = lock_timeout_seconds

    @contextmanager
    def writing(self, key: str) -> Iterator["SweepChunks"]:
        """Give the chunks of the sweep with this key, which no other process computes meanwhile.

        Raises:
            Busy: Another process is computing it.
        """
        self._forget_old()
        folder = self.root / key
        try:
            with folder_lock(folder / "sweep.lock", self._timeout):
                chunks = SweepChunks(folder)
                try:
                    yield chunks
                finally:
                    if not chunks.files():
                        chunks.clear()
        except Busy as error:
            raise Busy(
                f"Another process is computing this very sweep and did not finish within {self._timeout:g} s.",
                remedy="Wait for it to end: the same call then returns its result at once.",
            ) from error

    def discard(self, key: str) -> None:
        """Remove the chunks of a sweep that has its result."""
        shutil.rmtree(self.root / key, ignore_errors=True)

    def _forget_old(self) -> None:
        oldest = time.time() - KEEP_SECONDS
        for folder in self.root.glob("*"):
            with suppress(OSError):
                if folder.stat().st_mtime < oldest:
                    shutil.rmtree(folder, ignore_errors=True)


class SweepChunks:
    """The chunks of one sweep: a row for each trial with its number, metrics and, where they are kept, block moments.

    Each file is written under a passing name, flushed and renamed, so that it is whole or not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def files(self) -> list[Path]:
        """List the files that are whole, in the order of their first trials."""
        return sorted(self.folder.glob("*.parquet"))

    def attempts(self) -> list[str]:
        """Return the runs that worked on this sweep, oldest first."""
        path = self.folder / ATTEMPTS
        return path.read_text(encoding="utf-8").split() if path.exists() else []

    def add_attempt(self, run_id: str) -> None:
        """Note that a run works on this sweep."""
        with storage_errors("sweep"), (self.folder / ATTEMPTS).open("a", encoding="utf-8") as stream:
            stream.write(f"{run_id}\n")
            stream.flush()
            os.fsync(stream.fileno())

    def kept(self) -> Iterator[SweepRows]:
        """Yield what earlier attempts kept; a file that is damaged is removed, and its trials are computed again."""
        for path in self.files():
            try:
                table = pq.read_table(path, page_checksum_verification=True)
                found = list(_rows(table))
            except (OSError, KeyError, ValueError, pa.ArrowException):
                path.unlink(missing_ok=True)
                continue
            yield from found

    def keep(self, units: Sequence[SweepRows]) -> None:
        """Keep finished units durably in one file.

        Raises:
            StorageUnavailable: The disk is full or read-only; nothing partial is left.
        """
        first = units[0].start
        target = self.folder / f"{first:012d}-{sum(len(unit.metrics) for unit in units)}.parquet"
        building = target.with_suffix(f".{os.getpid()}.building")
        with storage_errors("sweep"):
            try:
                with building.open("wb") as stream:
                    pq.write_table(_table(units), stream, use_dictionary=False, write_page_checksum=True)
                    stream.flush()
                    os.fsync(stream.fileno())
                building.rename(target)
                flush(self.folder)
            finally:
                building.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove everything: the sweep has its result."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _table(units: Sequence[SweepRows]) -> pa.Table:
    """Return units as a table; trials whose block moments are not kept have an empty list of them."""
    trials = np.concatenate([np.arange(unit.start, unit.stop) for unit in units])
    metrics = np.concatenate([unit.metrics for unit in units])
    columns = {"trial": pa.array(trials)}
    columns |= {name: pa.array(np.ascontiguousarray(metrics[:, place])) for place, name in enumerate(METRICS)}
    lengths = np.concatenate(
        [np.isin(np.arange(unit.start, unit.stop), unit.kept) * unit.moments.shape[1] for unit in units]
    )
    offsets = np.concatenate(([0], lengths.cumsum())).astype(np.int32)
    flat = np.concatenate([unit.moments.ravel() for unit in units])
    columns[MOMENTS] = pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat))
    return pa.table(columns)


def _rows(table: pa.Table) -> Iterator[SweepRows]:
    """Yield the units of a table: its runs of neighbouring trials."""
    trials = table["trial"].to_numpy()
    metrics = np.column_stack([table[name].to_numpy() for name in METRICS])
    moments = table[MOMENTS].combine_chunks()
    offsets, flat = moments.offsets.to_numpy(), moments.values.to_numpy()
    has = np.diff(offsets) > 0
    edges = [0, *(np.flatnonzero(np.diff(trials) != 1) + 1), len(trials)]
    for first, last in pairwise(edges):
        kept = trials[first:last][has[first:last]]
        own = flat[offsets[first] : offsets[last]]
        yield SweepRows(int(trials[first]), metrics[first:last], kept, own.reshape(len(kept), -1 if len(kept) else 0))
