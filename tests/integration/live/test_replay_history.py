"""Replayed panels are those of the store as of each close, to the bit, whatever is known later."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from investlab.core.errors import EmptyUniverse, NotFound
from investlab.schemas.backtest import PanelRequest
from investlab.services import prices
from investlab.services.replay_history import History, open_history
from investlab.services.replay_walk import read_replay, warm_replay
from investlab.services.workspace import Workspace
from tests.support.replays import SYMBOLS, TERMS, closes, open_home, total_return
from tests.support.workspaces import make_prices, use_provider

LAST = date(2020, 12, 31)
DAYS = (date(2019, 1, 2), date(2020, 11, 2), date(2020, 11, 27), LAST)


def _stored(workspace: Workspace, history: History, day: date, symbols: tuple[str, ...] = SYMBOLS) -> str:
    """Return the id of the panel that the store gives as of a session's close."""
    request = PanelRequest(dataset="us-close", symbols=symbols, fields=(), as_of=history.as_of(day))
    return prices.build_panel(workspace.context, request).id


@pytest.mark.parametrize("day", DAYS)
def test_a_panel_is_that_of_the_store_as_of_the_close(home: Path, day: date) -> None:
    workspace = open_home(home)
    history = open_history(workspace.context, "us-close", LAST)
    assert history.is_cut
    panel = history.panel(day)
    assert panel.last_session == day
    assert panel.id == _stored(workspace, history, day)


def test_instruments_and_bars_that_come_later_are_not_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = open_home(home)
    late = make_prices((*SYMBOLS, "ZZZ"))
    bars = late[(late["symbol"] != "ZZZ") | (late["session"] >= "2020-12-01")]
    use_provider(monkeypatch, total_return(bars))
    workspace.ingest("scripted", "us-close")
    history = open_history(workspace.context, "us-close", LAST)
    assert history.is_cut
    assert "ZZZ" not in history.panel(date(2020, 11, 30)).symbols
    assert history.panel(date(2020, 12, 1)).symbols[-1] == "ZZZ"
    assert history.panel(date(2020, 12, 1)).id == _stored(workspace, history, date(2020, 12, 1), (*SYMBOLS, "ZZZ"))


def test_a_correction_made_after_the_replayed_years_changes_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = open_home(home)
    before = {day: open_history(workspace.context, "us-close", LAST).panel(day).values("close") for day in DAYS}
    bars = make_prices(SYMBOLS)
    bars.loc[bars["session"] == "2020-11-02", "close"] *= 1.01
    use_provider(monkeypatch, total_return(bars))
    assert workspace.ingest("scripted", "us-close").counts.changed == len(SYMBOLS)
    history = open_history(workspace.context, "us-close", LAST)
    assert history.is_cut
    for day in DAYS:
        assert np.array_equal(history.panel(day).values("close"), before[day], equal_nan=True)
        assert history.panel(day).id == _stored(workspace, history, day)


def test_where_bars_were_corrected_in_the_replayed_years_panels_are_built_one_by_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = open_home(home)
    history = open_history(workspace.context, "us-close", LAST)
    monkeypatch.setattr("investlab.services.replay_history._known_at", lambda *_: None)
    built = open_history(workspace.context, "us-close", LAST)
    assert not built.is_cut
    for day in DAYS:
        assert built.panel(day).id == history.panel(day).id


def test_a_correction_known_in_the_replayed_years_is_seen_and_panels_are_not_cut(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = open_home(home)
    read = workspace.context.market.read

    def corrected(*arguments: object, **named: object) -> pd.DataFrame:
        bars = read(*arguments, **named)  # type: ignore[arg-type]
        return bars.assign(revision=np.where(bars["session"] == "2020-11-02", 0, bars["revision"]))

    monkeypatch.setattr("investlab.store.market.MarketStore.read", staticmethod(corrected))
    assert not open_history(workspace.context, "us-close", LAST).is_cut


def test_a_day_that_is_no_session_is_refused(home: Path) -> None:
    history = open_history(open_home(home).context, "us-close", LAST)
    with pytest.raises(NotFound, match="no session 2020-11-01"):
        history.panel(date(2020, 11, 1))


def test_before_anything_was_known_there_is_no_panel(home: Path) -> None:
    history = open_history(open_home(home).context, "us-close", LAST)
    assert history.known_at is not None
    history.known_at[:] = np.datetime64("2050-01-01", "us")
    with pytest.raises(EmptyUniverse):
        history._cut(pd.Timestamp("2018-01-01", tz="UTC").to_pydatetime(), history.known_at)


def test_closes_of_a_provider_are_read_as_they_are() -> None:
    assert list(closes(make_prices(("AAA",))).columns) == ["symbol", "session", "close"]


def test_warming_leaves_no_trace(home: Path) -> None:
    workspace = open_home(home)
    warm_replay(workspace.context, TERMS)
    assert read_replay(workspace.context, TERMS) is None


def test_warming_an_empty_home_is_no_error(tmp_path: Path) -> None:
    warm_replay(open_home(tmp_path / "empty").context, TERMS)
