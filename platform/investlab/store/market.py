"""The market store: daily bars in Delta tables, appended durably, read at a version and as of a time."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

import pandas as pd

from investlab.core.errors import InvalidInput
from investlab.store.appending import Appending
from investlab.store.bar_checks import check_tables, require_same_tables
from investlab.store.bar_files import Step, active_data_files
from investlab.store.bar_heads import read_head
from investlab.store.bar_reading import BarSource
from investlab.store.bar_tables import BarQuery, storage_errors
from investlab.store.bar_versions import BASE, AppendReceipt, Extent, Repair, Vacuumed, VersionPin, versions_of
from investlab.store.bar_writing import BarWriting
from investlab.store.compaction import compact
from investlab.store.locks import folder_lock
from investlab.store.repairs import needs_repair, repair
from investlab.store.restoring import restore
from investlab.store.retention import vacuum

__all__ = ["AppendReceipt", "Appending", "Extent", "MarketStore", "Repair", "Vacuumed", "VersionPin"]


def no_step(name: str) -> None:
    """Do nothing at a step of a write."""


class MarketStore:
    """Delta tables under one folder, one base table and one table of corrections for each dataset.

    A batch counts as stored when the caller has recorded the receipt's pin; commits beyond the recorded pin are set
    aside by the next append, never deleted. So read the recorded pin, append, and record the new one inside one
    `writing` block. Corrections are appended and laid over the base on read, so that earlier `as_of` reads never
    change. `steps` is called with the name of each step of a write, for tests that end the process there.
    """

    def __init__(self, root: Path, *, lock_timeout_seconds: float = 10.0, steps: Step = no_step) -> None:
        self.root = root
        self.lock_timeout_seconds = lock_timeout_seconds
        self._steps = steps
        self._held: set[str] = set()

    @contextmanager
    def writing(self, dataset: str, *, timeout_seconds: float | None = None) -> Iterator[None]:
        """Be the dataset's only writer while the block runs, waiting as long as the store does unless told otherwise.

        Raises:
            Busy: Another process is writing and did not finish in time.
            StorageUnavailable: The folder cannot be written.
        """
        wait = self.lock_timeout_seconds if timeout_seconds is None else timeout_seconds
        with storage_errors(dataset), folder_lock(self.root / f"{dataset}.lock", wait):
            self._held.add(dataset)
            try:
                yield
            finally:
                self._held.discard(dataset)

    @contextmanager
    def paused(self, datasets: Iterable[str]) -> Iterator[None]:
        """Let nobody write these datasets while the block runs.

        Raises:
            Busy: A process is writing one of them and did not finish in time.
        """
        with ExitStack() as held:
            for dataset in sorted(datasets):
                held.enter_context(folder_lock(self.root / f"{dataset}.lock", self.lock_timeout_seconds))
            yield

    def begin(self, dataset: str, *, acknowledged: VersionPin | None, ingested_at: datetime) -> Appending:
        """Begin an append in parts, inside `writing` and with the pin recorded last.

        Leftovers of a writer that was killed are cleared first.

        Raises:
            Corrupt: The newest commits of the acknowledged tables are damaged.
            StorageUnavailable: The disk is full or read-only; the tables are as before.
        """
        self._require_lock(dataset)
        return Appending(BarWriting(self.root / dataset, acknowledged, self._steps), ingested_at)

    def append(
        self, dataset: str, bars: pd.DataFrame, *, acknowledged: VersionPin | None, ingested_at: datetime
    ) -> AppendReceipt:
        """Store bars durably and return the receipt; storing the same bars again writes nothing.

        Call it inside `writing` with the pin recorded last.

        `bars` has instrument_id, session, known_at (aware UTC) and bar fields, one row for each instrument and
        session. A stored bar with other values becomes a correction known at `ingested_at`.

        Raises:
            InvalidInput: A bar is given twice.
            Corrupt: The acknowledged tables are damaged.
            StorageUnavailable: The disk is full or read-only; the tables are as before.
        """
        appending = self.begin(dataset, acknowledged=acknowledged, ingested_at=ingested_at)
        appending.add(bars)
        return appending.commit()

    def read(self, dataset: str, pin: VersionPin, query: BarQuery | None = None) -> pd.DataFrame:
        """Return bars ordered by (instrument_id, session), corrected by what was known at `as_of`.

        Columns: instrument_id, session (datetime64), the dataset's fields, known_at and ingested_at (aware UTC), and
        revision (the correction that gave the row, -1 for none).

        Raises:
            NotFound: The dataset has no table.
            Corrupt: A commit or data file of the pinned version is damaged, or the dataset was rebuilt since.
        """
        rows = self.source(dataset, pin).rows(query or BarQuery())
        frame: pd.DataFrame = rows.to_pandas(date_as_object=False)
        return frame.astype({"session": "datetime64[s]"})

    def source(self, dataset: str, pin: VersionPin) -> BarSource:
        """Return the tables of a version, to read columns of them.

        Raises:
            Corrupt: The pinned commit is damaged, or the dataset was rebuilt since.
        """
        require_same_tables(self.root / dataset, pin)
        return BarSource(self.root / dataset, pin)

    def extent(self, dataset: str, pin: VersionPin) -> Extent:
        """Return how many bars and instruments a version holds and from when to when, without reading the bars.

        Raises:
            Corrupt: The newest commit of the pinned version is damaged.
        """
        if pin.base_version < 0:
            return Extent(0, 0, None, None)
        return read_head(self.root / dataset / BASE, pin.base_version, dataset).extent.summary()

    def file_count(self, dataset: str, pin: VersionPin) -> int:
        """Return how many data files a version has.

        Raises:
            Corrupt: A commit is damaged.
        """
        tables = versions_of(pin).items()
        return sum(len(active_data_files(self.root / dataset / table, version)) for table, version in tables)

    def verify(self, dataset: str, pin: VersionPin, *, deep: bool = False) -> int:
        """Check that every commit up to the pin is whole and every data file it needs present; return the commits.

        `deep` also reads every data file and compares its rows with the hash kept in its commit.

        Raises:
            Corrupt: The first damage found, naming the dataset and the file.
        """
        return check_tables(self.root / dataset, pin, deep=deep)

    def needs_repair(self, dataset: str, acknowledged: VersionPin | None) -> bool:
        """Say, for a look at the start, whether something of a dataset is damaged or was left by a killed writer.

        It takes no lock: where it says so, read the pin again inside `writing` and `repair`.
        """
        return needs_repair(self.root / dataset, acknowledged)

    def repair(self, dataset: str, acknowledged: VersionPin | None) -> tuple[Repair, ...]:
        """Repair damaged commits and say what was done and what was lost; inside `writing`, with the recorded pin.

        Raises:
            StorageUnavailable: The disk is full or read-only.
        """
        self._require_lock(dataset)
        with storage_errors(dataset):
            return repair(self.root / dataset, acknowledged)

    def compact(self, dataset: str, pin: VersionPin) -> VersionPin:
        """Merge each year's files into one and return the pin that reads the same bars from them.

        Call it inside `writing` with the pin recorded last, and record the one returned. Earlier pins stay readable.

        Raises:
            Corrupt: A file is damaged.
            StorageUnavailable: The disk is full or read-only; the tables are as before.
        """
        self._require_lock(dataset)
        return compact(BarWriting(self.root / dataset, pin, self._steps))

    def restore(self, dataset: str, pin: VersionPin, *, acknowledged: VersionPin) -> VersionPin:
        """Return the pin of a new head with the content of an older pin; nothing is deleted.

        Call it inside `writing`; `acknowledged` is the pin recorded last. Record the one returned.

        Raises:
            Corrupt: The older version is damaged, or of tables that were built anew since.
            NotFound: A vacuum removed the older version.
            StorageUnavailable: The disk is full or read-only; the tables are as before.
        """
        self._require_lock(dataset)
        return restore(BarWriting(self.root / dataset, acknowledged, self._steps), pin)

    def vacuum(self, dataset: str, keep: Sequence[VersionPin], *, dry_run: bool = False) -> Vacuumed:
        """Remove the data files that no pin in `keep` needs, and return how many files and bytes that frees.

        Call it inside `writing`; `keep` names every version that must stay readable, the latest among them.

        Raises:
            InvalidInput: Nothing would be left.
            Corrupt: A commit is damaged; nothing was removed.
            StorageUnavailable: The disk is read-only.
        """
        self._require_lock(dataset)
        with storage_errors(dataset):
            return vacuum(self.root / dataset, keep, dry_run=dry_run)

    def set_aside(self, dataset: str, stamp: str) -> Path | None:
        """Rename a dataset's folder so that it can be written anew; return the new path, or None if there was none."""
        folder = self.root / dataset
        if not folder.exists():
            return None
        target = folder.with_name(f"{dataset}.set-aside-{stamp}")
        folder.rename(target)
        return target

    def _require_lock(self, dataset: str) -> None:
        if dataset not in self._held:
            raise InvalidInput(
                f"Dataset {dataset!r} is about to be changed without its lock.",
                remedy=f"Do it inside `with market.writing({dataset!r}):`.",
            )
