"""How far predictions were compacted: one small file, replaced whole, that decides what counts as stored."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from investlab.core.errors import Corrupt
from investlab.store.prediction_spools import flush_folder


@dataclass(frozen=True, slots=True)
class CompactionState:
    """The version of the table that counts, −1 for none, the log's checkpoint, and each spool's bytes in that version.

    What lies beyond in the table's folder was never acknowledged; what a spool holds beyond its offset is in no table.
    """

    version: int = -1
    checkpoint: int | None = None
    offsets: Mapping[str, int] = field(default_factory=dict)


def read_state(path: Path) -> CompactionState:
    """Return the state; the first one where none was written yet.

    Raises:
        Corrupt: The file cannot be read.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return CompactionState(told["version"], told["checkpoint"], dict(told["offsets"]))
    except FileNotFoundError:
        return CompactionState()
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupt(
            f"The record of what predictions were compacted is damaged: {path.name} cannot be read.",
            remedy="Restore the predictions folder from a backup.",
        ) from error


def write_state(path: Path, state: CompactionState) -> None:
    """Replace the state durably and at once: whatever kills the process, the old or the new one is there."""
    told = {"version": state.version, "checkpoint": state.checkpoint, "offsets": dict(state.offsets)}
    draft = path.with_suffix(".draft")
    with draft.open("w", encoding="utf-8") as stream:
        json.dump(told, stream, sort_keys=True)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
    flush_folder(path.parent)
