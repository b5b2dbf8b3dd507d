"""The market page as made on the server: its shape, its figures, its words."""

from datetime import date
from typing import Any

import panel as pn
import pytest

from investlab.views import sections, watchlist
from investlab.views.market import DrawnMarket, MarketDrawer, MarketView
from investlab.views.state import MarketState
from tests.support.markets import make_candles, make_empty_state, make_model, make_monitor, make_replay, make_state


def test_every_part_has_its_figure() -> None:
    assert set(MarketView(make_state()).figures()) == {"candles", "portfolio", "monitor"}
    assert MarketView(make_empty_state()).figures() == {}


def test_a_notebook_cell_shows_figures_and_numbers() -> None:
    shown = MarketView(make_state()).__panel__()
    assert isinstance(shown, pn.Column)
    assert len(shown) == 4
    assert "us-ranker@2" in shown[0].object


def test_a_cell_of_an_empty_home_says_what_to_run() -> None:
    assert "investlab demo" in MarketView(make_empty_state()).__panel__()[0].object


def test_data_alone_changes_no_shape() -> None:
    later = make_state(session=date(2022, 5, 2), replay=make_replay(date(2022, 5, 2), sessions_done=80))
    assert later.shape == make_state().shape


@pytest.mark.parametrize(
    "changes",
    [{"champion": None}, {"champion": make_model(3, "x", 0.1)}, {"portfolio": None}, {"replay": None}, {"watch": ()}],
)
def test_other_parts_are_another_shape(changes: dict[str, Any]) -> None:
    assert make_state(**changes).shape != make_state().shape


def test_figures_are_drawn_again_only_for_another_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = [make_state()]
    drawn: list[MarketState] = []
    monkeypatch.setattr(MarketView, "frames", lambda view: drawn.append(view.state) or {"candles": "{}"})
    drawer = MarketDrawer(lambda: shown[0])
    assert isinstance(drawer(), DrawnMarket)
    shown[0] = make_state(monitor=make_monitor(31))
    assert drawer().state is shown[0]
    assert len(drawn) == 1
    shown[0] = make_state(portfolio=None)
    drawer()
    assert len(drawn) == 2


def test_the_page_has_no_server_side_model() -> None:
    """Opening it costs the server no figure; what moves goes through no Bokeh session."""
    document = MarketView(make_state()).page({}).server_doc(location=False)
    assert document.roots == []


def test_rank_and_score_are_shown_beside_signed_changes() -> None:
    html = watchlist.watch_card(make_state(), [])
    assert 'data-cell="rank"' in html
    assert "▲" in html
    assert "▼" in html
    assert html.count("<tr data-line") == 21


def test_a_change_that_rounds_to_nothing_is_neither_up_nor_down() -> None:
    line = make_state().watch[0].model_copy(update={"closes": (100.0, 100.0001)})
    html = watchlist.watch_card(make_state(watch=(line,)), [])
    assert "■ 0.00%" in html


def test_the_terms_of_the_portfolio_are_stated() -> None:
    html = sections.portfolio_card(make_state(), [])
    assert "equal weight, monthly" in html
    assert "5 bps commission and 5 bps slippage" in html


def test_everything_is_escaped() -> None:
    hostile = "<img src=x>"
    assert "<img" not in sections.candles_card(make_state(candles=make_candles(symbol=hostile, name=hostile)), [])
    assert "<img" not in sections.model_card(make_state(champion=make_model(2, hostile, 0.1)), [])


def test_replay_is_said_on_top_and_at_the_foot() -> None:
    state = make_state()
    assert "REPLAY 2022-03-14" in sections.header(state)
    assert "REPLAY" in sections.footer(state)
    assert "REPLAY" not in sections.footer(make_empty_state())
