"""The page's scripts without a browser: what the badge says, where the stream is, how numbers read."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

STATIC = Path(__file__).resolve().parents[3] / "platform" / "investlab" / "views" / "static"
REPLAY = {
    "session": "2022-03-14", "first_session": "2022-01-03", "seconds_per_session": 2, "sessions_done": 51,
    "sessions_total": 249,
}  # fmt: skip


def run(module: str, names: str, expression: str) -> Any:
    """Return what an expression over a module's exports gives, as JSON."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node.js on PATH: the scripts were not run outside a browser")
    address = (STATIC / module).as_uri()
    code = f"import {{ {names} }} from {json.dumps(address)}; console.log(JSON.stringify({expression}))"
    told = subprocess.run([node, "--input-type=module", "-e", code], capture_output=True, text=True, check=True)
    return json.loads(told.stdout)


@pytest.mark.parametrize(
    ("known", "state", "said"),
    [
        pytest.param({"connected": True, "age": 1}, "replay", "REPLAY 2022-03-14", id="replay"),
        pytest.param({"connected": True, "age": 1, "replay": None}, "live", "LIVE", id="live"),
        pytest.param({"connected": True, "age": 7}, "delayed", "DELAYED · REPLAY 2022-03-14", id="delayed"),
        pytest.param({"connected": True, "age": 20}, "stale", "STALE · REPLAY 2022-03-14", id="stale"),
        pytest.param({"connected": False, "age": 3}, "offline", "OFFLINE · REPLAY 2022-03-14", id="offline"),
        pytest.param({"tried": False, "age": None}, "connecting", "REPLAY 2022-03-14", id="opening"),
        pytest.param({"connected": True, "age": None}, "waiting", "REPLAY 2022-03-14", id="no-data-yet"),
        pytest.param({"configured": False, "age": None, "replay": None}, "offline", "NO STREAM", id="no-gateway"),
        pytest.param(
            {"connected": True, "age": 99, "replay": {**REPLAY, "sessions_done": 249}}, "replay", "REPLAY 2022-03-14",
            id="pass-complete",
        ),
        pytest.param(
            {"connected": True, "age": 20, "replay": {**REPLAY, "seconds_per_session": 60}}, "replay",
            "REPLAY 2022-03-14", id="slow-replay",
        ),
    ],
)  # fmt: skip
def test_the_badge_says_what_is_known(known: dict[str, Any], state: str, said: str) -> None:
    given = {"configured": True, "connected": False, "tried": True, "replay": REPLAY, **known}
    found = run("live.js", "badge", f"badge({json.dumps(given)})")
    assert (found["state"], found["label"]) == (state, said)


@pytest.mark.parametrize(
    ("gateway", "page", "expected"),
    [
        ("http://127.0.0.1:8420", "localhost", "ws://localhost:8420/v1/stream"),
        ("http://localhost:8420", "127.0.0.1", "ws://127.0.0.1:8420/v1/stream"),
        ("https://hub.example/live/", "desk.example", "wss://hub.example/live/v1/stream"),
        (None, "localhost", None),
    ],
)
def test_the_stream_is_where_the_gateway_is(gateway: str | None, page: str, expected: str | None) -> None:
    asked = f"streamAddress({json.dumps(gateway)}, {{hostname: {json.dumps(page)}}})"
    assert run("live.js", "streamAddress", asked) == expected


def test_retries_are_spread_and_never_wait_long() -> None:
    delays = run(
        "live.js",
        "retryDelay",
        "[...Array(40).keys()].flatMap((n) => [retryDelay(n, () => 0), retryDelay(n, () => 1)])",
    )
    assert max(delays) <= 5
    assert min(delays) >= 0.1
    assert delays[0] < delays[1]


SCRIPTED = """(() => {
  let time = 0; const sent = [], later = [], sockets = [], heard = [];
  const open = () => {
    const socket = { readyState: 1, closed: false, close() { this.closed = true } };
    socket.send = (text) => sent.push(JSON.parse(text));
    sockets.push(socket);
    return socket;
  };
  const stream = new Stream({ address: "ws://x", topics: ["replay"], onMessage: (m) => heard.push(m.seq) },
    { now: () => time, later: (s, act) => later.push([s, act]), open });
  const say = (kind, seq, epoch = "e") => {
    const message = { kind, topic: "replay", epoch, seq, payload: {} };
    sockets.at(-1).onmessage({ data: JSON.stringify(message) });
  };
  const at = (t) => { time = t; stream.watch() };
  %s
})()"""


def test_a_silent_hub_is_asked_and_then_given_up() -> None:
    found = run(
        "live.js",
        "Stream",
        SCRIPTED
        % """stream.connect(); sockets[0].onopen(); say("update", 1);
        at(3); const quiet = sent.length; at(5); const asked = sent.length; at(8); const still = stream.connected;
        at(10); later.at(-1)[1]();
        return { quiet, asked, still, given: stream.connected, closed: sockets[0].closed, sockets: sockets.length }""",
    )
    assert found == {"quiet": 1, "asked": 2, "still": True, "given": False, "closed": True, "sockets": 2}


def test_a_sign_of_life_keeps_the_connection() -> None:
    body = """stream.connect(); sockets[0].onopen(); say("update", 1);
    for (let t = 5; t < 60; t += 5) { at(t); say("subscribed", 1) }
    return { open: stream.connected, age: stream.age }"""
    assert run("live.js", "Stream", SCRIPTED % body) == {"open": True, "age": 55}


def test_it_resumes_after_what_it_has_and_takes_nothing_twice() -> None:
    body = """stream.connect(); sockets[0].onopen();
    say("update", 1); say("update", 2); say("update", 2); say("update", 1);
    sockets[0].onclose(); later[0][1](); sockets[1].onopen(); say("update", 3); say("snapshot", 1, "other");
    return { heard, last: sent.at(-1).last }"""
    found = run("live.js", "Stream", SCRIPTED % body)
    assert found == {"heard": [1, 2, 3, 1], "last": {"replay": {"epoch": "e", "seq": 2}}}


def test_what_is_no_message_disturbs_nothing() -> None:
    body = (
        """stream.connect(); sockets[0].onopen(); sockets[0].onmessage({ data: "{" }); say("update", 1); return heard"""
    )
    assert run("live.js", "Stream", SCRIPTED % body) == [1]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("number(1234.5)", "1,234.50"),
        ("number(-0.001)", "0.00"),
        ("number(-2.5, 1)", "−2.5"),
        ("number(null)", "–"),
        ("signedPercent(0.1234)", "+12.3%"),
        ("percent(NaN)", "–"),
        ("money(-5.4, 'USD')", "USD\u00a0−5"),
        ("score(0.0321)", "+0.032"),
    ],
)
def test_numbers_read_as_the_server_writes_them(expression: str, expected: str) -> None:
    assert run("numbers.js", "number, percent, signedPercent, money, score", expression) == expected


def test_bars_keep_their_places_when_complete_ones_arrive() -> None:
    body = """(() => {
      const bars = (days) => days.map((d) => [`2022-03-0${d}`, 1, 2, 0.5, 1.5, 10]);
      const candles = (days) => ({ dataset: "d", instrument_id: 1, bars: bars(days) });
      const state = (days, session) => ({ session, replay: { pass_id: "p", session }, candles: candles(days) });
      let series = new Series(state([1, 2, 3], "2022-03-03"));
      for (const price of [5, 7, 4]) series.quote({ dataset: "d", instrument_id: 1, session: "2022-03-04", price });
      const running = series.isRunning, bar = [...series.running.values()][0];
      series.completed("2022-03-04");
      const settled = series.isRunning;
      series = series.renewed(state([2, 3, 4], "2022-03-04"));
      return { running, bar, settled, complete: series.complete.length, left: series.running.size,
        old: series.quote({ dataset: "d", instrument_id: 1, session: "2022-03-02", price: 1 }),
        other: series.renewed({ ...state([1], "2022-03-01"), replay: { pass_id: "q" } }).complete.length };
    })()"""
    assert run("series.js", "Series", body) == {
        "running": True,
        "bar": ["2022-03-04", 5, 7, 4, 4, None],
        "settled": False,
        "complete": 4,
        "left": 0,
        "old": False,
        "other": 1,
    }


@pytest.mark.parametrize("name", [path.name for path in sorted(STATIC.glob("*.js"))])
def test_no_script_makes_markup_or_code_of_text(name: str) -> None:
    source = (STATIC / name).read_text(encoding="utf-8")
    assert not [word for word in ("innerHTML", "outerHTML", "insertAdjacent", "eval(", "Function(") if word in source]
    assert "http://" not in source
    assert "https://" not in source


def test_month_names_keep_apart() -> None:
    bars = [[f"2022-{month:02d}-{day:02d}"] for month in range(1, 7) for day in (3, 10, 17, 24)]
    found = run("series.js", "monthTicks", f"[monthTicks({json.dumps(bars)}), monthTicks({json.dumps(bars)}, 8)]")
    assert [name for _, name in found[0]] == ["Feb 2022", "Mar", "Apr", "May", "Jun"]
    assert [name for _, name in found[1]] == ["Feb 2022", "Apr", "Jun"]
