"""The prediction store: what models said, recorded before it is answered, compacted later, read as one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
from deltalake.exceptions import DeltaError

from investlab.core.errors import Busy, Conflict, Corrupt, InvalidInput, NotFound, StorageUnavailable
from investlab.schemas.serving import PredictionRecord, PredictionSource
from investlab.store import prediction_table
from investlab.store.locks import folder_lock
from investlab.store.prediction_rows import frame_of, records_of, rows_of
from investlab.store.prediction_spools import (
    PredictionSpool,
    SpoolPart,
    closed_spool,
    flush_folder,
    read_spool,
    remove_unopened,
    spools,
)
from investlab.store.prediction_state import CompactionState, read_state, write_state

SHORTEST_BEGINNING = 4
_SHOWN = 5
_READ_ATTEMPTS = 20
Choose = Callable[[int, list[PredictionRecord]], tuple[pa.Table, list[PredictionRecord]]]
_DAMAGE = (DeltaError, OSError, pa.ArrowException)


class PredictionStore:
    """Predictions under one folder: spools that processes append to, and the Delta table they are compacted into.

    The file `state.json` names the table's version that counts and how much of each spool is in it. It is replaced
    whole after the table's commit reached the disk and before a spool is removed, so that a compaction killed at any
    moment is done again from where it stood, and every prediction is read exactly once.
    """

    def __init__(self, root: Path, *, lock_timeout_seconds: float = 10.0) -> None:
        self.root = root
        self.lock_timeout_seconds = lock_timeout_seconds
        self._spools = root / "spool"
        self._table = root / "table"
        self._state = root / "state.json"

    def spool(self) -> PredictionSpool:
        """Return a new spool for this process to append to; its file appears with the first record."""
        return PredictionSpool(self._spools)

    def compact(self) -> int:
        """Move whole lines of every spool, open ones too, into the table and return how many predictions were new.

        Each prediction id is stored once, however often it was recorded. Spools of processes that ended are removed;
        what is no record in them is kept under `set-aside`.

        Raises:
            Busy: Another process compacts and did not finish in time.
            StorageUnavailable: The disk is full or read-only; nothing was lost.
            Corrupt: What was compacted before is damaged.
        """
        if not self._spools.exists():
            return 0
        lock = self.root / "predictions.lock"
        with _storage_errors(), folder_lock(lock, self.lock_timeout_seconds), ExitStack() as held:
            state = read_state(self._state)
            prediction_table.remove_beyond(self._table, state.version, state.checkpoint, self.root / "unacknowledged")
            remove_unopened(self._spools)
            paths = {path.name: path for path in spools(self._spools)}
            closed = {name for name, path in paths.items() if held.enter_context(closed_spool(path))}
            parts = [read_spool(path, state.offsets.get(name, 0)) for name, path in paths.items()]
            fresh = self._fresh(state, parts)
            version = prediction_table.append_rows(self._table, rows_of(fresh)) if fresh else state.version
            for part in parts:
                self._set_aside(part, closed)
            offsets = {part.name: part.end for part in parts}
            state = CompactionState(version, state.checkpoint, offsets)
            write_state(self._state, state)
            for name in closed:
                paths[name].unlink()
            flush_folder(self._spools)
            self._merge(state)
            return len(fresh)

    def read(
        self,
        *,
        pass_id: str | None = None,
        model: str | None = None,
        source: PredictionSource | None = None,
        session: date | None = None,
        newest: int | None = None,
    ) -> pd.DataFrame:
        """Return recorded scores, one row each, ordered by time, prediction and row, compacted or not.

        With `newest` only those of the latest predictions, as many as that; nothing else is held in memory.

        Columns: prediction_id, source, at, request_id, pass_id, session (datetime64), as_of, dataset, dataset_version,
        model, model_version, version_id, run_id, horizon_sessions, row, instrument_id, symbol, score.

        Raises:
            Corrupt: The table is damaged.
        """
        wanted = {"pass_id": pass_id, "model": model, "source": source, "session": session}
        chosen = {name: value for name, value in wanted.items() if value is not None}
        where: pads.Expression | None = None
        for name, value in chosen.items():
            term = pads.field(name) == value
            where = term if where is None else where & term
        stored, records = self._both(
            lambda version, records: self._chosen(version, where, records, newest),
            keep=lambda record: all(getattr(record, name) == value for name, value in chosen.items()),
        )
        return frame_of(pa.concat_tables([stored, rows_of(records)]))

    def find(self, prediction_id: str) -> PredictionRecord:
        """Return a prediction by its id or a unique beginning of it.

        Raises:
            NotFound: No prediction matches.
            Conflict: Several do.
            InvalidInput: The beginning is too short.
        """
        if len(prediction_id) < SHORTEST_BEGINNING:
            raise InvalidInput(
                f"The id {prediction_id!r} is too short.", remedy=f"Give at least {SHORTEST_BEGINNING} characters."
            )
        stored, records = self._both(
            lambda version, records: (
                prediction_table.rows_beginning(self._table, version, prediction_id),
                records,
            ),
            keep=lambda record: record.prediction_id.startswith(prediction_id),
        )
        found = {r.prediction_id: r for r in records_of(pa.concat_tables([stored, rows_of(records)]))}
        if prediction_id in found:
            return found[prediction_id]
        if not found:
            raise NotFound(f"There is no prediction {prediction_id!r}.", remedy="Check the id.")
        if len(found) > 1:
            shown = ", ".join(sorted(found)[:_SHOWN]) + (", …" if len(found) > _SHOWN else "")
            raise Conflict(f"Several ids begin with {prediction_id!r}: {shown}.", remedy="Give more of its characters.")
        return next(iter(found.values()))

    def _both(
        self, choose: Choose, keep: Callable[[PredictionRecord], bool]
    ) -> tuple[pa.Table, list[PredictionRecord]]:
        """Return chosen rows of the table and chosen records that are in no table, from one moment.

        `choose` gives them for a version of the table and the records kept.

        A compaction in between changes the state before it removes anything, so an unchanged state proves that nothing
        was missed or seen twice.
        """
        for _ in range(_READ_ATTEMPTS):
            state = read_state(self._state)
            try:
                records = [r for path in spools(self._spools) for r in self._spooled(path, state) if keep(r)]
                stored, records = choose(state.version, records)
            except _DAMAGE as error:
                if read_state(self._state) == state:
                    raise Corrupt(
                        f"Predictions cannot be read: {_first_line(error)}.",
                        remedy="Restore the predictions folder from a backup.",
                    ) from error
                continue
            if read_state(self._state) == state:
                return stored, records
        raise Busy("Predictions are being compacted all the time.", remedy="Try again in a few seconds.")

    def _chosen(
        self, version: int, where: pads.Expression | None, records: list[PredictionRecord], newest: int | None
    ) -> tuple[pa.Table, list[PredictionRecord]]:
        """Return the rows chosen, and the records: all, or with `newest` only those of the latest predictions."""
        if newest is None:
            return prediction_table.read_rows(self._table, version, where), records
        stored = prediction_table.newest_ids(self._table, version, where, newest)
        found = prediction_table.latest(stored | {record.prediction_id: record.at for record in records}, newest)
        rows = prediction_table.read_rows(self._table, version, prediction_table.are_among(found))
        return rows, [record for record in records if record.prediction_id in found]

    def _spooled(self, path: Path, state: CompactionState) -> tuple[PredictionRecord, ...]:
        return read_spool(path, state.offsets.get(path.name, 0)).records

    def _fresh(self, state: CompactionState, parts: list[SpoolPart]) -> list[PredictionRecord]:
        fresh: dict[str, PredictionRecord] = {}
        for part in parts:
            for record in part.records:
                fresh.setdefault(record.prediction_id, record)
        if not fresh:
            return []
        stored = prediction_table.stored_ids(self._table, state.version, set(fresh))
        return [record for key, record in fresh.items() if key not in stored]

    def _set_aside(self, part: SpoolPart, closed: set[str]) -> None:
        """Keep what is no record; the end of an open spool is a record being written."""
        lines = [*part.damaged, *([part.torn] if part.torn and part.name in closed else [])]
        if lines:
            folder = self.root / "set-aside"
            folder.mkdir(exist_ok=True)
            (folder / f"{part.name}.{part.end}").write_bytes(b"\n".join(lines))

    def _merge(self, state: CompactionState) -> None:
        if prediction_table.file_count(self._table, state.version) <= prediction_table.MOST_FILES:
            return
        merged = replace(state, version=prediction_table.merge_files(self._table))
        write_state(self._state, merged)
        prediction_table.write_checkpoint(self._table, merged.version)
        write_state(self._state, replace(merged, checkpoint=merged.version))
        prediction_table.remove_before(self._table, merged.version)


@contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise StorageUnavailable(
            f"Predictions could not be compacted: {_first_line(error)}.",
            remedy="Nothing was lost. Free space or make the home folder writable, then compact again.",
        ) from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
