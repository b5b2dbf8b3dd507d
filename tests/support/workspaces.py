"""Factories of workspaces over small real stores, with bars that the test chooses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from investlab.core.config import Settings
from investlab.market.calendars import sessions_between
from investlab.market.derivation import AdjustmentRule
from investlab.providers.protocol import Delivery, FetchRequest
from investlab.schemas.catalog import DatasetDescription, InstrumentDraft
from investlab.schemas.market import PriceBasis
from investlab.services import ingest
from investlab.services.workspace import Workspace, open_workspace, silent_progress

START = datetime(2024, 1, 2, 12, tzinfo=UTC)
DATASET = "test-raw"


class TickingClock:
    """A clock that moves one second whenever it is read."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def now(self) -> datetime:
        """Return the time and move on."""
        self.at += timedelta(seconds=1)
        return self.at


def make_prices(
    symbols: Sequence[str] = ("AAA", "BBB", "CCC"), first: str = "2019-01-02", last: str = "2020-12-31"
) -> pd.DataFrame:
    """Return bars of every XNYS session whose prices wander differently for each symbol, without randomness."""
    days = sessions_between("XNYS", date.fromisoformat(first), date.fromisoformat(last))
    frames = []
    for number, symbol in enumerate(symbols, start=1):
        phase = pd.Series(range(len(days)), dtype="float64")
        close = 50.0 * number + 5 * number * (phase / (17.0 + number)).map(_wave) + phase * 0.02 * number
        frames.append(
            pd.DataFrame(
                {
                    "symbol": symbol,
                    "session": pd.DatetimeIndex(days.astype("datetime64[s]")),
                    "open": close - 0.25,
                    "high": close + 0.5,
                    "low": close - 0.5,
                    "close": close,
                    "volume": 1000.0,
                    "adjusted_close": close,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _wave(phase: float) -> float:
    """Return a triangle wave between −1 and 1, exact on every machine."""
    return abs((phase % 4.0) - 2.0) - 1.0


@dataclass(slots=True)
class ScriptedProvider:
    """A provider that gives the bars it was made with."""

    bars: pd.DataFrame
    basis: PriceBasis = PriceBasis.RAW
    rule: AdjustmentRule | None = AdjustmentRule.EX_CLOSE
    dataset: str = DATASET
    name: str = "scripted"

    def datasets(self) -> Sequence[DatasetDescription]:
        """Return the one dataset."""
        return [self._description()]

    def fetch(self, request: FetchRequest) -> Delivery:
        """Return the bars asked for in one part, whatever the dataset is called."""
        chosen = self.bars
        if request.symbols is not None:
            chosen = chosen[chosen["symbol"].isin(request.symbols)]
        if request.start is not None:
            chosen = chosen[chosen["session"] >= pd.Timestamp(request.start)]
        if request.end is not None:
            chosen = chosen[chosen["session"] <= pd.Timestamp(request.end)]
        bars = chosen.reset_index(drop=True)
        first = bars.groupby("symbol")["session"].min()
        drafts = tuple(
            InstrumentDraft(symbol=str(s), venue="XNYS", name=f"{s} Inc", valid_from=day.date(), source=self.name)
            for s, day in first.items()
        )
        return Delivery(self._description(), drafts, ("all",), lambda part: bars, self.rule)

    def _description(self) -> DatasetDescription:
        return DatasetDescription(
            name=self.dataset,
            title="Bars of a test",
            provider=self.name,
            price_basis=self.basis,
            fields=tuple(name for name in self.bars.columns if name not in ("symbol", "session")),
            currency="USD",
            calendar="XNYS",
            source="made by a test",
            licence="none",
            biases=("made up",),
            synthetic=True,
        )


def make_workspace(home: Path, **settings: object) -> Workspace:
    """Open a workspace at `home` with a clock of its own and no progress bars."""
    chosen = Settings.model_validate({"home": home, "lock_timeout_seconds": 0.05, **settings})
    return open_workspace(settings=chosen, clock=TickingClock(), progress=silent_progress)


def use_provider(monkeypatch: pytest.MonkeyPatch, provider: ScriptedProvider) -> None:
    """Let every provider name mean this provider."""
    monkeypatch.setattr(ingest, "load_provider", lambda name, settings: provider)


def open_with_bars(monkeypatch: pytest.MonkeyPatch, home: Path, **settings: object) -> Workspace:
    """Open a workspace whose dataset `test-raw` holds three instruments over two years."""
    use_provider(monkeypatch, ScriptedProvider(make_prices()))
    workspace = make_workspace(home, **settings)
    workspace.ingest("scripted", DATASET)
    return workspace
