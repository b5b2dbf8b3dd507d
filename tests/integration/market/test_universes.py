"""Named universes: dated membership, screens that look at nothing later, members delisted since."""

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

import investlab as il
from investlab.core.errors import InvalidInput, NotFound
from investlab.providers.protocol import Delivery, FetchRequest
from investlab.services.workspace import Workspace
from tests.support.workspaces import DATASET, ScriptedProvider, make_prices, make_workspace, use_provider

DELISTED_ON = date(2020, 3, 2)


@dataclass(slots=True)
class ListedProvider(ScriptedProvider):
    """A provider in whose market BBB stops trading on 2020-03-02; CCC trades most from July 2020 on."""

    def fetch(self, request: FetchRequest) -> Delivery:
        """Return the bars with the end of BBB's listing."""
        whole = ScriptedProvider.fetch(self, request)
        drafts = tuple(
            draft.model_copy(update={"symbol_until": DELISTED_ON}) if draft.symbol == "BBB" else draft
            for draft in whole.instruments
        )
        return replace(whole, instruments=drafts)


def market_bars() -> pd.DataFrame:
    """Return two years of three instruments: AAA trades more than BBB, and CCC more than both from July 2020 on."""
    bars = make_prices()
    bars = bars[(bars["symbol"] != "BBB") | (bars["session"] < pd.Timestamp(DELISTED_ON))].reset_index(drop=True)
    bars.loc[bars["symbol"] == "AAA", "volume"] = 90_000.0
    bars.loc[bars["symbol"] == "BBB", "volume"] = 10_000.0
    late = (bars["symbol"] == "CCC") & (bars["session"] >= "2020-07-01")
    bars.loc[late, "volume"] = 900_000.0
    return bars


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workspace:
    workspace = make_workspace(tmp_path / "home")
    use_provider(monkeypatch, ListedProvider(market_bars()))
    workspace.ingest("scripted", DATASET)
    return workspace


def test_a_universe_of_a_past_day_holds_members_delisted_since(lab: Workspace) -> None:
    lab.universe("all", dataset=DATASET, screen=il.Screen(), every="month", start="2019-07-01")
    assert lab.as_of("2020-01-15").universe("all").symbols == ("AAA", "BBB", "CCC")
    assert lab.universe("all").symbols == ("AAA", "CCC")


def test_the_most_liquid_are_chosen_by_what_was_known_then(lab: Workspace) -> None:
    screen = il.Screen(top=1, lookback_sessions=21)
    lab.universe("top", dataset=DATASET, screen=screen, every="quarter", start="2020-01-02")
    assert lab.as_of("2020-07-15").universe("top").symbols == ("AAA",)
    assert lab.as_of("2020-10-15").universe("top").symbols == ("CCC",)


def test_later_bars_change_no_earlier_choice(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = il.Screen(top=2, min_sessions=100, lookback_sessions=21)
    early = lab.as_of("2020-02-14").universe("two", dataset=DATASET, screen=screen, every="month", start="2019-07-01")
    changed = market_bars()
    changed.loc[changed["session"] > "2020-02-14", "volume"] *= 1000.0
    use_provider(monkeypatch, ListedProvider(changed))
    lab.ingest("scripted", DATASET)
    again = lab.universe("again", dataset=DATASET, screen=screen, every="month", start="2019-07-01")
    assert lab.as_of("2020-02-14").universe("again").symbols == early.symbols
    assert again.name == "again"


def test_an_instrument_that_is_too_young_is_left_out(lab: Workspace) -> None:
    screen = il.Screen(min_sessions=200)
    with pytest.raises(NotFound, match="no members"):
        lab.as_of("2019-06-03").universe("old", dataset=DATASET, screen=screen, start="2019-06-03")
    assert len(lab.as_of("2019-12-02").universe("old", dataset=DATASET, screen=screen, start="2019-12-02")) == 3


def test_named_members_hold_from_the_datasets_beginning(lab: Workspace) -> None:
    lab.universe("pair", ["CCC", "AAA"], dataset=DATASET)
    assert lab.as_of("2019-01-02").universe("pair").symbols == ("AAA", "CCC")


def test_both_symbols_and_screen_are_refused(lab: Workspace) -> None:
    with pytest.raises(InvalidInput, match="either symbols or a screen"):
        lab.universe("odd", ["AAA"], screen=il.Screen(), dataset=DATASET)


def test_an_unknown_universe_is_named(lab: Workspace) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        lab.universe("nowhere")


def test_liquidity_needs_volume(lab: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = make_workspace(tmp_path / "other")
    closes = make_prices()[["symbol", "session", "close"]]
    use_provider(monkeypatch, ScriptedProvider(closes, rule=None))
    other.ingest("scripted", DATASET)
    with pytest.raises(InvalidInput, match="no volume"):
        other.universe("top", dataset=DATASET, screen=il.Screen(top=1))
