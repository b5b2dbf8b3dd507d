"""Point in time: what later becomes known changes nothing that was read as of before."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from investlab.market.panel import PricePanel
from investlab.providers.protocol import Delivery, FetchRequest
from investlab.schemas.catalog import ActionDraft
from investlab.schemas.market import ActionKind
from investlab.services.workspace import Workspace
from investlab.store.repositories import catalog
from tests.support.workspaces import DATASET, ScriptedProvider, make_prices, make_workspace, use_provider

SYMBOLS = ("AAA", "BBB", "CCC")
POISON = 1e9


@dataclass(slots=True)
class TellingProvider(ScriptedProvider):
    """A provider that tells corporate actions too."""

    told: tuple[ActionDraft, ...] = field(default_factory=tuple)

    def fetch(self, request: FetchRequest) -> Delivery:
        """Return the bars with the actions told."""
        return replace(ScriptedProvider.fetch(self, request), actions=self.told, adjustment_rule=None)


def panels(lab: Workspace, moments: list[datetime | None]) -> list[PricePanel]:
    return [
        lab.as_of(at).panel(lab.as_of(at).universe(DATASET), dataset=DATASET, adjust=adjust)
        for at in moments
        for adjust in ("none", "splits", "all")
    ]


def assert_same(before: PricePanel, after: PricePanel) -> None:
    for name, values in before.fields.items():
        np.testing.assert_array_equal(values, after.fields[name])
    assert before.symbols == after.symbols
    for (_, one), (_, two) in zip(before.actions.arrays(), after.actions.arrays(), strict=True):
        np.testing.assert_array_equal(one, two)


Later = Callable[[Workspace, pytest.MonkeyPatch, pd.DataFrame], None]


def corrected(row: int) -> Later:
    def apply(lab: Workspace, patch: pytest.MonkeyPatch, bars: pd.DataFrame) -> None:
        bars.loc[row, ["open", "high", "low", "close", "adjusted_close"]] *= 1.25
        _ingest(lab, patch, bars)

    return apply


def action(symbol: str, kind: ActionKind, value: float, ex_date: date) -> Later:
    def apply(lab: Workspace, patch: pytest.MonkeyPatch, bars: pd.DataFrame) -> None:
        told_at = lab.context.clock.now()
        draft = ActionDraft(symbol=symbol, kind=kind, ex_date=ex_date, value=value, known_at=told_at)
        _ingest(lab, patch, bars, (draft,))

    return apply


def renamed(symbol: str) -> Later:
    def apply(lab: Workspace, patch: pytest.MonkeyPatch, bars: pd.DataFrame) -> None:
        on = lab.context.clock.now().date() + timedelta(days=1)

        def unit(session: object) -> None:
            ref = next(r for r in catalog.find_instruments(session, symbol) if r.symbol == symbol)  # type: ignore[arg-type]
            catalog.rename_instrument(session, ref.instrument_id, f"{symbol}X", on=on, source="test")  # type: ignore[arg-type]

        lab.context.database.write(unit)

    return apply


def _ingest(lab: Workspace, patch: pytest.MonkeyPatch, bars: pd.DataFrame, told: tuple[ActionDraft, ...] = ()) -> None:
    use_provider(patch, TellingProvider(bars, told=told))
    lab.ingest("scripted", DATASET)


LATER = st.one_of(
    st.builds(corrected, st.integers(0, 300)),
    st.builds(
        action,
        st.sampled_from(SYMBOLS),
        st.sampled_from([ActionKind.SPLIT, ActionKind.DIVIDEND, ActionKind.STOCK_DIVIDEND]),
        st.sampled_from([0.5, 2.0, 3.0]),
        st.dates(date(2019, 2, 1), date(2019, 5, 31)),
    ),
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(LATER, min_size=1, max_size=4), days=st.lists(st.integers(60, 3000), min_size=2, max_size=2))
@pytest.mark.slow
def test_a_past_panel_stays_equal_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, history: list[Later], days: list[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        lab = make_workspace(tmp_path_factory.mktemp("home"))
        bars = make_prices(SYMBOLS, last="2019-06-28")
        _ingest(lab, patch, bars)
        moments: list[datetime | None] = [
            min(datetime(2019, 1, 2, 22, tzinfo=UTC) + timedelta(days=n), lab.context.clock.now()) for n in days
        ]
        before = panels(lab, moments)
        for later in history:
            later(lab, patch, bars)
        renamed("BBB")(lab, patch, bars)
        lab.context.panels.clear()
        for one, two in zip(before, panels(lab, moments), strict=True):
            assert_same(one, two)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(day=st.integers(1, 170))
def test_no_bar_known_later_is_ever_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, day: int) -> None:
    home = tmp_path / f"home-{day}"
    lab = make_workspace(home)
    bars = make_prices(SYMBOLS, last="2019-06-28")
    moment = datetime(2019, 1, 2, 12, tzinfo=UTC) + timedelta(days=day)
    later = bars["session"] >= moment.strftime("%Y-%m-%d")
    bars.loc[later, ["open", "high", "low", "close", "adjusted_close"]] = POISON
    _ingest(lab, monkeypatch, bars)
    reading = lab.as_of(moment)
    panel = reading.panel(reading.universe(DATASET), dataset=DATASET)
    assert all(np.nanmax(values) < POISON for values in panel.fields.values())
    assert panel.last_session <= moment.date()
    lab.close()


def test_a_renamed_instrument_is_read_under_the_name_of_the_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make_workspace(tmp_path / "home")
    bars = make_prices(SYMBOLS, last="2019-06-28")
    _ingest(lab, monkeypatch, bars)
    before = lab.as_of("2019-06-01").panel(["BBB"], dataset=DATASET)
    renamed("BBB")(lab, monkeypatch, bars)
    assert lab.as_of("2019-06-01").panel(["BBB"], dataset=DATASET).id == before.id
    assert lab.universe(DATASET).symbols == ("AAA", "BBBX", "CCC")
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
