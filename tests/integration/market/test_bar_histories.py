"""Random histories of appends, corrections, compactions, restores, vacuums and damage: every pin reads what it did."""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from investlab.store import delta_log
from investlab.store.bar_tables import BarQuery
from investlab.store.market import MarketStore, VersionPin

DATASET = "history"
START = datetime(2020, 1, 10, tzinfo=UTC)
SESSIONS = pd.bdate_range("2019-12-23", periods=12)
SEEDS = int(os.environ.get("INVESTLAB_FAULT_ROUNDS", "5"))
Key = tuple[int, pd.Timestamp]


@dataclass
class Model:
    """What should be stored: for each bar, in the order they came, when each value was known and what it was."""

    told: dict[Key, list[tuple[pd.Timestamp, float]]] = field(default_factory=dict)

    def copy(self) -> "Model":
        return Model({key: list(values) for key, values in self.told.items()})

    def tell(self, bars: pd.DataFrame, received: datetime) -> None:
        spans = self._spans()
        for instrument, session, close, known_at in bars[["instrument_id", "session", "close", "known_at"]].itertuples(
            index=False
        ):
            values = self.told.setdefault((instrument, session), [])
            if not values:
                first, last = spans.get(instrument, (session, session))
                filled = first < session < last
                values.append((max(known_at, pd.Timestamp(received)) if filled else known_at, close))
            elif _latest(values, None) != close:
                values.append((max(pd.Timestamp(received), values[-1][0]), close))

    def _spans(self) -> dict[int, tuple[pd.Timestamp, pd.Timestamp]]:
        """Return each instrument's first and last session told so far; a bar between them told later fills a gap."""
        sessions: dict[int, list[pd.Timestamp]] = {}
        for instrument, session in self.told:
            sessions.setdefault(instrument, []).append(session)
        return {instrument: (min(own), max(own)) for instrument, own in sessions.items()}

    def closes(self, as_of: datetime | None) -> dict[Key, float]:
        found = {key: _latest(values, as_of) for key, values in self.told.items()}
        return {key: close for key, close in found.items() if close is not None}


def _latest(values: list[tuple[pd.Timestamp, float]], as_of: datetime | None) -> float | None:
    known = [(at, close) for at, close in values if as_of is None or at <= as_of]
    return max(enumerate(known), key=lambda item: (item[1][0], item[0]))[1][1] if known else None


class Walk:
    """One random history, and what each of its pins must read."""

    def __init__(self, root: Path, seed: int) -> None:
        self.store = MarketStore(root)
        self.random = np.random.default_rng(seed)
        self.now = START
        with self.store.writing(DATASET):
            self.pins = [self._append(None, Model())]

    def step(self) -> None:
        """Do one thing at random to the newest version."""
        self.now += timedelta(days=float(self.random.uniform(0.2, 3)))
        pin, model = self.pins[-1]
        with self.store.writing(DATASET):
            match self.random.choice(["append", "append", "append", "compact", "restore", "vacuum", "damage"]):
                case "append":
                    pin, model = self._append(pin, model)
                case "compact":
                    pin = self.store.compact(DATASET, pin)
                case "restore":
                    older, model = self.pins[int(self.random.integers(len(self.pins)))]
                    pin = self.store.restore(DATASET, older, acknowledged=pin)
                case "vacuum":
                    kept = [len(self.pins) - 1, *self.random.integers(len(self.pins), size=2).tolist()]
                    self.pins = [self.pins[place] for place in sorted(set(kept))]
                    self.store.vacuum(DATASET, [pin for pin, _ in self.pins])
                case "damage":
                    path = delta_log.commit_path(self.store.root / DATASET / "bars", pin.base_version)
                    path.write_bytes(path.read_bytes()[: int(self.random.integers(200))])
                    assert [repair.action for repair in self.store.repair(DATASET, pin)] == ["restored"]
        if pin != self.pins[-1][0]:
            self.pins.append((pin, model))

    def check(self, place: int) -> None:
        """Read a pin as of now and as of a random time, and compare with what it must hold."""
        pin, model = self.pins[place]
        for as_of in (None, START + (self.now - START) * float(self.random.random())):
            found = self.store.read(DATASET, pin, BarQuery(as_of=as_of))
            assert as_of is None or (found["known_at"] <= as_of).all()
            keys = zip(found["instrument_id"], found["session"], strict=True)
            assert dict(zip(keys, found["close"], strict=True)) == model.closes(as_of)

    def _append(self, pin: VersionPin | None, model: Model) -> tuple[VersionPin, Model]:
        bars, told = self._batch(), model.copy()
        appending = self.store.begin(DATASET, acknowledged=pin, ingested_at=self.now)
        cut = int(self.random.integers(len(bars) + 1))
        for part in (bars.iloc[:cut], bars.iloc[cut:]):
            appending.add(part)
        told.tell(bars, self.now)
        return appending.commit().pin, told

    def _batch(self) -> pd.DataFrame:
        keys = pd.MultiIndex.from_product([range(1, 6), SESSIONS], names=["instrument_id", "session"])
        chosen = self.random.choice(len(keys), size=int(self.random.integers(1, 40)), replace=False)
        bars = keys[chosen].to_frame(index=False)
        known_at = bars["session"].dt.tz_localize("UTC") + pd.Timedelta(hours=21)
        return bars.assign(close=self.random.integers(1, 4, len(bars)).astype(float), known_at=known_at)


@pytest.mark.drill
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_pin_reads_what_it_did(tmp_path: Path, seed: int) -> None:
    walk = Walk(tmp_path / "market", seed)
    for _ in range(12):
        walk.step()
        walk.check(int(walk.random.integers(len(walk.pins))))
    for place, (pin, _) in enumerate(walk.pins):
        walk.check(place)
        walk.store.verify(DATASET, pin, deep=True)
