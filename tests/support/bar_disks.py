"""A process that appends bars on a small disk which fills up or becomes read-only, and tells what came of it as JSON.

python -m tests.support.bar_disks <mounted folder> full|read-only
"""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

from investlab.core.errors import StorageUnavailable
from investlab.store.market import MarketStore, VersionPin
from tests.support.bars import INGESTED_AT, make_bars
from tests.support.trees import checksums

DATASET = "small"
ROOM = 32 * 1024
"""What is left on a full disk, so that a change begins well and fails in the middle."""


def noisy_bars(first: str, sessions: int) -> pd.DataFrame:
    """Return bars of 200 instruments that cannot be compressed."""
    bars = make_bars(instrument_ids=range(1, 201), first=first, sessions=sessions)
    return bars.assign(close=np.random.default_rng(7).random(len(bars)))


FEW, MANY = noisy_bars("2020-01-01", 50), noisy_bars("2021-01-04", 100)


def spoil(folder: Path, ground: str) -> None:
    """Fill the disk but for a little, or make it read-only."""
    if ground == "read-only":
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        return
    with suppress(OSError), (folder / "fill").open("wb", buffering=0) as stream:
        while stream.write(bytes(4096)):
            continue
    os.truncate(folder / "fill", (folder / "fill").stat().st_size - ROOM)


def mend(folder: Path, ground: str) -> None:
    """Make the disk as it was."""
    if ground == "read-only":
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
    else:
        (folder / "fill").unlink()


def append(store: MarketStore, bars: pd.DataFrame, pin: VersionPin | None) -> VersionPin:
    """Append bars after a pin."""
    with store.writing(DATASET):
        return store.append(DATASET, bars, acknowledged=pin, ingested_at=INGESTED_AT).pin


def append_many(store: MarketStore, pin: VersionPin) -> VersionPin:
    """Append more than a full disk takes."""
    return append(store, MANY, pin)


def compact(store: MarketStore, pin: VersionPin) -> VersionPin:
    """Compact at a pin."""
    with store.writing(DATASET):
        return store.compact(DATASET, pin)


def main(folder: Path, ground: str) -> None:
    """Append, spoil the disk, try to append and to compact, look, mend the disk, and append once more."""
    store = MarketStore(folder / "market")
    pin = append(store, FEW, append(store, FEW.iloc[:40], None))
    before, refusals = checksums(store.root), []
    spoil(folder, ground)
    for change in (append_many, compact):
        try:
            change(store, pin)
        except StorageUnavailable as error:
            refusals.append(error.detail)
    told = {
        "refusals": refusals,
        "unchanged": checksums(store.root) == before,
        "readable": len(store.read(DATASET, pin)),
        "verified": store.verify(DATASET, pin, deep=True),
    }
    mend(folder, ground)
    told["afterwards"] = len(store.read(DATASET, append(store, MANY, pin)))
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
