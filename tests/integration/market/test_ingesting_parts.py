"""Ingests in parts: remote sources that break off, daily updates, late corrections, bars in quarantine."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from investlab.core.errors import StorageUnavailable
from investlab.providers.protocol import Delivery, FetchRequest
from investlab.schemas.catalog import DatasetDescription
from investlab.services.ingest import IngestRequest
from investlab.services.workspace import Workspace
from tests.support.workspaces import DATASET, ScriptedProvider, make_prices, make_workspace, use_provider


def quiet(text: str) -> None:
    """Tell nobody."""


@dataclass
class RemoteProvider:
    """A remote source with one part for each symbol, which breaks off at `broken` until it is mended."""

    inner: ScriptedProvider
    broken: str | None = None
    fetched: list[str] = field(default_factory=list)
    name: str = "remote"

    def datasets(self) -> Sequence[DatasetDescription]:
        """Return the one dataset."""
        return self.inner.datasets()

    def fetch(self, request: FetchRequest) -> Delivery:
        """Return the bars symbol by symbol."""
        whole = self.inner.fetch(request)
        parts = tuple(draft.symbol for draft in whole.instruments)
        return replace(whole, parts=parts, read=self._read, is_remote=True)

    def _read(self, part: str) -> pd.DataFrame:
        if part == self.broken:
            raise StorageUnavailable("The source hung up.", remedy="Try again later.")
        self.fetched.append(part)
        bars = self.inner.bars
        return bars[bars["symbol"] == part].reset_index(drop=True)


@dataclass
class DatedProvider(ScriptedProvider):
    """A source that remembers from when it was asked."""

    asked: list[date | None] = field(default_factory=list)

    def fetch(self, request: FetchRequest) -> Delivery:
        """Return the bars from the request's start on."""
        self.asked.append(request.start)
        return ScriptedProvider.fetch(self, request)


@pytest.fixture
def lab(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path / "home")


def test_an_ingest_that_broke_off_goes_on_with_the_part_it_missed(
    lab: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = RemoteProvider(ScriptedProvider(make_prices()), broken="CCC")
    use_provider(monkeypatch, remote)
    with pytest.raises(StorageUnavailable, match="hung up"):
        lab.ingest("remote", DATASET)
    assert remote.fetched == ["AAA", "BBB"]
    remote.broken = None
    receipt = lab.ingest("remote", DATASET)
    assert remote.fetched == ["AAA", "BBB", "CCC"]
    assert (receipt.version, receipt.rows) == (1, 505 * 3)


def test_a_finished_ingest_keeps_no_parts(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = RemoteProvider(ScriptedProvider(make_prices()))
    use_provider(monkeypatch, remote)
    lab.ingest("remote", DATASET)
    lab.ingest("remote", DATASET)
    assert remote.fetched == ["AAA", "BBB", "CCC"] * 2


def test_parts_make_the_same_panel_as_one_delivery(
    lab: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_provider(monkeypatch, RemoteProvider(ScriptedProvider(make_prices())))
    lab.ingest("remote", DATASET)
    other = make_workspace(tmp_path / "other")
    use_provider(monkeypatch, ScriptedProvider(make_prices()))
    other.ingest("scripted", DATASET)
    in_parts, at_once = lab.panel(lab.universe(DATASET)), other.panel(other.universe(DATASET))
    pd.testing.assert_frame_equal(in_parts.close, at_once.close, check_exact=True)


def test_an_update_asks_for_recent_bars_only_and_sees_their_corrections(
    lab: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider(monkeypatch, ScriptedProvider(make_prices(last="2020-12-01")))
    lab.ingest("scripted", DATASET)
    later = make_prices(last="2020-12-02")
    corrected = (later["symbol"] == "BBB") & (later["session"] == "2020-11-30")
    later.loc[corrected, ["open", "high", "low", "close", "adjusted_close"]] += 1.0
    source = DatedProvider(later)
    use_provider(monkeypatch, source)
    receipt = lab.ingest_with(IngestRequest("scripted", DATASET, update=True), quiet)
    assert source.asked == [date(2020, 11, 17)]
    assert (receipt.counts.new, receipt.counts.changed) == (3, 1)
    again = lab.ingest_with(IngestRequest("scripted", DATASET, update=True), quiet)
    assert (again.version, again.counts.new, again.counts.changed) == (receipt.version, 0, 0)


def test_a_gap_filled_late_is_not_seen_before_it_was_filled(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    prices = make_prices()
    missing = (prices["symbol"] == "BBB") & (prices["session"] == "2019-06-03")
    use_provider(monkeypatch, ScriptedProvider(prices[~missing].reset_index(drop=True)))
    lab.ingest("scripted", DATASET)
    before = lab.as_of("2023-06-30").panel(lab.universe(DATASET), ["close"])
    use_provider(monkeypatch, ScriptedProvider(prices))
    lab.ingest("scripted", DATASET)
    after = lab.as_of("2023-06-30").panel(lab.universe(DATASET), ["close"])
    pd.testing.assert_frame_equal(after.close, before.close, check_exact=True)
    assert lab.panel(["BBB"], ["close"], dataset=DATASET).close.loc["2019-06-03"].notna().all()


def test_a_bar_that_cannot_be_true_goes_to_quarantine(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    prices = make_prices()
    prices.loc[5, "low"] = 10_000.0
    use_provider(monkeypatch, ScriptedProvider(prices))
    receipt = lab.ingest("scripted", DATASET)
    assert (receipt.quarantined, receipt.rows) == (1, 505 * 3 - 1)
    kept = lab.quarantine(DATASET)
    assert list(kept["symbol"]) == ["AAA"]
    assert lab.panel(["AAA"], ["close"], dataset=DATASET).close.iloc[5].isna().all()
    use_provider(monkeypatch, ScriptedProvider(make_prices()))
    assert lab.ingest("scripted", DATASET).counts.new == 1
