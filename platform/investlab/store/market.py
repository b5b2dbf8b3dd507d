"""The market store: daily bars in Delta tables, appended durably, read at a version and as of a time."""

from collections.abc import Iterator, Sequence
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

from investlab.core.errors import Busy, Corrupt, NotFound, StorageUnavailable
from investlab.core.hashing import hash_arrays, hash_json
from investlab.schemas.market import BAR_FIELDS
from investlab.store import delta_log
from investlab.store.locks import folder_lock

BASE = "bars"
CORRECTIONS = "corrections"
KEYS = ["instrument_id", "session"]
BATCH_HASH = "investlab.batch_hash"
HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


@dataclass(frozen=True, slots=True)
class VersionPin:
    """The Delta versions that make up a dataset version; `corrections_version` is None before the first correction."""

    base_version: int
    corrections_version: int | None = None


@dataclass(frozen=True, slots=True)
class AppendReceipt:
    """What an append did; `pin` and `content_hash` name the state after it, also when nothing was written."""

    new_rows: int
    changed_rows: int
    same_rows: int
    pin: VersionPin
    content_hash: str

    @property
    def is_unchanged(self) -> bool:
        """Say whether the batch held nothing that was not stored already."""
        return self.new_rows == 0 and self.changed_rows == 0


@dataclass(frozen=True, slots=True)
class BarQuery:
    """Which bars to read: all instruments and sessions unless narrowed, known at or before `as_of`."""

    instrument_ids: tuple[int, ...] | None = None
    start: date | None = None
    end: date | None = None
    as_of: datetime | None = None


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
        with _storage_errors(dataset), folder_lock(self.root / f"{dataset}.lock", self.lock_timeout_seconds):
            yield

    def append(
        self,
        dataset: str,
        bars: pd.DataFrame,
        *,
        acknowledged: VersionPin | None,
        acknowledged_hash: str | None,
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
        with _storage_errors(dataset):
            self._recover(dataset, acknowledged)
            batch = _ordered(bars)
            new, changed, same = self._classify(dataset, batch, acknowledged)
            pin = acknowledged or VersionPin(-1)
            parts = {}
            before = delta_log.files_under(folder)
            try:
                if len(new):
                    parts[BASE] = _rows_hash(new)
                    base = self._commit(folder / BASE, new.assign(revision=-1), ingested_at, parts[BASE])
                    pin = VersionPin(base, pin.corrections_version)
                if len(changed):
                    revision = 1 + _or_none(pin.corrections_version)
                    corrected = changed.assign(known_at=pd.Timestamp(ingested_at), revision=revision)
                    parts[CORRECTIONS] = _rows_hash(corrected)
                    number = self._commit(folder / CORRECTIONS, corrected, ingested_at, parts[CORRECTIONS])
                    pin = VersionPin(pin.base_version, number)
            except BaseException:
                delta_log.remove_files_since(folder, before)
                raise
            content_hash = (
                hash_json([acknowledged_hash, parts]) if parts else acknowledged_hash or hash_json([None, {}])
            )
            return AppendReceipt(len(new), len(changed), same, pin, content_hash)

    def read(self, dataset: str, pin: VersionPin, query: BarQuery | None = None) -> pd.DataFrame:
        """Return bars ordered by (instrument_id, session), corrected by what was known at `as_of`.

        Columns: instrument_id, session (datetime64), the dataset's fields, known_at and ingested_at (aware UTC), and
        revision (the correction that gave the row, -1 for none).

        Raises:
            NotFound: The dataset has no table.
            Corrupt: A commit or data file of the pinned version is damaged.
        """
        asked = query or BarQuery()
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
        limits = {BASE: -1, CORRECTIONS: -1}
        if acknowledged is not None:
            limits = {BASE: acknowledged.base_version, CORRECTIONS: _or_none(acknowledged.corrections_version)}
        for table, last in limits.items():
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

    def _commit(self, table: Path, rows: pd.DataFrame, ingested_at: datetime, batch_hash: str) -> int:
        data = _arrow(rows, ingested_at)
        write_deltalake(
            table,
            data,
            mode="append",
            partition_by=["year"],
            schema_mode="merge" if DeltaTable.is_deltatable(str(table)) else None,
            commit_properties=CommitProperties(custom_metadata={BATCH_HASH: batch_hash}),
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
            rows = DeltaTable(folder, version=version).to_pyarrow_dataset().to_table(columns, filter=_filter(query))
        except (DeltaError, OSError, pa.ArrowException, KeyError) as error:
            self.verify(dataset, VersionPin(version) if table == BASE else VersionPin(-1, version))
            raise Corrupt(
                f"The bars of dataset {dataset!r} cannot be read at version {version}: {_first_line(error)}.",
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
                f"A data file of dataset {dataset!r} cannot be read: {_first_line(error)}.",
                remedy=delta_log.remedy(dataset),
            ) from error
        if _rows_hash(_ordered(rows)) != expected:
            raise Corrupt(
                f"The bars written by commit {commit.number} of dataset {dataset!r} differ from their recorded hash.",
                remedy=delta_log.remedy(dataset),
            )


class _storage_errors:  # noqa: N801  (reads as a statement)
    """Turns errors of the disk and of Delta into `StorageUnavailable`."""

    def __init__(self, dataset: str) -> None:
        self.dataset = dataset

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (OSError, DeltaError, pa.ArrowException)) and not isinstance(error, Busy):
            raise StorageUnavailable(
                f"The bars of dataset {self.dataset!r} could not be written: {_first_line(error)}.",
                remedy="Nothing was changed. Free space or make the home folder writable, then run it again.",
            ) from error


def _or_none(version: int | None) -> int:
    return -1 if version is None else version


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def _ordered(bars: pd.DataFrame) -> pd.DataFrame:
    frame = bars.assign(session=bars["session"].astype("datetime64[s]"))
    return frame.sort_values(KEYS, kind="stable", ignore_index=True)


def _rows_hash(rows: pd.DataFrame) -> str:
    fields = [name for name in BAR_FIELDS if name in rows.columns]
    parts = [
        ("instrument_id", rows["instrument_id"].to_numpy(np.int64)),
        ("session", rows["session"].to_numpy("datetime64[D]").astype(np.int64)),
        *((name, rows[name].to_numpy(np.float64)) for name in fields),
    ]
    return hash_arrays(parts)


def _arrow(rows: pd.DataFrame, ingested_at: datetime) -> pa.Table:
    fields = [name for name in BAR_FIELDS if name in rows.columns]
    stamp = pa.timestamp("us", tz="UTC")
    columns = {
        "instrument_id": pa.array(rows["instrument_id"].to_numpy(np.int64)),
        "session": pa.array(rows["session"].to_numpy("datetime64[D]")),
        "year": pa.array(rows["session"].dt.year.to_numpy(np.int32)),
        **{name: pa.array(rows[name].to_numpy(np.float64)) for name in fields},
        "known_at": pa.array(_utc_microseconds(rows["known_at"]), type=pa.timestamp("us")).cast(stamp),
        "ingested_at": pa.array([ingested_at] * len(rows), type=stamp),
        "revision": pa.array(rows["revision"].to_numpy(np.int32)),
    }
    return pa.table(columns)


def _utc_microseconds(moments: pd.Series) -> np.ndarray:
    plain: np.ndarray = moments.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]")
    return plain


def _filter(query: BarQuery) -> pads.Expression | None:
    terms: list[pads.Expression] = []
    if query.start is not None:
        terms += [pads.field("year") >= query.start.year, pads.field("session") >= query.start]
    if query.end is not None:
        terms += [pads.field("year") <= query.end.year, pads.field("session") <= query.end]
    if query.instrument_ids is not None:
        terms.append(pads.field("instrument_id").isin(_ids(query.instrument_ids)))
    if query.as_of is not None:
        terms.append(pads.field("known_at") <= pa.scalar(query.as_of, type=pa.timestamp("us", tz="UTC")))
    if not terms:
        return None
    combined = terms[0]
    for term in terms[1:]:
        combined = combined & term
    return combined


def _ids(instrument_ids: Sequence[int]) -> pa.Array:
    return pa.array(instrument_ids, type=pa.int64())
