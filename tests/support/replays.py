"""Homes with data to replay, a champion that scores by its first feature, and engines around them."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from investlab.core.clock import SystemClock
from investlab.core.config import Settings
from investlab.core.errors import ModelUnavailable
from investlab.features.definitions import FEATURES
from investlab.live.bus import LocalBus
from investlab.live.hub import Hub, boot_name
from investlab.schemas.live import LiveMessage
from investlab.schemas.market import PriceBasis
from investlab.schemas.registry import ArtifactFormat, InputSignature, ModelLineage, ModelVersionInfo, Scorecard
from investlab.services.model_host import LoadedModel
from investlab.services.replay import ReplayEngine
from investlab.services.replay_walk import ReplayTerms
from investlab.services.workspace import Workspace, open_workspace, silent_progress
from tests.support.workspaces import ScriptedProvider, make_prices, make_workspace, use_provider

SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG")
REPLAY_FROM = "2020-11-02"
FAST = {"replay_from": REPLAY_FROM, "replay_sessions_per_minute": 6000.0}
HORIZON = 5
FEATURE = min(FEATURES, key=lambda name: (FEATURES[name].lookback_sessions, name))
TERMS = ReplayTerms(compact_every_sessions=7, rolling_sessions=10)


class FirstFeature:
    """Scores rows by their first feature, times a factor."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def scores(self, rows: np.ndarray) -> np.ndarray:
        return rows[:, 0] * self.factor

    def contributions(self, rows: np.ndarray) -> np.ndarray:
        return rows * self.factor

    def baseline(self, rows: np.ndarray) -> np.ndarray:
        return np.zeros(len(rows))


class Champion:
    """Serves the version it is given; none to begin with unless it is numbered."""

    def __init__(self, number: int | None = 1) -> None:
        self.model: LoadedModel | None = loaded_model(number) if number else None

    def current(self) -> LoadedModel:
        if self.model is None:
            raise ModelUnavailable("No version of us-ranker is champion.", remedy="Promote one.")
        return self.model


def loaded_model(
    number: int = 1, *, trained_through: date | None = None, horizon_sessions: int = HORIZON
) -> LoadedModel:
    """Return a version whose scores are the first feature, turned around in even ones."""
    info = ModelVersionInfo(
        version_id=f"mv-{number:04d}",
        model="us-ranker",
        number=number,
        learner="first_feature",
        signature=InputSignature(features=(FEATURE,), horizon_sessions=horizon_sessions),
        artifact_format=ArtifactFormat.LINEAR_JSON,
        artifact_sha256="0" * 64,
        evaluation_sha256="0" * 64,
        scorecard=Scorecard(
            information_coefficient=0.0,
            interval_low=0.0,
            interval_high=0.0,
            observations=0,
            effective_observations=0,
            folds=0,
        ),
        lineage=ModelLineage(
            training_run=f"tr-{number:04d}",
            dataset="us-close",
            dataset_version=1,
            as_of=None,
            panel_id="pn",
            symbols=SYMBOLS,
            pipeline_step=None,
            code_identity="code",
            lock_hash="lock",
            platform_version="0",
            trained_through=trained_through,
        ),
        content_hash="0" * 64,
        created_at=datetime(2024, 1, 2, tzinfo=UTC),
    )
    return LoadedModel(info, FirstFeature(1.0 if number % 2 else -1.0))


def closes(bars: pd.DataFrame) -> pd.DataFrame:
    """Return bars with closes only."""
    return bars[["symbol", "session", "close"]]


def total_return(bars: pd.DataFrame) -> ScriptedProvider:
    """Return a provider of a `us-close` made of these bars."""
    return ScriptedProvider(closes(bars), PriceBasis.TOTAL_RETURN, None, dataset="us-close")


def fill_home(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Make a home with `us-close` and `us-ohlcv-recent` of two years."""
    workspace = make_workspace(home)
    use_provider(monkeypatch, total_return(make_prices(SYMBOLS)))
    workspace.ingest("scripted", "us-close")
    recent = make_prices(("AAA",)).drop(columns="adjusted_close")
    use_provider(monkeypatch, ScriptedProvider(recent, PriceBasis.SPLIT_ADJUSTED, None, dataset="us-ohlcv-recent"))
    workspace.ingest("scripted", "us-ohlcv-recent")
    workspace.close()


def open_home(home: Path, **settings: Any) -> Workspace:
    """Open a home on the machine's clock, to be replayed as fast as it goes."""
    chosen = Settings.model_validate({"home": home, **FAST, **settings})
    return open_workspace(settings=chosen, clock=SystemClock(), progress=silent_progress)


class Replayed:
    """An engine on a home, and everything it published."""

    def __init__(self, workspace: Workspace, champion: Champion | None = None, terms: ReplayTerms = TERMS) -> None:
        self.workspace = workspace
        self.context = workspace.context
        self.champion = champion or Champion()
        self.bus = LocalBus()
        self.hub = Hub(self.bus, self.context.clock, boot=boot_name(self.context.clock))
        self.engine = ReplayEngine(self.context, self.champion, self.hub, terms=terms)
        self.messages: list[LiveMessage] = []

    async def start(self) -> "Replayed":
        await self.hub.start()
        await self.bus.subscribe(self.messages.append)
        return self

    async def steps(self, count: int) -> "Replayed":
        for _ in range(count):
            await self.engine.step()
        return self

    def on(self, topic: str) -> list[dict[str, Any]]:
        """Return what was published on a topic."""
        return [message.payload for message in self.messages if message.topic == topic]

    def events(self) -> list[str]:
        """Return the events published on topic `system`."""
        return [payload["event"] for payload in self.on("system")]

    def predictions(self, **chosen: Any) -> pd.DataFrame:
        return self.context.predictions.read(**chosen)

    def close(self) -> None:
        self.engine.close()
        self.workspace.close()


def replay(home: Path, count: int, champion: Champion | None = None, **settings: Any) -> Replayed:
    """Replay some sessions of a home in a process of its own kind: opened, walked and closed."""

    async def play() -> Replayed:
        replayed = await Replayed(open_home(home, **settings), champion).start()
        await replayed.steps(count)
        return replayed

    replayed = asyncio.run(play())
    replayed.close()
    return replayed


async def _walk(home: Path, champion: Champion) -> None:
    replayed = await Replayed(open_home(home), champion).start()
    while True:
        state = await replayed.engine.step()
        sys.stdout.write(f"{state.pass_id} {state.session}\n")
        sys.stdout.flush()


def main(arguments: Sequence[str]) -> None:
    """Replay a home until killed, a line for each session completed."""
    asyncio.run(_walk(Path(arguments[0]), Champion()))


if __name__ == "__main__":
    main(sys.argv[1:])
