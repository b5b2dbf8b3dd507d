"""The replay clock and the quotes of a past session."""

import asyncio
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from investlab.core.errors import InvalidInput
from investlab.live.feeds import SessionFeed, TimedQuote
from investlab.live.replay import CLOSE_AT, ReplayClock, bar_quotes, closing_quotes
from investlab.live.topics import quote_topic
from investlab.market.panel import PricePanel
from investlab.schemas.live import Quote, ReplayPass, ReplayStatus
from tests.support.panels import make_panel, without_opens
from tests.support.streams import AT

SESSIONS = [date(2022, 1, day) for day in (3, 4, 5, 6, 7)]


def _pass(**fields: Any) -> ReplayPass:
    own: dict[str, Any] = {
        "pass_id": "rp-1",
        "number": 1,
        "dataset": "us-close",
        "first_session": SESSIONS[1],
        "last_session": SESSIONS[3],
        "session": None,
        "status": ReplayStatus.RUNNING,
        "started_at": AT,
        "updated_at": AT,
    }
    return ReplayPass(**own | fields)


def _bars(rows: int = 30) -> PricePanel:
    rng = np.random.default_rng(0)
    index = pd.bdate_range("2022-01-03", periods=rows)
    close = pd.DataFrame({"AAPL": 100 + rng.normal(0, 1, rows).cumsum()}, index=index)
    opened = close + rng.normal(0, 0.5, close.shape)
    high = np.maximum(close, opened) + rng.uniform(0, 1, close.shape)
    low = np.minimum(close, opened) - rng.uniform(0, 1, close.shape)
    return PricePanel.from_frames(close=close, open=opened, high=high, low=low, basis="split_adjusted")


def test_a_clock_walks_the_sessions_of_its_pass() -> None:
    clock = ReplayClock(_pass(), SESSIONS, 2.0)
    assert (clock.session, clock.following, clock.done) == (None, SESSIONS[1], 0)
    clock.moved(_pass(session=SESSIONS[2]))
    assert (clock.session, clock.following, clock.done) == (SESSIONS[2], SESSIONS[3], 2)
    clock.moved(_pass(session=SESSIONS[3]))
    assert clock.following is None
    state = clock.state()
    assert (state.sessions_done, state.sessions_total, state.seconds_per_session) == (3, 3, 2.0)


def test_a_clock_without_sessions_names_the_setting() -> None:
    with pytest.raises(InvalidInput, match="INVESTLAB_REPLAY_FROM"):
        ReplayClock(_pass(), [date(2021, 1, 4)], 2.0)


def test_closing_quotes_tell_price_change_and_basis() -> None:
    panel = without_opens(make_panel({"A": [10.0, 11.0], "B": [20.0, 19.0]}, basis="total_return"))
    first, second = (timed.quote for timed in closing_quotes(panel))
    assert (first.symbol, first.price, first.previous_close, first.basis) == ("A", 11.0, 10.0, "total_return")
    assert first.change_pct == pytest.approx(10.0)
    assert second.change_pct == pytest.approx(-5.0)
    assert not first.synthetic
    assert quote_topic(first) == f"quote.frames.{first.instrument_id}"


def test_an_instrument_without_a_close_is_left_out_and_gaps_are_bridged() -> None:
    gone = float("nan")
    panel = without_opens(make_panel({"A": [10.0, gone, 12.0], "B": [20.0, 19.0, gone]}, basis="total_return"))
    (only,) = (timed.quote for timed in closing_quotes(panel))
    assert (only.symbol, only.previous_close) == ("A", 10.0)


def test_a_first_close_has_no_change() -> None:
    (only,) = closing_quotes(without_opens(make_panel({"A": [10.0]}, basis="total_return")))
    assert (only.quote.previous_close, only.quote.change_pct) == (None, None)


def test_bar_quotes_stay_in_the_bar_and_end_at_its_close() -> None:
    panel = _bars()
    quotes = bar_quotes(panel, 8)
    prices = [timed.quote.price for timed in quotes]
    assert prices[0] == panel.values("open")[-1, 0]
    assert prices[-1] == panel.values("close")[-1, 0]
    assert min(prices) >= panel.values("low")[-1, 0]
    assert max(prices) <= panel.values("high")[-1, 0]
    assert [timed.at for timed in quotes] == sorted(timed.at for timed in quotes)
    assert quotes[-1].at == CLOSE_AT


def test_bar_quotes_but_the_close_say_that_they_are_synthetic_and_how_they_were_made() -> None:
    *inner, last = (timed.quote for timed in bar_quotes(_bars(), 8))
    assert all(quote.synthetic and "daily bar" in quote.note for quote in inner)
    assert (last.synthetic, last.note) == (False, "")


def test_a_replayed_session_looks_the_same_each_time() -> None:
    assert bar_quotes(_bars(), 8) == bar_quotes(_bars(), 8)


def test_a_bar_that_lacks_a_price_gives_no_quotes() -> None:
    panel = _bars()
    high = panel.values("high").copy()
    high[-1] = np.nan
    assert bar_quotes(replace(panel, fields={**panel.fields, "high": high}, id=""), 8) == []


def test_a_session_feed_gives_its_quotes_when_they_are_due() -> None:
    quote = closing_quotes(without_opens(make_panel({"A": [10.0]}, basis="total_return")))[0].quote
    told: list[object] = []

    async def wait(fraction: float) -> None:
        told.append(fraction)

    async def emit(given: Quote) -> None:
        told.append(given.price)

    quotes = [TimedQuote(0.0, quote), TimedQuote(0.5, quote.model_copy(update={"price": 2.0}))]
    asyncio.run(SessionFeed("replay", quotes, wait).run(emit))
    assert told == [0.0, 10.0, 0.5, 2.0]
