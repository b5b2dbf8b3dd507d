"""The prediction store copied as it is at one moment, while others record and compact predictions."""

from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from investlab.core.errors import Busy, Corrupt
from investlab.schemas.backups import BackedUpFile
from investlab.store import delta_log
from investlab.store.durable_files import copy_file, write_file
from investlab.store.prediction_spools import spools
from investlab.store.prediction_state import CompactionState, read_state

_ATTEMPTS = 20
_STATE, _SPOOL, _TABLE = "state.json", "spool", "table"


def copy_predictions(store: Path, root: Path) -> list[BackedUpFile]:
    """Copy every whole recorded prediction to `root/predictions`, compacted or not, each exactly once.

    A compaction replaces the state before it removes anything, so an unchanged state proves that nothing was missed.

    Raises:
        Corrupt: The store is damaged.
        Busy: It was compacted all the time.
    """
    for attempt in range(_ATTEMPTS):
        state = read_state(store / _STATE)
        place = f"predictions.{attempt}"
        try:
            sizes = {path.name: _whole_lines(path) for path in spools(store / _SPOOL)}
            copied = _copy(store, root, place, sizes, state)
        except (OSError, DeltaError) as error:
            if read_state(store / _STATE) == state:
                raise Corrupt(
                    f"The recorded predictions cannot be read: {str(error).splitlines()[0][:200]}.",
                    remedy="Restore the predictions folder from a backup.",
                ) from error
            continue
        if read_state(store / _STATE) == state:
            if copied:
                (root / place).rename(root / "predictions")
            return [file.model_copy(update={"path": file.path.replace(place, "predictions", 1)}) for file in copied]
    raise Busy("Predictions are being compacted all the time.", remedy="Try again in a few seconds.")


def _whole_lines(path: Path) -> int:
    """Return how many bytes of a spool are whole lines; what follows is being written."""
    with path.open("rb") as stream:
        return stream.read().rfind(b"\n") + 1


def _copy(store: Path, root: Path, place: str, spooled: dict[str, int], state: CompactionState) -> list[BackedUpFile]:
    copied = [
        copy_file(store / _SPOOL / name, root, f"{place}/{_SPOOL}/{name}", most_bytes=size)
        for name, size in spooled.items()
        if size
    ]
    if state.version >= 0:
        copied += [
            copy_file(store / _TABLE / name, root, f"{place}/{_TABLE}/{name}")
            for name in _table_files(store / _TABLE, state)
        ]
    if (store / _STATE).exists():
        copied.append(write_file((store / _STATE).read_bytes(), root, f"{place}/{_STATE}"))
    return copied


def _table_files(table: Path, state: CompactionState) -> list[str]:
    """Return the files by which a version of the table can be read: its checkpoint, later commits, data files."""
    first = 0 if state.checkpoint is None else state.checkpoint
    log = [delta_log.commit_path(table, number) for number in range(first, state.version + 1)]
    if state.checkpoint is not None:
        log += sorted((table / delta_log.LOG).glob(f"{state.checkpoint:020d}.checkpoint*.parquet"))
    data = [Path(uri).name for uri in DeltaTable(table, version=state.version).file_uris()]
    return [path.relative_to(table).as_posix() for path in log] + data
