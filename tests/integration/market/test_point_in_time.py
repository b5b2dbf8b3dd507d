"""Point in time: what later becomes known changes nothing that was read as of before."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from investlab.core.config import Settings
from investlab.market.panel import PricePanel
from investlab.providers.protocol import Delivery, FetchRequest
from investlab.schemas.catalog import ActionDraft
from investlab.schemas.market import ActionKind, Adjust
from investlab.services.prices import dataset_version, version_pin
from investlab.services.workspace import Workspace, open_workspace, silent_progress
from investlab.store.bar_tables import BarQuery
from investlab.store.database import Session
from investlab.store.market import VersionPin
from investlab.store.repositories import catalog
from tests.support.workspaces import (
    DATASET,
    ScriptedProvider,
    TickingClock,
    make_prices,
    make_workspace,
    use_provider,
)

SYMBOLS = ("AAA", "BBB", "CCC")
POISON = 1e9
PRICES = ["open", "high", "low", "close", "adjusted_close"]
LAST = "2019-06-28"
COSTLY = settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
"""An example takes seconds on real stores: a failing one is told as it was found."""


@dataclass(slots=True)
class TellingProvider(ScriptedProvider):
    """A provider that tells corporate actions too."""

    told: tuple[ActionDraft, ...] = field(default_factory=tuple)

    def fetch(self, request: FetchRequest) -> Delivery:
        """Return the bars with the actions told."""
        return replace(ScriptedProvider.fetch(self, request), actions=self.told, adjustment_rule=None)


class Market:
    """A workspace whose market goes on: what happens is told by a method each, a day after what happened before.

    A bar counts as known at its close and a name from its day on, so both are told after that, as in life.
    """

    def __init__(self, home: Path, patch: pytest.MonkeyPatch) -> None:
        self.clock = TickingClock(datetime.fromisoformat(f"{LAST}T22:00:00+00:00"))
        settings = Settings.model_validate({"home": home})
        self.lab = open_workspace(settings=settings, clock=self.clock, progress=silent_progress)
        self._patch = patch
        self._bars = make_prices(SYMBOLS, last=LAST)
        self.told(())

    def told(self, actions: tuple[ActionDraft, ...]) -> None:
        """Ingest the bars as they are now, with actions."""
        self.clock.at += timedelta(days=1)
        use_provider(self._patch, TellingProvider(self._bars, told=actions))
        self.lab.ingest("scripted", DATASET)

    def correct(self, row: int, factor: float) -> None:
        """Correct the prices of a bar."""
        self._bars.loc[row % len(self._bars), PRICES] *= factor
        self.told(())

    def act(self, symbol: str, kind: ActionKind, value: float, ex_date: date) -> None:
        """Tell an action now, or tell it anew with another value."""
        at = self.clock.now()
        self.told((ActionDraft(symbol=symbol, kind=kind, ex_date=ex_date, value=value, known_at=at),))

    def go_on(self, sessions: int) -> None:
        """Append sessions."""
        self._append(tuple(self._bars["symbol"].unique()), sessions)

    def _append(self, symbols: Sequence[str], sessions: int) -> None:
        later = make_prices(symbols, last="2019-12-31")
        first = max(self._bars["session"].max(), pd.Timestamp(self.clock.at.date()))
        days = sorted(day for day in later["session"].unique() if day > first)[:sessions]
        self._bars = pd.concat([self._bars, later[later["session"].isin(days)]], ignore_index=True)
        self.clock.at = max(self.clock.at, days[-1].to_pydatetime().replace(tzinfo=UTC))
        self.told(())

    def rename(self, symbol: str) -> None:
        """Give the bearer of a symbol another one from today on, and the symbol to a newcomer some days later."""
        if f"{symbol}X" in set(self._bars["symbol"]):
            return
        self.clock.at += timedelta(days=1)
        day = self.clock.now().date()

        def unit(session: Session) -> None:
            bearers = {ref.symbol: ref.instrument_id for ref in catalog.find_instruments(session)}
            catalog.rename_instrument(session, bearers[symbol], f"{symbol}X", on=day, source="test")

        self.lab.context.database.write(unit)
        self._bars["symbol"] = self._bars["symbol"].replace(symbol, f"{symbol}X")
        self._append([symbol], 2)

    def panels(self, at: datetime) -> list[PricePanel]:
        """Return the whole market as of a time, adjusted in every way, and two of its instruments over some weeks."""
        lab = self.lab.as_of(at)
        universe = lab.universe(DATASET)
        found = [lab.panel(universe, adjust=adjust) for adjust in Adjust]
        return [*found, lab.panel(universe.symbols[:2], start="2019-02-01", end="2019-04-30", dataset=DATASET)]


Happening = Callable[[Market], None]


@st.composite
def happenings(draw: st.DrawFn) -> Happening:
    """Draw something that happens to a market."""
    what = draw(st.sampled_from(["correct", "act", "go on", "rename"]))
    symbol = draw(st.sampled_from(SYMBOLS))
    if what == "correct":
        row, factor = draw(st.integers(0, 300)), draw(st.sampled_from([0.5, 1.25, POISON]))
        return lambda market: market.correct(row, factor)
    if what == "act":
        kind = draw(st.sampled_from([ActionKind.SPLIT, ActionKind.DIVIDEND, ActionKind.STOCK_DIVIDEND]))
        value = draw(st.sampled_from([0.5, 2.0, 3.0]))
        ex_date = draw(st.sampled_from([date(2019, 2, 1), date(2019, 5, 31)]))
        return lambda market: market.act(symbol, kind, value, ex_date)
    if what == "go on":
        sessions = draw(st.integers(1, 3))
        return lambda market: market.go_on(sessions)
    return lambda market: market.rename(symbol)


def newest_pin(lab: Workspace) -> VersionPin:
    return version_pin(dataset_version(lab.context, DATASET)[1])


def content(panel: PricePanel) -> list[tuple[str, np.ndarray]]:
    return [*panel.fields.items(), *panel.actions.arrays(), *panel.delistings.arrays()]


def assert_same(before: PricePanel, after: PricePanel) -> None:
    for (_, one), (_, two) in zip(content(before), content(after), strict=True):
        np.testing.assert_array_equal(one, two)
    assert (before.symbols, before.id) == (after.symbols, after.id)


@COSTLY
@given(history=st.lists(happenings(), min_size=2, max_size=4), day=st.integers(60, 170))
@pytest.mark.slow
def test_a_past_panel_stays_equal_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, history: list[Happening], day: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        market = Market(tmp_path_factory.mktemp("home"), patch)
        moments = [datetime(2019, 1, 2, 22, tzinfo=UTC) + timedelta(days=day)]
        seen = {at: market.panels(at) for at in moments}
        for happens in history:
            at = market.clock.now()
            seen[at] = market.panels(at)
            happens(market)
        market.rename("BBB")
        market.lab.context.panels.clear()
        for at, before in seen.items():
            for one, two in zip(before, market.panels(at), strict=True):
                assert_same(one, two)
        assert all(np.nanmax(values) < POISON for panel in seen[moments[0]] for values in panel.fields.values())
        market.lab.close()


@COSTLY
@given(day=st.integers(1, 170), correction=st.integers(0, 120))
def test_no_bar_known_later_is_ever_read(tmp_path_factory: pytest.TempPathFactory, day: int, correction: int) -> None:
    moment = datetime(2019, 1, 2, 12, tzinfo=UTC) + timedelta(days=day)
    with pytest.MonkeyPatch.context() as patch:
        lab = make_workspace(tmp_path_factory.mktemp("home"))
        bars = make_prices(SYMBOLS, last=LAST)
        bars.loc[bars["session"] >= moment.strftime("%Y-%m-%d"), PRICES] = POISON
        use_provider(patch, ScriptedProvider(bars))
        lab.ingest("scripted", DATASET)
        bars.loc[correction, PRICES] = POISON
        lab.ingest("scripted", DATASET)
        reading = lab.as_of(moment)
        panel = reading.panel(reading.universe(DATASET), dataset=DATASET)
        assert all(np.nanmax(values) < POISON for values in panel.fields.values())
        assert panel.last_session < moment.date()
        few = lab.context.market.read(DATASET, newest_pin(lab), BarQuery((1, 2), as_of=moment))
        assert few["close"].max() < POISON
        assert (few["known_at"] <= moment).all()
        lab.close()


def test_a_renamed_instrument_is_read_under_the_name_of_the_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = Market(tmp_path / "home", monkeypatch)
    lab = market.lab
    before = lab.as_of("2019-06-01").panel(["BBB"], dataset=DATASET)
    market.rename("BBB")
    assert lab.as_of("2019-06-01").panel(["BBB"], dataset=DATASET).id == before.id
    assert lab.universe(DATASET).symbols == ("AAA", "BBB", "BBBX", "CCC")
    assert lab.as_of("2019-06-01").universe(DATASET).symbols == SYMBOLS


@pytest.mark.parametrize(
    ("as_of", "adjust", "closes"),
    [
        pytest.param("2005-02-25", "none", [88.93, 88.99], id="friday"),
        pytest.param("2005-02-25", "splits", [88.93, 88.99], id="friday-adjusted"),
        pytest.param("2005-02-28", "none", [88.93, 88.99, 44.86], id="monday"),
        pytest.param("2005-02-28", "splits", [44.465, 44.495, 44.86], id="monday-adjusted"),
        pytest.param(None, "none", [88.93, 88.99, 44.86, 44.5], id="latest"),
        pytest.param(None, "splits", [44.465, 44.495, 44.86, 44.5], id="latest-adjusted"),
        pytest.param(None, "all", [44.465, 44.495, 44.86, 44.5], id="latest-total-return"),
    ],
)
def test_the_worked_example_of_the_docs(
    sample_home: Workspace, as_of: str | None, adjust: str, closes: list[float]
) -> None:
    panel = sample_home.as_of(as_of).panel(
        ["AAPL"], ["close"], "2005-02-24", "2005-03-01", dataset="us-ohlcv", adjust=adjust
    )
    assert panel.close["AAPL"].round(6).tolist() == closes


@pytest.fixture(scope="module")
def sample_home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    lab = make_workspace(tmp_path_factory.mktemp("sample"))
    lab.ingest("sample", "us-ohlcv", ["AAPL"])
    return lab
