"""The market page in a real browser: what it shows, what moves it, what it weighs, and what it says in the dark."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pytest

from investlab.views.bundle import bundle_report
from investlab.views.state import MarketState
from tests.support.browser import Visit, visit
from tests.support.dashboards import Running, running_dashboards
from tests.support.fake_hub import FakeHub, fake_hub
from tests.support.markets import (
    BARS,
    CLOSES,
    MODEL,
    PASS_ID,
    make_candles,
    make_empty_state,
    make_replay,
    make_state,
    make_watch,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATIENCE_MS = 60_000
LARGEST_PAGE = 800 * 1024
HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\"'&"
NEXT = date(2022, 3, 15)

MODELS = "Bokeh.documents.flatMap((document) => [...document.all_models])"
LAST = (
    f"(names) => {{ const source = {MODELS}.find((m) => m.name === names[0]); return source.data[names[1]].at(-1); }}"
)
LENGTH = f"(names) => {MODELS}.find((m) => m.name === names[0]).data[names[1]].length"
SHIFT = """() => {
  window.shifts = [];
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => window.shifts.push(entry.value)))
    .observe({ type: "layout-shift", buffered: true });
}"""


@contextmanager
def opened(
    server: Running, *, width: int = 1280, theme: Literal["light", "dark"] = "light", host: str = "127.0.0.1"
) -> Iterator[Visit]:
    with visit(width=width, height=900, theme=theme) as found:
        found.page.goto(server.page_url.replace("127.0.0.1", host), timeout=PATIENCE_MS)
        found.page.wait_for_selector("html[data-ready=true]", timeout=PATIENCE_MS)
        yield found


@contextmanager
def market(home: Path, state: MarketState | None = None) -> Iterator[tuple[Running, FakeHub]]:
    shown = state or make_state()
    with fake_hub() as hub, running_dashboards(home, lambda: shown, gateway_url=hub.url) as server:
        yield server, hub


def badge(found: Visit, state: str) -> str:
    """Wait until the badge shows a state and return what it says."""
    found.page.wait_for_selector(f"#il-badge[data-state={state}]", timeout=PATIENCE_MS)
    return found.page.inner_text("#il-badge")


def says(found: Visit, text: str) -> None:
    """Wait until the badge says a text."""
    found.page.wait_for_function(
        "(text) => document.getElementById('il-badge').innerText.includes(text)", arg=text, timeout=PATIENCE_MS
    )


def quote(dataset: str, instrument: int, price: float, before: float, session: date = NEXT) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "instrument_id": instrument,
        "symbol": "X",
        "session": str(session),
        "price": price,
        "previous_close": before,
        "change_pct": (price / before - 1) * 100,
        "basis": "total_return",
        "currency": "USD",
        "synthetic": dataset == BARS,
        "note": "",
    }


def portfolio(nav: float, **changes: Any) -> dict[str, Any]:
    given = {
        "pass_id": PASS_ID, "session": str(NEXT), "nav": nav, "drawdown": -0.5, "benchmark_nav": 90_000.0,
        "weights": {"KO": 1.0}, "initial_cash": 100_000.0,
    }  # fmt: skip
    return given | changes


def tell(hub: FakeHub, topic: str, payload: dict[str, Any]) -> None:
    hub.publish(topic, payload)


def test_the_page_is_drawn_without_a_complaint(tmp_path: Path) -> None:
    with market(tmp_path) as (server, hub):
        tell(hub, "replay", make_replay().model_dump(mode="json"))
        with opened(server) as found:
            assert found.page.locator(".il-figure[data-drawn]").count() == 3
            assert found.page.locator("tr[data-line]").count() == 21
            assert "REPLAY 2022-03-14" in badge(found, "replay")
            assert (found.complaints, found.refused) == ([], [])
            assert "token" not in found.page.url


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_stream_is_reached_by_the_pages_own_name(tmp_path: Path, host: str) -> None:
    with market(tmp_path) as (server, hub):
        tell(hub, "replay", make_replay().model_dump(mode="json"))
        with opened(server, host=host) as found:
            badge(found, "replay")
        assert hub.cookies == [f"{server.credentials.cookie_name}={server.credentials.cookie_value}"]
        assert set(hub.frames[0].topics) >= {"replay", "portfolio.paper", "monitor.ic", f"prediction.{MODEL}"}


def test_what_the_stream_tells_moves_the_page(tmp_path: Path) -> None:
    with market(tmp_path) as (server, hub), opened(server) as found:
        page = found.page
        badge(found, "waiting")
        before = make_state().watch[0].closes[-1]
        tell(hub, f"quote.{CLOSES}.1", quote(CLOSES, 1, before * 1.1, before))
        row = page.locator(f'tr[data-line="{CLOSES}/1"]')
        page.wait_for_function(
            "(text) => document.querySelector('tr[data-line]').innerText.includes(text)", arg="+10.00%"
        )
        assert "▲" in row.inner_text()
        scores = [{"row": 0, "instrument_id": n, "symbol": "", "score": float(n)} for n in range(1, 21)]
        tell(hub, f"prediction.{MODEL}", {"dataset": CLOSES, "scores": scores, "prediction_id": "pd-new"})
        page.wait_for_function("() => document.querySelector('tr[data-line] [data-cell=rank]').textContent === '20'")
        assert page.get_attribute("#il-prediction", "href") == "/trace/pd-new"
        tell(hub, "portfolio.paper", portfolio(123_456.0))
        page.wait_for_function("() => document.querySelector('[data-field=nav]').textContent.includes('123,456')")
        assert page.inner_text("[data-field=return]") == "+23.5%"
        assert page.inner_text("[data-field=return-benchmark]") == "benchmark −10.0%"
        page.wait_for_function(f"(at) => ({LAST})(at) === 123456", arg=["equity-1", "nav"], timeout=PATIENCE_MS)
        tell(hub, "replay", make_replay(NEXT, sessions_done=52).model_dump(mode="json"))
        says(found, "REPLAY 2022-03-15")
        assert found.complaints == []


def test_a_running_candle_is_built_from_quotes_and_says_so(tmp_path: Path) -> None:
    with market(tmp_path) as (server, hub), opened(server) as found:
        badge(found, "waiting")
        count = found.page.evaluate(LENGTH, ["candles-0", "close"])
        assert found.page.get_attribute("#il-running", "data-shown") == "false"
        for price in (100.0, 104.0, 97.0, 101.0):
            tell(hub, f"quote.{BARS}.1", quote(BARS, 1, price, 99.0))
        found.page.wait_for_function(
            f"([at, count]) => ({LENGTH})(at) === count + 1 && ({LAST})(at) === 101",
            arg=[["candles-0", "close"], count],
            timeout=PATIENCE_MS,
        )
        bar = [found.page.evaluate(LAST, ["candles-0", name]) for name in ("open", "high", "low", "close")]
        assert bar == [100.0, 104.0, 97.0, 101.0]
        assert found.page.get_attribute("#il-running", "data-shown") == "true"


def test_complete_bars_take_the_place_of_running_ones(tmp_path: Path) -> None:
    shown = [make_state()]
    with (
        fake_hub() as hub,
        running_dashboards(tmp_path, lambda: shown[0], gateway_url=hub.url) as server,
        opened(server) as found,
    ):
        badge(found, "waiting")
        tell(hub, f"quote.{BARS}.1", quote(BARS, 1, 100.0, 99.0))
        candles = shown[0].candles
        assert candles is not None
        bar = (NEXT, 90.0, 110.0, 80.0, 95.0, 1e6)
        whole = candles.model_copy(update={"bars": (*candles.bars[1:], bar)})
        replay = make_replay(NEXT, sessions_done=52)
        shown[0] = make_state(candles=whole, replay=replay, session=NEXT)
        tell(hub, "replay", replay.model_dump(mode="json"))
        found.page.wait_for_function(f"(at) => ({LAST})(at) === 1e6", arg=["candles-0", "volume"], timeout=PATIENCE_MS)
        assert found.page.evaluate(LAST, ["candles-0", "low"]) == 80.0
        assert found.page.get_attribute("#il-running", "data-shown") == "false"


def test_the_badge_turns_when_the_hub_dies_and_heals_when_it_returns(tmp_path: Path) -> None:
    with fake_hub() as first:
        state = make_state()
        port = first.port
        with running_dashboards(tmp_path, lambda: state, gateway_url=first.url) as server, opened(server) as found:
            tell(first, "replay", make_replay().model_dump(mode="json"))
            badge(found, "replay")
            first.stop()
            found.page.wait_for_selector("#il-badge[data-state=offline]", timeout=10_000)
            assert "OFFLINE" in found.page.inner_text("#il-badge")
            with fake_hub(port) as second:
                tell(second, "replay", make_replay(NEXT).model_dump(mode="json"))
                found.page.wait_for_selector("#il-badge[data-state=replay]", timeout=10_000)
                says(found, "REPLAY 2022-03-15")


def test_the_badge_turns_when_the_hub_falls_silent(tmp_path: Path) -> None:
    with market(tmp_path) as (server, hub), opened(server) as found:
        tell(hub, "replay", make_replay().model_dump(mode="json"))
        badge(found, "replay")
        hub.mute()
        found.page.wait_for_selector(
            "#il-badge:is([data-state=offline], [data-state=delayed], [data-state=stale])", timeout=10_000
        )
        found.page.wait_for_selector("#il-badge[data-state=offline]", timeout=15_000)
        hub.mute(on=False)
        tell(hub, "replay", make_replay(NEXT).model_dump(mode="json"))
        badge(found, "replay")


def test_heartbeats_are_answered(tmp_path: Path) -> None:
    with market(tmp_path) as (server, hub), opened(server) as found:
        badge(found, "waiting")
        hub.heartbeat()
        hub.wait_for(lambda frame: frame.action == "pong")


def test_the_page_is_light_and_asks_nobody_else(tmp_path: Path) -> None:
    weights: Counter[str] = Counter()
    with market(tmp_path) as (server, _), visit() as found:
        wire = found.page.context.new_cdp_session(found.page)
        wire.send("Network.enable")
        addresses: dict[str, str] = {}
        wire.on("Network.responseReceived", lambda e: addresses.setdefault(e["requestId"], e["response"]["url"]))
        wire.on(
            "Network.loadingFinished",
            lambda e: weights.update({addresses[e["requestId"]]: int(e["encodedDataLength"])}),
        )
        found.page.goto(server.page_url)
        found.page.wait_for_selector("html[data-ready=true]", timeout=PATIENCE_MS)
        found.page.wait_for_load_state("networkidle")
        assert found.refused == []
    sent = Counter({address: weight for address, weight in weights.items() if address.startswith("http")})
    assert any("bokeh" in address for address in sent)
    assert {address.split("/")[2] for address in sent} == {f"127.0.0.1:{server.port}"}
    assert sum(sent.values()) < LARGEST_PAGE, bundle_report(sent)


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_page_and_nothing_jumps(tmp_path: Path, width: int) -> None:
    with market(tmp_path) as (server, hub), visit(width=width, height=900) as found:
        found.page.add_init_script(f"({SHIFT})()")
        tell(hub, "replay", make_replay().model_dump(mode="json"))
        found.page.goto(server.page_url)
        found.page.wait_for_selector("html[data-ready=true]", timeout=PATIENCE_MS)
        badge(found, "replay")
        assert found.page.evaluate("document.documentElement.scrollWidth") <= width
        assert sum(found.page.evaluate("window.shifts")) < 0.02


def test_the_theme_follows_the_system_and_the_switch(tmp_path: Path) -> None:
    ink = f"() => {MODELS}.find((m) => m.type === 'LinearAxis').major_label_text_color"
    ground = "() => getComputedStyle(document.querySelector('.il-block')).backgroundColor"
    with market(tmp_path) as (server, _), opened(server, theme="dark") as found:
        dark = (found.page.evaluate(ink), found.page.evaluate(ground))
        found.page.click("#il-theme")
        light = (found.page.evaluate(ink), found.page.evaluate(ground))
        assert dark != light
        assert light[1] == "rgb(255, 255, 255)"
        found.page.reload()
        found.page.wait_for_selector("html[data-ready=true]", timeout=PATIENCE_MS)
        assert found.page.evaluate(ground) == light[1]


def test_the_watchlist_sorts_by_keyboard(tmp_path: Path) -> None:
    with market(tmp_path) as (server, _), opened(server) as found:
        found.page.focus("[data-sort=rank]")
        found.page.keyboard.press("Enter")
        ranks = found.page.locator(f'tr[data-line^="{CLOSES}/"] [data-cell=rank]').all_inner_texts()
        assert ranks == [str(rank) for rank in range(1, 21)]
        outline = found.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"


def test_hostile_names_run_nothing(tmp_path: Path) -> None:
    candles = make_candles(symbol=HOSTILE, name=HOSTILE)
    state = make_state(candles=candles, watch=make_watch(candles, {HOSTILE: HOSTILE}))
    dialogs: list[str] = []
    with market(tmp_path, state) as (server, hub), visit(height=900) as found:
        found.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        tell(hub, f"quote.{CLOSES}.1", {**quote(CLOSES, 1, 10.0, 9.0), "symbol": HOSTILE, "note": HOSTILE})
        tell(hub, "system", {"event": HOSTILE, "detail": HOSTILE})
        tell(hub, "replay", make_replay().model_dump(mode="json"))
        found.page.goto(server.page_url)
        found.page.wait_for_selector("html[data-ready=true]", timeout=PATIENCE_MS)
        badge(found, "replay")
        chart = found.page.locator("#il-chart-candles")
        size = chart.bounding_box()
        assert size is not None
        chart.hover(position={"x": size["width"] * 0.5, "y": size["height"] * 0.4})
        assert dialogs == []
        assert not found.page.locator("img[src=x]").count()
        assert found.complaints == []


def test_an_empty_home_is_friendly(tmp_path: Path) -> None:
    state = make_empty_state()
    with running_dashboards(tmp_path, lambda: state) as server, opened(server, width=390) as found:
        assert found.page.locator(".il-advice code").all_inner_texts()[0].startswith("investlab data ingest")
        assert "NO STREAM" in badge(found, "offline")
        assert found.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert found.complaints == []


def test_the_page_remakes_itself_when_a_champion_appears(tmp_path: Path) -> None:
    shown = [make_state(champion=None, baseline=None, portfolio=None, monitor=None, predicted_by=None)]
    with (
        fake_hub() as hub,
        running_dashboards(tmp_path, lambda: shown[0], gateway_url=hub.url) as server,
        opened(server) as found,
    ):
        badge(found, "waiting")
        shown[0] = make_state()
        tell(hub, "system", {"event": "model.promoted", "model": MODEL, "number": 2})
        found.page.wait_for_selector("#il-chart-portfolio[data-drawn]", timeout=PATIENCE_MS)
