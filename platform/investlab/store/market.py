"""The market store: daily bars in Delta tables, appended durably, read at a version and as of a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, write_deltalake
from deltalake.exceptions import DeltaError

from investlab.core.errors import Corrupt, NotFound
from investlab.core.hashing import hash_json
from investlab.schemas.market import BAR_FIELDS
from investlab.store import delta_log
from investlab.store.bar_tables import (
    KEYS,
    BarQuery,
    arrow_table,
    filter_of,
    first_line,
    ordered_bars,
    rows_hash,
    storage_errors,
)
from investlab.store.locks import folder_lock

BASE = "bars"
CORRECTIONS = "corrections"
BATCH_HASH = "investlab.batch_hash"
CONTENT_HASH = "investlab.content_hash"
HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


@dataclass(frozen=True, slots=True)
class VersionPin:
    """The Delta versions that make up a dataset version; `corrections_version` is None before the first correction.

    `content_hash` is that of the dataset version; a read checks that the tables still are those it was made from.
    """

    base_version: int
    corrections_version: int | None = None
    content_hash: str | None = None


@dataclass(frozen=True, slots=True)
class AppendReceipt:
    """What an append did; `pin` names the state after it, also when nothing was written."""

    new_rows: int
    changed_rows: int
    same_rows: int
    pin: VersionPin

    @property
    def content_hash(self) -> str:
        """Return the hash of all that is stored after the append."""
        return self.pin.content_hash or ""

    @property
    def is_unchanged(self) -> bool:
        """Say whether the batch held nothing that was not stored already."""
        return self.new_rows == 0 and self.changed_rows == 0


@dataclass(frozen=True, slots=True)
class Extent:
    """How much a version holds."""

    rows: int
    instruments: int
    first_session: date | None
    last_session: date | None


class MarketStore:
    """Delta tables under one folder, one base table and one table of corrections for each dataset.

    A batch counts as stored when the caller has recorded the receipt's pin; commits beyond the recorded pin are set
    aside by the next append, never deleted. So read the recorded pin, append, and record the new one inside one
    `writing` block. Corrections are appended and laid over the base on read, so that earlier `as_of` reads never
    change.
    """

    def __init__(self, root: Path, *, lock_timeout_seconds: float = 10.0) -> None:
        self.root = root
        self.lock_timeout_seconds = lock_timeout_seconds

    @contextmanager
    def writing(self, dataset: str) -> Iterator[None]:
        """Be the dataset's only writer while the block runs.

        Raises:
            Busy: Another process is writing and did not finish in time.
            StorageUnavailable: The folder cannot be written.
        """
        with storage_errors(dataset), folder_lock(self.root / f"{dataset}.lock", self.lock_timeout_seconds):
            yield

    def append(
        self,
        dataset: str,
        bars: pd.DataFrame,
        *,
        acknowledged: VersionPin | None,
        ingested_at: datetime,
    ) -> AppendReceipt:
        """Store bars durably and return the receipt; storing the same bars again writes nothing.

        Call it inside `writing` with the pin recorded last.

        `bars` has instrument_id, session, known_at (aware UTC) and bar fields, one row for each instrument and
        session. A stored bar with other values becomes a correction known at `ingested_at`.

        Raises:
            Corrupt: The acknowledged tables are damaged.
            StorageUnavailable: The disk is full or read-only; the tables are as before.
        """
        folder = self.root / dataset
        with storage_errors(dataset):
            self._recover(dataset, acknowledged)
            batch = ordered_bars(bars)
            new, changed, same = self._classify(dataset, batch, acknowledged)
            if new.empty and changed.empty:
                return AppendReceipt(0, 0, same, acknowledged or VersionPin(-1, None, hash_json([None, {}])))
            parts = {BASE: rows_hash(new), CORRECTIONS: rows_hash(changed)}
            content_hash = hash_json([acknowledged.content_hash if acknowledged else None, parts])
            base, corrections = _versions(acknowledged)
            before = delta_log.files_under(folder)
            try:
                if len(new):
                    marks = {BATCH_HASH: parts[BASE], CONTENT_HASH: content_hash}
                    base = self._commit(folder / BASE, new.assign(revision=-1), ingested_at, marks)
                if len(changed):
                    marks = {BATCH_HASH: parts[CORRECTIONS], CONTENT_HASH: content_hash}
                    corrected = changed.assign(known_at=pd.Timestamp(ingested_at), revision=corrections + 1)
                    corrections = self._commit(folder / CORRECTIONS, corrected, ingested_at, marks)
            except BaseException:
                delta_log.remove_files_since(folder, before)
                raise
            pin = VersionPin(base, corrections if corrections >= 0 else None, content_hash)
            return AppendReceipt(len(new), len(changed), same, pin)

    def read(self, dataset: str, pin: VersionPin, query: BarQuery | None = None) -> pd.DataFrame:
        """Return bars ordered by (instrument_id, session), corrected by what was known at `as_of`.

        Columns: instrument_id, session (datetime64), the dataset's fields, known_at and ingested_at (aware UTC), and
        revision (the correction that gave the row, -1 for none).

        Raises:
            NotFound: The dataset has no table.
            Corrupt: A commit or data file of the pinned version is damaged, or the dataset was rebuilt since.
        """
        asked = query or BarQuery()
        self._require_same_tables(dataset, pin)
        frames = [self._read_table(dataset, BASE, pin.base_version, asked)]
        if pin.corrections_version is not None:
            frames.append(self._read_table(dataset, CORRECTIONS, pin.corrections_version, asked))
        if len(frames) == 1:
            return frames[0].sort_values(KEYS, kind="stable", ignore_index=True)
        joined = pd.concat(frames, ignore_index=True).sort_values([*KEYS, "known_at", "revision"], kind="stable")
        return joined.drop_duplicates(KEYS, keep="last").reset_index(drop=True)

    def extent(self, dataset: str, pin: VersionPin) -> Extent:
        """Return how many bars and instruments a version holds and from when to when.

        Raises:
            NotFound: The dataset has no table.
            Corrupt: A commit or data file of the pinned version is damaged.
        """
        bars = self._read_table(dataset, BASE, pin.base_version, BarQuery(), ["instrument_id", "session"])
        if bars.empty:
            return Extent(0, 0, None, None)
        days = bars["session"]
        return Extent(len(bars), bars["instrument_id"].nunique(), days.min().date(), days.max().date())

    def verify(self, dataset: str, pin: VersionPin, *, deep: bool = False) -> int:
        """Check that every commit up to the pin is whole and every data file present; return the commits checked.

        `deep` also reads every data file and compares its rows with the hash kept in its commit.

        Raises:
            Corrupt: The first damage found, naming the dataset and the file.
        """
        checked = 0
        for table, version in ((BASE, pin.base_version), (CORRECTIONS, pin.corrections_version)):
            if version is None or version < 0:
                continue
            folder = self.root / dataset / table
            for number in range(version + 1):
                commit = delta_log.read_commit(folder, number, dataset)
                delta_log.check_files(folder, commit, dataset)
                if deep:
                    self._compare_hash(folder, commit, dataset)
                checked += 1
        return checked

    def set_aside(self, dataset: str, stamp: str) -> Path | None:
        """Rename a dataset's folder so that it can be written anew; return the new path, or None if there was none."""
        folder = self.root / dataset
        if not folder.exists():
            return None
        target = folder.with_name(f"{dataset}.set-aside-{stamp}")
        folder.rename(target)
        return target

    def _recover(self, dataset: str, acknowledged: VersionPin | None) -> None:
        folder = self.root / dataset
        folder.mkdir(parents=True, exist_ok=True)
        if acknowledged is not None:
            self.verify(dataset, acknowledged)
        for table, last in zip((BASE, CORRECTIONS), _versions(acknowledged), strict=True):
            delta_log.set_aside_commits_after(folder / table, last, folder / "unacknowledged")

    def _classify(
        self, dataset: str, batch: pd.DataFrame, acknowledged: VersionPin | None
    ) -> tuple[pd.DataFrame, pd.DataFrame, int]:
        if acknowledged is None or batch.empty:
            return batch, batch.iloc[:0], 0
        fields = [name for name in BAR_FIELDS if name in batch.columns]
        days = batch["session"]
        stored = self.read(dataset, acknowledged, BarQuery(start=days.min().date(), end=days.max().date()))
        absent = [name for name in fields if name not in stored.columns]
        if absent:
            stored = stored.assign(**dict.fromkeys(absent, np.nan))
        merged = batch[KEYS].merge(stored[[*KEYS, *fields]], on=KEYS, how="left", indicator=True)
        known = (merged["_merge"] == "both").to_numpy()
        left, right = batch[fields].to_numpy(np.float64), merged[fields].to_numpy(np.float64)
        equal = ((left == right) | (np.isnan(left) & np.isnan(right))).all(axis=1)
        return batch[~known], batch[known & ~equal], int((known & equal).sum())

    def _require_same_tables(self, dataset: str, pin: VersionPin) -> None:
        """Check that the commits a pin names are those that made its content, and not of tables built anew since."""
        if pin.content_hash is None or not (self.root / dataset).exists():
            return
        found = set()
        for table, version in zip((BASE, CORRECTIONS), _versions(pin), strict=True):
            if version >= 0:
                found.add(
                    delta_log.read_commit(self.root / dataset / table, version, dataset).metadata.get(CONTENT_HASH)
                )
        if pin.content_hash not in found:
            raise Corrupt(
                f"The tables of dataset {dataset!r} were built anew and no longer hold the version asked for.",
                remedy="Use a newer version; the earlier tables lie beside them in a folder named set-aside.",
            )

    def _commit(self, table: Path, rows: pd.DataFrame, ingested_at: datetime, marks: dict[str, str]) -> int:
        data = arrow_table(rows, ingested_at)
        write_deltalake(
            table,
            data,
            mode="append",
            partition_by=["year"],
            schema_mode="merge" if DeltaTable.is_deltatable(str(table)) else None,
            commit_properties=CommitProperties(custom_metadata=marks),
            post_commithook_properties=HOOKS,
        )
        version = DeltaTable(table).version()
        delta_log.make_durable(table, version)
        return version

    def _read_table(
        self, dataset: str, table: str, version: int, query: BarQuery, columns: list[str] | None = None
    ) -> pd.DataFrame:
        folder = self.root / dataset / table
        if not folder.exists():
            raise NotFound(
                f"The market store has no bars of dataset {dataset!r}.",
                remedy=f"Ingest it: `investlab data ingest sample --dataset {dataset}`.",
            )
        try:
            rows = DeltaTable(folder, version=version).to_pyarrow_dataset().to_table(columns, filter=filter_of(query))
        except (DeltaError, OSError, pa.ArrowException, KeyError) as error:
            self.verify(dataset, VersionPin(version) if table == BASE else VersionPin(-1, version))
            raise Corrupt(
                f"The bars of dataset {dataset!r} cannot be read at version {version}: {first_line(error)}.",
                remedy=delta_log.remedy(dataset),
            ) from error
        kept = [name for name in rows.column_names if name != "year"]
        frame: pd.DataFrame = rows.select(kept).to_pandas(date_as_object=False)
        return frame.astype({"session": "datetime64[s]"})

    def _compare_hash(self, folder: Path, commit: delta_log.Commit, dataset: str) -> None:
        expected = commit.metadata.get(BATCH_HASH)
        if expected is None or not commit.added:
            return
        paths = [str(folder / name) for name, _ in commit.added]
        try:
            rows = pads.dataset(paths, format="parquet").to_table().to_pandas(date_as_object=False)
        except (OSError, pa.ArrowException) as error:
            raise Corrupt(
                f"A data file of dataset {dataset!r} cannot be read: {first_line(error)}.",
                remedy=delta_log.remedy(dataset),
            ) from error
        if rows_hash(ordered_bars(rows)) != expected:
            raise Corrupt(
                f"The bars written by commit {commit.number} of dataset {dataset!r} differ from their recorded hash.",
                remedy=delta_log.remedy(dataset),
            )


def _versions(pin: VersionPin | None) -> tuple[int, int]:
    """Return the versions of base and corrections, −1 for a table that has none."""
    if pin is None:
        return -1, -1
    return pin.base_version, -1 if pin.corrections_version is None else pin.corrections_version
